"""Batch norm over the global batch, on any device (torch's SyncBatchNorm refuses CPU tensors).

Processes exchange (count, mean, variance) and merge them: sums of squares would cancel where the
mean is large beside the spread.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from unlabeled.parts.gather import gather, processes


class GlobalBatchNorm(_BatchNorm):
    """Batch norm whose moments are those of all processes together; processes may hold unequal batches."""

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"batch norm needs (batch, channels, …), not {input.dim()} dimensions")

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or processes() == 1:
            return super().forward(input)
        raised = input.float() if input.dtype in (torch.float16, torch.bfloat16) else input
        axes = [axis for axis in range(input.dim()) if axis != 1]
        mean, variance, count = self._global_moments(raised, axes)
        if self.track_running_stats and self.running_mean is not None and self.running_var is not None:
            with torch.no_grad():
                assert self.num_batches_tracked is not None
                self.num_batches_tracked.add_(1)
                weight = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
                unbiased = variance * (count / (count - 1).clamp(min=1))
                self.running_mean.lerp_(mean.to(self.running_mean.dtype), weight)
                self.running_var.lerp_(unbiased.to(self.running_var.dtype), weight)
        shape = [1, -1] + [1] * (input.dim() - 2)
        out = (raised - mean.view(shape)) * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            out = out * self.weight.view(shape) + self.bias.view(shape)
        return out.to(input.dtype)

    def _global_moments(self, x: Tensor, axes: list[int]) -> tuple[Tensor, Tensor, Tensor]:
        mean = x.mean(dim=axes)
        variance = (x - mean.view([1, -1] + [1] * (x.dim() - 2))).square().mean(dim=axes)
        counts = gather(x.new_full((1, 1), x.numel() / x.shape[1]))
        means, variances = gather(mean[None]), gather(variance[None])
        total = counts.sum()
        merged = (counts * means).sum(dim=0) / total
        spread = (counts * (variances + (means - merged).square())).sum(dim=0) / total
        return merged, spread, total


def globalise(module: nn.Module) -> nn.Module:
    """Replaces every batch norm in `module` by a global one, in place.

    The Parameter and buffer objects stay the same, so that optimisers, averages and frozen copies hold.
    """
    for name, child in module.named_children():
        if isinstance(child, _BatchNorm) and not isinstance(child, GlobalBatchNorm):
            new = GlobalBatchNorm(
                child.num_features, child.eps, child.momentum, child.affine, child.track_running_stats
            )
            new._parameters.update(child._parameters)
            new._buffers.update(child._buffers)
            new.train(child.training)
            setattr(module, name, new)
        else:
            globalise(child)
    return module
