"""Reading images: every form in which people have them, and everything that is wrong with some of them."""

from __future__ import annotations

import io
import os
import pickle
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image as Pil
from PIL import ImageOps
from torch.utils.data import DataLoader, Dataset, TensorDataset

from unlabeled.data import cache, collection
from unlabeled.data.labels import read_labels
from unlabeled.data.source import Source
from unlabeled.errors import DataError, OptionError
from unlabeled.modalities import detect
from unlabeled.modalities.image import Image, decode, find
from unlabeled.modalities.image.measure import auto_patch, auto_size, stored_size

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("UNLABELED_CACHE", str(folder))
    return folder


def pixels(seed: int, *shape: int, dtype: Any = np.uint8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(dtype)


def save(path: Path, array: Any, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = array if isinstance(array, Pil.Image) else Pil.fromarray(array)
    image.save(path, **options)
    return path


def encoded(array: np.ndarray, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Pil.fromarray(array).save(file, kind)
    return file.getvalue()


def colour(size: int = 8, bands: int = 3, **options: Any) -> Image:
    return Image(size, bands, [0.5] * bands, [0.25] * bands, **options)


def only(source: Source) -> np.ndarray:
    """The one image of a source, (height, width, band)."""
    assert len(source) == 1
    return source.fetch([0])[0].permute(1, 2, 0).numpy()


def reasons(source: Source) -> dict[str, str]:
    return {skipped.key: skipped.reason for skipped in source.skipped}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six images in class folders of any depth, some files that are none, one that is broken."""
    folder = tmp_path / "photos"
    for i, name in enumerate(
        ["cat/1.png", "cat/deep/er/2.PNG", "dog/3.jpg", "dog/4.JPEG", "unlabeled/5.bmp", "6.png"]
    ):
        save(folder / name, pixels(i, 8, 8, 3), format="JPEG" if "j" in name.lower() else None)
    (folder / "cat" / "0.jpg").write_bytes(b"\xff\xd8\xff\xe0 broken")
    (folder / "notes.txt").write_text("no image")
    (folder / "labels.csv").write_text("key,label")
    save(folder / ".hidden" / "7.png", pixels(7, 8, 8, 3))
    save(folder / ".8.png", pixels(8, 8, 8, 3))
    return folder


# folders


def test_a_folder_of_any_depth_is_read_in_the_order_of_its_paths(photos: Path) -> None:
    source = Image.measure(photos).read(photos)
    assert list(source.keys) == [
        "6.png",
        "cat/1.png",
        "cat/deep/er/2.PNG",
        "dog/3.jpg",
        "dog/4.JPEG",
        "unlabeled/5.bmp",
    ]
    assert source.labels is None
    x = source.fetch([1, 0])
    assert x.dtype == torch.uint8 and x.shape == (2, 3, 8, 8)
    np.testing.assert_array_equal(x[0].permute(1, 2, 0), pixels(0, 8, 8, 3))
    np.testing.assert_array_equal(x[1].permute(1, 2, 0), pixels(5, 8, 8, 3))


def test_what_cannot_be_read_leaves_a_gap_and_is_named(photos: Path) -> None:
    source = Image.measure(photos).read(photos)
    assert list(source.index) == [0, 2, 3, 4, 5, 6]
    assert list(reasons(source)) == ["cat/0.jpg"]


def test_files_that_are_no_images_are_counted_but_not_as_unreadable(photos: Path) -> None:
    said = Image.measure(photos).read(photos).description
    assert "7 images" in said and "2 other files (.csv, .txt) left alone" in said


def test_class_folders_give_labels_only_when_asked(photos: Path) -> None:
    source = Image.measure(photos).read(photos, labels=True)
    assert source.labels is not None
    assert source.labels.tolist() == [None, "cat", "cat", "dog", "dog", None]
    y, classes = read_labels(True, source)
    assert (y.tolist(), classes) == ([-1, 0, 0, 1, 1, -1], ["cat", "dog"])


def test_split_folders_are_no_classes(tmp_path: Path) -> None:
    for i, name in enumerate(["train/cat/1.png", "train/dog/2.png", "test/cat/3.png"]):
        save(tmp_path / name, pixels(i, 8, 8, 3))
    labels = colour().read(tmp_path, labels=True).labels
    assert labels is not None and labels.tolist() == ["cat", "cat", "dog"]


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    save(tmp_path / "elsewhere" / "1.png", pixels(0, 8, 8, 3))
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "loop").symlink_to(tmp_path / "set")
    assert list(colour().read(tmp_path / "set").keys) == ["link/1.png"]


def test_nothing_readable_is_an_error_with_the_first_reasons(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"")
    (tmp_path / "2.png").write_bytes(b"text")
    with pytest.raises(
        DataError, match=r"none of the 2 .*1\.png: empty file \(0 bytes\); 2\.png: not a picture"
    ):
        Image.measure(tmp_path)
    with pytest.raises(DataError, match="none of the 2"):
        colour().read(tmp_path)


def test_a_sample_without_anything_readable_is_not_the_whole_set(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("unlabeled.modalities.image.measure.SAMPLE", 2)
    for name in "acd":
        (tmp_path / f"{name}.png").write_bytes(b"")
    save(tmp_path / "b.png", pixels(0, 8, 8, 3))
    assert Image.measure(tmp_path).bands == 3


@pytest.mark.parametrize("what", ["missing", "empty", "text only"])
def test_a_path_without_images_is_refused_saying_what_was_found(tmp_path: Path, what: str) -> None:
    path = tmp_path / "there"
    if what in ("empty", "text only"):
        path.mkdir()
    if what == "text only":
        (path / "readme.md").write_text("hello")
    message = {
        "missing": "there is no file or folder",
        "empty": "found no files",
        "text only": r"1 other files \(.md\)",
    }[what]
    with pytest.raises(DataError, match=message):
        Image.measure(path)
    with pytest.raises(DataError):
        colour().read(path)
    with pytest.raises(DataError):
        detect(path)


def test_a_list_of_paths_and_a_single_image(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{i}.png", pixels(i, 8, 8, 3)) for i in range(3)]
    asked = [str(paths[2]), str(tmp_path / "gone.png"), paths[0]]
    source = colour().read(asked)
    assert list(source.keys) == [str(paths[2]), str(paths[0])] and list(source.index) == [0, 2]
    assert "cannot be opened" in reasons(source)[str(tmp_path / "gone.png")]
    np.testing.assert_array_equal(source.fetch([1])[0].permute(1, 2, 0), pixels(0, 8, 8, 3))
    np.testing.assert_array_equal(only(colour().read(paths[1])), pixels(1, 8, 8, 3))


# formats


@pytest.mark.parametrize("kind", ["png", "bmp", "tiff", "ppm", "webp", "jp2", "tga", "gif"])
def test_formats_without_loss_give_back_their_pixels(tmp_path: Path, kind: str) -> None:
    array = pixels(0, 8, 8, 3)
    options = {"webp": {"lossless": True}, "jp2": {"irreversible": False}}.get(kind, {})
    if kind == "gif":  # at most 256 colours
        array = np.repeat(array[:, :, :1], 3, axis=2)
    save(tmp_path / f"1.{kind}", array, **options)
    np.testing.assert_array_equal(only(colour().read(tmp_path)), array)


def test_grey_among_colour_is_repeated_and_colour_among_grey_becomes_its_brightness(tmp_path: Path) -> None:
    grey = save(tmp_path / "1.png", pixels(0, 8, 8))
    np.testing.assert_array_equal(
        only(colour().read(grey)), np.repeat(pixels(0, 8, 8)[:, :, None], 3, axis=2)
    )
    coloured = save(tmp_path / "2.png", Pil.new("RGB", (8, 8), GREEN))
    assert set(only(colour(bands=1).read(coloured)).ravel()) == {round(255 * 0.587)}


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[:4, :, 3] = 255  # the upper half is black, the lower half is not there
    rgba[4:, :, 0] = 77
    save(tmp_path / "rgba.png", rgba)
    save(tmp_path / "rgba.webp", rgba, lossless=True)
    save(tmp_path / "la.png", rgba[:, :, [0, 3]])
    palette = Pil.new("P", (8, 8))
    palette.putpalette([*RED, *BLUE])
    palette.paste(1, (0, 4, 8, 8))
    save(tmp_path / "palette.png", palette, transparency=1)
    save(tmp_path / "palette.gif", palette, transparency=1)
    source = colour().read(tmp_path)
    for key, x in zip(source.keys, source.fetch(range(5)), strict=True):
        upper = RED if "palette" in key else (0, 0, 0)
        assert tuple(x[:, 0, 0].tolist()) == upper, key
        assert tuple(x[:, 7, 7].tolist()) == WHITE, key


def test_a_palette_without_transparency_is_colour(tmp_path: Path) -> None:
    palette = Pil.new("P", (8, 8), 1)
    palette.putpalette([*RED, *BLUE])
    save(tmp_path / "1.png", palette)
    assert Image.measure(tmp_path).bands == 3
    assert tuple(only(colour().read(tmp_path))[0, 0]) == BLUE


def test_one_bit_is_black_and_white(tmp_path: Path) -> None:
    save(tmp_path / "1.png", Pil.fromarray(pixels(0, 8, 8) > 127))
    x = only(Image.measure(tmp_path).read(tmp_path))
    np.testing.assert_array_equal(x[..., 0] == 255, pixels(0, 8, 8) > 127)
    assert set(x.ravel()) == {0, 255}


def test_cmyk_becomes_colour(tmp_path: Path) -> None:
    save(tmp_path / "1.jpg", Pil.new("RGB", (8, 8), RED).convert("CMYK"))
    assert Image.measure(tmp_path).bands == 3
    red, green, blue = only(colour().read(tmp_path))[4, 4]
    assert red > 200 and green < 50 and blue < 50


@pytest.mark.parametrize("kind", ["png", "tif", "pgm", "jp2"])
def test_16_bits_are_kept_as_fractions_of_65535(tmp_path: Path, kind: str) -> None:
    array = pixels(0, 8, 8).astype(np.uint16) * 257
    array[0, 0] = 1000
    save(tmp_path / f"1.{kind}", array)
    modality = Image.measure(tmp_path)
    assert (modality.bands, modality.low, modality.eight_bit) == (1, None, False)
    x = modality.read(tmp_path).fetch([0])
    assert x.dtype == torch.float32
    np.testing.assert_allclose(x[0, 0], array / 65535, rtol=1e-6)
    assert modality.mean[0] == pytest.approx((array / 65535).mean(), abs=1e-5)


def test_16_bits_among_8_are_brought_to_8(tmp_path: Path) -> None:
    save(tmp_path / "1.png", pixels(0, 8, 8).astype(np.uint16) * 257)
    np.testing.assert_array_equal(only(colour(bands=1).read(tmp_path))[..., 0], pixels(0, 8, 8))


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", ["jpg", "png", "tif"])
def test_exif_rotation_is_applied(tmp_path: Path, turn: int, kind: str) -> None:
    image = Pil.new("RGB", (16, 8), RED)
    image.paste(BLUE, (0, 0, 8, 4))
    image.paste(GREEN, (8, 0, 16, 4))
    exif = Pil.Exif()
    exif[0x0112] = turn
    path = save(
        tmp_path / f"1.{kind}",
        image,
        exif=exif,
        **({"quality": 100, "subsampling": 0} if kind == "jpg" else {}),
    )
    expected = np.asarray(ImageOps.exif_transpose(Pil.open(path)).convert("RGB")).astype(int)
    with path.open("rb") as file:
        picture = decode.decode(file, 8)
    assert picture.pixels.shape == expected.shape == (picture.height, picture.width, 3)
    assert np.abs(picture.pixels - expected).max() <= 2


@pytest.mark.parametrize("kind", ["gif", "webp", "png", "tif"])
def test_of_an_animation_the_first_frame_is_read(tmp_path: Path, kind: str) -> None:
    frames = [Pil.new("RGB", (8, 8), c) for c in (RED, GREEN, BLUE)]
    options = {"lossless": True} if kind == "webp" else {}
    save(tmp_path / f"1.{kind}", frames[0], save_all=True, append_images=frames[1:], **options)
    assert tuple(only(colour().read(tmp_path))[4, 4]) == RED


def cut(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


def huge_png() -> bytes:
    """A PNG of some bytes whose header claims ten billion pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


BROKEN: dict[str, tuple[bytes, str]] = {
    "zero.png": (b"", r"empty file \(0 bytes\)"),
    "text.jpg": (b"<html>not found</html>", "not a picture in any known format"),
    "start.jpg": (b"\xff\xd8\xff", "cannot be decoded|not a picture"),
    "cut.jpg": (cut(encoded(pixels(0, 64, 64, 3), "JPEG")), "truncated"),
    "cut.png": (cut(encoded(pixels(0, 64, 64, 3))), "truncated|cannot be decoded"),
    "cut.gif": (cut(encoded(pixels(0, 64, 64), "GIF")), "cannot be decoded"),
    "cut.bmp": (cut(encoded(pixels(0, 64, 64, 3), "BMP")), "truncated"),
    "cut.tif": (cut(encoded(pixels(0, 64, 64, 3), "TIFF")), "cannot be decoded|not a picture|truncated"),
    "cut.webp": (cut(encoded(pixels(0, 64, 64, 3), "WEBP")), "cannot be decoded|not a picture"),
    "huge.png": (huge_png(), "100,000 × 100,000 pixels are more than the 500,000,000"),
    "postscript.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n", "not a picture"),
    "objects.npy": (npy(np.array([{}, None], dtype=object)), "Object arrays cannot be loaded"),
    "nan.npy": (npy(np.full((8, 8), np.nan)), "NaN or infinite"),
    "inf.npy": (npy(np.full((8, 8, 3), np.inf)), "NaN or infinite"),
    "text.npy": (npy(np.array([["a"]])), "not numbers"),
    "flat.npy": (npy(np.zeros(8)), r"shape \(8,\)"),
    "none.npy": (npy(np.zeros((0, 8))), "holds no pixels"),
    "four.npy": (npy(np.zeros((2, 8, 8, 3))), r"shape \(2, 8, 8, 3\)"),
    "unclear.npy": (npy(np.zeros((8, 8, 8))), "bands cannot be told"),
    "bands.npy": (npy(np.zeros((8, 8, 5), np.uint8)), "has 5 bands where this set has 3"),
    "scale.npy": (npy(np.full((8, 8, 3), 99.0)), "values from 99 to 99 where 0 to 1 are expected"),
    "whole.npy": (npy(np.full((8, 8, 3), 999)), "whole numbers from 999 to 999"),
    "cut.npy": (cut(npy(pixels(0, 64, 64, 3))), "cannot be decoded"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_skipped_with_its_reason(tmp_path: Path, name: str) -> None:
    data, reason = BROKEN[name]
    (tmp_path / name).write_bytes(data)
    save(tmp_path / "good.png", pixels(0, 8, 8, 3))
    source = colour().read(tmp_path)
    assert list(source.keys) == ["good.png"] and len(source.skipped) == 1
    assert re.search(reason, reasons(source)[name]), reasons(source)[name]
    Image.measure(tmp_path)  # nor does it disturb the measuring


def test_the_content_counts_and_not_the_suffix(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(encoded(pixels(0, 8, 8, 3)))
    (tmp_path / "2.png").write_bytes(npy(pixels(1, 8, 8, 3)))
    source = colour().read(tmp_path)
    np.testing.assert_array_equal(source.fetch([1])[0].permute(1, 2, 0), pixels(1, 8, 8, 3))


def test_pils_own_limit_is_lifted_while_reading_and_stands_again_after(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(Pil, "MAX_IMAGE_PIXELS", 50)  # 8 × 8 is a decompression bomb now
    save(tmp_path / "1.png", pixels(0, 8, 8, 3))
    with pytest.warns(Pil.DecompressionBombWarning):
        Pil.open(tmp_path / "1.png")
    np.testing.assert_array_equal(only(colour().read(tmp_path)), pixels(0, 8, 8, 3))
    assert Pil.MAX_IMAGE_PIXELS == 50


def test_a_jpeg_over_the_limit_is_decoded_small(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(decode, "LARGEST", 100_000)
    save(tmp_path / "1.jpg", Pil.new("RGB", (1024, 768), BLUE))
    save(tmp_path / "2.png", Pil.new("RGB", (1024, 768), BLUE))
    source = colour(32).read(tmp_path)
    assert list(source.keys) == ["1.jpg"]
    assert "1,024 × 768 pixels are more than" in reasons(source)["2.png"]


@pytest.mark.parametrize(("height", "width"), [(120, 160), (1200, 1600)])
@pytest.mark.parametrize("kind", ["jpg", "png"])
def test_large_images_are_reduced_without_aliasing(
    tmp_path: Path, kind: str, height: int, width: int
) -> None:
    stripes = np.zeros((height, width, 3), np.uint8)
    stripes[:, ::2] = 255  # finer than the result can show: it must become an even grey
    save(tmp_path / f"1.{kind}", stripes)
    x = only(colour(32).read(tmp_path)).astype(int)
    assert x.shape == (32, 32, 3)
    assert np.abs(x[:, 1:-1] - 127).max() <= 3  # at the very edge a filter has less to average


def test_the_shorter_side_is_resized_and_the_centre_is_cut_out(tmp_path: Path) -> None:
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, :20], wide[:, 20:40], wide[:, 40:] = RED, GREEN, BLUE
    save(tmp_path / "1.png", wide)
    save(tmp_path / "2.png", wide.swapaxes(0, 1).copy())
    source = colour(8).read(tmp_path)
    for x in source.fetch([0, 1]):
        np.testing.assert_array_equal(x.permute(1, 2, 0), np.broadcast_to(GREEN, (8, 8, 3)))


def test_very_long_images_are_cut_before_they_are_enlarged(tmp_path: Path) -> None:
    save(tmp_path / "1.png", Pil.new("RGB", (20_000, 2), RED))
    save(tmp_path / "2.png", Pil.new("RGB", (1, 1), RED))
    source = colour(256).read(tmp_path)
    assert (source.fetch([0, 1]) == torch.tensor(RED)[None, :, None, None]).all()


# many bands


@pytest.mark.parametrize("layout", ["hwc", "chw"])
@pytest.mark.parametrize("bands", [2, 4, 13])
def test_npy_files_of_any_number_of_bands(tmp_path: Path, layout: str, bands: int) -> None:
    array = pixels(0, 16, 16, bands)
    np.save(tmp_path / "1.npy", array if layout == "hwc" else array.transpose(2, 0, 1))
    modality = Image.measure(tmp_path)
    assert modality.bands == bands
    np.testing.assert_array_equal(only(modality.read(tmp_path)), array)


def test_float_files_are_rescaled_a_band_and_that_is_said(tmp_path: Path) -> None:
    array = np.stack(
        [np.linspace(-50, 50, 64).reshape(8, 8), np.linspace(0, 4000, 64).reshape(8, 8)], axis=-1
    )
    np.save(tmp_path / "1.npy", array)
    modality = Image.measure(tmp_path)
    assert (modality.low, modality.high) == ([-50.0, 0.0], [50.0, 4000.0])
    source = modality.read(tmp_path)
    assert "-50 … 4000 to 0 … 1, what lies outside is clipped" in source.description
    np.testing.assert_allclose(only(source), (array - [-50, 0]) / [100, 4000], atol=1e-6)
    np.save(tmp_path / "2.npy", array * 2)  # beyond what was fitted
    x = modality.read(tmp_path).fetch([1])
    assert x.min() == 0 and x.max() == 1


def test_bands_that_differ_from_the_sets_are_skipped_or_converted(tmp_path: Path) -> None:
    for i in range(3):
        np.save(tmp_path / f"{i}.npy", pixels(i, 8, 8, 6))
    save(tmp_path / "grey.png", pixels(4, 8, 8))
    save(tmp_path / "colour.png", pixels(5, 8, 8, 3))
    modality = Image.measure(tmp_path)
    source = modality.read(tmp_path)
    assert modality.bands == 6 and list(source.keys) == ["0.npy", "1.npy", "2.npy"]
    assert reasons(source)["grey.png"] == "has 1 band where this set has 6"


TIFFS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "contiguous": ((16, 16, 7), {"planarconfig": "contig", "photometric": "minisblack"}),
    "planar": ((7, 16, 16), {"planarconfig": "separate", "photometric": "minisblack"}),
    "pages": ((7, 16, 16), {"photometric": "minisblack"}),
    "compressed": (
        (16, 16, 7),
        {"planarconfig": "contig", "photometric": "minisblack", "compression": "zlib"},
    ),
    "near infrared": ((16, 16, 4), {"photometric": "rgb", "extrasamples": [0], "metadata": None}),
}


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("kind", TIFFS)
def test_tiff_of_many_bands(tmp_path: Path, kind: str, dtype: str) -> None:
    tifffile = pytest.importorskip("tifffile", reason="reading many-band TIFF needs the extra 'image'")
    shape, options = TIFFS[kind]
    array = pixels(0, *shape, dtype=dtype)
    tifffile.imwrite(tmp_path / "1.tif", array, **options)
    bands_last = array if shape[0] == 16 else array.transpose(1, 2, 0)
    modality = Image.measure(tmp_path)
    assert modality.bands == bands_last.shape[-1]
    scale = {"uint8": 1, "uint16": 65535, "float32": 255}[dtype]
    np.testing.assert_allclose(only(modality.read(tmp_path)), bands_last / scale, rtol=1e-6)


def test_tiff_channels_are_bands_and_times_are_frames(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile", reason="reading many-band TIFF needs the extra 'image'")
    array = pixels(0, 5, 16, 16)
    tifffile.imwrite(tmp_path / "c.tif", array, imagej=True, metadata={"axes": "CYX"})
    tifffile.imwrite(tmp_path / "t.tif", array, imagej=True, metadata={"axes": "TYX"})
    np.testing.assert_array_equal(only(colour(16, 5).read(tmp_path / "c.tif")), array.transpose(1, 2, 0))
    np.testing.assert_array_equal(only(colour(16, 1).read(tmp_path / "t.tif"))[..., 0], array[0])


@pytest.mark.parametrize("kind", TIFFS)
def test_without_tifffile_a_tiff_of_many_bands_is_skipped_naming_the_extra(
    tmp_path: Path, kind: str, monkeypatch: Any
) -> None:
    tifffile = pytest.importorskip("tifffile", reason="writing many-band TIFF needs the extra 'image'")
    shape, options = TIFFS[kind]
    tifffile.imwrite(tmp_path / "1.tif", pixels(0, *shape), **options)
    save(tmp_path / "2.tif", pixels(0, 16, 16, 3))
    monkeypatch.setattr(decode, "find_spec", lambda name: None)
    source = colour(16).read(tmp_path)
    assert list(source.keys) == ["2.tif"]
    assert "unlabeled[image]" in reasons(source)["1.tif"]


# archives


def members(photos: Path) -> dict[str, bytes]:
    return {str(p.relative_to(photos)): p.read_bytes() for p in sorted(photos.rglob("*")) if p.is_file()}


def archive(path: Path, files: dict[str, bytes]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, data in files.items():
                file.writestr(name, data)
        return path
    with tarfile.open(path, "w" if path.suffix == ".tar" else "w:gz") as file:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tgz"])
def test_an_archive_gives_what_its_folder_gives(photos: Path, tmp_path: Path, name: str) -> None:
    path = archive(tmp_path / name, members(photos))
    modality = Image.measure(path)
    assert modality.config() == Image.measure(photos).config()
    packed, unpacked = modality.read(path, labels=True), modality.read(photos, labels=True)
    assert list(packed.keys) == list(unpacked.keys) and list(packed.index) == list(unpacked.index)
    assert packed.labels is not None and unpacked.labels is not None
    assert packed.labels.tolist() == unpacked.labels.tolist()
    assert reasons(packed).keys() == reasons(unpacked).keys()
    assert torch.equal(packed.fetch(range(6)), unpacked.fetch(range(6)))


@pytest.mark.parametrize("name", ["a.zip", "a.tar"])
def test_members_with_tricks_in_their_paths_are_skipped(tmp_path: Path, name: str) -> None:
    good = encoded(pixels(0, 8, 8, 3))
    files = {
        "../out.png": good,
        "/etc/in.png": good,
        "a/../../b.png": good,
        "good.png": good,
        "__MACOSX/._good.png": b"x",
    }
    source = colour().read(archive(tmp_path / name, files))
    assert list(source.keys) == ["good.png"]
    assert set(reasons(source).values()) == {"its path leaves the archive"} and len(source.skipped) == 3


def test_links_in_a_tar_are_not_followed(tmp_path: Path) -> None:
    save(tmp_path / "secret.png", pixels(0, 8, 8, 3))
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "secret.png")
        file.addfile(link)
    with pytest.raises(DataError, match="holds no images"):
        colour().read(tmp_path / "a.tar")


def test_a_folder_around_a_whole_archive_is_no_class(tmp_path: Path) -> None:
    good = encoded(pixels(0, 8, 8, 3))
    path = archive(tmp_path / "a.zip", {"pets/cat/1.png": good, "pets/dog/2.png": good})
    labels = colour().read(path, labels=True).labels
    assert labels is not None and labels.tolist() == ["cat", "dog"]


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_a_damaged_archive_is_refused_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no archive at all")
    with pytest.raises(DataError, match=f"{name} is not an archive"):
        colour().read(tmp_path / name)


def test_a_damaged_member_is_skipped(tmp_path: Path) -> None:
    good = encoded(pixels(0, 8, 8, 3))
    path = archive(tmp_path / "a.zip", {"1.png": good, "2.png": encoded(pixels(1, 32, 32, 3))})
    data = bytearray(path.read_bytes())
    start = data.rindex(b"IDAT")
    data[start + 500 : start + 520] = bytes(20)
    path.write_bytes(data)
    source = colour().read(path)
    assert list(source.keys) == ["1.png"] and "cannot be unpacked" in reasons(source)["2.png"]


# parquet


def parquet(path: Path, *, struct: bool = False, name: str = "image", **options: Any) -> Path:
    cells: list[bytes | None] = [encoded(pixels(i, 8, 8, 3)) for i in range(6)]
    cells[2], cells[4] = None, b"broken"
    column: Any = [{"bytes": c, "path": None} for c in cells] if struct else cells
    table = {name: column, "label": [0, 1, 0, 1, 0, None], "name": [f"n{i}" for i in range(6)]}
    pq.write_table(pa.table(table), path, **options)
    return path


@pytest.mark.parametrize("struct", [False, True])
@pytest.mark.parametrize("name", ["image", "anything"])
@pytest.mark.parametrize("group", [2, 1000])
def test_parquet_of_encoded_images(tmp_path: Path, struct: bool, name: str, group: int) -> None:
    path = parquet(tmp_path / "a.parquet", struct=struct, name=name, row_group_size=group)
    assert detect(path) is Image
    source = Image.measure(path).read(path, labels=True)
    assert list(source.keys) == ["n0", "n1", "n3", "n5"] and list(source.index) == [0, 1, 3, 5]
    assert source.labels is not None and source.labels.tolist() == [0, 1, 1, None]
    assert reasons(source)["n2"] == "empty cell" and "not a picture" in reasons(source)["n4"]
    np.testing.assert_array_equal(source.fetch([3])[0].permute(1, 2, 0), pixels(5, 8, 8, 3))


def test_parquet_without_images_is_refused_naming_its_columns(tmp_path: Path) -> None:
    pq.write_table(pa.table({"age": [1], "blob": [b"no image"]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="0 columns to learn from"):
        detect(tmp_path / "a.parquet").measure(tmp_path / "a.parquet")
    pq.write_table(pa.table({"age": [1]}), tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"columns: \['age'\]"):
        colour().read(tmp_path / "b.parquet")
    (tmp_path / "c.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match="not a parquet file"):
        colour().read(tmp_path / "c.parquet")


# arrays

LAYOUTS: dict[str, tuple[tuple[int, ...], int]] = {
    "image, height, width": ((5, 12, 12), 1),
    "bands last": ((5, 12, 12, 3), 3),
    "bands first": ((5, 3, 12, 12), 3),
    "one band last": ((5, 12, 12, 1), 1),
    "one band first": ((5, 1, 12, 12), 1),
    "many bands last": ((5, 12, 12, 13), 13),
    "many bands first": ((5, 13, 12, 12), 13),
    "not square, bands last": ((5, 12, 16, 6), 6),
    "tiny": ((5, 4, 4, 3), 3),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("wrap", [np.asarray, torch.from_numpy])
def test_arrays_and_tensors_in_every_layout(layout: str, wrap: Callable[[np.ndarray], Any]) -> None:
    shape, bands = LAYOUTS[layout]
    array = pixels(0, *shape)
    data = wrap(array)
    modality = Image.measure(data, size=min(12, max(shape[1:])))
    assert modality.bands == bands
    x = modality.read(data).fetch([4, 0])
    assert x.dtype == torch.uint8 and x.shape[:2] == (2, bands)
    first = "first" in layout
    expected = array[[4, 0]] if first else array[[4, 0]].reshape(2, *shape[1:3], bands).transpose(0, 3, 1, 2)
    if "square" not in layout and "tiny" not in layout:
        np.testing.assert_array_equal(x, expected)


def test_an_array_is_not_copied_nor_cached(own_cache: Path) -> None:
    array = pixels(0, 50, 8, 8, 3)
    source = Image.measure(array).read(array)
    array[7] = 99
    assert (source.fetch([7]) == 99).all()
    assert list(own_cache.iterdir()) == []
    source.fetch([3]).fill_(0)  # what was fetched is the caller's own
    assert array[3].any()


def test_arrays_of_another_size_are_resized_as_files_are(tmp_path: Path) -> None:
    array = pixels(0, 3, 40, 60, 3)
    for i, one in enumerate(array):
        save(tmp_path / f"{i}.png", one)
    modality = colour(16)
    difference = modality.read(array).fetch(range(3)).int() - modality.read(tmp_path).fetch(range(3)).int()
    assert difference.abs().max() <= 1


def test_floats_from_0_to_1_stay_and_other_scales_are_fitted() -> None:
    unit = pixels(0, 9, 8, 8) / 255
    modality = Image.measure(unit)
    assert modality.low is None
    np.testing.assert_allclose(modality.read(unit).fetch([2])[0, 0], unit[2], rtol=1e-6)
    digits = pixels(0, 9, 8, 8) % 17
    for dtype in (np.float64, np.int64, np.float32):
        modality = Image.measure(digits.astype(dtype))
        assert (modality.low, modality.high) == ([0.0], [16.0])
        source = modality.read(digits.astype(dtype))
        assert "0 … 16 to 0 … 1" in source.description
        np.testing.assert_allclose(source.fetch([2])[0, 0], digits[2] / 16, rtol=1e-6)


def test_8_bit_values_in_another_type_are_8_bit_values() -> None:
    array = pixels(0, 9, 8, 8, 3)
    modality = Image.measure(array.astype(np.int64))
    assert modality.low is None and modality.eight_bit
    x = modality.read(array.astype(np.int64)).fetch([1])
    assert x.dtype == torch.uint8
    np.testing.assert_array_equal(x[0].permute(1, 2, 0), array[1])
    modality = Image.measure(array.astype(np.float32))
    assert modality.high == [255.0] * 3
    np.testing.assert_allclose(
        modality.read(array.astype(np.float32)).fetch([1])[0].permute(1, 2, 0), array[1] / 255, rtol=1e-6
    )


def test_bool_and_byte_swapped_arrays() -> None:
    mask = pixels(0, 9, 8, 8) > 127
    np.testing.assert_array_equal(Image.measure(mask).read(mask).fetch([1])[0, 0], mask[1] * 255)
    swapped = pixels(0, 9, 8, 8).astype(">u2") * 257
    x = Image.measure(swapped).read(swapped).fetch([1])
    np.testing.assert_allclose(x[0, 0], pixels(0, 9, 8, 8)[1] / 255, rtol=1e-6)


def test_nan_in_an_array_is_refused_naming_the_first_row() -> None:
    array = np.zeros((600, 8, 8), np.float32)
    array[[333, 444], 2, 2] = np.nan, np.inf
    for refuse in (lambda: Image.measure(array), lambda: colour(bands=1).read(array)):
        with pytest.raises(DataError, match=r"row 333 .*NaN or infinite"):
            refuse()


def test_an_array_on_another_scale_than_the_set_is_refused() -> None:
    modality = colour(bands=1)
    array = np.zeros((9, 8, 8), np.float32)
    array[5] = 200
    with pytest.raises(DataError, match=r"row 5 .* values from 200 to 200 where 0 to 1 are expected"):
        modality.read(array)
    with pytest.raises(DataError, match=r"row 5 .* whole numbers from 2000 to 2000"):
        modality.read((array * 10).astype(np.int32))


def test_an_array_of_other_bands_than_the_set_is_refused() -> None:
    with pytest.raises(DataError, match="5 bands were given where 3 are expected"):
        colour().read(pixels(0, 9, 8, 8, 5))
    grey = pixels(0, 9, 8, 8)
    assert colour().read(grey).fetch([0]).shape == (1, 3, 8, 8)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((9, 8)), "not a stack of images"),
        (np.zeros((9, 8, 8, 3, 2)), "not a stack of images"),
        (np.zeros((0, 8, 8, 3)), "holds no images"),
        (np.zeros((9, 6, 5, 6)), "cannot be told: make it a torch tensor"),
        (np.zeros((9, 8, 8), complex), "holds no pixels"),
    ],
)
def test_arrays_that_are_no_images(array: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Image.measure(array)


def test_a_tensor_whose_bands_cannot_be_told_has_them_first() -> None:
    assert Image.measure(torch.zeros(9, 6, 5, 6)).bands == 6


def test_npy_files_are_mapped_and_pickle_small(tmp_path: Path) -> None:
    array = pixels(0, 100, 16, 16, 3)
    np.save(tmp_path / "a.npy", array)
    assert detect(tmp_path / "a.npy") is Image
    source = Image.measure(tmp_path / "a.npy").read(tmp_path / "a.npy")
    packed = pickle.dumps(source)
    assert len(packed) < array.nbytes / 10
    np.testing.assert_array_equal(pickle.loads(packed).fetch([7])[0].permute(1, 2, 0), array[7])


def test_npz_files_with_labels(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=pixels(0, 9, 8, 8, 3), y=np.arange(9))
    assert detect(tmp_path / "a.npz") is Image
    source = Image.measure(tmp_path / "a.npz").read(tmp_path / "a.npz", labels=True)
    assert source.labels is not None and source.labels.tolist() == list(range(9))
    assert colour().read(tmp_path / "a.npz").labels is None
    np.savez(tmp_path / "short.npz", x=pixels(0, 9, 8, 8, 3), y=np.arange(5))
    assert len(colour().read(tmp_path / "short.npz")) == 9  # nobody asks for labels
    with pytest.raises(DataError, match=r"'y' has shape \(5,\) beside the 9 images of short.npz"):
        colour().read(tmp_path / "short.npz", labels=True)
    np.savez(tmp_path / "b.npz", a=pixels(0, 9, 8, 8, 3), b=pixels(0, 9, 8, 8, 3))
    with pytest.raises(DataError, match=r"cannot be told \(it has a \(9, 8, 8, 3\), b"):
        colour().read(tmp_path / "b.npz")
    for name in ("c.npz", "c.npy"):
        (tmp_path / name).write_bytes(b"no array")
        with pytest.raises(DataError, match="not an array file"):
            colour().read(tmp_path / name)


# data sets of other libraries


class Pictures(Dataset[Any]):
    """Items as torchvision's data sets give them."""

    def __init__(self, form: str) -> None:
        self.form = form

    def __len__(self) -> int:
        return 6

    def __getitem__(self, i: int) -> Any:
        array = pixels(i, 8, 8, 3)
        if i == 2:
            raise OSError("cannot open this one")
        image = {
            "pil": lambda: Pil.fromarray(array),
            "array": lambda: array,
            "tensor": lambda: torch.from_numpy(array).permute(2, 0, 1),
            "float": lambda: torch.from_numpy(array).permute(2, 0, 1) / 255,
            "dict": lambda: array,
            "alone": lambda: array,
        }[self.form]()
        if self.form == "dict":
            return {"image": image, "label": i % 2}
        return image if self.form == "alone" else (image, i % 2)


@pytest.mark.parametrize("form", ["pil", "array", "tensor", "float", "dict", "alone"])
def test_a_torch_dataset(form: str) -> None:
    data = Pictures(form)
    assert detect(data) is Image
    modality = Image.measure(data)
    source = modality.read(data)
    assert list(source.keys) == ["0", "1", "3", "4", "5"] and list(source.index) == [0, 1, 3, 4, 5]
    assert "cannot open this one" in reasons(source)["2"]
    x = source.fetch([4])
    assert x.dtype == (torch.float32 if form == "float" else torch.uint8)
    expected = pixels(5, 8, 8, 3) / (255 if form == "float" else 1)
    np.testing.assert_allclose(x[0].permute(1, 2, 0), expected, atol=1e-6)


def test_labels_of_a_torch_dataset(own_cache: Path) -> None:
    data = TensorDataset(torch.from_numpy(pixels(0, 6, 3, 8, 8)), torch.tensor([0, 1, 2, 2, 1, -1]))
    source = Image.measure(data).read(data, labels=True)
    assert read_labels(True, source)[0].tolist() == [0, 1, 2, 2, 1, -1]
    assert list(own_cache.iterdir()) == []  # it cannot be recognised again, so nothing is kept for next time


def test_a_dataset_that_is_empty_or_holds_no_images() -> None:
    with pytest.raises(DataError, match="is empty"):
        colour().read(TensorDataset(torch.zeros(0, 3, 8, 8)))
    with pytest.raises(DataError, match="no kind of data"):
        detect(TensorDataset(torch.zeros(5, 7)))
    with pytest.raises(DataError, match=r"none of the 5 .*shape \(7,\)"):
        colour().read(TensorDataset(torch.zeros(5, 7)))


class HuggingFace:
    """What the library uses of a `datasets.Dataset`, without that package."""

    class Image:
        pass

    class ClassLabel:
        names = ("cat", "dog")

    def __init__(self, form: str, fingerprint: str = "abc") -> None:
        self.features = {"photo of it": self.Image(), "label": self.ClassLabel()}
        self.column_names = list(self.features)
        self._fingerprint, self.form, self.asked = fingerprint, form, 0

    def __len__(self) -> int:
        return 4

    def __getitem__(self, asked: int | str) -> Any:
        if isinstance(asked, str):
            return [self[i][asked] for i in range(4)]
        self.asked += 1
        data = encoded(pixels(asked, 8, 8, 3))
        image = Pil.open(io.BytesIO(data)) if self.form == "pil" else {"bytes": data, "path": None}
        return {"photo of it": image, "label": asked % 2}


@pytest.mark.parametrize("form", ["pil", "bytes"])
def test_a_hugging_face_dataset(form: str) -> None:
    data = HuggingFace(form)
    assert detect(data) is Image
    source = Image.measure(data).read(data, labels=True)
    assert source.labels is not None and source.labels.tolist() == ["cat", "dog", "cat", "dog"]
    np.testing.assert_array_equal(source.fetch([3])[0].permute(1, 2, 0), pixels(3, 8, 8, 3))
    again = HuggingFace(form)
    colour().read(again)
    assert again.asked == 0  # its own fingerprint names the cache
    other = HuggingFace(form, "another")
    colour().read(other)
    assert other.asked == 4


def test_a_dictionary_of_hugging_face_datasets_needs_a_choice() -> None:
    with pytest.raises(DataError, match=r"train, test\): choose one"):
        colour().read({"train": HuggingFace("pil"), "test": HuggingFace("pil")})


def test_a_streamed_hugging_face_dataset_is_refused() -> None:
    class Streamed:
        features = None
        column_names = ("image",)

    with pytest.raises(DataError, match="without streaming=True"):
        colour().read(Streamed())


# cache and streams


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one whenever a file is decoded."""
    counted: list[int] = []
    original = find.decode

    def count(file: Any, side: int) -> Any:
        counted.append(1)
        return original(file, side)

    monkeypatch.setattr(find, "decode", count)
    return counted


def test_a_folder_is_decoded_once(photos: Path, decoded: list[int]) -> None:
    modality = colour()
    first = modality.read(photos)
    assert len(decoded) == 7
    again = modality.read(photos)
    assert len(decoded) == 7
    assert first.fingerprint == again.fingerprint
    assert torch.equal(first.fetch(range(6)), again.fetch(range(6)))
    assert reasons(first) == reasons(again) and list(first.index) == list(again.index)


def test_the_cache_lies_where_it_is_told(photos: Path, tmp_path: Path, own_cache: Path) -> None:
    colour().read(photos, cache=tmp_path / "mine")
    assert list((tmp_path / "mine").rglob("rows.npy")) and not list(own_cache.iterdir())


@pytest.mark.parametrize("change", ["content", "touch", "new", "gone", "size", "scale"])
def test_any_change_makes_another_cache(photos: Path, decoded: list[int], change: str) -> None:
    before = colour().read(photos)
    del decoded[:]
    modality = colour()
    if change == "content":
        save(photos / "6.png", pixels(60, 8, 8, 3))
    elif change == "touch":
        os.utime(photos / "6.png", ns=(1, 1))
    elif change == "new":
        save(photos / "9.png", pixels(9, 8, 8, 3))
    elif change == "gone":
        (photos / "6.png").unlink()
    elif change == "size":
        modality = colour(4)
    else:
        modality = colour(eight_bit=False)
    after = modality.read(photos)
    assert after.fingerprint != before.fingerprint and len(decoded) >= 6
    if change == "content":
        np.testing.assert_array_equal(after.fetch([0])[0].permute(1, 2, 0), pixels(60, 8, 8, 3))


def too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 100

    monkeypatch.setattr(cache.shutil, "disk_usage", lambda folder: Usage)


def test_what_does_not_fit_is_streamed(
    photos: Path, monkeypatch: pytest.MonkeyPatch, decoded: list[int]
) -> None:
    kept = colour().read(photos)
    expected = kept.fetch(range(6))
    too_small(monkeypatch)
    source = colour(4).read(photos)  # another size: not in the cache
    assert not source.decoded and kept.decoded  # type: ignore[attr-defined]
    assert "decoded anew" in source.description
    assert list(source.keys) == list(kept.keys) and reasons(source) == reasons(kept)
    del decoded[:]
    assert source.fetch(range(6)).shape == (6, 3, 4, 4)
    assert len(decoded) == 6
    streamed = colour().read(photos)  # what was kept while there was room is still used
    assert torch.equal(streamed.fetch(range(6)), expected)


@pytest.mark.parametrize("name", ["folder", "a.zip", "a.tar", "a.tar.gz", "a.parquet"])
def test_a_streamed_source_gives_what_a_cached_one_gives_here_and_in_workers(
    photos: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = photos if name == "folder" else tmp_path / name
    if name == "a.parquet":
        parquet(data, row_group_size=2)
    elif name != "folder":
        archive(data, members(photos))
    kept = colour().read(data)
    too_small(monkeypatch)
    streamed = colour().read(data, cache=tmp_path / "small")
    assert not streamed.decoded  # type: ignore[attr-defined]
    order = list(range(len(kept)))[::-1]
    expected = kept.fetch(order)
    assert torch.equal(streamed.fetch(order), expected)
    assert torch.equal(pickle.loads(pickle.dumps(streamed)).fetch(order), expected)


class Fetched(Dataset[torch.Tensor]):
    def __init__(self, source: Source) -> None:
        self.source = source

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, i: int) -> torch.Tensor:
        return self.source.fetch([i])[0]


def test_workers_read_one_archive_at_once(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive(tmp_path / "a.zip", members(photos))
    expected = colour().read(path).fetch(range(6))
    too_small(monkeypatch)
    streamed = colour().read(path, cache=tmp_path / "small")
    streamed.fetch([0])  # opens the archive here, which workers must not share
    loader = DataLoader(Fetched(streamed), batch_size=2, num_workers=2)
    assert torch.equal(torch.cat(list(loader)), expected)


def test_what_is_open_is_not_shared_with_a_forked_process(monkeypatch: pytest.MonkeyPatch) -> None:
    handle: collection.PerProcess[object] = collection.PerProcess()
    mine = handle.get(object)
    assert handle.get(object) is mine
    monkeypatch.setattr(collection.os, "getpid", lambda: -1)
    assert handle.get(object) is not mine


def test_a_file_that_breaks_while_it_is_streamed_is_an_error_naming_it(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    too_small(monkeypatch)
    source = colour().read(photos)
    (photos / "6.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"6\.png could be read when the data was opened and no longer can"):
        source.fetch(range(6))


def test_a_cached_source_pickles_without_its_images(photos: Path) -> None:
    source = colour(64).read(photos)
    packed = pickle.dumps(source)
    assert len(packed) < 4000
    assert torch.equal(pickle.loads(packed).fetch([2, 1]), source.fetch([2, 1]))


# measuring


@pytest.mark.parametrize(
    ("side", "size"),
    [(8, 8), (28, 28), (32, 32), (30, 32), (33, 32), (64, 64), (65, 64), (96, 96), (500, 224), (3, 4)],
)
def test_the_size_follows_the_shorter_side(side: int, size: int) -> None:
    assert auto_size(side) == size


@pytest.mark.parametrize(
    ("size", "patch"),
    [(8, 2), (28, 4), (32, 4), (64, 8), (16, 2), (96, 16), (224, 16), (100, 20), (29, None), (4, 2)],
)
def test_the_patch_follows_the_size(size: int, patch: int | None) -> None:
    assert auto_patch(size, size) == patch


def test_large_images_are_stored_with_a_margin_that_is_not_made_up() -> None:
    assert stored_size(32, 500) == (32, 32)
    assert stored_size(224, 500) == (256, 256)
    assert stored_size(224, 240) == (240, 240)
    assert stored_size(96, 96) == (96, 96)
    assert stored_size((112, 224), 500) == (128, 256)


def test_the_median_image_decides_and_not_the_reduced_one(tmp_path: Path) -> None:
    for i in range(3):
        save(tmp_path / f"{i}.jpg", Pil.new("RGB", (900, 700), BLUE))
    save(tmp_path / "small.png", Pil.new("RGB", (8, 8), BLUE))
    modality = Image.measure(tmp_path)
    assert modality.size == (224, 224) and modality.stored == (256, 256) and modality.patch == 16
    assert modality.read(tmp_path).fetch([0]).shape == (1, 3, 256, 256)


def test_mean_and_spread_are_those_of_the_pixels(tmp_path: Path) -> None:
    array = pixels(0, 20, 8, 8, 3) // [1, 2, 3]
    modality = Image.measure(array.astype(np.uint8))
    np.testing.assert_allclose(modality.mean, (array / 255).mean(axis=(0, 1, 2)), atol=1e-5)
    np.testing.assert_allclose(modality.std, (array / 255).std(axis=(0, 1, 2)), atol=1e-5)
    wide = array * 10.0 - 300
    modality = Image.measure(wide)
    low, high = wide.min(axis=(0, 1, 2)), wide.max(axis=(0, 1, 2))
    np.testing.assert_allclose(modality.mean, ((wide - low) / (high - low)).mean(axis=(0, 1, 2)), atol=1e-5)
    np.testing.assert_allclose(modality.std, ((wide - low) / (high - low)).std(axis=(0, 1, 2)), atol=1e-5)


def test_constant_images_do_not_give_a_spread_of_zero() -> None:
    modality = Image.measure(np.full((5, 8, 8), 7.0))
    assert modality.std == [1.0] and modality.high == [8.0]


def test_colour_files_without_colour_are_grey(tmp_path: Path) -> None:
    for i in range(3):
        save(tmp_path / f"{i}.png", np.repeat(pixels(i, 8, 8)[:, :, None], 3, axis=2))
    assert Image.measure(tmp_path).bands == 1
    save(tmp_path / "3.png", pixels(3, 8, 8, 3))
    assert Image.measure(tmp_path).bands == 3


def test_config_makes_the_same_modality_again(photos: Path) -> None:
    for data in (photos, pixels(0, 9, 40, 60, 3) * 7.0, pixels(0, 9, 300, 300, dtype=np.uint16)):
        modality = Image.measure(data, size=(16, 24)) if data is not photos else Image.measure(data)
        config = modality.config()
        again = Image(**config)
        assert again.config() == config
        assert torch.equal(again.read(data).fetch([0, 1]), modality.read(data).fetch([0, 1]))


def test_measured_values_can_be_overruled() -> None:
    array = pixels(0, 9, 40, 40) * 1.0
    modality = Image.measure(array, size=16, patch=8, low=[0.0], high=[510.0])
    assert (modality.size, modality.patch, modality.high) == ((16, 16), 8, [510.0])
    assert modality.read(array).fetch(range(9)).max() <= 0.5
    assert Image.measure(pixels(0, 9, 40, 40), bands=3).bands == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 32, "patch": 5}, "32×32 is not divisible by patch 5"),
        ({"size": 0}, "size must be"),
        ({"size": (8, 8, 8)}, "size must be"),
        ({"low": [0.0]}, "belong together"),
        ({"low": [0.0], "high": [0.0]}, "low must be below high"),
        ({"low": [0.0] * 3, "high": [1.0] * 3}, "low and high have 3 numbers for images with 1 band"),
        ({"sise": 8}, "no option 'sise': did you mean 'size'"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Image.measure(pixels(0, 9, 32, 32).astype(np.float32), **options)


# detecting


def test_what_is_recognised(photos: Path, tmp_path: Path) -> None:
    assert detect(photos) is Image
    assert "folder of images" in (Image.recognises(photos) or "")
    for data in (
        str(photos),
        archive(tmp_path / "a.zip", members(photos)),
        archive(tmp_path / "a.tgz", members(photos)),
    ):
        assert detect(data) is Image
    assert detect([photos / "6.png"]) is Image
    assert detect(pixels(0, 2, 8, 8, 3)) is Image and detect(torch.zeros(2, 3, 8, 8)) is Image


def test_three_axes_need_a_modality(tmp_path: Path) -> None:
    array = pixels(0, 9, 8, 8)
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", images=array)
    for data in (array, torch.from_numpy(array), tmp_path / "a.npy", tmp_path / "a.npz"):
        with pytest.raises(
            DataError, match=r"\(sample, height, width\) needs modality='image', .* modality='series'"
        ):
            detect(data)
        assert detect(data, "image") is Image


def test_unknown_modalities_and_data(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="unknown modality 'imgae': did you mean 'image'"):
        detect(np.zeros((2, 8, 8, 3)), "imgae")
    for data in (42, [], {}, object()):
        with pytest.raises(DataError, match="no kind of data"):
            detect(data)
        with pytest.raises(DataError):
            colour().read(data)
    (tmp_path / "a.bin").write_text("hello")
    with pytest.raises(DataError, match="holds nothing to learn from"):
        detect(tmp_path)


# the rest of the contract


def test_positions_tokens_and_flat_pixels() -> None:
    modality = colour(8, patch=4)
    x = torch.from_numpy(pixels(0, 2, 3, 8, 8))
    tokens = modality.tokenise(x)
    assert tokens is not None and tokens.numbers is not None
    assert tokens.positions.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert tokens.numbers.shape == (2, 4, 48) and tokens.numbers.dtype == torch.float32
    assert tokens.numbers.max() <= 1 and tokens.codes is None and tokens.present is None
    assert torch.equal(modality.flatten(x), x.flatten(1) / 255)
    assert colour(8).tokenise(x) is None


@pytest.mark.parametrize("bands", [1, 2, 3, 6])
def test_show_is_always_colour(bands: int) -> None:
    modality = colour(8, bands)
    x = torch.from_numpy(pixels(0, 2, bands, 8, 8))
    shown = modality.show(x)
    assert shown.shape == (2, 8, 8, 3) and shown.dtype == np.uint8
    if bands == 3:
        np.testing.assert_array_equal(shown, x.permute(0, 2, 3, 1))
    np.testing.assert_array_equal(modality.show(x / 255), shown)


def test_real_photographs_in_parquet() -> None:
    path = Path(__file__).resolve().parents[3] / "shared" / "data" / "images" / "cifar10" / "test.parquet"
    if not path.exists():
        pytest.skip(f"the shared data is not here ({path})")
    assert detect(path) is Image
    modality = Image.measure(path)
    assert (modality.size, modality.bands, modality.patch) == ((32, 32), 3, 4)
    np.testing.assert_allclose(modality.mean, [0.49, 0.48, 0.45], atol=0.02)
    np.testing.assert_allclose(modality.std, [0.25, 0.24, 0.26], atol=0.02)
    found = find.open_collection(path, labels=True)
    assert len(found) == 10_000 and found.keys[0].startswith("test/")
    assert found.labels is not None and sorted(set(found.labels)) == list(range(10))
    with io.BytesIO(pq.read_table(path, columns=["image"])["image"][9_999].as_py()) as file:
        expected = np.asarray(Pil.open(file))
    np.testing.assert_array_equal(find.to_picture(found.open(9_999), 32).pixels, expected)
