"""How a batch of recordings is changed into a view, on the device it is on.

`looks.py` says what a branch asks for; here it is carried out on log-mel spectrograms. Every random number has
one value a row, drawn for the global batch from a stream of its own: a row's view does not depend on how the
batch is shared out, nor one change on which others are switched on. Only `noise` does depend on it: hiss is
drawn, and another recording to mix in is taken, among the rows that are here.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from unlabeled.data.draws import Draws
from unlabeled.methods.contract import Branch
from unlabeled.modalities.amounts import possible
from unlabeled.modalities.audio.looks import MASKS, SNR, Look, local_frames, look
from unlabeled.modalities.audio.spectrogram import DECIBEL, present
from unlabeled.modalities.contract import Changed

HISS = 0.5
"""spread of hiss from value to value, in log-mel units"""

Spectrogram = Float[Tensor, "n mels frames"]


def change(x: Spectrogram, branch: Branch, draws: Draws, *, patch: int, silence: float) -> Changed:
    """The view of log-mel spectrograms (NaN after the end) that `branch` asks for, of as many frames.

    A local view has fewer, see `local_frames`. `silence`: what a mask leaves. `where`: the centre of each token
    as a share of the recording's time. `params`, one value a row: `crop` (first and kept share of the time),
    `speed` (times as fast), `pitch` (share of the mel axis), `gain` (dB).

    Refused: an unknown kind, variant or option, an option outside its range.
    """
    made = look(branch, x)
    frames = local_frames(x.shape[2], patch) if branch.kind == "local" else x.shape[2]
    with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
        length = present(x).sum(dim=1)
        first, kept, speed = _draw_crop(length, made, draws.child("crop"), frames)
        params = {"crop": torch.stack([first, kept], 1) / length.clamp(min=1)[:, None], "speed": speed}
        if branch.kind != "raw":
            x = _crop(x, first, kept, speed, length, frames)
            x = _change_values(x, made, draws, params, silence)
        centres = (torch.arange(-(-frames // patch), device=x.device) + 0.5) * patch
        where = (first[:, None] + centres * speed[:, None]) / length.clamp(min=1)[:, None]
    return Changed(x, where.clamp(max=1)[:, :, None], params)


def _draw_crop(length: Tensor, made: Look, draws: Draws, frames: int) -> tuple[Tensor, Tensor, Tensor]:
    """First frame, frames kept (both whole) and speed of each row; what is kept fits into `frames`."""
    shape = length.shape
    speed = torch.ones(shape, device=length.device)
    if possible(made.speed):
        speed = 1 + (2 * draws.uniform() - 1) * made.speed
    low, high = (torch.as_tensor(v, device=length.device) for v in (made.low, made.high))
    share = low + (high - low) * draws.uniform()
    kept = torch.minimum(share * length, frames * speed).round().clamp(min=1)
    first = ((length - kept + 1) * draws.uniform()).floor().clamp(min=0)
    return first, kept, speed


def _crop(
    x: Spectrogram, first: Tensor, kept: Tensor, speed: Tensor, length: Tensor, frames: int
) -> Spectrogram:
    """The kept part of each row, played at its speed: frames between two others are mixed of both."""
    place = torch.arange(frames, device=x.device)
    at = first[:, None] + place * speed[:, None]
    last = (length[:, None] - 1).clamp(min=0)
    before = at.floor().long().minimum(last)
    after = (before + 1).minimum(last)
    between = (at - before).clamp(0, 1)[:, None]
    y = _frames(x, before).lerp(_frames(x, after), between)
    there = place < (kept / speed).round().clamp(min=1)[:, None]
    return y.masked_fill(~there[:, None], torch.nan)


def _change_values(
    x: Spectrogram, made: Look, draws: Draws, params: dict[str, Tensor], silence: float
) -> Spectrogram:
    """Pitch, noise, gain and masks, in this order. Adds to `params`."""
    if possible(made.pitch):
        own = draws.child("pitch")
        params["pitch"] = (2 * own.uniform() - 1) * made.pitch
        x = _shift(x, params["pitch"], 1 + 2 * (2 * own.uniform() - 1) * made.pitch)
    if possible(made.noise):
        own = draws.child("mix")
        x = _mix(x, own.chance(made.noise), own.uniform(low=SNR[0], high=SNR[1]), own)
        own = draws.child("hiss")
        x = _hiss(x, own.chance(made.noise), own.uniform(low=SNR[0], high=SNR[1]), own)
    if possible(made.gain):
        params["gain"] = (2 * draws.child("gain").uniform() - 1) * made.gain
        x = x + params["gain"][:, None, None] * DECIBEL
    if possible(made.masks):
        own = draws.child("masks")
        mels = torch.full((len(x),), x.shape[1], device=x.device)
        hidden = _stripes(x.shape[1], mels, made, own)[:, :, None]
        hidden = hidden | _stripes(x.shape[2], present(x).sum(dim=1), made, own)[:, None]
        x = torch.where(hidden & ~x.isnan(), silence, x)
    return x


def _shift(x: Spectrogram, shift: Tensor, stretch: Tensor) -> Spectrogram:
    """Moves the mel axis up by a share of it and stretches it about its middle; the edge bands repeat."""
    mels = x.shape[1]
    place = torch.arange(mels, device=x.device, dtype=x.dtype)
    middle = (mels - 1) / 2
    source = middle + (place - middle) / stretch[:, None] - shift[:, None] * mels
    weights = (1 - (source.clamp(0, mels - 1)[:, :, None] - place).abs()).clamp(min=0)
    return weights @ x


def _mix(x: Spectrogram, applied: Tensor, snr: Tensor, draws: Draws) -> Spectrogram:
    """Adds another row, repeated as long as needed and `snr` decibels quieter, where `applied`."""
    n, _, frames = x.shape
    if n < 2:
        return x
    turn = int(torch.randint(1, n, (1,), generator=draws.noise(), device=x.device))
    other, length = x.roll(turn, 0), present(x).sum(dim=1).roll(turn, 0)
    repeated = _frames(other, torch.arange(frames, device=x.device) % length[:, None].clamp(min=1))
    quieter = _level(x) - _level(other) - snr * DECIBEL
    return torch.where(applied[:, None, None], torch.logaddexp(x, repeated + quieter[:, None, None]), x)


def _hiss(x: Spectrogram, applied: Tensor, snr: Tensor, draws: Draws) -> Spectrogram:
    """Adds noise of the same level in all bands, `snr` decibels quieter than the row, where `applied`."""
    noise = torch.randn(x.shape, generator=draws.noise(), device=x.device, dtype=x.dtype) * HISS
    level = _level(x) - snr * DECIBEL
    return torch.where(applied[:, None, None], torch.logaddexp(x, noise + level[:, None, None]), x)


def _stripes(size: int, length: Tensor, made: Look, draws: Draws) -> Bool[Tensor, "n size"]:
    """Where an axis is masked, of which each row has the first `length`."""
    place = torch.arange(size, device=length.device)
    hidden = torch.zeros(len(length), size, dtype=torch.bool, device=length.device)
    for _ in range(MASKS):
        width = draws.uniform() * made.masks * length
        first = (draws.uniform() * (length - width))[:, None]
        # a place is hidden where its middle is
        hidden |= (place + 0.5 >= first) & (place + 0.5 < first + width[:, None])
    return hidden


def _level(x: Spectrogram) -> Float[Tensor, " n"]:
    """Logarithm of the mean power of each row, over what is there."""
    counts = (~x.isnan()).flatten(1).sum(dim=1).clamp(min=1)
    return x.nan_to_num(nan=-torch.inf).flatten(1).logsumexp(dim=1) - counts.log()


def _frames(x: Spectrogram, places: Tensor) -> Spectrogram:
    """The frames of each row at its places (n, frames)."""
    return x.gather(2, places[:, None].expand(-1, x.shape[1], -1))
