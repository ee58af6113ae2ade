"""What a sample of the documents says about all of them: a tokenizer, how long they are, which words are rare."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from unlabeled.data.cache import whole
from unlabeled.errors import OptionError
from unlabeled.modalities.text.documents import Documents
from unlabeled.modalities.text.read import CHARACTERS, load
from unlabeled.modalities.text.tokenizer import LEAST, Tokenizer, train
from unlabeled.modalities.text.tokenizer import load as load_tokenizer

SAMPLE = 20_000
"""documents looked at, spread evenly over the set"""
VOCABULARY = (512, 8192)
"""smallest and largest vocabulary that is chosen"""
CHARACTERS_A_TOKEN = 200
"""of the sample: each token of the vocabulary should be met a few times"""
LENGTH = (8, 256)
"""smallest and largest length that is chosen"""
SHARE = 95
"""per cent of the documents that are not cut"""


def sample(documents: Documents, length: int | None) -> list[str]:
    """The texts looked at, as far as they can be kept. `DataError`: nothing of all the documents can be read."""
    failed: dict[int, str] = {}
    chosen = np.unique(np.linspace(0, len(documents) - 1, min(len(documents), SAMPLE)).astype(int))
    texts = load(documents, chosen.tolist(), failed)[1]
    if not texts:
        # the whole sample is unreadable: the set is only refused when everything in it is
        texts = load(documents, [i for i in range(len(documents)) if i not in failed], failed)[1]
        whole(failed, len(documents), documents.what, documents.keys.__getitem__)
    most = CHARACTERS * (length or LENGTH[1])
    return [text[:most] for text in texts[:SAMPLE]]


def fit_tokenizer(
    texts: list[str], tokenizer: str | Path | None, vocabulary: int | None, lower: bool | None
) -> Tokenizer:
    """The tokenizer that was named, else one trained on the texts."""
    if tokenizer is not None:
        for name, value in {"vocabulary": vocabulary, "lower": lower}.items():
            if value is not None:
                raise OptionError(
                    f"{name}= is for a tokenizer trained here, and tokenizer= names another: leave one out"
                )
        return Tokenizer(load_tokenizer(tokenizer))
    if vocabulary is None:
        vocabulary = auto_vocabulary(sum(map(len, texts)))
    return Tokenizer(train(texts, vocabulary, lower=lower is not False))


def auto_vocabulary(characters: int) -> int:
    """The size of a vocabulary for a sample of so many characters: a power of two."""
    fitting = 2 ** round(math.log2(max(characters / CHARACTERS_A_TOKEN, LEAST)))
    return min(max(fitting, VOCABULARY[0]), VOCABULARY[1])


def auto_length(rows: list[np.ndarray]) -> int:
    """Tokens that 95 of 100 documents do not exceed, as a multiple of 8."""
    needed = float(np.percentile([len(row) for row in rows], SHARE))
    return min(max(8 * math.ceil(needed / 8), LENGTH[0]), LENGTH[1])
