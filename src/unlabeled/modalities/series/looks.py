"""What the kinds of view mean for series, in numbers, and how a branch's options overrule them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from unlabeled.errors import OptionError
from unlabeled.methods.contract import Branch
from unlabeled.modalities.amounts import Amount, check_kept, given

VARIANTS: Mapping[str, int] = {"raw": 1, "weak": 2, "strong": 3, "local": 1}
"""how many variants each kind has"""


@dataclass(frozen=True)
class Look:
    """How a view is made. Plain numbers, which an option may make one a row."""

    low: Amount = 1.0
    high: Amount = 1.0
    """smallest and largest share of the series a crop keeps"""
    noise: Amount = 0.0
    """deviation of the Gaussian on every value, as a share of the channel's"""
    scale: Amount = 0.0
    """a channel is multiplied by exp of a normal number with this deviation"""
    warp: Amount = 0.0
    permute: Amount = 0.0
    time_mask: Amount = 0.0
    frequency_mask: Amount = 0.0
    channel_dropout: Amount = 0.0
    """probabilities that a row is changed so"""


SHARES = ("low", "high")
AMOUNTS = ("noise", "scale")
CHANCES = ("warp", "permute", "time_mask", "frequency_mask", "channel_dropout")
LARGEST: Mapping[str, float] = dict.fromkeys(SHARES + CHANCES, 1.0) | dict.fromkeys(AMOUNTS, float("inf"))
"""what a branch's options can overrule, and the largest value of each"""

BENDS = 3
"""numbers a warp is made of"""
WARPED = 0.8
"""largest change of speed in a warp, as a share of the speed"""
PIECES = 5
"""most pieces of a permutation, as many as Eldele et al. 2021 (arXiv 2106.14112) cut for sleep records"""
MASKED = (0.1, 0.3)
"""smallest and largest share of the series a time mask hides"""
FREQUENCIES = 0.2
"""share of the frequencies a frequency mask leaves out"""
CHANNELS = 0.3
"""share of the channels a channel dropout leaves out"""
LOCAL = 3 / 7
"""length of a local view as a share of the full one (96 of 224 px; Caron et al. 2021, arXiv 2104.14294)"""


def look(kind: str, variant: int, channels: int) -> Look:
    """How a view of this kind is made.

    Weak is jitter and scale (Eldele et al. 2021) with a light crop; its variant 1, for masked methods, a crop
    alone. Strong is a crop with all of it; of the pair 1 and 2 the first hides parts of time and channels, the
    second permutes pieces, jitters more (the strong view of that paper) and leaves frequencies out.
    """
    drop = 0.0 if channels == 1 else 0.2
    if kind == "raw":
        return Look()
    if kind == "weak":
        return Look(low=0.9, noise=0.03, scale=0.1) if variant == 0 else Look(low=0.6)
    if kind == "local":
        return Look(low=0.2, high=0.5, noise=0.05, scale=0.2, channel_dropout=drop)
    made = Look(low=0.5, noise=0.05, scale=0.2, warp=0.5, time_mask=0.5, channel_dropout=drop)
    if variant == 1:
        return replace(made, time_mask=1.0)
    if variant == 2:
        return replace(made, noise=0.1, time_mask=0.0, permute=0.5, frequency_mask=0.5)
    return made


def local_length(steps: int, patch: int) -> int:
    """Steps of a batch of local views: whole patches, at least two where there are two."""
    return min(steps, max(2, round(steps * LOCAL / patch)) * patch)


def overruled(branch: Branch, x: Tensor, made: Look) -> Look:
    """`made` with the branch's options in place of its own values."""
    options = given("series", branch, LARGEST, len(x), x.device)
    if "channel_dropout" in options and x.shape[1] == 1:
        raise OptionError(
            f"{branch.kind} view of series: these series have one channel, which is never dropped; leave "
            "'channel_dropout' out"
        )
    made = replace(made, **options)
    check_kept("series", branch, made.low, made.high, "the series")
    return made
