"""Text as a modality: what is fixed for one set of documents, and where each of its words is carried out."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from unlabeled.data.batch import Tokens
from unlabeled.data.draws import Draws
from unlabeled.data.source import Source
from unlabeled.errors import DataError, OptionError, nearest
from unlabeled.methods.contract import Branch
from unlabeled.modalities.contract import Changed, Modality
from unlabeled.modalities.covered import HIDDEN
from unlabeled.modalities.text import encoders, views
from unlabeled.modalities.text.documents import ACCEPTED, Columns, Documents, check_encoding, open_documents
from unlabeled.modalities.text.measure import auto_length, fit_tokenizer, sample
from unlabeled.modalities.text.read import TextSource
from unlabeled.modalities.text.recognise import recognise
from unlabeled.modalities.text.tokenizer import Tokenizer
from unlabeled.modalities.text.weights import COLUMNS, inverse_frequencies, tfidf
from unlabeled.parts.encoder import Encoder

Ids = Int64[Tensor, "n length"]


class Text(Modality):
    """Documents as rows of subwords.

    `Batch.x` is (n, length) int64: token numbers, left-aligned, the padding's number where nothing is.

    `tokenizer`: the JSON text of a tokenizer of Hugging Face. `length`: tokens of a document that are kept.
    `idf`: weight of each column of the raw yardstick (`weights.py`). `column`: the column (or columns, joined by
    line breaks) of a table that holds the text; `label`, `key`: those of classes and keys. `encoding`: of files
    and of bytes.
    """

    name: ClassVar[str] = "text"
    accepts: ClassVar[str] = ACCEPTED
    default_encoder: ClassVar[str] = "transformer"
    token_encoder: ClassVar[str] = "transformer"
    free_axes: ClassVar[Mapping[int, str]] = {0: "batch", 1: "tokens"}

    def __init__(
        self,
        tokenizer: str,
        length: int,
        idf: list[float],
        column: Columns = None,
        label: str | None = None,
        key: str | None = None,
        encoding: str = "utf-8",
    ) -> None:
        self.tokenizer = Tokenizer(tokenizer)
        check_length(length)
        self.length, self.idf, self.column, self.label, self.key = length, list(idf), column, label, key
        self.encoding = check_encoding(encoding)
        if len(self.idf) != min(self.tokenizer.size, COLUMNS) or not all(np.isfinite(self.idf)):
            raise OptionError(
                f"idf must be {min(self.tokenizer.size, COLUMNS)} finite numbers for a vocabulary of "
                f"{self.tokenizer.size}, not {len(self.idf)}"
            )
        self.categories = self.tokenizer.size
        self._idf = torch.tensor(self.idf)

    # read
    @classmethod
    def recognises(cls, data: Any) -> str | None:
        return recognise(data)

    @classmethod
    def measure(
        cls,
        data: Any,
        *,
        column: str | list[str] | None = None,
        label: str | None = None,
        key: str | None = None,
        vocabulary: int | None = None,
        tokenizer: str | Path | None = None,
        length: int | None = None,
        lower: bool | None = None,
        encoding: str = "utf-8",
        **unknown: Any,
    ) -> Text:
        """Looks at up to 20,000 documents spread over the data and fixes what is not given.

        `column`: the column that holds the text, or several, which are joined; None: the one called text,
        content, document, sentence or body, else the only one with long texts. `label`: the column of the
        classes (of a folder: a regular expression with one group, found in the paths). `key`: the column of the
        keys. `vocabulary`: size of the vocabulary that is learnt; None: 512 to 8192 by the size of the data.
        `tokenizer`: path of a tokenizer.json, or of the folder of a checkpoint of transformers that has one;
        None: one is trained on the data. `length`: tokens of a document that are kept; None: what 95 % of them
        do not exceed, at most 256. `lower`: whether a tokenizer trained here reads capitals as small letters;
        None: yes. `encoding`: of files and of bytes.
        """
        cls.refuse_others(unknown)
        columns: dict[str, Any] = {"column": column, "label": label, "key": key}
        documents = open_documents(data, **columns, encoding=encoding, labels=label is not None)
        for name, asked in columns.items():
            _check_field(name, asked, documents)
        check_length(length)
        texts = sample(documents, length)
        fitted = fit_tokenizer(texts, tokenizer, vocabulary, lower)
        rows = fitted.encode(texts)
        length = auto_length(rows) if length is None else length
        idf = inverse_frequencies([row[:length] for row in rows], fitted.size)
        return cls(fitted.text, length, idf, documents.column, label, key, encoding)

    def read(self, data: Any, *, cache: Path | None = None, labels: bool = False) -> Source:
        """The documents of `data` in subwords, in memory; `cache` is not needed."""
        named: dict[str, Any] = {"column": self.column, "label": self.label, "key": self.key}
        documents = open_documents(data, **named, encoding=self.encoding, labels=labels)
        return TextSource(documents, self.tokenizer, self.length)

    def config(self) -> dict[str, Any]:
        return {
            "tokenizer": self.tokenizer.text,
            "length": self.length,
            "idf": self.idf,
            "column": self.column,
            "label": self.label,
            "key": self.key,
            "encoding": self.encoding,
        }

    # change
    def change(self, x: Ids, branch: Branch, draws: Draws) -> Changed:
        return views.change(x, branch, draws, pad=self.tokenizer.pad, mask=self.tokenizer.mask)

    # tokens
    def tokenise(self, x: Ids) -> Tokens:
        """Subwords by their number, at their place in the row."""
        places = torch.arange(x.shape[1], device=x.device)[:, None].float()
        return Tokens(places, codes=x, present=x != self.tokenizer.pad)

    # encode, and the raw input as a yardstick
    def build_encoder(self, name: str, **options: Any) -> Encoder:
        return encoders.build(name, tokenizer=self.tokenizer, length=self.length, **options)

    def example(self) -> Ids:
        """Two documents of a single token, the mask."""
        x = torch.full((2, self.length), self.tokenizer.pad)
        x[:, 0] = self.tokenizer.mask
        return x

    def synthetic(self, rows: int, *, seed: int = 0) -> Ids:
        """Documents of random tokens and lengths."""
        random = torch.Generator().manual_seed(seed)
        width = int(torch.randint(self.length // 2, self.length, (), generator=random)) + 1
        x = torch.randint(self.tokenizer.size, (rows, width), generator=random)
        ends = torch.randint(1, width + 1, (rows, 1), generator=random)
        return x.masked_fill(torch.arange(width) >= ends, self.tokenizer.pad)

    def flatten(self, x: Ids) -> Float[Tensor, "n columns"]:
        """Counts of subwords, weighted by how rare they are, to unit length."""
        return tfidf(x, self.tokenizer.pad, self._idf)

    # for a person
    def describe(self, x: Ids, hidden: Bool[Tensor, "n length"] | None = None) -> list[str]:
        """The text itself, on one line; a hidden token is ▒▒."""
        covered = torch.zeros_like(x, dtype=torch.bool) if hidden is None else hidden
        return [
            " ".join(
                word
                for out, run in groupby(zip(row, hides, strict=True), key=itemgetter(1))
                for word in self._words([number for number, _ in run], out)
            )
            for row, hides in zip(x.tolist(), covered.tolist(), strict=True)
        ]

    def _words(self, numbers: list[int], hidden: bool) -> list[str]:
        return [HIDDEN] * len(numbers) if hidden else self.tokenizer.decode(numbers).split()


def check_length(length: int | None) -> None:
    if length is not None and (isinstance(length, bool) or not isinstance(length, int) or length < 1):
        raise OptionError(f"length must be a whole number of at least 1, not {length!r}")


def _check_field(name: str, asked: Columns, documents: Documents) -> None:
    """Refuses a column that was asked for and is not there."""
    if asked is None or (
        documents.fields is None and isinstance(asked, str) and "(" in asked and name == "label"
    ):
        return
    if documents.fields is None:
        raise DataError(f"{name}={asked!r} names a column, and {documents.what} have none: leave it out")
    for field in [asked] if isinstance(asked, str) else asked:
        if field not in documents.fields:
            raise DataError(f"there is no column {field!r} ({name}): {nearest(field, documents.fields)}")
