"""A teacher that is a moving average of its student."""

from __future__ import annotations

import copy
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _NormBase

from unlabeled.data.batch import View
from unlabeled.errors import OptionError
from unlabeled.parts.joint import joint


class Teacher(nn.Module):
    """A copy of one or more modules applied in turn, which follows them by exponential moving average.

    It starts as an exact copy, heads included (a fresh random teacher head is a known mistake), and
    never gets a gradient. Its parameters are averaged; its batch-norm statistics are its own, gathered
    in its own forward passes, as in the official BYOL and MoCo; other buffers are copied.
    """

    def __init__(self, *students: nn.Module) -> None:
        super().__init__()
        # a tuple, so that they are not this module's own and are saved once
        self.students = students
        self.stages = nn.ModuleList(copy.deepcopy(student) for student in students)
        self.requires_grad_(False)

    @torch.no_grad()
    def forward(self, x: Any) -> Tensor:
        for stage in self.stages:
            x = stage(x)
        return x  # type: ignore[no-any-return]

    @torch.no_grad()
    def each(self, *views: View | Tensor) -> tuple[Tensor, ...]:
        """The outputs for several views, batch norm seeing what it sees in the students: the first module
        (the encoder) views of one shape together, the heads one view at a time."""
        outputs = joint(self.stages[0], *views)
        for head in self.stages[1:]:
            outputs = tuple(head(h) for h in outputs)
        return outputs

    @torch.no_grad()
    def agreement(self, x: Any) -> Float[Tensor, " rows"]:
        """Cosine, row by row, between what the students and their copy make of the same input; 1 where they agree.

        Both run in evaluation mode, so that no batch statistics move; every module's mode is put back.
        """
        outputs: list[Tensor] = []
        for stages in (self.students, self.stages):
            applied = nn.Sequential(*stages)
            modes = [(module, module.training) for module in applied.modules()]
            applied.eval()
            try:
                outputs.append(applied(x).float())
            finally:
                for module, training in modes:
                    module.training = training
        student, teacher = outputs
        return F.cosine_similarity(student, teacher, dim=1)

    @torch.no_grad()
    def follow(self, *students: nn.Module, momentum: float) -> None:
        """teacher ← momentum · teacher + (1 − momentum) · student."""
        if not 0 <= momentum <= 1:
            raise OptionError(f"a teacher's momentum must be in [0, 1], not {momentum}")
        if len(students) != len(self.stages):
            raise OptionError(f"this teacher copies {len(self.stages)} modules, {len(students)} were given")
        for stage, student in zip(self.stages, students, strict=True):
            mine = [p.detach() for p in stage.parameters()]
            theirs = [p.detach() for p in student.parameters()]
            if mine:
                torch._foreach_lerp_(mine, theirs, 1 - momentum)
            for module, followed in zip(stage.modules(), student.modules(), strict=True):
                if not isinstance(module, _NormBase):
                    for buffer, other in zip(module.buffers(False), followed.buffers(False), strict=True):
                        buffer.copy_(other)
