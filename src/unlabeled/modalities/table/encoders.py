"""The encoders of tables: a network of full layers, and a transformer whose tokens are columns.

Both take (batch, columns): scaled numbers, or codes of categories; NaN is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from unlabeled.errors import OptionError
from unlabeled.parts.encoder import (
    Encoded,
    Encoder,
    FeatureEncoder,
    at_least_float32,
    check_at_least,
    make,
)
from unlabeled.parts.transformer import initialise
from unlabeled.parts.trunk import TokenEncoder


def build(name: str, *, sizes: Sequence[int], **options: Any) -> Encoder:
    """The encoder called `name` for columns with so many codes each, 0 where a column is numeric.

    `OptionError`: an unknown name or option, 'custom'.
    """
    return make(name, {"mlp": (MLP, {}), "transformer": (ColumnTransformer, {})}, sizes, **options)


class Cells(nn.Module):
    """Tells numbers from codes: which columns are which, and where a column's codes begin among those of all.

    `spare`: a further code of each column, the last, for missing cells.
    """

    numeric: Tensor
    coded: Tensor
    first: Tensor
    last: Tensor

    def __init__(self, sizes: Sequence[int], *, spare: bool = False) -> None:
        super().__init__()
        self.count = len(sizes)
        numeric = [place for place, size in enumerate(sizes) if not size]
        coded = [place for place, size in enumerate(sizes) if size]
        lengths = torch.tensor([sizes[place] + spare for place in coded], dtype=torch.int64)
        self.codes = int(lengths.sum())
        # they follow from the columns, so they are not part of what is saved
        for name, values in {
            "numeric": torch.tensor(numeric, dtype=torch.int64),
            "coded": torch.tensor(coded, dtype=torch.int64),
            "first": lengths.cumsum(0) - lengths,
            "last": lengths - 1,
        }.items():
            self.register_buffer(name, values, persistent=False)

    def forward(self, x: Any) -> tuple[Float[Tensor, "batch numeric"], Int[Tensor, "batch coded"]]:
        """Numbers, NaN where missing, and codes among those of all columns; the last of a column where missing."""
        if not isinstance(x, Tensor) or x.ndim != 2 or x.shape[1] != self.count:
            shape = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
            raise OptionError(
                f"this encoder takes rows of {self.count} columns, (batch, {self.count}), not {shape}"
            )
        codes = x[:, self.coded]
        codes = torch.where(codes.isnan(), self.last.to(x.dtype), codes).long().clamp(min=0)
        return x[:, self.numeric], torch.minimum(codes, self.last) + self.first


class MLP(FeatureEncoder):
    """Full layers with batch norm on all cells side by side.

    A number goes in as its value, 0 where it is missing, and whether it is; a category as a learned vector of
    `embedding` numbers, one of them for missing. Then `depth` layers of `width`. `layers` are their outputs.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        width: int = 256,
        depth: int = 3,
        embedding: int = 8,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        for option, value in {"width": width, "depth": depth, "embedding": embedding}.items():
            check_at_least("mlp", option, value, 1)
        if not 0 <= dropout < 1:
            raise OptionError(f"mlp: dropout must be in [0, 1), not {dropout}")
        self.spec = {
            "name": "mlp",
            "width": width,
            "depth": depth,
            "embedding": embedding,
            "dropout": dropout,
        }
        self.dim = width
        self.cells = Cells(sizes, spare=True)
        self.categories = nn.Embedding(self.cells.codes, embedding) if self.cells.codes else None
        if self.categories is not None:
            # a category weighs as much as a number
            nn.init.normal_(self.categories.weight, std=embedding**-0.5)
        entering = 2 * len(self.cells.numeric) + embedding * len(self.cells.coded)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Linear(entering if i == 0 else width, width, bias=False),
                nn.BatchNorm1d(width),
                nn.ReLU(),
                nn.Dropout(dropout),
            )
            for i in range(depth)
        )

    def compute(self, x: Any) -> Encoded:
        numbers, codes = self.cells(x)
        missing = numbers.isnan()
        side = [numbers.masked_fill(missing, 0), missing.to(numbers.dtype)]
        if self.categories is not None:
            side.append(self.categories(codes).flatten(1))
        h = torch.cat(side, dim=1)
        layers = []
        for block in self.blocks:
            h = block(h)
            layers.append(h)
        return Encoded(at_least_float32(h), layers=tuple(layers))


class ColumnTransformer(TokenEncoder):
    """A transformer whose tokens are columns (FT-Transformer, Gorishniy et al. 2021, arXiv 2106.11959).

    A number becomes its value times a learned vector of its column, a category the learned vector of its code; a
    learned vector of the column, which also says which column it is, is added. Missing cells are left out of
    attention.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        width: int = 96,
        depth: int = 3,
        heads: int = 4,
        pool: str = "mean",
        dropout: float = 0.0,
    ) -> None:
        super().__init__("transformer", width, depth, heads, pool=pool, dropout=dropout)
        self.cells = Cells(sizes)
        self.apply(initialise)
        limit = width**-0.5
        self.column = nn.Parameter(torch.empty(len(sizes), width).uniform_(-limit, limit))
        self.numbers = self.categories = None
        if len(self.cells.numeric):
            self.numbers = nn.Parameter(torch.empty(len(self.cells.numeric), width).uniform_(-limit, limit))
        if self.cells.codes:
            self.categories = nn.Embedding(self.cells.codes, width)
            nn.init.uniform_(self.categories.weight, -limit, limit)

    def embed(
        self, x: Any
    ) -> tuple[Float[Tensor, "batch tokens dim"], Float[Tensor, "tokens dim"], Bool[Tensor, "batch tokens"]]:
        numbers, codes = self.cells(x)
        tokens = self.column.new_zeros(len(x), self.cells.count, self.dim)
        if self.numbers is not None:
            values = numbers.masked_fill(numbers.isnan(), 0).to(self.numbers.dtype)
            tokens = tokens.index_copy(1, self.cells.numeric, values[:, :, None] * self.numbers)
        if self.categories is not None:
            tokens = tokens.index_copy(1, self.cells.coded, self.categories(codes))
        return tokens, self.column, ~x.isnan()
