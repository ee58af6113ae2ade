"""Tables as a modality: what is fixed for one data set, and where each of its words is carried out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from unlabeled.data.batch import Tokens
from unlabeled.data.draws import Draws
from unlabeled.data.source import Source
from unlabeled.errors import OptionError
from unlabeled.methods.contract import Branch
from unlabeled.modalities.contract import Changed, Modality
from unlabeled.modalities.covered import HIDDEN
from unlabeled.modalities.table import encoders, views
from unlabeled.modalities.table.columns import SCALINGS, Column
from unlabeled.modalities.table.measure import Asked, measure
from unlabeled.modalities.table.open import ACCEPTED
from unlabeled.modalities.table.read import TableSource
from unlabeled.modalities.table.recognise import recognise
from unlabeled.parts.encoder import Encoder

Rows = Float[Tensor, "n columns"]


class Table(Modality):
    """Rows of one table: numbers, categories, truth values, dates, and cells that are missing.

    `Batch.x` is (n, columns) float32: a numeric column (numbers, dates, times of day, durations) holds scaled
    numbers, a categorical one (text, categories, truth values, months, weekdays and hours of dates) its code, a
    missing cell NaN. What is infinite counts as missing.

    `columns`: what was fitted to each column, as `Column.plain` gives it. `left_out`: column → why it is not used.
    `scaling`: "quantile" or "standard". `label`, `key`: the columns that hold the classes and the rows' names.
    """

    name: ClassVar[str] = "table"
    accepts: ClassVar[str] = ACCEPTED
    default_encoder: ClassVar[str] = "mlp"
    token_encoder: ClassVar[str] = "transformer"

    def __init__(
        self,
        columns: Sequence[Mapping[str, Any]],
        left_out: Mapping[str, str] | None = None,
        scaling: str = "quantile",
        label: str | None = None,
        key: str | None = None,
    ) -> None:
        if scaling not in SCALINGS:
            raise OptionError(f"scaling must be 'quantile' or 'standard', not {scaling!r}")
        self.columns = [Column.from_plain(said) for said in columns]
        if len(self.columns) < 2:
            raise OptionError(f"a table has at least two columns, not {len(self.columns)}")
        names = [column.name for column in self.columns]
        if len(set(names)) < len(names):
            raise OptionError(f"two columns of a table have the same name: {', '.join(sorted(names))}")
        self.left_out = dict(left_out or {})
        self.scaling, self.label, self.key = scaling, label, key
        self.sizes = [column.size for column in self.columns]
        self.categories = sum(self.sizes)
        self.marginals = views.Marginals(self.columns, scaling)
        sizes = torch.tensor(self.sizes)
        self.first = torch.where(sizes > 0, sizes.cumsum(0) - sizes, -1)

    # read
    @classmethod
    def recognises(cls, data: Any) -> str | None:
        return recognise(data)

    @classmethod
    def measure(
        cls,
        data: Any,
        *,
        label: str | None = None,
        key: str | None = None,
        categorical: list[str] | None = None,
        numeric: list[str] | None = None,
        ignore: list[str] | None = None,
        columns: list[str] | None = None,
        scaling: str = "quantile",
        **unknown: Any,
    ) -> Table:
        """Looks at up to 500,000 rows spread over the table, decides what each column is, and fits its preparation.

        `label`: column that holds the classes; it is no input. `key`: column that names the rows; it is no input.
        `categorical`: columns whose numbers are categories. `numeric`: columns whose text is numbers.
        `ignore`: columns that are not used. `columns`: the only columns that are used. `scaling`: quantile, to
        normal scores, or standard, minus mean over deviation.

        Text is a category, dates (of text too, if it is ISO 8601) become days with month, weekday and hour as
        categories. Columns that are empty, constant, row numbers, or of which most cells are unique text are left
        out, and named with the reason in the source's description.
        """
        cls.refuse_others(unknown)
        asked = Asked(
            categorical=_names("categorical", categorical) or (),
            numeric=_names("numeric", numeric) or (),
            ignore=_names("ignore", ignore) or (),
            columns=_names("columns", columns),
            label=label,
            key=key,
        )
        return cls(**measure(data, asked, scaling))

    def read(self, data: Any, *, cache: Path | None = None, labels: bool = False) -> Source:
        """Rows of `data`, prepared as those were that this was fitted to; columns are found by name.

        A category that training never saw counts as a rare one where there were such, else as missing; columns
        that training did not have are not used; rows without a single known cell are skipped. All is said in the
        source's description, what was unseen in a warning too. Nothing is kept on disk. `DataError`: a column is
        gone, or holds another kind of values.
        """
        return TableSource(
            data, self.columns, self.left_out, self.scaling, self.label, self.key, labels=labels
        )

    def config(self) -> dict[str, Any]:
        return {
            "columns": [column.plain() for column in self.columns],
            "left_out": self.left_out,
            "scaling": self.scaling,
            "label": self.label,
            "key": self.key,
        }

    # change
    def change(self, x: Rows, branch: Branch, draws: Draws) -> Changed:
        return views.change(x, branch, draws, self.marginals)

    # tokens
    def tokenise(self, x: Rows) -> Tokens | None:
        """Columns: the scaled number, or the code among those of all categorical columns."""
        there = ~x.isnan()
        first = self.first.to(x.device)
        places = torch.arange(len(self.columns), device=x.device).float()[:, None]
        coded = there & (first >= 0)
        numbers = torch.where(there & ~coded, x, 0)[:, :, None] if min(self.sizes) == 0 else None
        codes = torch.where(coded, x.nan_to_num() + first, -1).long() if self.categories else None
        return Tokens(places, numbers, codes, there)

    # encode, and the raw input as a yardstick
    def build_encoder(self, name: str, **options: Any) -> Encoder:
        return encoders.build(name, sizes=self.sizes, **options)

    def example(self) -> Rows:
        return torch.zeros(2, len(self.columns))

    def synthetic(self, rows: int, *, seed: int = 0) -> Rows:
        """Standard normal numbers and codes drawn evenly; one cell in ten is missing."""
        random = torch.Generator().manual_seed(seed)
        cells = [
            torch.randint(size, (rows,), generator=random).float()
            if size
            else torch.randn(rows, generator=random)
            for size in self.sizes
        ]
        x = torch.stack(cells, dim=1)
        return x.masked_fill(torch.rand(x.shape, generator=random) < 0.1, torch.nan)

    def flatten(self, x: Rows) -> Float[Tensor, "n values"]:
        """Scaled numbers, 0 where missing, and whether they are where the column had missing cells; categories
        one-hot, all zero where missing."""
        found = []
        for place, column in enumerate(self.columns):
            cells = x[:, place]
            missing = cells.isnan()
            if not column.size:
                found.append(cells.masked_fill(missing, 0)[:, None])
                if column.missing:
                    found.append(missing.to(x.dtype)[:, None])
            else:
                codes = cells.masked_fill(missing, column.size).long()
                found.append(F.one_hot(codes, column.size + 1)[:, :-1].to(x.dtype))
        return torch.cat(found, dim=1)

    # for a person
    def describe(self, x: Rows, hidden: Bool[Tensor, "n columns"] | None = None) -> list[str]:
        """Every column with what the cell holds: –, where it is missing, ▒▒ where it is hidden."""
        told = [column.told(x[:, i].cpu().numpy(), self.scaling) for i, column in enumerate(self.columns)]
        covered = torch.zeros_like(x, dtype=torch.bool) if hidden is None else hidden
        return [
            ", ".join(
                f"{column.name} {HIDDEN if out else cell}"
                for column, cell, out in zip(self.columns, cells, row, strict=True)
            )
            for cells, row in zip(zip(*told, strict=True), covered.tolist(), strict=True)
        ]


def _names(option: str, given: Any) -> tuple[str, ...] | None:
    if given is None:
        return None
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise OptionError(f"{option} is a list of columns, not {given!r}")
    return tuple(str(name) for name in given)
