"""The whole batch from every process, with gradients.

Every process computes the objective on the whole batch. The backward pass sums the gradients of
all processes and keeps this process's share, so that after DDP's average the gradient is that of
one process with the whole batch.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist


def processes() -> int:
    """How many processes share a batch."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.rows = x.shape[0]
        shares = [torch.empty_like(x) for _ in range(processes())]
        dist.all_gather(shares, x.contiguous())
        return torch.cat(shares)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous()
        dist.all_reduce(total)
        start = dist.get_rank() * ctx.rows
        return total[start : start + ctx.rows]


def gather(x: Tensor) -> Tensor:
    """(rows, …) of every process, one after the other in the order of the global batch, with gradients.

    Every process must hold the same number of rows. On one process it is `x` itself.
    """
    return x if processes() == 1 else _Gather.apply(x)


def share(count: Tensor) -> Tensor:
    """What a mean over this process's `count` items is multiplied by, so that the average of all processes is
    the mean over all items: count · processes / count of all. 1 on one process."""
    everywhere = count.detach().float()
    if processes() == 1:
        return torch.ones_like(everywhere)
    total = everywhere.clone()
    dist.all_reduce(total)
    return everywhere * processes() / total.clamp(min=1)
