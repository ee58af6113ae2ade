"""What the kinds of view mean for recordings, in numbers, and how a branch's options overrule them.

The changes are those of BYOL-A (Niizumi et al. 2021, arXiv 2103.06695: a part of another recording mixed in,
random resize crops) and SpecAugment (Park et al. 2019, arXiv 1904.08779: masks in time and frequency), made on
log-mel spectrograms, where a crop in time, a gain and a mixture are what they are on waveforms, but cheap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from unlabeled.methods.contract import Branch
from unlabeled.modalities.amounts import Amount, check_kept, check_variant, given

VARIANTS: Mapping[str, int] = {"raw": 1, "weak": 2, "strong": 3, "local": 1}
"""how many variants each kind has"""


@dataclass(frozen=True)
class Look:
    """How a view is made: plain numbers, or one a row where an option says so."""

    low: Amount = 1.0
    high: Amount = 1.0
    """smallest and largest share of the recording's time a crop keeps"""
    speed: Amount = 0.0
    """0.2: from 0.8 to 1.2 times as fast, pitch unchanged"""
    pitch: Amount = 0.0
    """largest shift along the mel axis, as a share of it; the axis is stretched by up to twice as much"""
    gain: Amount = 0.0
    """largest gain, decibels up or down"""
    noise: Amount = 0.0
    """probability that another recording is mixed in, and again that hiss is; both at `SNR` decibels"""
    masks: Amount = 0.0
    """largest share of the bands, and of the time, that each of `MASKS` masks hides"""


LARGEST: Mapping[str, float] = dict(low=1.0, high=1.0, speed=0.5, pitch=0.5, gain=60.0, noise=1.0, masks=0.5)
"""largest value of each option"""
MASKS = 2
"""masks a direction (SpecAugment's LibriSpeech double policy)"""
SNR = (0.0, 20.0)
"""decibels by which a recording is louder than what is mixed into it"""
LOCAL = 0.5
"""frames of a local view as a share of those of a full one"""

WEAK = Look(low=0.9, gain=3.0)
LOOKS: Mapping[tuple[str, int], Look] = {
    ("raw", 0): Look(),
    ("weak", 0): WEAK,
    ("weak", 1): replace(WEAK, low=0.7),
    ("strong", 0): Look(low=0.6, speed=0.2, pitch=0.05, gain=6.0, noise=0.5, masks=0.15),
    ("strong", 1): Look(low=0.6, speed=0.2, pitch=0.05, gain=6.0, noise=0.9, masks=0.05),
    ("strong", 2): Look(low=0.6, speed=0.2, pitch=0.05, gain=6.0, noise=0.1, masks=0.25),
    ("local", 0): Look(low=0.25, high=0.5, speed=0.2, pitch=0.05, gain=6.0, noise=0.5, masks=0.1),
}


def look(branch: Branch, x: Tensor) -> Look:
    """How the view that `branch` asks for is made, for the rows of `x`."""
    check_variant("recordings", branch, VARIANTS)
    options = given("recordings", branch, LARGEST, len(x), x.device)
    made = replace(LOOKS[branch.kind, branch.variant], **options)  # type: ignore[arg-type]
    check_kept("recordings", branch, made.low, made.high, "the time")
    return made


def local_frames(frames: int, patch: int) -> int:
    """Frames of a local view: a whole number of tokens, where that is fewer than all."""
    return min(frames, -(-round(LOCAL * frames) // patch) * patch)
