"""How a batch of documents is changed into a view, on the device it is on.

A span is cut out, some of its tokens are deleted and some are hidden behind the mask; what is left closes
up. Every random number has one value a row (a token's: one a row and place), drawn for the global batch: a
row's view does not depend on how the batch is shared out, nor one change on the strength of the other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from unlabeled.data.draws import Draws
from unlabeled.errors import OptionError
from unlabeled.methods.contract import Branch
from unlabeled.modalities.amounts import Amount, check_kept, check_variant, given
from unlabeled.modalities.contract import Changed


@dataclass(frozen=True)
class Look:
    """How a view is made. Numbers, or one a row."""

    low: Amount = 1.0
    high: Amount = 1.0
    """smallest and largest share of the document's tokens that the span keeps"""
    delete: Amount = 0.0
    """probability that a token of the span is deleted"""
    mask: Amount = 0.0
    """probability that one that is left is replaced by the mask"""
    noise: Amount = 1.0
    """what `delete` and `mask` are multiplied by: 0 switches both off"""


OPTIONS = ("low", "high", "delete", "mask", "noise")

# Spans cut independently of each other and words deleted with probability 0.1: Izacard et al. 2021 (arXiv
# 2112.09118), whose spans keep 5 to 50 % of long documents; ours keep more, for documents of a sentence or two.
# Words replaced by the mask as well: Wu et al. 2020 (arXiv 2012.15466). Dropout alone makes two views of a
# sentence: Gao et al. 2021 (arXiv 2104.08821); weak views leave most of the work to the encoder's.
LOOKS: Mapping[str, tuple[Look, ...]] = {
    "raw": (Look(),),
    "weak": (Look(mask=0.05), Look()),
    "strong": (
        Look(low=0.3, high=0.8, delete=0.1, mask=0.1),
        Look(low=0.3, high=0.8, delete=0.1),
        Look(low=0.3, high=0.8, delete=0.2, mask=0.2),
    ),
    "local": (Look(low=0.1, high=0.4, delete=0.1),),
}
"""kind → its variants. Weak 1 hides nothing: what a masked method predicts is the text itself. Strong 1 only
deletes; strong 2 deletes and hides more."""


def change(x: Int64[Tensor, "n length"], branch: Branch, draws: Draws, *, pad: int, mask: int) -> Changed:
    """The view of a batch that `branch` asks for, left-aligned like the batch.

    A view is only as wide as its longest span can be. `where`: the middle of each token in its document,
    from 0 to 1 (0 where there is none). `params`, one value a row: `span` (its first token and how many, as
    shares of the document), `deleted`, `masked` (how many tokens).

    At least one token of every document is neither deleted nor masked. Refused: an unknown kind, variant or
    option, probabilities outside [0, 1], spans that are not 0 < low ≤ high ≤ 1, a batch that is not (n, length).
    """
    if x.ndim != 2 or x.is_floating_point():
        raise OptionError(f"documents come as (n, length) whole numbers, not {tuple(x.shape)} {x.dtype}")
    made = overruled(branch, x)
    if branch.kind == "raw":
        return Changed(x, _places(x != pad))
    with torch.no_grad():
        count = (x != pad).sum(1)
        spans = draws.child("span").uniform(2)
        share = made.low + (made.high - made.low) * spans[:, 0]
        kept = (share * count).round().long().clamp(min=1).minimum(count)
        first = (spans[:, 1] * (count - kept + 1)).long()
        place = torch.arange(x.shape[1], device=x.device)
        span = (place >= first[:, None]) & (place < (first + kept)[:, None])

        drawn = draws.child("tokens").uniform(x.shape[1])
        delete = _column(made.delete * made.noise)
        masked = delete + (1 - delete) * _column(made.mask * made.noise)
        # the token that drew most is spared, whatever the probabilities
        spared = drawn.masked_fill(~span, -1.0).argmax(1, keepdim=True) == place
        stays = span & ((drawn >= delete) | spared)
        hidden = stays & (drawn < masked) & ~spared
        y = torch.where(hidden, mask, x)

        longest = float(torch.as_tensor(made.high).max())
        width = math.ceil(round(x.shape[1] * longest, 4))  # 20 · 0.8 is 16.0000002 in float32
        order = (~stays).to(torch.uint8).argsort(dim=1, stable=True)[:, :width]
        there = stays.gather(1, order)
        y = y.gather(1, order).masked_fill(~there, pad)
        where = _places(x != pad).gather(1, order[:, :, None]) * there[:, :, None]
    whole = count.clamp(min=1)
    return Changed(
        y,
        where,
        {
            "span": torch.stack([first / whole, kept / whole], dim=1),
            "deleted": (span & ~stays).sum(1),
            "masked": hidden.sum(1),
        },
    )


def overruled(branch: Branch, x: Tensor) -> Look:
    """What the kind and variant say, with the branch's options in place of its own values."""
    check_variant("texts", branch, {kind: len(variants) for kind, variants in LOOKS.items()})
    options = given("texts", branch, dict.fromkeys(OPTIONS, 1.0), len(x), x.device)
    made = replace(LOOKS[branch.kind][branch.variant], **options)
    check_kept("texts", branch, made.low, made.high, "the document")
    return made


def _column(amount: Amount) -> Amount:
    return amount[:, None] if isinstance(amount, Tensor) and amount.ndim else amount


def _places(there: Bool[Tensor, "n length"]) -> Tensor:
    """(n, length, 1) the middle of each token in its document, from 0 to 1; 0 behind its end."""
    place = torch.arange(there.shape[1], device=there.device) + 0.5
    return (place / there.sum(1, keepdim=True).clamp(min=1) * there)[:, :, None]
