"""Random numbers that do not depend on how many processes share a batch.

Every number is drawn for the *global* batch from (seed, step) and each process keeps its own
rows; only `noise` (pixel-sized, too large to draw for rows of other processes) also depends on
the rank. Nothing depends on what ran before: step 7 of a resumed run draws what step 7 drew.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor


def derive_seed(*parts: int | str) -> int:
    """A 63-bit seed from a few numbers or names, stable across processes and versions."""
    digest = hashlib.blake2b("/".join(str(p) for p in parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


class Draws:
    """The random numbers of one step. `rows` are this process's rows of the global batch of `total`."""

    def __init__(
        self,
        seed: int,
        step: int,
        *,
        total: int,
        rows: slice | Tensor | None = None,
        rank: int = 0,
        device: torch.device | str = "cpu",
        name: str = "",
    ) -> None:
        self.seed, self.step, self.total, self.rank, self.name = seed, step, total, rank, name
        self.rows = slice(0, total) if rows is None else rows
        self.device = torch.device(device)
        self._generator = torch.Generator().manual_seed(derive_seed(seed, step, name))

    def child(self, name: str) -> Draws:
        """An independent stream, e.g. one a branch: what one branch draws cannot move another's."""
        return Draws(
            self.seed,
            self.step,
            total=self.total,
            rows=self.rows,
            rank=self.rank,
            device=self.device,
            name=f"{self.name}/{name}",
        )

    def only(self, rows: Tensor) -> Draws:
        """The same stream for some of this process's rows."""
        mine = self.rows if isinstance(self.rows, Tensor) else torch.arange(self.total)[self.rows]
        return Draws(
            self.seed,
            self.step,
            total=self.total,
            rows=mine[rows.cpu()],
            rank=self.rank,
            device=self.device,
            name=self.name,
        )

    def sized(self, total: int) -> Draws:
        """The same stream for `total` rows that are not shared among processes (nodes, edges of one graph)."""
        return Draws(
            self.seed, self.step, total=total, rank=self.rank, device=self.device, name=f"{self.name}/{total}"
        )

    def ragged(self, row: Tensor, place: Tensor) -> Tensor:
        """One number in [0, 1) for each item of rows that have unequal numbers of them.

        `row`: (items,) which of this process's rows an item belongs to; `place`: (items,) its place in that
        row. The number depends on the row of the global batch and the place alone, never on other rows.
        """
        seeds = self.integers(2**62)
        mixed = seeds[row] ^ (place.to(torch.int64) * -7046029254386353131)
        for shift, factor in ((30, -4658895280553007687), (27, -7723592293110705685)):
            mixed = (mixed ^ _right(mixed, shift)) * factor
        mixed = mixed ^ _right(mixed, 31)
        return _right(mixed, 40).float() / 2**24

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """(rows, *shape) uniform in [low, high)."""
        drawn = torch.rand(self.total, *shape, generator=self._generator)
        return self._mine(drawn.mul_(high - low).add_(low))

    def normal(self, *shape: int) -> Tensor:
        """(rows, *shape) standard normal."""
        return self._mine(torch.randn(self.total, *shape, generator=self._generator))

    def integers(self, high: int, *shape: int) -> Tensor:
        """(rows, *shape) whole numbers 0 … high − 1."""
        return self._mine(torch.randint(high, (self.total, *shape), generator=self._generator))

    def chance(self, probability: float | Tensor) -> Tensor:
        """(rows,) bool, True with the given probability (a number, or one a row)."""
        return self.uniform() < probability

    def order(self, length: int) -> Tensor:
        """(rows, length): one random permutation of 0 … length − 1 a row."""
        return self.uniform(length).argsort(dim=1)

    def once(self, low: float = 0.0, high: float = 1.0) -> float:
        """One number for the whole batch, the same on every process."""
        return float(torch.rand((), generator=self._generator)) * (high - low) + low

    def permutation(self) -> Tensor:
        """One permutation of the global batch, the same on every process."""
        return torch.randperm(self.total, generator=self._generator).to(self.device)

    def noise(self) -> torch.Generator:
        """A generator for pixel-sized noise: its own on every process, on this step's device."""
        seed = derive_seed(self.seed, self.step, self.rank, self.name, "noise")
        return torch.Generator(device=self.device).manual_seed(seed)

    def _mine(self, drawn: Tensor) -> Tensor:
        return drawn[self.rows].to(self.device, non_blocking=True)


def _right(x: Tensor, bits: int) -> Tensor:
    """Shift to the right without copies of the sign (the mixing is that of splitmix64)."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)
