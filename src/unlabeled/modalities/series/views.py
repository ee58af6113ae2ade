"""How a batch of series is changed into a view, on the device it is on.

`looks.py` says what a branch asks for, `changes.py` how each change is made; here the numbers are drawn and
the changes put together. Every random number has one value a row, drawn for the global batch from a stream of
its own: a row's view does not depend on how the batch is shared out, nor one change on which others are on.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from unlabeled.data.draws import Draws
from unlabeled.methods.contract import Branch
from unlabeled.modalities.amounts import check_variant, possible
from unlabeled.modalities.contract import Changed
from unlabeled.modalities.series import changes
from unlabeled.modalities.series.looks import (
    BENDS,
    CHANNELS,
    FREQUENCIES,
    MASKED,
    PIECES,
    VARIANTS,
    WARPED,
    Look,
    local_length,
    look,
    overruled,
)
from unlabeled.modalities.series.scale import SeriesBatch, Standardise, lengths


def change(x: SeriesBatch, branch: Branch, draws: Draws, *, standardise: Standardise, patch: int) -> Changed:
    """The view of a batch that `branch` asks for, in the units of `x`.

    A view is as long as the row it is of (a local one a fixed share of it), with padding at its end. `where`:
    the middle of each patch in the series it is of. `params`, one value a row: `crop` (start and width as
    shares of the series) and what else was applied.
    """
    check_variant("series", branch, VARIANTS)
    made = overruled(branch, x, look(branch.kind, branch.variant, x.shape[1]))
    with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
        if branch.kind == "raw":
            places = changes.whole(lengths(x), x.shape[2])
            return Changed(x, _middles(places, lengths(x), patch))
        centre, unit = standardise.to(x.device).around(x)
        z = (x.float() - centre) / unit
        length = lengths(x)
        steps = x.shape[2] if branch.kind != "local" else local_length(x.shape[2], patch)
        out = (length * steps / x.shape[2]).round().long().clamp(min=1)
        places, params = _places(length, out, steps, made, draws)
        z = _read(z, places, length, out)
        where = _middles(places, length, patch)
        z = _change_values(z, out, made, draws, params)
    return Changed(z * unit + centre, where, params)


def _places(
    length: Tensor, out: Tensor, steps: int, made: Look, draws: Draws
) -> tuple[Tensor, dict[str, Tensor]]:
    """Where each step of the view is read, and what was drawn for it."""
    places = changes.whole(out, steps)
    params = {}
    if possible(made.permute):
        own = draws.child("permute")
        applied = own.chance(made.permute)
        count = own.integers(PIECES - 1) + 2
        late = torch.arange(1, PIECES, device=count.device) >= count[:, None]
        cuts = own.uniform(PIECES - 1).masked_fill(late | ~applied[:, None], 1.0)
        places = changes.permute(places, out, cuts, own.order(PIECES))
        params["permute"] = applied
    if possible(made.warp):
        own = draws.child("warp")
        params["warp"] = own.chance(made.warp)
        bends = own.uniform(BENDS, low=-WARPED / BENDS, high=WARPED / BENDS)
        places = changes.warp(places, out, bends * params["warp"][:, None])
    own = draws.child("crop")
    share = own.uniform() * (torch.as_tensor(made.high) - torch.as_tensor(made.low)).to(length.device)
    width = ((share + torch.as_tensor(made.low).to(length.device)) * length).clamp(min=1).minimum(length)
    start = own.uniform() * (length - width)
    params["crop"] = torch.stack([start / length, width / length], dim=1)
    return changes.crop(places, out, start, width), params


def _read(z: Tensor, places: Tensor, length: Tensor, out: Tensor) -> Tensor:
    """The series at `places`; a row whose view would hold no value shows its first values instead."""
    read = changes.read_at(z, places)
    first = (~z.isnan().all(dim=1)).to(torch.uint8).argmax(dim=1)
    instead = changes.whole(out, places.shape[1]) + first.minimum(length - out)[:, None]
    return changes.unless_empty(read, changes.read_at(z, instead))


def _change_values(z: Tensor, length: Tensor, made: Look, draws: Draws, params: dict[str, Tensor]) -> Tensor:
    """Frequencies, loudness, noise, then what is hidden. Adds to `params`."""
    channels, steps = z.shape[1:]
    if possible(made.frequency_mask):
        own = draws.child("frequency_mask")
        params["frequency_mask"] = own.chance(made.frequency_mask)
        dropped = own.uniform(steps // 2 + 1) < FREQUENCIES
        z = changes.frequency_mask(z, dropped & params["frequency_mask"][:, None])
    if possible(made.scale):
        deviation = torch.as_tensor(made.scale, device=z.device).view(-1, 1)
        params["scale"] = (draws.child("scale").normal(channels) * deviation).exp()
        z = changes.scale(z, params["scale"])
    if possible(made.noise):
        z = changes.jitter(z, made.noise, draws.child("noise").noise())
    if possible(made.time_mask):
        own = draws.child("time_mask")
        width = own.uniform(low=MASKED[0], high=MASKED[1]) * own.chance(made.time_mask)
        params["time_mask"] = width
        z = changes.time_mask(z, length, own.uniform(), width)
    if possible(made.channel_dropout) and channels > 1:
        own = draws.child("channel_dropout")
        dropped = (own.uniform(channels) < CHANNELS) & own.chance(made.channel_dropout)[:, None]
        params["channel_dropout"] = dropped
        z = changes.channel_dropout(z, dropped)
    return z


def _middles(places: Tensor, length: Tensor, patch: int) -> Tensor:
    """(n, patches, 1): the middle of each patch in the original series, from 0 to 1; 0 where nothing is."""
    short = -places.shape[1] % patch
    padded = F.pad(places, (0, short), value=torch.nan).unflatten(1, (-1, patch))
    middle = padded.nanmean(dim=2)  # of the steps that are there
    return ((middle + 0.5) / length[:, None]).nan_to_num(0.0)[:, :, None]
