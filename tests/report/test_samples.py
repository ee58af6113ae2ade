import io

import numpy as np
import pytest
from PIL import Image

from unlabeled.report import samples as module
from unlabeled.report.samples import Samples, encoded, sheet, shortened, thumbnails


def tiles(made) -> list[np.ndarray]:
    whole = np.asarray(Image.open(io.BytesIO(made.data)).convert("RGB"))
    rows, columns = np.divmod(np.arange(made.count), made.columns)
    return [
        whole[r * made.height : (r + 1) * made.height, c * made.width : (c + 1) * made.width]
        for r, c in zip(rows, columns, strict=True)
    ]


@pytest.mark.parametrize("count", [1, 2, 5, 12])
def test_every_picture_is_whole_on_the_sheet_at_its_place(count):
    drawn = np.repeat(np.arange(count) * 20, 6 * 9 * 3).reshape(count, 6, 9, 3).astype(np.uint8)
    made = sheet(drawn)
    assert made.kind == "png" and (made.height, made.width) == (6, 9)
    assert all((tile == picture).all() for tile, picture in zip(tiles(made), drawn, strict=True))


def test_a_sheet_that_is_too_large_is_made_of_smaller_pictures(monkeypatch):
    noise = np.random.default_rng(0).integers(0, 255, (30, 60, 90, 3)).astype(np.uint8)
    whole = sheet(noise)
    assert (whole.height, whole.width) == (60, 90)
    monkeypatch.setattr(module, "SHEET_BYTES", 60_000)
    small = sheet(noise)
    assert len(small.data) <= 60_000 and small.width < 90
    assert small.width / small.height == pytest.approx(1.5, abs=0.1)


def test_small_pictures_stay_as_they_are_and_large_ones_are_made_smaller():
    small = np.zeros((2, 8, 8, 3), np.uint8)
    assert thumbnails(small, 96) is small
    assert thumbnails(np.zeros((2, 300, 100, 3), np.uint8), 60).shape == (2, 60, 20, 3)


def test_drawings_are_png_and_photographs_jpeg():
    flat = np.zeros((64, 64, 3), np.uint8)
    assert encoded(flat)[0] == "png"
    assert encoded(np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8))[0] == "jpeg"


@pytest.mark.parametrize("unknown", [None, -1, "", float("nan"), "-1", np.float32("nan")])
def test_what_means_unlabelled_has_no_name(unknown):
    assert Samples(["x", "y"], labels=["a", unknown]).names == ["a", None]


def test_long_words_are_cut():
    assert shortened("a" * 10, 10) == "a" * 10
    assert shortened("age 39, job a, b", 9) == "age 39, …".replace(", …", "…")
    assert Samples(["x"], ["b" * 300]).words(50) == ["b" * 49 + "…"]
    assert Samples(["x"]).words() == [""]
