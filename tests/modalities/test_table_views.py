"""Views of tables: what is drawn anew and from where, how much, and that rows stay independent."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import Tensor

from unlabeled.data.batch import Batch
from unlabeled.data.draws import Draws
from unlabeled.errors import OptionError
from unlabeled.methods.contract import Branch
from unlabeled.modalities.contract import Changed
from unlabeled.modalities.table import Table
from unlabeled.parts.masks import RandomMask

KINDS = [("raw", 0), ("weak", 0), ("weak", 1), ("strong", 0), ("strong", 1), ("strong", 2), ("local", 0)]
QUIET = {"share": 0.0, "low": 1.0, "high": 1.0, "noise": 0.0}
"""options that change nothing"""


def table(rows: int = 2000) -> pa.Table:
    """Ten columns: six skewed numbers, one of them with gaps, three categories, one truth value."""
    own = np.random.default_rng(0)
    numbers = {f"n{i}": np.exp(own.normal(size=rows)) for i in range(6)}
    numbers["n5"] = pa.array(numbers["n5"], mask=own.random(rows) < 0.3)
    words = {f"c{i}": np.array(["a", "b", "c"])[own.choice(3, rows, p=[0.7, 0.2, 0.1])] for i in range(3)}
    return pa.table({**numbers, **words, "truth": own.random(rows) < 0.4})


MODALITY = Table.measure(table())
X = MODALITY.read(table()).fetch(np.arange(2000))


def view(
    x: Tensor = X, kind: str = "strong", variant: int = 0, *, draws: Draws | None = None, **options
) -> Changed:
    return MODALITY.change(x, Branch(kind, variant, options=options), draws or Draws(0, 0, total=len(x)))


def same(a: Tensor, b: Tensor) -> bool:
    return torch.equal(a.isnan(), b.isnan()) and torch.equal(a.nan_to_num(), b.nan_to_num())


# every view


@pytest.mark.parametrize(("kind", "variant"), KINDS)
def test_any_kind_gives_rows_with_a_known_cell_and_codes_that_exist(kind, variant):
    before = X.clone()
    changed = view(kind=kind, variant=variant)
    y = changed.x
    assert y.shape == X.shape and y.dtype == torch.float32 and same(X, before)
    assert not y.isnan().all(dim=1).any() and not y.isinf().any()
    for place, size in enumerate(MODALITY.sizes):
        if size:
            codes = y[:, place][~y[:, place].isnan()]
            assert torch.equal(codes, codes.round()) and codes.min() >= 0 and codes.max() < size
    assert changed.where.shape == (2000, 10, 1) and changed.where.min() > 0 and changed.where.max() < 1
    assert all(len(value) == 2000 for value in changed.params.values())


@pytest.mark.parametrize("kind", [("raw", 0), ("weak", 1)])
def test_views_that_change_nothing(kind):
    assert same(view(X, *kind).x, X)


@pytest.mark.parametrize(("kind", "variant"), KINDS)
def test_two_processes_get_the_rows_one_process_would(kind, variant):
    x = X[:8]
    whole = view(x, kind, variant, draws=Draws(3, 5, total=8))
    for rank, rows in enumerate((slice(0, 3), slice(3, 8))):
        part = view(x[rows], kind, variant, draws=Draws(3, 5, total=8, rows=rows, rank=rank))
        assert same(part.x, whole.x[rows])
        assert all(torch.equal(part.params[name], value[rows]) for name, value in whole.params.items())


def test_chosen_rows_of_a_batch_keep_their_numbers():
    draws, rows = Draws(0, 1, total=8), torch.tensor([1, 6])
    assert same(view(X[:8][rows], draws=draws.only(rows)).x, view(X[:8], draws=Draws(0, 1, total=8)).x[rows])


@pytest.mark.parametrize(("kind", "variant"), [k for k in KINDS if k not in (("raw", 0), ("weak", 1))])
def test_same_step_gives_the_same_view_and_the_next_step_another(kind, variant):
    first, again = (view(X[:16], kind, variant, draws=Draws(0, 7, total=16)).x for _ in range(2))
    assert same(first, again)
    assert not same(first, view(X[:16], kind, variant, draws=Draws(0, 8, total=16)).x)


def test_a_batch_without_rows_gives_a_view_without_rows():
    for kind, variant in KINDS:
        assert view(X[:0], kind, variant).x.shape == (0, 10)


# drawing cells anew


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6, 1.0])
def test_share_of_the_cells_drawn_anew_is_exact_in_every_row(share):
    changed = view(**{**QUIET, "share": share})
    assert (changed.params["replaced"].sum(dim=1) == round(share * 10)).all()
    kept = ~changed.params["replaced"]
    assert same(torch.where(kept, changed.x, 0), torch.where(kept, X, 0))


def test_every_column_is_drawn_anew_as_often_as_any_other():
    often = view(share=0.3, noise=0.0).params["replaced"].float().mean(dim=0)
    assert ((often - 0.3).abs() < 4 * (0.3 * 0.7 / 2000) ** 0.5).all()


def test_cells_drawn_anew_come_from_their_own_column_as_often_as_they_occur_there():
    drawn = view(**{**QUIET, "share": 1.0}).x
    for place, column in enumerate(MODALITY.columns):
        own, new = X[:, place], drawn[:, place]
        assert abs(own.isnan().float().mean() - new.isnan().float().mean()) < 0.05
        own, new = own[~own.isnan()], new[~new.isnan()]
        if column.size:
            for code in range(column.size):
                assert abs((own == code).float().mean() - (new == code).float().mean()) < 0.05
        else:
            assert set(new.tolist()) <= set(own.tolist())
            quantiles = torch.linspace(0.02, 0.98, 25)
            torch.testing.assert_close(own.quantile(quantiles), new.quantile(quantiles), atol=0.25, rtol=0)


def test_cells_are_drawn_one_by_one():
    drawn = view(**{**QUIET, "share": 1.0}).x[:, :4]
    correlation = torch.corrcoef(drawn.T) - torch.eye(4)
    assert correlation.abs().max() < 0.1


def test_a_row_that_would_lose_every_cell_stays_what_it_was():
    gaps = {
        f"g{i}": pa.array(np.random.default_rng(i).normal(size=400), mask=np.arange(400) % 20 != i)
        for i in range(3)
    }
    modality = Table.measure(pa.table(gaps))
    x = modality.read(pa.table(gaps)).fetch(np.arange(60))
    changed = modality.change(x, Branch("strong", options={"share": 1.0}), Draws(0, 0, total=60))
    assert not changed.x.isnan().all(dim=1).any()
    untouched = ~changed.params["replaced"].any(dim=1)
    assert untouched.any() and torch.equal(changed.x[untouched].isnan(), x[untouched].isnan())


# leaving columns out


def test_subsets_keep_the_share_of_the_known_cells_that_was_drawn():
    changed = view(kind="local", noise=0.0)
    known, left = (~X.isnan()).sum(dim=1), (~changed.x.isnan()).sum(dim=1)
    assert torch.equal(left, changed.params["kept"].sum(dim=1))
    assert (left >= (0.2 * known).round()).all() and (left <= (0.4 * known).round().clamp(min=1)).all()
    assert abs(left.float().mean() - 0.3 * known.float().mean()) < 0.2
    kept = changed.params["kept"]
    assert same(changed.x[kept], X[kept])


def test_the_pair_of_strong_views_is_made_differently_and_shares_cells():
    one, two = view(variant=1, noise=0.0), view(variant=2, noise=0.0)
    assert one.x.isnan().float().mean() > two.x.isnan().float().mean() + 0.1
    assert one.params["replaced"].float().mean() < two.params["replaced"].float().mean()
    common = (one.x == X) & (two.x == X)
    assert 0.3 < common.float().mean() < 0.7


def test_a_weak_view_leaves_most_of_a_row():
    assert (view(kind="weak", noise=0.0).x == X).float().mean() > 0.85


def test_options_may_be_one_a_row():
    share = torch.tensor([0.0, 0.5, 1.0] * 20)
    changed = view(X[:60], **{**QUIET, "share": share})
    assert torch.equal(changed.params["replaced"].sum(dim=1).float(), share * 10)
    low = torch.tensor([0.1, 1.0] * 30)
    left = view(X[:60], **{**QUIET, "low": low, "high": low}).params["kept"].sum(dim=1)
    assert (left[::2] == 1).all() and (left[1::2] == (~X[1:60:2].isnan()).sum(dim=1)).all()


def test_noise_moves_known_numbers_a_little_and_nothing_else():
    y = view(**{**QUIET, "noise": 0.1}).x
    numeric = torch.tensor([not size for size in MODALITY.sizes])
    assert same(y[:, ~numeric], X[:, ~numeric]) and torch.equal(y.isnan(), X.isnan())
    moved = (y - X)[:, numeric]
    assert moved[~moved.isnan()].std() == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize(
    ("kind", "variant", "options", "said"),
    [
        ("odd", 0, {}, "no view of kind 'odd'"),
        ("strong", 3, {}, "no variant 3 of a strong view: choose from 0 to 2"),
        ("raw", 0, {"share": 0.5}, "nothing is changed"),
        ("weak", 0, {"shares": 0.5}, "did you mean 'share'"),
        ("weak", 0, {"share": 1.5}, "from 0 to 1"),
        ("weak", 0, {"share": "much"}, "must be a number"),
        ("strong", 0, {"noise": -1.0}, "0 or more"),
        ("strong", 0, {"low": 0.0}, "0 < low"),
        ("local", 0, {"low": 0.9}, "0 < low"),
        ("strong", 0, {"share": torch.zeros(3)}, "one a row"),
    ],
)
def test_views_that_make_no_sense_are_refused(kind, variant, options, said):
    with pytest.raises(OptionError, match=said):
        view(X[:8], kind, variant, **options)


# tokens


def test_tokens_are_columns():
    tokens = MODALITY.tokenise(X)
    assert tokens.positions.tolist() == [[float(i)] for i in range(10)]
    assert tokens.numbers.shape == (2000, 10, 1) and tokens.numbers.isfinite().all()
    assert torch.equal(tokens.present, ~X.isnan())
    numeric = torch.tensor([not size for size in MODALITY.sizes])
    assert torch.equal(tokens.numbers[:, numeric, 0], X[:, numeric].nan_to_num())
    assert (tokens.codes[:, numeric] == -1).all()
    assert MODALITY.categories == 11 and MODALITY.sizes[6:] == [3, 3, 3, 2]
    for place, first in zip(range(6, 10), (0, 3, 6, 9), strict=True):
        assert torch.equal(tokens.codes[:, place], X[:, place].long() + first)


def test_tokens_are_of_one_kind_where_columns_are():
    own = np.random.default_rng(0)
    numbers = Table.measure(own.normal(size=(50, 3)))
    tokens = numbers.tokenise(numbers.example())
    assert tokens.codes is None and numbers.categories == 0
    words = Table.measure(pa.table({name: own.choice(["x", "y"], 50) for name in "ab"}))
    tokens = words.tokenise(words.example())
    assert tokens.numbers is None and words.categories == 4


def test_missing_cells_are_neither_hidden_nor_targets():
    batch = Batch(X, torch.arange(2000), torch.full((2000,), -1))
    (one,) = MODALITY.make_views(batch, (Branch("weak", 1, mask=RandomMask(0.5)),), Draws(0, 0, total=2000))
    assert not (one.mask & X.isnan()).any()
    assert one.mask.sum(dim=1).min() >= 4
    shown = torch.zeros_like(one.mask).scatter(1, one.keep, True)
    assert not (shown & one.mask).any() and (shown | one.mask | X.isnan()).all()
    coded = one.mask & (one.target.codes >= 0)
    assert torch.equal(one.target.numbers[one.mask & ~coded][:, 0], X[one.mask & ~coded])


# the raw input


def test_flat_rows_are_finite_and_lose_nothing():
    flat = MODALITY.flatten(X)
    assert flat.shape == (2000, 6 + 1 + 11) and flat.isfinite().all()
    assert torch.equal(flat[:, 5:7], torch.stack([X[:, 5].nan_to_num(), X[:, 5].isnan().float()], 1))
    assert torch.equal(flat[:, 7:10].argmax(1), X[:, 6].long()) and (flat[:, 7:].sum(dim=1) == 4).all()
    gone = MODALITY.flatten(torch.full((1, 10), torch.nan))
    assert gone.sum() == 1  # the column that had gaps says so
    assert MODALITY.show(X) is None
