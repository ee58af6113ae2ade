"""What the label-free figures look at: embeddings of some samples, and of several views of a few of them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from unlabeled.data.draws import Draws
from unlabeled.data.rows import features, passes
from unlabeled.data.source import Source
from unlabeled.errors import DataError, OptionError, RunError
from unlabeled.evaluation import Spectrum, decompose
from unlabeled.evaluation.sampling import some_rows
from unlabeled.methods import Method, lookup
from unlabeled.methods.contract import Branch
from unlabeled.modalities.contract import Modality
from unlabeled.modalities.facts import find_facts
from unlabeled.parts import Clock, Encoder
from unlabeled.run import Run, load_weights, read_tensors


@dataclass(frozen=True)
class Sampling:
    """Which samples are looked at: the same for every run, by their number and the seed."""

    samples: int = 5_000
    grouped: int = 100
    """of them, that are seen in several views"""
    views: int = 10
    seed: int = 0
    batch_size: int = 256

    def __post_init__(self) -> None:
        for name, least in {"samples": 2, "grouped": 2, "views": 2, "seed": 0, "batch_size": 1}.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise OptionError(f"{name} must be a whole number of at least {least}, not {value!r}")

    def rows(self, count: int, most: int | None = None) -> Int64[np.ndarray, " chosen"]:
        """The places of at most `most` (None: `samples`) of `count` samples, in their order."""
        return some_rows(count, self.samples if most is None else most, self.seed)


class Embedded:
    """The embeddings of one network, each pass made when it is first asked for, and once.

    `network`: an encoder, whose features are looked at (of the samples as they are, and in strong views); or a
    method, with its encoder and its heads, whose output is: what its loss compares, of its own training views.
    """

    def __init__(
        self,
        network: Encoder | Method,
        modality: Modality,
        source: Source,
        sampling: Sampling,
        device: torch.device | str = "cpu",
    ) -> None:
        self.network, self.modality, self.source = network, modality, source
        self.sampling, self.device = sampling, device

    @cached_property
    def z(self) -> Float[Tensor, "samples dim"]:
        """One embedding a sample."""
        rows = self.sampling.rows(len(self.source))
        if isinstance(self.network, Encoder):
            return features(
                self.network,
                self.source,
                prepare=self.modality.plain,
                device=self.device,
                size=self.sampling.batch_size,
                rows=rows,
            )
        return self._several(rows, 1)[:, 0]

    @cached_property
    def views(self) -> Float[Tensor, "grouped views dim"]:
        """Several embeddings of a few samples, each of another view."""
        rows = self.sampling.rows(len(self.source), self.sampling.grouped)
        return self._several(rows, self.sampling.views)

    @cached_property
    def spectrum(self) -> Spectrum:
        return decompose(self.z)

    @torch.no_grad()
    def _several(self, rows: np.ndarray, count: int) -> Tensor:
        training = self.network.training
        self.network.eval()
        try:
            parts = list(self._batches(rows, count))
        finally:
            self.network.train(training)
        z = torch.cat(parts)
        return z[torch.from_numpy(rows)] if self.source.whole else z

    def _batches(self, rows: np.ndarray, count: int) -> Iterator[Tensor]:
        """(rows of a batch, count, dim), batch by batch: one view after the other."""
        plan = (Branch("strong"),) if isinstance(self.network, Encoder) else self.network.plan
        for number, batch in enumerate(passes(self.source, size=self.sampling.batch_size, rows=rows)):
            batch = batch.to(self.device)
            made: list[Tensor] = []
            while len(made) < count:
                draws = Draws(
                    self.sampling.seed,
                    number,
                    total=len(batch.index),
                    device=self.device,
                    name=f"select/{len(made)}",
                )
                views = self.modality.make_views(batch, plan, draws)
                if isinstance(self.network, Encoder):
                    found: tuple[Tensor, ...] = (self.network(views[0].x),)
                else:
                    found = self.network(views, batch, FINISHED).embeddings
                made += [z.float().cpu() for z in found if len(z) == len(batch.index)]
                if not made:
                    raise OptionError(
                        f"{self.network.name} gives no embedding of every sample: look at='encoder'"
                    )
            yield torch.stack(made[:count], dim=1)


FINISHED = Clock(1, 1, 1, 1)
"""schedules of a method that is looked at stand where training ended"""


def network_of(run: Run, source: Source, at: str) -> Encoder | Method:
    """The encoder of a run, or its method with the heads as training left them."""
    return run.encoder if at == "encoder" else restore_method(run, source)


def restore_method(run: Run, source: Source) -> Method:
    """The method of a finished run: its encoder, heads and other state.

    Refused: a method that needs labels or the place of a sample in its training set: what it gives of other
    data means nothing.
    """
    options = dict(run.config["method"])
    entry = lookup(options.pop("name"))
    if entry.cls.requires.labels or entry.cls.requires.index:
        raise OptionError(f"{entry.name} gives nothing of samples it was not trained on: look at='encoder'")
    facts = replace(find_facts(run.modality, source), samples=run.config["about"]["samples"])
    method = entry.cls(copy.deepcopy(run.encoder), facts, **options)
    held = read_tensors(run.path / "method.safetensors")
    try:
        absent = set(method.load_state_dict(held, strict=False).missing_keys)
    except RuntimeError as error:
        raise RunError(f"{run.path / 'method.safetensors'} does not fit {entry.name}: {error}") from error
    mine = {id(t) for t in method.kept.state_dict(keep_vars=True).values()}
    absent -= {name for name, t in method.state_dict(keep_vars=True).items() if id(t) in mine}
    if absent:
        raise RunError(f"{run.path / 'method.safetensors'} has no {', '.join(sorted(absent)[:3])}")
    load_weights(method.kept, run.path / "encoder.safetensors")
    return method.eval()


def check_finite(z: Tensor, whose: str) -> None:
    """Refuses embeddings with NaN or infinity, saying whose they are."""
    bad = int((~torch.isfinite(z)).any(dim=-1).sum())
    if bad:
        raise DataError(
            f"{whose} gives NaN or infinity for {bad} of {len(z)} samples: leave this run out, and look for what "
            "went wrong in its training"
        )
