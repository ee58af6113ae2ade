"""A kind of data of your own, whole: sequences of DNA. Every method that is not about one kind of data runs on it.

    python examples/dna.py

A sequence is a string of A, C, G and T; a batch is (sequences, length) whole numbers, 4 where a sequence has ended.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import unlabeled as ul
from unlabeled.data.draws import Draws
from unlabeled.data.source import Source
from unlabeled.errors import DataError, OptionError
from unlabeled.modalities import MODALITIES
from unlabeled.modalities.amounts import check_variant, given
from unlabeled.modalities.contract import Changed
from unlabeled.parts.transformer import sincos
from unlabeled.parts.trunk import TokenEncoder

LETTERS, END = "ACGT", 4
KEPT = {"raw": (1.0, 1.0), "weak": (0.9, 1.0), "strong": (0.5, 1.0), "local": (0.2, 0.4)}
"""kind of view → smallest and largest share of a sequence that a crop keeps"""
MUTATED = {"raw": 0.0, "weak": 0.0, "strong": 0.05, "local": 0.05}
"""share of the letters that become another"""


def is_dna(data: Any) -> bool:
    return isinstance(data, list) and all(
        isinstance(s, str) and s and set(s) <= set(LETTERS) for s in data[:100]
    )


class Sequences(Source):
    def __init__(self, data: list[str], length: int) -> None:
        wrong = next((i for i, s in enumerate(data) if not s or set(s) - set(LETTERS)), None)
        if wrong is not None:
            raise DataError(
                f"sequence {wrong} is {data[wrong][:20]!r}: give letters A, C, G and T, at least one"
            )
        rows = [torch.tensor([LETTERS.index(letter) for letter in s[:length]]) for s in data]
        self.x = torch.full((len(data), length), END)
        for place, row in enumerate(rows):
            self.x[place, : len(row)] = row
        self.keys, self.index = [str(i) for i in range(len(data))], np.arange(len(data))
        self.labels, self.skipped = None, []
        self.description = f"{len(data)} sequences, up to {length} letters"
        self.fingerprint = hashlib.blake2b("\n".join(data).encode()).hexdigest()

    def fetch(self, positions: Any) -> Tensor:
        return self.x[torch.as_tensor(positions)]


class Letters(TokenEncoder):
    """A transformer over the letters; what leaves tokens out, attends and pools is in `TokenEncoder`."""

    def __init__(self, *, width: int = 64, depth: int = 2, heads: int = 4) -> None:
        super().__init__("letters", width, depth, heads)
        del self.spec["pool"], self.spec["dropout"]  # not options of this one
        self.table = nn.Embedding(len(LETTERS) + 1, width)

    def embed(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        places = torch.arange(x.shape[1], device=x.device)[:, None].float()
        return self.table(x), sincos(places, self.dim), x != END


@dataclass
class DNA(ul.Modality):
    length: int

    name: ClassVar[str] = "dna"
    accepts: ClassVar[str] = "a list of strings of A, C, G and T"
    default_encoder: ClassVar[str] = "letters"
    token_encoder: ClassVar[str] = "letters"
    categories: int = field(default=len(LETTERS) + 1, init=False)

    # read
    @classmethod
    def recognises(cls, data: Any) -> str | None:
        return f"{len(data)} sequences of DNA" if is_dna(data) else None

    @classmethod
    def measure(cls, data: Any, *, length: int | None = None, **unknown: Any) -> DNA:
        cls.refuse_others(unknown)
        return cls(max(map(len, data)) if length is None else length)

    def config(self) -> dict[str, Any]:
        return {"length": self.length}

    def read(self, data: Any, *, cache: Any = None, labels: bool = False) -> Source:
        return Sequences(data, self.length)

    # change
    def change(self, x: Tensor, branch: ul.Branch, draws: Draws) -> Changed:
        """A crop, moved to the front, and mutations."""
        check_variant("sequences", branch, dict.fromkeys(KEPT, 3))
        options = given("sequences", branch, {"low": 1.0, "high": 1.0, "noise": 1.0}, len(x), x.device)
        low, high = (
            options.get(n, default) for n, default in zip(("low", "high"), KEPT[branch.kind], strict=True)
        )
        there = (x != END).sum(1)
        kept = (there * (low + (high - low) * draws.uniform())).round().clamp(min=1).long()
        start = ((there - kept + 1) * draws.uniform()).long()
        places = torch.arange(x.shape[1], device=x.device)
        cropped = F.pad(x, (0, 1), value=END).gather(1, (start[:, None] + places).clamp(max=x.shape[1]))
        cropped = torch.where(places < kept[:, None], cropped, END)
        mutated = draws.uniform(x.shape[1]) < MUTATED[branch.kind] * options.get("noise", 1.0)
        other = (cropped + 1 + draws.integers(len(LETTERS) - 1, x.shape[1])) % len(LETTERS)
        return Changed(torch.where(mutated & (cropped != END), other, cropped))

    # tokens
    def tokenise(self, x: Tensor) -> ul.Tokens:
        places = torch.arange(x.shape[1], device=x.device)[:, None].float()
        return ul.Tokens(places, codes=x, present=x != END)

    # encode, and the raw input as a yardstick
    def build_encoder(self, name: str, **options: Any) -> ul.Encoder:
        if name != "letters":
            raise OptionError(f"there is no encoder {name!r} of DNA: 'letters' is the one")
        return Letters(**options)

    def example(self) -> Tensor:
        return torch.zeros(2, self.length, dtype=torch.long)

    def flatten(self, x: Tensor) -> Tensor:
        """How often each letter occurs."""
        return F.one_hot(x, len(LETTERS) + 1)[..., : len(LETTERS)].float().mean(1)


MODALITIES["dna"] = (
    DNA  # a folder in src/unlabeled/modalities/ is found by being there; this one is not in it
)


def two_species(count: int = 400) -> tuple[list[str], list[int]]:
    """Sequences of equally frequent letters: in species 1 a letter is often followed by its own kind."""
    generator = np.random.default_rng(0)
    made, species = [], []
    for i in range(count):
        repeats = generator.random(60) < (0.25, 0.8)[i % 2]
        letters = [generator.integers(4)]
        for repeat in repeats[: generator.integers(40, 60)]:
            letters.append(letters[-1] if repeat else generator.integers(4))
        made.append("".join(LETTERS[letter] for letter in letters))
        species.append(i % 2)
    return made, species


def main(out: str = "runs/dna", epochs: int = 15) -> ul.Run:
    sequences, species = two_species()
    # named, for a list of strings may be text as well
    run = ul.pretrain(
        sequences, method="mae", modality="dna", batch_size=50, lr=0.002, epochs=epochs, out=out
    )
    print(run.evaluate(sequences, labels=species))
    return run


if __name__ == "__main__":
    main()
