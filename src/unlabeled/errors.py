"""What can go wrong, by name. Every message says what is wrong, where, and what to do.

A user's mistake (`UserError`) ends the command line with status 2; a run that failed while
training (`TrainingError`) ends it with status 1; an interrupted run with 128 + the signal.
"""

from __future__ import annotations

import difflib
import signal
from collections.abc import Iterable


class UnlabeledError(Exception):
    """The root of every error this library raises on purpose."""


class UserError(UnlabeledError, ValueError):
    """Something that was asked for cannot be done as asked."""


class DataError(UserError):
    """The data cannot be read, is empty, or does not fit what was asked."""


class OptionError(UserError):
    """An option has a value outside its range, or an unknown name."""


class RunError(UserError):
    """A run folder is missing, is not one, or holds something else."""


class ObjectiveError(UserError):
    """An objective was given tensors for which its formula has no value."""


class ExportError(UserError):
    """A model cannot be written in a format, or does not give there what it gave before."""


class MissingExtraError(UnlabeledError, ImportError):
    """A package from an extra is not installed; the message names the extra."""


class TrainingError(UnlabeledError, RuntimeError):
    """Training began and had to stop."""


class CollapseError(TrainingError):
    """The embeddings (or the predicted classes) have collapsed."""


class NonFiniteError(TrainingError):
    """A loss term became NaN or infinite."""


class CheckpointError(TrainingError):
    """A checkpoint could not be written; the one before it is still there."""


class Interrupted(UnlabeledError):
    """A signal stopped the run after a whole step; `last.ckpt` holds it."""

    def __init__(self, number: int, where: str) -> None:
        self.signal = number
        name = signal.Signals(number).name
        super().__init__(f"stopped by {name} at {where}; continue it with resume=True (--resume true)")


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the nearest known ones, or all of them."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(repr(c) for c in close)}?"
    return f"known: {', '.join(known)}"


def missing(package: str, extra: str) -> MissingExtraError:
    """The error for an optional package that is not installed."""
    return MissingExtraError(f"this needs the package {package!r}: pip install 'unlabeled[{extra}]'")
