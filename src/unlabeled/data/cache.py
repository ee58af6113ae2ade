"""Decode once, read from a memory map ever after. Knows nothing of what the rows mean.

`prepare` makes every row of a set once, in threads, and learns on the way which rows cannot be
made. Where the rows fit on the disk they stay in a folder named after the data and its
preparation; where they do not, only the list of unreadable rows stays and the caller makes rows
anew whenever it needs them. A folder is written under another name and renamed when it is whole,
so that a killed process never leaves a half cache that is later used.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from unlabeled.errors import DataError

FREE_SHARE = 0.2
"""rows are kept on disk when they need less than this share of the free space"""
MEMORY = 2 * 2**30
"""bytes up to which rows of unnamed data (without a fingerprint) are kept in memory"""
QUIET = 3.0
"""seconds a pass may take before it says how far it is, and between two such lines"""


class Unreadable(Exception):
    """One sample cannot be read; the message is the reason, for a person."""


class Mapped:
    """An `.npy` file as an array on demand. Pickles as its path, never as its content."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._array: np.ndarray | None = None

    @property
    def array(self) -> np.ndarray:
        """(rows, …), read-only, paged in as it is used."""
        if self._array is None:
            self._array = np.load(self.path, mmap_mode="r", allow_pickle=False)
        return self._array

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_array": None}


@dataclass(frozen=True)
class Prepared:
    """What a pass over a set found, and its rows where they could be kept."""

    failed: dict[int, str]
    """position of each row that cannot be made → why"""
    rows: Mapped | np.ndarray | None
    """row i of the set at place i (rows that failed are zeros); None: make them when they are needed"""
    how: str
    """for a person: where the rows are"""


def default_folder() -> Path:
    """`$UNLABELED_CACHE`, or `~/.cache/unlabeled`."""
    named = os.environ.get("UNLABELED_CACHE")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "unlabeled"


def fits(needed: int, folder: Path) -> bool:
    """Whether `needed` bytes are less than a fifth of what is free where `folder` is or would be."""
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    return needed < FREE_SHARE * shutil.disk_usage(there).free


def prepare(
    make: Callable[[int], np.ndarray],
    count: int,
    *,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    name: str | None,
    folder: Path | None = None,
) -> Prepared:
    """All rows of a set, from the cache or made now.

    `make(i)` gives row i, `shape` and `dtype`, or raises `Unreadable`; it is called from several
    threads. `name` changes whenever any row would; None: the data cannot be recognised again, and
    its rows are kept in memory at most. `folder`: where caches live (None: `default_folder()`).
    """
    needed = count * math.prod(shape) * dtype.itemsize
    if name is None:
        kept = np.zeros((count, *shape), dtype) if needed <= MEMORY else None
        failed = {}
        for i, row in _made(make, count):
            if isinstance(row, Unreadable):
                failed[i] = str(row)
            elif kept is not None:
                kept[i] = row
        return Prepared(failed, kept, "kept in memory" if kept is not None else "read anew whenever used")

    target = (folder if folder is not None else default_folder()).expanduser() / name
    form = {"count": count, "shape": list(shape), "dtype": dtype.str}
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target):
            found = _find(target, form)
            if found is not None and (found.rows is not None or not fits(needed, target.parent)):
                return found
            return _write(make, target, form, needed)
    except OSError as error:
        warnings.warn(
            f"no cache can be kept in {target.parent} ({error}): samples are decoded anew whenever they are "
            "used; name another folder with the environment variable UNLABELED_CACHE",
            stacklevel=2,
        )
        failed = {i: str(row) for i, row in _made(make, count) if isinstance(row, Unreadable)}
        return Prepared(failed, None, "decoded anew whenever used")


def _find(target: Path, form: dict[str, Any]) -> Prepared | None:
    """The whole cache at `target`, or None where there is none or it is damaged."""
    try:
        said = json.loads((target / "index.json").read_text(encoding="utf-8"))
        if any(said[key] != value for key, value in form.items()):
            return None
        failed = {int(i): str(why) for i, why in said["failed"]}
        if not said["rows"]:
            return Prepared(failed, None, "decoded anew whenever used (too large for the cache)")
        rows = Mapped(target / "rows.npy")
        if rows.array.shape != (form["count"], *form["shape"]) or rows.array.dtype.str != form["dtype"]:
            return None
        return Prepared(failed, rows, f"decoded in {target}")
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(make: Callable[[int], np.ndarray], target: Path, form: dict[str, Any], needed: int) -> Prepared:
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        writer = _Rows(part / "rows.npy", form) if fits(needed, part) else None
        failed: dict[int, str] = {}
        for i, row in _made(make, form["count"]):
            if isinstance(row, Unreadable):
                failed[i] = str(row)
            elif writer is not None and not writer.put(i, row):
                writer = None
        if writer is not None and not writer.close():
            writer = None
        said = form | {"rows": writer is not None, "failed": list(failed.items())}
        # the list of failures alone is worth little next to a full disk: without it, the next run looks again
        with contextlib.suppress(OSError):
            (part / "index.json").write_text(json.dumps(said), encoding="utf-8")
            other = _find(target, form)
            if other is None or other.rows is None:
                shutil.rmtree(target, ignore_errors=True)
                part.rename(target)
        found = _find(target, form)
        return found if found is not None else Prepared(failed, None, "decoded anew whenever used")
    finally:
        shutil.rmtree(part, ignore_errors=True)


