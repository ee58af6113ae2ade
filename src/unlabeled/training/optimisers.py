"""Optimisers and their parameter groups, made from a recipe."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from unlabeled.methods.recipe import Group, Recipe
from unlabeled.parts.schedules import Clock, WarmupCosine, at


class LARS(torch.optim.Optimizer):
    """SGD with momentum whose step, for matrices and kernels, is scaled to the length of the weights.

    w ← w − m,  m ← μ m + lr · q · (g + wd · w),  q = trust · ‖w‖ / ‖g + wd · w‖
    (You, Gitman & Ginsburg 2017, arXiv 1708.03888). Groups with `adapt=False` (vectors) have q = 1.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust: float = 1e-3,
    ) -> None:
        super().__init__(
            params,
            {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "trust": trust, "adapt": True},
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:  # type: ignore[override]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._move(p, p.grad, group)
        return loss

    def _move(self, p: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        update = gradient.add(p, alpha=group["weight_decay"]) if group["weight_decay"] else gradient
        if group["adapt"]:
            weight, length = p.norm(), update.norm()
            ratio = torch.where(
                (weight > 0) & (length > 0), group["trust"] * weight / length, torch.ones_like(weight)
            )
            update = update * ratio
        memory = self.state[p].setdefault("momentum", torch.zeros_like(p))
        memory.mul_(group["momentum"]).add_(update, alpha=group["lr"])
        p.sub_(memory)


@dataclass(frozen=True)
class Rule:
    """How one parameter is treated: the last matching group of the recipe, and whether it decays."""

    group: Group
    decays: bool


def decays(parameter: Tensor) -> bool:
    """Whether weight decay applies: to matrices and kernels, not to biases, norms, tokens and other vectors."""
    return sum(size > 1 for size in parameter.shape) >= 2


class Rates:
    """A method's parameters sorted by how its recipe treats them, and what that means at each step."""

    def __init__(self, method: nn.Module, recipe: Recipe, lr: float) -> None:
        self.recipe, self.lr = recipe, lr
        self.warm = WarmupCosine(recipe.warmup)
        self.members: dict[Rule, list[Tensor]] = {}
        # timm's networks name the parameters (positions, class tokens) that look like matrices and are none
        spared = {
            f"{prefix}.{own}"
            for prefix, module in method.named_modules()
            if callable(getattr(module, "no_weight_decay", None))
            for own in module.no_weight_decay()
        }
        for name, parameter in method.named_parameters():
            if parameter.requires_grad:
                matching = [g for g in recipe.groups if fnmatchcase(name, g.pattern)]
                rule = Rule(
                    matching[-1] if matching else Group("*"), name not in spared and decays(parameter)
                )
                self.members.setdefault(rule, []).append(parameter)

    def optimiser(self) -> torch.optim.Optimizer:
        """The recipe's optimiser, one group for every distinct rule, in a fixed order."""
        groups: list[dict[str, Any]] = [
            {"params": parameters, "adapt": rule.decays} for rule, parameters in self.members.items()
        ]
        fused = self.recipe.clip is None  # Lightning refuses to clip for a fused optimiser
        if self.recipe.optimiser == "adamw":
            return torch.optim.AdamW(groups, lr=self.lr, betas=self.recipe.betas, fused=fused)
        if self.recipe.optimiser == "sgd":
            return torch.optim.SGD(groups, lr=self.lr, momentum=self.recipe.momentum, fused=fused)
        return LARS(groups, lr=self.lr, momentum=self.recipe.momentum)

    def set(self, optimiser: torch.optim.Optimizer, clock: Clock) -> None:
        """This step's rates and decays."""
        for rule, group in zip(self.members, optimiser.param_groups, strict=True):
            group["lr"] = self.lr * rule.group.rate * (1.0 if rule.group.constant else self.warm(clock))
            decay = self.recipe.weight_decay if rule.group.decay is None else rule.group.decay
            group["weight_decay"] = at(decay, clock) if rule.decays else 0.0

    def ordinary(self, clock: Clock) -> float:
        """The learning rate of parameters in no special group."""
        return self.lr * self.warm(clock)

    def hold(self, clock: Clock) -> None:
        """Drops the gradients of what does not move now: no step, no decay, no momentum."""
        for rule, parameters in self.members.items():
            if clock.progress < rule.group.frozen:
                for parameter in parameters:
                    parameter.grad = None
