"""Reading recordings: every form in which people have them, and everything that is wrong with some of them."""

from __future__ import annotations

import io
import pickle
import re
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from tests.samples import KINDS

from unlabeled.data.source import Source
from unlabeled.errors import DataError, MissingExtraError, OptionError
from unlabeled.modalities import detect
from unlabeled.modalities.audio import Audio, cut_off, decode, find
from unlabeled.modalities.image import Image

sf = pytest.importorskip("soundfile", reason="needs unlabeled[audio]")
RATE = 8000


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNLABELED_CACHE", str(tmp_path_factory.mktemp("cache")))


def tone(seconds: float = 0.1, hertz: float = 440.0, rate: int = RATE, level: float = 0.5) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def save(path: Path, samples: np.ndarray, rate: int = RATE, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, samples, rate, **options)
    return path


def encoded(samples: np.ndarray, rate: int = RATE) -> bytes:
    file = io.BytesIO()
    sf.write(file, samples, rate, format="WAV", subtype="FLOAT")
    return file.getvalue()


def prepared(seconds: float = 0.1, **options: Any) -> Audio:
    return Audio(RATE, seconds, 20, -10.0, 3.0, **options)


def only(source: Source) -> np.ndarray:
    """The one recording of a source, without its padding."""
    assert len(source) == 1
    x = source.fetch([0])[0]
    return x[~x.isnan()].numpy()