class _Rows:
    """An `.npy` file written row by row with plain writes: a memory map kills the process on a full disk."""

    def __init__(self, path: Path, form: dict[str, Any]) -> None:
        self.path, self.shape = path, (form["count"], *form["shape"])
        self.dtype = np.dtype(form["dtype"])
        self.file: BinaryIO = path.open("wb")
        head = {"descr": form["dtype"], "fortran_order": False, "shape": self.shape}
        np.lib.format.write_array_header_1_0(self.file, head)
        self.start = self.file.tell()
        self.bytes = math.prod(form["shape"]) * self.dtype.itemsize

    def put(self, i: int, row: np.ndarray) -> bool:
        """Whether row i was written; False: the disk is full and the file is gone."""
        try:
            self.file.seek(self.start + i * self.bytes)
            self._write(np.ascontiguousarray(row, self.dtype).tobytes())
        except OSError as error:
            self._give_up(error)
            return False
        return True

    def close(self) -> bool:
        """Whether the whole file is on the disk."""
        try:
            self.file.truncate(self.start + self.shape[0] * self.bytes)
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()
        except OSError as error:
            self._give_up(error)
            return False
        return True

    def _write(self, data: bytes) -> None:
        self.file.write(data)

    def _give_up(self, error: OSError) -> None:
        with contextlib.suppress(OSError):
            self.file.close()
        self.path.unlink(missing_ok=True)
        warnings.warn(
            f"the cache could not be written ({error}); its part was removed and samples are decoded anew "
            "whenever they are used: free some disk, or name another folder with the environment variable "
            "UNLABELED_CACHE",
            stacklevel=4,
        )


@contextlib.contextmanager
def _alone(target: Path) -> Iterator[None]:
    """One process at a time makes a cache; the others wait and then find it.

    Where the file system has no locks two may work at once: each renames its own whole folder.
    """
    with target.with_name(f".{target.name}.lock").open("w") as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        except (ImportError, OSError):
            yield
            return
        # nobody else can be writing now: what another process left is from a killed one
        for part in target.parent.glob(f".{target.name}.*.part"):
            shutil.rmtree(part, ignore_errors=True)
        yield


def _made(make: Callable[[int], np.ndarray], count: int) -> Iterator[tuple[int, np.ndarray | Unreadable]]:
    """Rows in order, made in threads a little ahead; says on stderr how far it is when it takes long."""
    workers = threads()
    pending: deque[Future[np.ndarray | Unreadable]] = deque()
    last = time.monotonic()
    told = False

    def attempt(i: int) -> np.ndarray | Unreadable:
        try:
            return make(i)
        except Unreadable as error:
            return error

    with ThreadPoolExecutor(workers) as pool:
        try:
            submitted = 0
            for i in range(count):
                while submitted < count and len(pending) < 4 * workers:
                    pending.append(pool.submit(attempt, submitted))
                    submitted += 1
                yield i, pending.popleft().result()
                if time.monotonic() - last > QUIET:
                    last, told = time.monotonic(), True
                    print(f"reading the data: {i + 1:,} of {count:,}", file=sys.stderr, flush=True)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    if told:
        print(f"reading the data: {count:,} of {count:,}", file=sys.stderr, flush=True)


def threads() -> int:
    """How many threads decode at once: one a core this process may use, at most 16."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return min(16, count)


def whole(failed: dict[int, str], count: int, what: str, name: Callable[[int], str]) -> None:
    """Refuses a set of which nothing can be read, with the first reasons."""
    if len(failed) < count:
        return
    first = "; ".join(f"{name(i)}: {why}" for i, why in list(failed.items())[:5])
    raise DataError(f"none of the {count:,} samples of {what} can be read. {first}")
