"""A first-in-first-out memory of embeddings."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unlabeled.errors import OptionError


class Queue(nn.Module):
    """The last `size` rows that were pushed. Slots never written are never handed out.

    Rows are pushed after the loss is computed, so that no batch meets its own keys; they come gathered,
    so that the memory is the same on every process.
    """

    rows: Tensor
    pointer: Tensor
    count: Tensor

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        if size < 1 or dim < 1:
            raise OptionError(f"a queue needs a size and a width of at least 1, not {size} and {dim}")
        self.size = size
        self.register_buffer("rows", torch.zeros(size, dim))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.long))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    def filled(self) -> Float[Tensor, "filled dim"]:
        """The rows written so far, in no particular order."""
        return self.rows[: int(self.count)]

    @torch.no_grad()
    def push(self, rows: Float[Tensor, "new dim"]) -> None:
        """Writes rows over the oldest ones."""
        new = rows.shape[0]
        if new > self.size:
            raise OptionError(
                f"a queue of {self.size} cannot take a batch of {new}: make it at least as long"
            )
        if rows.shape[1] != self.rows.shape[1]:
            raise OptionError(f"this queue holds rows of width {self.rows.shape[1]}, not {rows.shape[1]}")
        slots = (self.pointer + torch.arange(new, device=self.rows.device)) % self.size
        self.rows[slots] = rows.detach().to(self.rows.dtype)
        self.pointer.copy_((self.pointer + new) % self.size)
        self.count.copy_((self.count + new).clamp(max=self.size))
