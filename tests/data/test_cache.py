"""The cache of decoded rows: made once, used only when whole, given up without harm."""

from __future__ import annotations

import errno
import json
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest

from unlabeled.data import cache
from unlabeled.data.cache import Mapped, Prepared, Unreadable, prepare

COUNT = 20


class Maker:
    """Makes row i as [i, i, i] and counts how often it was asked; row 3 is unreadable."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, i: int) -> np.ndarray:
        self.asked.append(i)
        if i == 3:
            raise Unreadable("the third is broken")
        return np.full(3, i, np.uint8)


def run(make: Maker, folder: Path, name: str | None = "name") -> Prepared:
    return prepare(make, COUNT, shape=(3,), dtype=np.dtype(np.uint8), name=name, folder=folder)


def check(made: Prepared) -> None:
    assert made.failed == {3: "the third is broken"}
    rows = made.rows.array if isinstance(made.rows, Mapped) else made.rows
    assert rows is not None
    expected = np.repeat(np.arange(COUNT)[:, None], 3, axis=1)
    expected[3] = 0
    np.testing.assert_array_equal(rows, expected)


def test_rows_are_made_once_and_then_read(tmp_path: Path) -> None:
    first, again = Maker(), Maker()
    check(run(first, tmp_path))
    made = run(again, tmp_path)
    check(made)
    assert sorted(first.asked) == list(range(COUNT))
    assert again.asked == []
    assert isinstance(made.rows, Mapped) and isinstance(made.rows.array, np.memmap)


def test_another_name_makes_rows_anew(tmp_path: Path) -> None:
    run(Maker(), tmp_path)
    again = Maker()
    check(run(again, tmp_path, "other"))
    assert len(again.asked) == COUNT


def test_the_folder_is_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNLABELED_CACHE", str(tmp_path / "here"))
    prepare(Maker(), COUNT, shape=(3,), dtype=np.dtype(np.uint8), name="name")
    assert (tmp_path / "here" / "name" / "rows.npy").is_file()


def test_a_half_written_cache_is_not_used_and_is_removed(tmp_path: Path) -> None:
    run(Maker(), tmp_path)
    # what a killed process leaves: the rows under another name, perhaps not all of them
    part = tmp_path / ".name.12345.part"
    (tmp_path / "name").rename(part)
    again = Maker()
    check(run(again, tmp_path))
    assert len(again.asked) == COUNT
    assert not part.exists()


@pytest.mark.parametrize("damage", ["cut", "no index", "broken index", "other form"])
def test_a_damaged_cache_is_made_anew(tmp_path: Path, damage: str) -> None:
    run(Maker(), tmp_path)
    rows, index = tmp_path / "name" / "rows.npy", tmp_path / "name" / "index.json"
    if damage == "cut":
        rows.write_bytes(rows.read_bytes()[:-10])
    elif damage == "no index":
        index.unlink()
    elif damage == "broken index":
        index.write_text(index.read_text()[:20])
    else:
        index.write_text(json.dumps(json.loads(index.read_text()) | {"count": 7}))
    again = Maker()
    check(run(again, tmp_path))
    assert len(again.asked) == COUNT


def test_a_process_killed_while_writing_leaves_no_cache(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def dies(i: int) -> np.ndarray:
        if i == 10:
            raise Killed
        return np.full(3, i, np.uint8)

    with pytest.raises(Killed):
        prepare(dies, COUNT, shape=(3,), dtype=np.dtype(np.uint8), name="name", folder=tmp_path)
    assert not (tmp_path / "name").exists()
    check(run(Maker(), tmp_path))


def test_rows_that_do_not_fit_are_not_kept_but_their_failures_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "fits", lambda needed, folder: False)
    made = run(Maker(), tmp_path)
    assert made.rows is None and made.failed == {3: "the third is broken"}
    assert not (tmp_path / "name" / "rows.npy").exists()
    again = Maker()
    assert run(again, tmp_path).failed == {3: "the third is broken"}
    assert again.asked == []  # the verifying pass is not repeated
    monkeypatch.undo()
    check(run(Maker(), tmp_path))  # and once there is room, the rows are kept


def test_fits_means_a_fifth_of_what_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 1000

    monkeypatch.setattr(cache.shutil, "disk_usage", lambda folder: Usage)
    assert cache.fits(199, tmp_path / "not" / "there" / "yet")
    assert not cache.fits(200, tmp_path)


@pytest.mark.parametrize("moment", ["row", "end"])
def test_a_disk_that_fills_up_costs_the_cache_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    written = []

    def write(self: object, data: bytes) -> None:
        written.append(data)
        if len(written) > 5:
            raise OSError(errno.ENOSPC, "No space left on device")

    def fsync(number: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if moment == "row":
        monkeypatch.setattr(cache._Rows, "_write", write)
    else:
        monkeypatch.setattr(cache.os, "fsync", fsync)
    make = Maker()
    with pytest.warns(UserWarning, match="No space left on device.*UNLABELED_CACHE"):
        made = run(make, tmp_path)
    assert made.rows is None and made.failed == {3: "the third is broken"}
    assert sorted(make.asked) == list(range(COUNT))  # no second pass
    assert not list(tmp_path.rglob("rows.npy"))


def test_a_folder_that_cannot_be_written_costs_the_cache_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(UserWarning, match="no cache can be kept"):
        made = run(Maker(), tmp_path / "file")
    assert made.rows is None and made.failed == {3: "the third is broken"}


def test_data_without_a_name_is_kept_in_memory_up_to_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(run(Maker(), tmp_path, None))
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(cache, "MEMORY", 10)
    assert run(Maker(), tmp_path, None).rows is None


def test_two_makers_at_once_make_the_rows_once(tmp_path: Path) -> None:
    make, found = Maker(), []
    both = [threading.Thread(target=lambda: found.append(run(make, tmp_path))) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    for made in found:
        check(made)
    assert len(found) == 2 and len(make.asked) == COUNT


def test_a_mapped_array_pickles_as_its_path(tmp_path: Path) -> None:
    np.save(tmp_path / "large.npy", np.zeros(100_000))
    mapped = Mapped(tmp_path / "large.npy")
    assert mapped.array.shape == (100_000,)
    packed = pickle.dumps(mapped)
    assert len(packed) < 1000
    assert pickle.loads(packed).array.shape == (100_000,)


def test_an_error_that_is_not_about_one_sample_is_not_swallowed(tmp_path: Path) -> None:
    def wrong(i: int) -> np.ndarray:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        prepare(wrong, COUNT, shape=(3,), dtype=np.dtype(np.uint8), name="name", folder=tmp_path)
    assert not (tmp_path / "name").exists()


def test_a_long_pass_says_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(Maker(), tmp_path, "quick")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(cache, "QUIET", -1.0)
    run(Maker(), tmp_path, "slow")
    assert f"{COUNT} of {COUNT}" in capsys.readouterr().err
