"""Opens data as a source of documents that are cut into subwords once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from unlabeled.data.cache import Unreadable, whole
from unlabeled.data.source import Skipped, Source
from unlabeled.modalities.text.documents import Documents
from unlabeled.modalities.text.tokenizer import TOGETHER, Tokenizer

CHARACTERS = 16
"""a token kept: what lies behind so many characters is never cut into subwords"""


class TextSource(Source):
    """Documents as token numbers, one after another in memory. Those longer than `length` lose their end.

    `DataError`: not one of them can be read.
    """

    decoded = True

    def __init__(self, documents: Documents, tokenizer: Tokenizer, length: int) -> None:
        self.length, self.pad = length, tokenizer.pad
        digest = hashlib.blake2b(f"{tokenizer.text}\0{length}".encode(), digest_size=16)
        failed: dict[int, str] = {}
        rows: list[np.ndarray] = []
        kept: list[int] = []
        cut = 0
        for first in range(0, len(documents), TOGETHER):
            places, texts = load(documents, range(first, min(first + TOGETHER, len(documents))), failed)
            encoded = tokenizer.encode([text[: CHARACTERS * length] for text in texts])
            for place, text, row in zip(places, texts, encoded, strict=True):
                digest.update(f"{len(text)}\0{place}\0{text}".encode())
                if len(row):
                    cut += len(row) > length or len(text) > CHARACTERS * length
                    kept.append(place)
                    rows.append(row[:length])
                else:
                    failed[place] = "the tokenizer leaves nothing of it"
        whole(failed, len(documents), documents.what, documents.keys.__getitem__)
        self.tokens = np.concatenate(rows)
        self.starts = np.cumsum([0, *map(len, rows)])
        self.index = np.array(kept, dtype=np.int64)
        self.keys = [documents.keys[i] for i in kept]
        self.labels = None
        if documents.labels is not None:
            self.labels = np.empty(len(kept), dtype=object)
            self.labels[:] = [documents.labels[i] for i in kept]
        self.skipped = [Skipped(documents.keys[i], why) for i, why in sorted(failed.items())]
        digest.update(
            "\n".join([*self.keys, *(s.reason for s in self.skipped)]).encode("utf-8", "surrogatepass")
        )
        self.fingerprint = digest.hexdigest()
        mean = len(self.tokens) / len(rows)
        self.description = (
            f"{documents.what}; {mean:.0f} subwords each, of a vocabulary of {tokenizer.size:,}"
        )
        if cut:
            self.description += f"; {cut:,} longer than {length} are cut at the end"

    def fetch(self, positions: Sequence[int] | np.ndarray) -> Int64[Tensor, "n length"]:
        """(n, length) token numbers, the padding's where a document has ended."""
        chosen = np.asarray(positions, dtype=np.int64)
        starts, ends = self.starts[chosen], self.starts[chosen + 1]
        places = starts[:, None] + np.arange(self.length)
        there = places < ends[:, None]
        x = np.where(there, self.tokens[np.minimum(places, len(self.tokens) - 1)], self.pad)
        return torch.from_numpy(x.astype(np.int64))


def load(documents: Documents, places: Sequence[int], failed: dict[int, str]) -> tuple[list[int], list[str]]:
    """(places, texts) of those that can be read; of the others `failed` gets the reason."""
    read, texts = [], []
    for i in places:
        try:
            text = documents.load(i)
        except Unreadable as error:
            failed[i] = str(error)
        else:
            read.append(i)
            texts.append(text)
    return read, texts
