"""Images as a modality: what is fixed for one data set, and where each of its words is carried out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped, UInt8
from torch import Tensor, nn

from unlabeled.data.batch import Tokens
from unlabeled.data.draws import Draws
from unlabeled.data.source import Source
from unlabeled.errors import OptionError
from unlabeled.methods.contract import Branch
from unlabeled.modalities.contract import Changed, Modality
from unlabeled.modalities.covered import cover
from unlabeled.modalities.image import encoders, views
from unlabeled.modalities.image.find import KIND
from unlabeled.modalities.image.measure import auto_patch, measure
from unlabeled.modalities.image.prepare import Preparation
from unlabeled.modalities.image.read import read
from unlabeled.modalities.image.recognise import recognise
from unlabeled.modalities.image.tokens import grid, patchify, unit
from unlabeled.parts.encoder import Encoder

Images = Shaped[Tensor, "n bands height width"]


class Image(Modality):
    """Pictures of one size with any number of bands.

    `Batch.x` is (n, bands, height, width): uint8 from 0 to 255, or float32 from 0 to 1 where the
    source has more than 8 bits. It has the *stored* size, from which training views are cropped;
    views have `size`.

    `size`: side in pixels, or (height, width). `bands`: 1 grey, 3 colour, any other number as it is.
    `mean`, `std`: one number a band, on the scale from 0 to 1. `low`, `high`: what of numbers that
    are not 8-bit becomes 0 and 1, one number a band (None: 16-bit is divided by 65,535, floating
    point is on that scale already). `patch`: side of a token in pixels (None: no tokens).
    `stored`: (height, width) at which images are kept (None: `size`). `eight_bit`: whether pictures
    of a collection are kept as uint8.
    """

    name: ClassVar[str] = "image"
    accepts: ClassVar[str] = KIND.accepted
    default_encoder: ClassVar[str] = "convnet"
    token_encoder: ClassVar[str] = "vit"

    def __init__(
        self,
        size: int | tuple[int, int] | list[int],
        bands: int,
        mean: list[float],
        std: list[float],
        low: list[float] | None = None,
        high: list[float] | None = None,
        patch: int | None = None,
        stored: tuple[int, int] | list[int] | None = None,
        eight_bit: bool = True,
    ) -> None:
        self.size = _pair("size", size)
        self.stored = self.size if stored is None else _pair("stored", stored)
        self.bands, self.patch, self.eight_bit = bands, patch, eight_bit
        self.mean, self.std = list(mean), list(std)
        self.low, self.high = None if low is None else list(low), None if high is None else list(high)
        self._check()

    def _check(self) -> None:
        height, width = self.size
        if self.patch is not None and (self.patch < 1 or height % self.patch or width % self.patch):
            raise OptionError(
                f"image size {height}×{width} is not divisible by patch {self.patch}: choose a patch that "
                "divides both sides, or another size"
            )
        if self.stored[0] < height or self.stored[1] < width:
            raise OptionError(
                f"stored size {self.stored} is smaller than size {self.size}: nothing could be cropped"
            )
        if self.bands < 1:
            raise OptionError(f"bands must be at least 1, not {self.bands}")
        _check_scale(self.low, self.high)
        for name in ("mean", "std", "low", "high"):
            values = getattr(self, name)
            if values is not None and len(values) != self.bands:
                raise OptionError(f"{name} has {len(values)} numbers for images with {self.bands} bands")
        if min(self.std) <= 0:
            raise OptionError(f"std must be above 0 in every band, not {self.std}")

    # read
    @classmethod
    def recognises(cls, data: Any) -> str | None:
        return recognise(data)

    @classmethod
    def measure(
        cls,
        data: Any,
        *,
        size: int | tuple[int, int] | list[int] | None = None,
        patch: int | None = None,
        bands: int | None = None,
        low: list[float] | None = None,
        high: list[float] | None = None,
        **unknown: Any,
    ) -> Image:
        """Looks at up to 512 images spread over the data and fixes what is not given.

        `size`: the median shorter side where that is at most 64 px (as a multiple of 4), else at most
        224 (as a multiple of 16). `bands`: 3 where any image has colour, 1 where none has, what most
        have where that is neither. `patch`: 16 to 64 tokens an image up to 64 px, 16 px above.
        """
        cls.refuse_others(unknown)
        _check_scale(low, high)
        fixed = _pair("size", size) if size is not None else None
        found = measure(data, size=fixed, bands=bands, low=low, high=high)
        chosen = _pair("size", found.pop("size"))
        return cls(size=chosen, patch=auto_patch(*chosen) if patch is None else patch, **found)

    def read(self, data: Any, *, cache: Path | None = None, labels: bool = False) -> Source:
        """Images of `data` at the stored size.

        `cache`: folder of the decoded pictures (None: `$UNLABELED_CACHE` or `~/.cache/unlabeled`).
        """
        as_tuples = [None if v is None else tuple(v) for v in (self.low, self.high)]
        preparation = Preparation(*self.stored, self.bands, *as_tuples)
        return read(data, preparation, eight_bit=self.eight_bit, cache=cache, labels=labels)

    def config(self) -> dict[str, Any]:
        return {
            "size": _plain(self.size),
            "bands": self.bands,
            "mean": self.mean,
            "std": self.std,
            "low": self.low,
            "high": self.high,
            "patch": self.patch,
            "stored": list(self.stored),
            "eight_bit": self.eight_bit,
        }

    # change
    def change(self, x: Images, branch: Branch, draws: Draws) -> Changed:
        return views.change(x, branch, draws, size=self.size, patch=self.patch)

    # tokens
    def tokenise(self, x: Images) -> Tokens | None:
        """Patches as numbers, at (row, column) in patches; None without `patch`."""
        if self.patch is None:
            return None
        rows, columns = grid(x.shape[2], x.shape[3], self.patch)
        places = torch.cartesian_prod(torch.arange(rows), torch.arange(columns)).float()
        return Tokens(places.to(x.device), patchify(unit(x), self.patch))

    # encode, and the raw input as a yardstick
    def build_encoder(self, name: str, **options: Any) -> Encoder:
        return encoders.build(
            name, size=self.size, bands=self.bands, mean=self.mean, std=self.std, patch=self.patch, **options
        )

    def example(self) -> Images:
        return torch.zeros(
            2, self.bands, *self.stored, dtype=torch.uint8 if self.eight_bit else torch.float32
        )

    def synthetic(self, rows: int, *, seed: int = 0) -> Images:
        """Random pixels at `size`: uint8, or floating point where the set is no 8-bit one."""
        shape, random = (rows, self.bands, *self.size), torch.Generator().manual_seed(seed)
        if self.eight_bit:
            return torch.randint(256, shape, generator=random, dtype=torch.uint8)
        return torch.rand(shape, generator=random)

    def adopt(self, module: nn.Module) -> Encoder:
        """A user's own module as an encoder: it sees pixels standardised by this set's mean and deviation."""
        return encoders.wrap(module, self.plain(self.example()), mean=self.mean, std=self.std)

    def flatten(self, x: Images) -> Float[Tensor, "n values"]:
        return unit(x).flatten(1)

    # for a person
    def show(
        self, x: Images, hidden: Bool[Tensor, "n tokens"] | None = None
    ) -> UInt8[np.ndarray, "n height width 3"]:
        """Grey is repeated; of more than three bands the first three, each stretched to its own range. Hidden
        patches are chequered."""
        shown = unit(x).float()
        if shown.shape[1] > 3:
            shown = shown[:, :3]
            low, high = shown.amin(dim=(2, 3), keepdim=True), shown.amax(dim=(2, 3), keepdim=True)
            shown = (shown - low) / (high - low).clamp(min=1e-6)
        elif shown.shape[1] < 3:
            shown = shown[:, :1].expand(-1, 3, -1, -1)
        pictures = (shown.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        if hidden is None or self.patch is None:
            return pictures
        rows, columns = grid(x.shape[2], x.shape[3], self.patch)
        places = hidden.cpu().view(-1, rows, columns)
        return cover(
            pictures, places.repeat_interleave(self.patch, 1).repeat_interleave(self.patch, 2).numpy()
        )

    def describe(self, x: Images, hidden: Bool[Tensor, "n tokens"] | None = None) -> list[str]:
        """Width, height, bands."""
        bands = "" if x.shape[1] in (1, 3) else f", {x.shape[1]} bands"
        return [f"{x.shape[3]} × {x.shape[2]} pixels{bands}"] * len(x)


def _pair(name: str, size: int | tuple[int, ...] | list[int]) -> tuple[int, int]:
    sides = (size, size) if isinstance(size, int) else tuple(size)
    if len(sides) != 2 or any(not isinstance(side, int) or side < 1 for side in sides):
        raise OptionError(f"{name} must be a side in pixels of at least 1, or (height, width), not {size!r}")
    return sides[0], sides[1]


def _check_scale(low: list[float] | None, high: list[float] | None) -> None:
    if (low is None) != (high is None):
        raise OptionError("low and high belong together: give both, or neither")
    if low is None or high is None:
        return
    if len(low) != len(high) or any(not a < b for a, b in zip(low, high, strict=True)):
        raise OptionError(f"low must be below high in every band, not {low} and {high}")


def _plain(size: tuple[int, int]) -> int | list[int]:
    return size[0] if size[0] == size[1] else list(size)
