import io

import numpy as np
import pytest
from PIL import Image as Picture

from unlabeled.errors import DataError
from unlabeled.report import Image, Legend, Paragraph
from unlabeled.report import embedding_map as maps

TWO_CLOUDS = np.vstack(
    [np.random.default_rng(0).normal(size=(20, 8)), np.random.default_rng(1).normal(size=(20, 8)) + 12]
)
LABELS = np.repeat([0, 1], 20)
PICTURES = np.random.default_rng(2).integers(0, 255, size=(40, 6, 9, 3)).astype(np.uint8)


@pytest.fixture(autouse=True)
def small_and_quick(monkeypatch):
    monkeypatch.setattr(maps, "SIDE", 350)


def image_of(blocks):
    (image,) = [block for block in blocks if isinstance(block, Image)]
    return np.asarray(Picture.open(io.BytesIO(image.data)).convert("RGB"))


def test_the_same_embeddings_give_the_same_map():
    first, again = maps.project(TWO_CLOUDS), maps.project(TWO_CLOUDS.copy())
    assert (first == again).all()
    assert maps.map_blocks(TWO_CLOUDS, LABELS, PICTURES) == maps.map_blocks(TWO_CLOUDS, LABELS, PICTURES)


def test_near_embeddings_lie_near_one_another():
    positions = maps.project(TWO_CLOUDS)
    nearest = [np.argsort(((positions - p) ** 2).sum(1))[1] for p in positions]
    assert np.mean(LABELS[nearest] == LABELS) > 0.95


def test_labels_colour_the_map_and_do_not_move_it(monkeypatch):
    seen = []
    monkeypatch.setattr(maps, "draw", lambda positions, *_, **__: seen.append(positions) or b"")
    maps.map_blocks(TWO_CLOUDS, LABELS, None)
    maps.map_blocks(TWO_CLOUDS, LABELS[::-1], None)
    assert (seen[0] == seen[1]).all()


def test_pictures_are_drawn_whole_at_their_place_and_never_over_one_another():
    spots = np.array([[0.6, 0.5], [0.6, 0.51], [0.25, 0.85], [0.0, 0.0]])
    pictures = np.stack([np.full((4, 8, 3), shade, dtype=np.uint8) for shade in (10, 20, 30, 40)])
    sheet = maps.paste(spots, ["#ff0000"] * 4, pictures, framed=True, seed=0)
    drawn = {shade: (sheet[..., :3] == shade).all(2).sum() for shade in (10, 20, 30, 40)}
    assert sorted([drawn[10] > 0, drawn[20] > 0]) == [False, True]
    assert drawn[30] > 0
    assert len({count for count in drawn.values() if count}) == 1
    rows, columns = np.nonzero((sheet[..., :3] == 30).all(2))
    assert rows.mean() / 350 == pytest.approx(0.15, abs=0.02)
    assert columns.mean() / 350 == pytest.approx(0.25, abs=0.02)


def test_the_map_shows_colours_of_labels():
    drawn = image_of(maps.map_blocks(TWO_CLOUDS, LABELS, None))
    for colour in (maps.COLOURS[0], maps.COLOURS[1]):
        rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert (np.abs(drawn.astype(int) - rgb).max(2) < 80).any()


def test_the_legend_names_ten_classes_the_others_and_the_unlabelled():
    names = [str(i % 13) for i in range(130)] + ["2"] * 9 + [None]
    legend = maps.colours_of(names)
    assert [name for name, _ in legend[:3]] == ["0", "1", "2"]
    assert legend[-2][0] == "3 other classes"
    assert legend[-1][0] == "unlabelled"
    assert len({colour for _, colour in legend[:10]}) == 10


@pytest.mark.parametrize("unknown", [None, -1, "", float("nan"), "-1"])
def test_unknown_labels_are_shown_as_unlabelled(unknown):
    legend = [
        block
        for block in maps.map_blocks(TWO_CLOUDS, ["a"] * 39 + [unknown], None)
        if isinstance(block, Legend)
    ]
    assert [name for name, _ in legend[0].colours] == ["a", "unlabelled"]


def test_many_samples_are_thinned_and_it_is_said(monkeypatch):
    monkeypatch.setattr(maps, "POINTS", 15)
    image = maps.map_blocks(TWO_CLOUDS, LABELS, PICTURES)[0]
    assert "15 of 40 samples" in image.caption


@pytest.mark.parametrize(
    "z",
    [
        np.zeros((30, 4)),
        np.ones((30, 1)) * np.arange(30)[:, None],
        np.eye(6),
        np.full((8, 3), 1e30),
        np.eye(3)[[0] * 200 + [1] * 9],
    ],
)
def test_odd_embeddings_still_give_a_finite_map(z):
    assert np.isfinite(maps.project(z.astype(np.float32))).all()
    assert isinstance(maps.map_blocks(z, None, None)[0], Image)


@pytest.mark.parametrize(
    ("z", "said"), [(TWO_CLOUDS[:4], "at least 5 samples"), (TWO_CLOUDS * np.nan, "NaN or infinite")]
)
def test_a_map_that_cannot_be_drawn_is_said_and_not_raised(z, said):
    (block,) = maps.map_blocks(z, None, None)
    assert isinstance(block, Paragraph) and said in block.text


@pytest.mark.parametrize(
    ("labels", "pictures", "message"),
    [
        (LABELS[:3], None, "40 rows and labels 3"),
        (None, PICTURES[:3], "40 rows and pictures 3"),
        (None, PICTURES.astype(float), "uint8 of"),
        (None, PICTURES[..., :1], "uint8 of"),
    ],
)
def test_labels_and_pictures_that_do_not_fit_are_refused(labels, pictures, message):
    with pytest.raises(DataError, match=message):
        maps.map_blocks(TWO_CLOUDS, labels, pictures)
