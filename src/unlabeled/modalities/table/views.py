"""How a batch of rows is changed into a view.

Cells are drawn anew from the values of their own column, and columns are left out. Every random number is
drawn for the global batch from a stream of its own: a row's view does not depend on how the batch is shared out.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from unlabeled.data.draws import Draws
from unlabeled.methods.contract import Branch
from unlabeled.modalities.amounts import Amount, possible
from unlabeled.modalities.contract import Changed
from unlabeled.modalities.table.columns import Column
from unlabeled.modalities.table.looks import look


class Marginals:
    """What the cells of each column hold, and how often: where replacements are drawn from.

    A replacement is missing as often as the column's cells were.
    """

    def __init__(self, columns: Sequence[Column], scaling: str) -> None:
        found = [column.marginal(scaling) for column in columns]
        most = max(len(values) for values, _ in found)
        self.values = torch.zeros(len(columns), most)
        # beyond a column's own values: never reached by a number below 1
        self.reached = torch.ones(len(columns), most)
        for place, (values, chances) in enumerate(found):
            self.values[place, : len(values)] = torch.from_numpy(values)
            self.reached[place, : len(values)] = torch.from_numpy(chances).cumsum(0).float()
            self.reached[place, len(values) - 1 :] = 1
        self.missing = torch.tensor([column.missing for column in columns])
        self.numeric = torch.tensor([column.size == 0 for column in columns])

    def draw(self, draws: Draws) -> Float[Tensor, "rows columns"]:
        """A cell of each column for every row, each drawn by itself."""
        device, count = draws.device, len(self.values)
        chosen = draws.uniform(count).T.contiguous()
        place = torch.searchsorted(self.reached.to(device), chosen, right=True)
        drawn = self.values.to(device).gather(1, place.clamp(max=self.values.shape[1] - 1)).T
        return drawn.masked_fill(draws.uniform(count) < self.missing.to(device), torch.nan)


def change(x: Float[Tensor, "n columns"], branch: Branch, draws: Draws, marginals: Marginals) -> Changed:
    """The view of a batch that `branch` asks for.

    `strong` 0 draws 0.3 of the cells anew, each from its column's own values (SCARF, Bahri et al. 2021, arXiv
    2106.15147, with both views of a pair corrupted). `strong` 1 draws a tenth anew and shows six tenths of the
    cells or more (column subsets: SubTab, Ucar et al. 2021, arXiv 2110.04361), `strong` 2 draws four tenths anew.
    `local` shows a fifth to two fifths, `weak` 0 draws a tenth anew, `weak` 1 changes nothing.

    Options: `share` of the cells drawn anew (that of each row, rounded, is exact), `low` and `high`, the share
    of its known cells a row keeps, `noise` added to scaled numbers. A row always keeps a known cell.
    `params`: `replaced` and `kept`, (n, columns) bool. `where`: columns do not move.
    """
    made = look(branch, len(x), x.device)
    n, count = x.shape
    where = ((torch.arange(count, device=x.device) + 0.5) / count)[None, :, None].expand(n, -1, -1)
    replaced = torch.zeros_like(x, dtype=torch.bool)
    kept = torch.ones_like(replaced)
    y = x
    if possible(made.share):
        own = draws.child("corrupt")
        wanted = (_column(made.share, x) * count).round()
        replaced = _rank(own.uniform(count)) < wanted
        drawn = torch.where(replaced, marginals.draw(own.child("values")), x)
        # a row that would be left without a known cell stays what it was
        replaced &= ~drawn.isnan().all(dim=1, keepdim=True)
        y = torch.where(replaced, drawn, x)
    if possible(made.noise):
        noise = draws.child("noise").normal(count) * _column(made.noise, x)
        y = torch.where(marginals.numeric.to(x.device), y + noise, y)
    if isinstance(made.low, Tensor) or made.low < 1:
        own = draws.child("columns")
        low, high = _column(made.low, x), _column(made.high, x)
        share = low + (high - low) * own.uniform()[:, None]
        known = ~y.isnan()
        wanted = (share * known.sum(dim=1, keepdim=True)).round().clamp(min=1)
        kept = _rank(own.uniform(count).masked_fill(~known, 2.0)) < wanted
        y = y.masked_fill(~kept, torch.nan)
    return Changed(y, where, {"replaced": replaced, "kept": kept} if branch.kind != "raw" else {})


def _column(amount: Amount, x: Tensor) -> Float[Tensor, "*n 1"]:
    return torch.as_tensor(amount, dtype=torch.float32, device=x.device).reshape(-1, 1)


def _rank(drawn: Float[Tensor, "n columns"]) -> Tensor:
    """The place of each number among those of its row."""
    return drawn.argsort(dim=1).argsort(dim=1)