def loudest_hertz(x: np.ndarray, rate: int = RATE) -> float:
    return float(np.abs(np.fft.rfft(x)).argmax() * rate / len(x))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four recordings of unequal length in class folders, and files that are none or broken."""
    made = tmp_path / "sounds"
    for i, name in enumerate(["low/0_a.wav", "low/1_b.flac", "high/2_a.ogg", "high/deep/3_b.mp3"]):
        save(made / name, tone(0.1 + 0.05 * i, 300 + 300 * i))
    (made / "low" / "empty.wav").write_bytes(b"")
    (made / "low" / "text.wav").write_text("no sound at all")
    save(made / "low" / "nothing.wav", np.zeros(0, np.float32))
    (made / "notes.txt").write_text("no recording")
    return made


# files


def test_a_folder_is_measured_and_read_and_what_is_broken_is_named(folder: Path) -> None:
    assert detect(folder) is Audio
    modality = Audio.measure(folder)
    assert (modality.rate, modality.mels) == (RATE, 40)
    source = modality.read(folder, labels=True)
    assert list(source.keys) == ["high/2_a.ogg", "high/deep/3_b.mp3", "low/0_a.wav", "low/1_b.flac"]
    assert source.labels is not None and source.labels.tolist() == ["high", "high", "low", "low"]
    assert {s.key: s.reason.partition(" (")[0] for s in source.skipped} == {
        "low/empty.wav": "empty file",
        "low/nothing.wav": "holds no sound",
        "low/text.wav": "not sound in a known format, or damaged at its start",
    }
    assert "1 other file (.txt) left alone" in source.description
    x = source.fetch([2, 0])
    assert x.dtype == torch.float32 and x.shape == (2, modality.length)
    assert (~x.isnan()).sum(1).tolist() == [800, 1600]


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "a.aiff", "a.opus", "a.au", "a.caf"])
def test_formats_keep_what_is_heard(tmp_path: Path, name: str) -> None:
    options = {"format": "OGG", "subtype": "OPUS"} if name.endswith("opus") else {}
    x = only(prepared(1.0).read(save(tmp_path / name, tone(0.5, 700), **options)))
    assert abs(loudest_hertz(x) - 700) < 10
    assert len(x) == pytest.approx(4000, abs=200)
    assert np.abs(x).max() == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_every_width_of_sample_has_the_same_scale(tmp_path: Path, subtype: str) -> None:
    x = only(prepared().read(save(tmp_path / "a.wav", tone(), subtype=subtype)))
    np.testing.assert_allclose(x, tone(), atol=0.01 if subtype == "PCM_U8" else 1e-3)


def test_channels_are_mixed_and_rates_made_one(tmp_path: Path) -> None:
    stereo = np.stack([tone(0.1, 500, 44100), np.zeros(4410, np.float32)], axis=1)
    x = only(prepared().read(save(tmp_path / "a.wav", stereo, 44100)))
    assert len(x) == 800 and abs(loudest_hertz(x) - 500) < 15
    np.testing.assert_allclose(x[80:-80], tone(0.1, 500)[80:-80] / 2, atol=5e-3)


def test_what_is_above_half_the_rate_does_not_come_back_as_something_else(tmp_path: Path) -> None:
    x = only(prepared().read(save(tmp_path / "a.wav", tone(0.1, 6000, 44100), 44100)))
    assert np.abs(x[80:-80]).max() < 0.01


def test_of_a_longer_recording_the_middle_is_kept(tmp_path: Path) -> None:
    long = np.linspace(-1, 1, RATE, dtype=np.float32)
    x = only(prepared(0.1).read(save(tmp_path / "a.wav", long)))
    np.testing.assert_allclose(x, long[3600:4400], atol=1e-3)


def test_silence_is_a_recording(tmp_path: Path) -> None:
    path = save(tmp_path / "a.wav", np.zeros(800, np.float32))
    modality = Audio.measure(path)
    source = modality.read(path)
    assert len(source) == 1 and not source.skipped
    assert bool(modality.flatten(source.fetch([0])).isfinite().all())


def test_damaged_files_are_skipped_with_the_reason(tmp_path: Path) -> None:
    good = save(tmp_path / "good.wav", tone()).read_bytes()
    no_rate = bytearray(good)
    no_rate[24:28] = struct.pack("<I", 0)
    (tmp_path / "rate.wav").write_bytes(no_rate)
    broken = tone()
    broken[5] = np.nan
    save(tmp_path / "nan.wav", broken, subtype="FLOAT")
    save(tmp_path / "loud.wav", tone() * 20_000, subtype="FLOAT")
    flac = save(tmp_path / "half.flac", tone(2.0)).read_bytes()
    (tmp_path / "half.flac").write_bytes(flac[: len(flac) // 2])
    source = prepared().read(tmp_path)
    reasons = {s.key: s.reason for s in source.skipped}
    assert list(source.keys) == ["good.wav"] and len(reasons) == 4
    assert "its header says 0 for the sampling rate" in reasons["rate.wav"]
    assert "NaN" in reasons["nan.wav"]
    assert "where -1 to 1 is full scale" in reasons["loud.wav"]
    assert "cannot be decoded" in reasons["half.flac"]


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("a.wav", {}, r"cut off: its header promises 16,000 bytes of samples and \d+,\d+ of them are there"),
        ("a.aiff", {}, r"cut off: its header promises 16,008 bytes of samples and \d+,\d+ of them are there"),
        ("a.ogg", {}, "cut off: its last page is missing or not whole"),
        ("a.opus", {"format": "OGG", "subtype": "OPUS"}, "cut off: its last page is missing or not whole"),
    ],
)
def test_a_file_that_is_cut_off_is_skipped(
    name: str, options: dict[str, str], said: str, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, RATE)
    whole = save(tmp_path / name, noise, **options).read_bytes()
    assert len(only(prepared(1.0).read(tmp_path))) == pytest.approx(RATE, abs=100)
    save(tmp_path / "whole.flac", noise)
    for share in (0.3, 0.95):
        (tmp_path / name).write_bytes(whole[: int(share * len(whole))])
        source = prepared(1.0).read(tmp_path)
        assert list(source.keys) == ["whole.flac"] and [s.key for s in source.skipped] == [name]
        assert re.fullmatch(said, source.skipped[0].reason)


def test_a_length_that_was_not_known_when_it_was_written_is_no_promise(tmp_path: Path) -> None:
    path = save(tmp_path / "a.wav", tone(0.1))
    piped = bytearray(path.read_bytes())
    at = piped.index(b"data") + 4
    for length in (0xFFFFFFFF, 0x7FFFF024):
        piped[at : at + 4] = struct.pack("<I", length)
        path.write_bytes(piped)
        assert len(only(prepared().read(path))) == 800
    # an Ogg stream that was stopped ends without the page that says so
    path = save(tmp_path / "a.ogg", tone(1.0))
    stopped = bytearray(path.read_bytes())
    stopped[stopped.rindex(b"OggS") + 5] &= ~4
    assert cut_off.unfinished(io.BytesIO(stopped)) and not cut_off.unfinished(io.BytesIO(path.read_bytes()))


def test_nothing_readable_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"")
    for attempt in (Audio.measure, prepared().read):
        with pytest.raises(DataError, match=r"none of the 1 samples .* can be read. a.wav: empty file"):
            attempt(tmp_path)


def test_a_class_may_be_a_part_of_the_name(folder: Path) -> None:
    modality = Audio.measure(folder, label=r"_([ab])\.")
    assert Audio(**modality.config()).label == modality.label
    source = modality.read(folder, labels=True)
    assert source.labels is not None and source.labels.tolist() == ["a", "b", "a", "b"]


def test_archives_lists_and_parquet_hold_the_same(folder: Path, tmp_path: Path) -> None:
    files = sorted(p for p in folder.rglob("*.*") if p.suffix in (".wav", ".flac", ".ogg", ".mp3"))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for file in files:
            archive.write(file, file.relative_to(folder).as_posix())
    rows = [{"audio": {"bytes": file.read_bytes(), "path": file.name}, "who": file.stem} for file in files]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    modality = prepared(0.3)
    expected = modality.read(folder).fetch(range(4))
    for data in (tmp_path / "a.zip", [str(f) for f in files], tmp_path / "a.parquet"):
        assert detect(data) is Audio
        torch.testing.assert_close(modality.read(data).fetch(range(4)), expected, equal_nan=True)
    named = prepared(0.3, label="who", key="who").read(tmp_path / "a.parquet", labels=True)
    assert named.labels is not None and named.labels.tolist() == list(named.keys)


def test_a_hugging_face_data_set_needs_no_decoder_of_its_own() -> None:
    datasets = pytest.importorskip("datasets")
    rows = [{"bytes": encoded(tone(0.1, 300 + 100 * i)), "path": None} for i in range(3)]
    data = datasets.Dataset.from_dict({"audio": rows, "label": [0, 1, 0]}).cast_column(
        "audio", datasets.Audio()
    )
    assert detect(data) is Audio
    source = Audio.measure(data).read(data, labels=True)
    assert source.labels is not None and source.labels.tolist() == [0, 1, 0]
    assert abs(loudest_hertz(source.fetch([2])[0, :800].numpy()) - 500) < 20


def test_without_soundfile_the_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "soundfile", None)
    with pytest.raises(MissingExtraError, match=r"unlabeled\[audio\]"):
        Audio.measure(folder)


# arrays


@pytest.mark.parametrize(
    "array",
    [
        np.stack([tone(), tone()]),
        np.stack([tone(), tone()])[:, None],
        np.stack([tone(), tone()])[:, None].repeat(2, 1),
        torch.from_numpy(np.stack([tone(), tone()])),
        [tone(), tone()],
        (np.stack([tone(), tone()]) * 32768).astype(np.int16),
    ],
    ids=["plain", "one channel", "two channels", "tensor", "list", "whole numbers"],
)
def test_arrays_come_with_their_rate(array: Any) -> None:
    for data in (
        (array, RATE),
        {"array": array, "rate": RATE},
        {"audio": array, "sampling_rate": np.int64(RATE)},
    ):
        assert detect(data) is Audio
        x = prepared().read(data).fetch([1])
        np.testing.assert_allclose(x[0], tone(), atol=1e-3)


def test_arrays_may_be_unequal_and_carry_labels_and_keys(tmp_path: Path) -> None:
    data = {
        "array": [tone(0.1), tone(0.05)],
        "rate": RATE,
        "label": [1, 0],
        "key": ["x", "y"],
        "other": ["p", "q"],
    }
    source = Audio.measure(data).read(data, labels=True)
    assert source.labels is not None
    assert (list(source.keys), source.labels.tolist()) == (["x", "y"], [1, 0])
    assert (~source.fetch([0, 1]).isnan()).sum(1).tolist() == [800, 400]
    other = Audio.measure(data, label="other").read(data, labels=True)
    assert other.labels is not None and other.labels.tolist() == ["p", "q"]
    with pytest.raises(DataError, match="did you mean 'other'"):
        prepared(label="othr").read(data, labels=True)
    with pytest.raises(DataError, match="1 labels were given for 2 recordings"):
        prepared().read({**data, "label": [1]}, labels=True)
    np.savez(tmp_path / "a.npz", audio=np.stack([tone(), tone()]), rate=RATE, label=[0, 1])
    assert detect(tmp_path / "a.npz") is Audio
    assert len(prepared().read(tmp_path / "a.npz", labels=True)) == 2


def test_padding_with_nan_at_the_end_of_a_row_is_no_sound() -> None:
    array = np.stack([tone(), tone()])
    array[1, 300:] = np.nan
    assert (~prepared().read((array, RATE)).fetch([0, 1]).isnan()).sum(1).tolist() == [800, 300]


def test_an_empty_row_is_skipped_and_named() -> None:
    source = prepared().read(([tone(), np.zeros(0, np.float32), tone()], RATE))
    assert source.index.tolist() == [0, 2]
    assert [(s.key, s.reason) for s in source.skipped] == [("1", "holds no sound (0 samples)")]


@pytest.mark.parametrize(
    ("array", "rate", "said"),
    [
        (
            np.stack([tone(), np.where(np.arange(800) == 9, np.nan, tone())]),
            RATE,
            "row 1 of the array holds NaN",
        ),
        (
            np.stack([tone(), np.where(np.arange(800) == 9, np.inf, tone())]),
            RATE,
            "row 1 of the array holds NaN",
        ),
        ([tone(), tone() * 30_000], RATE, "row 1 of the array holds samples up to 15,000 where -1 to 1"),
        (np.stack([tone(), tone()]), 0, "the array has a sampling rate of 0"),
        (np.stack([tone(), tone()]), -8000, "the array has a sampling rate of -8000"),
        (np.stack([tone(), tone()]), float("nan"), "the array has a sampling rate of nan"),
        (np.stack([tone(), tone()]).T, RATE, "as soundfile reads it"),
        (np.zeros((2, 2, 2, 9), np.float32), RATE, "is no set of recordings"),
        (np.zeros((0, 9), np.float32), RATE, "holds no recordings"),
    ],
)
def test_arrays_that_cannot_be_right_are_refused(array: Any, rate: float, said: str) -> None:
    with pytest.raises(DataError, match=said):
        prepared().read((array, rate))


# recognised


@pytest.mark.parametrize(
    "data",
    [
        np.zeros((4, 3, 100)),
        np.zeros((4, 100)),
        (np.zeros((4, 100)), np.zeros(4)),
        ["a.txt", "b.txt"],
        [],
        {},
        {"array": "x", "rate": "y"},
        None,
        3,
    ],
)
def test_what_is_not_recordings_is_not_claimed(data: Any) -> None:
    assert Audio.recognises(data) is None


def test_pictures_are_not_claimed_nor_sounds_by_pictures(tmp_path: Path, folder: Path) -> None:
    from PIL import Image as Pil

    Pil.new("L", (8, 8)).save(tmp_path / "a.png")
    png = (tmp_path / "a.png").read_bytes()
    pq.write_table(pa.Table.from_pylist([{"bytes": png}] * 3), tmp_path / "pictures.parquet")
    pq.write_table(pa.Table.from_pylist([{"bytes": encoded(tone())}] * 3), tmp_path / "sounds.parquet")
    assert detect(tmp_path / "pictures.parquet") is Image
    assert detect(tmp_path / "sounds.parquet") is Audio
    assert Image.recognises(folder) is None


# measured, and said again


def test_the_rate_is_the_most_frequent_one_and_at_most_16_000(tmp_path: Path) -> None:
    for i, rate in enumerate([RATE, RATE, 44100]):
        save(tmp_path / f"{i}.wav", tone(0.1, rate=rate), rate)
    assert Audio.measure(tmp_path).rate == RATE
    save(tmp_path / "3.wav", tone(0.1, rate=44100), 44100)
    save(tmp_path / "4.wav", tone(0.1, rate=44100), 44100)
    found = Audio.measure(tmp_path)
    assert (found.rate, found.mels) == (16_000, 64)


def test_the_length_is_that_of_nearly_all_recordings_and_at_most_ten_seconds() -> None:
    assert Audio.measure(([tone(0.1)] * 99 + [tone(0.5)], RATE)).seconds == 0.1
    assert Audio.measure(([tone(0.1)] * 90 + [tone(0.5)] * 10, RATE)).seconds == 0.5
    assert Audio.measure(([tone(12.0, rate=1000)] * 2, 1000)).seconds == 10.0


def test_mean_and_spread_are_those_of_what_is_there() -> None:
    sample = KINDS["audio"]
    modality = Audio.measure(sample.data())
    x = modality.plain(modality.read(sample.data()).fetch(range(sample.ROWS)))
    there = x[~x.isnan()]
    assert modality.mean == pytest.approx(float(there.mean()), abs=1e-3)
    assert modality.std == pytest.approx(float(there.std()), abs=1e-3)


@pytest.mark.parametrize(
    "options",
    [
        {"rate": 0},
        {"rate": -8000},
        {"rate": 8000.0},
        {"seconds": 0},
        {"mels": 0},
        {"patch": 0},
        {"window": 0.1},
        {"hop": -1},
        {"mels": 400},
        {"melz": 4},
        {"patch": 10_000},
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        Audio.measure((np.stack([tone(), tone()]), RATE), **options)


# the source


def test_files_are_decoded_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modality = prepared()
    first = modality.read(folder).fetch(range(4))
    monkeypatch.setattr(decode, "decode", lambda *a, **k: pytest.fail("decoded again"))
    torch.testing.assert_close(modality.read(folder).fetch(range(4)), first, equal_nan=True)


def test_a_source_pickles_and_its_fingerprint_follows_the_data(folder: Path) -> None:
    source = prepared().read(folder)
    again = pickle.loads(pickle.dumps(source))
    torch.testing.assert_close(again.fetch([0, 3]), source.fetch([0, 3]), equal_nan=True)
    assert prepared().read(folder).fingerprint == source.fingerprint
    assert prepared(0.2).read(folder).fingerprint != source.fingerprint
    save(folder / "low" / "0_a.wav", tone(0.11))
    assert prepared().read(folder).fingerprint != source.fingerprint
    one, other = prepared().read(([tone()], RATE)), prepared().read(([tone(0.1, 441)], RATE))
    assert one.fingerprint != other.fingerprint


def test_half_precision_keeps_quiet_recordings() -> None:
    quiet = tone(level=1e-4)
    x = only(prepared().read(([quiet], RATE)))
    assert float(np.abs(x - quiet).max()) < 1e-7


def test_spoken_digits() -> None:
    path = Path(__file__).resolve().parents[3] / "shared" / "data" / "audio" / "fsdd" / "recordings.zip"
    if not path.exists():
        pytest.skip(f"the shared data is not here ({path})")
    assert detect(path) is Audio
    modality = Audio.measure(path, label=r"^(\d)_")
    assert (modality.rate, modality.mels, modality.patch) == (8000, 40, 4)
    found = find.open_collection(path, labels=True, label=modality.label)
    assert len(found) == 3000 and found.labels is not None
    assert sorted(set(found.labels)) == list("0123456789")
