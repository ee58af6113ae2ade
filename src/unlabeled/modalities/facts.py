"""What a method may know of the data it will meet, found in a look at two samples."""

from __future__ import annotations

from unlabeled.data.source import Source
from unlabeled.methods.contract import Facts
from unlabeled.modalities.contract import Modality


def find_facts(modality: Modality, source: Source, classes: int | None = None) -> Facts:
    """What a method may know of this data."""
    tokens = modality.tokenise(modality.plain(source.fetch([0, min(1, len(source) - 1)])))
    if tokens is None:
        return Facts(len(source), classes)
    return Facts(
        len(source),
        classes,
        tokens=int(tokens.positions.shape[-2]),
        token_dim=0 if tokens.numbers is None else int(tokens.numbers.shape[-1]),
        categories=modality.categories,
        axes=int(tokens.positions.shape[-1]),
    )
