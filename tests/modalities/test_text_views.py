"""What views do to documents, against loops that are slow and plain."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from tests.samples import text as sample
from torch import Tensor

from unlabeled.data.batch import Batch
from unlabeled.data.draws import Draws
from unlabeled.errors import OptionError
from unlabeled.methods.contract import Branch
from unlabeled.modalities.text import Text
from unlabeled.modalities.text.views import LOOKS, Look
from unlabeled.parts.masks import RandomMask

PAD, MASK = 0, 1
KINDS = [(kind, variant) for kind, looks in LOOKS.items() for variant in range(len(looks))]


@pytest.fixture(scope="module")
def text() -> Text:
    return Text.measure(sample.data(), vocabulary=300, length=20)


def batch(rows: int, length: int = 20, seed: int = 0) -> Tensor:
    """Rows of unequal lengths, every token of a row different from its others."""
    lengths = torch.from_numpy(np.random.default_rng(seed).integers(1, length + 1, rows))
    lengths[:2] = torch.tensor([1, length])[: len(lengths)]
    places = torch.arange(length)
    return torch.where(places < lengths[:, None], places + 100, PAD)


def view(text: Text, x: Tensor, kind: str, variant: int = 0, seed: int = 0, **options: Any) -> Any:
    return text.change(x, Branch(kind, variant, options=options), Draws(seed, 0, total=len(x)))  # type: ignore[arg-type]


def slow(x: Tensor, look: Look, draws: Draws) -> tuple[list[list[int]], list[list[float]]]:
    """The view row by row: (tokens, their places)."""
    spans, drawn = draws.child("span").uniform(2), draws.child("tokens").uniform(x.shape[1])
    out, where = [], []
    for row, (share, start), chances in zip(x.tolist(), spans, drawn, strict=True):
        tokens = [token for token in row if token != PAD]
        kept = max(1, int(torch.round((look.low + (look.high - look.low) * share) * len(tokens))))
        first = int(start * (len(tokens) - kept + 1))
        spared = max(range(first, first + kept), key=lambda i: float(chances[i]))
        made, at = [], []
        for i in range(first, first + kept):
            if i != spared and chances[i] < look.delete:
                continue
            hidden = i != spared and chances[i] < look.delete + (1 - look.delete) * look.mask
            made.append(MASK if hidden else tokens[i])
            at.append((i + 0.5) / len(tokens))
        out.append(made)
        where.append(at)
    return out, where


@pytest.mark.parametrize(("kind", "variant"), KINDS)
def test_views_are_those_of_a_slow_loop(kind: str, variant: int, text: Text) -> None:
    x, look = batch(40), LOOKS[kind][variant]
    changed = view(text, x, kind, variant)
    tokens, where = slow(x, look, Draws(0, 0, total=40))
    assert changed.x.shape == (40, math.ceil(20 * float(look.high)))
    for row, at, expected, places in zip(changed.x, changed.where, tokens, where, strict=True):
        assert row.tolist() == expected + [PAD] * (len(row) - len(expected))
        torch.testing.assert_close(at[: len(places), 0], torch.tensor(places))
        assert not at[len(places) :].any()


def test_raw_changes_nothing(text: Text) -> None:
    x = batch(8)
    assert torch.equal(text.plain(x), x)


def test_weak_keeps_every_token_but_a_few_hidden_ones(text: Text) -> None:
    x = batch(2000)
    weak = view(text, x, "weak")
    assert weak.x.shape == x.shape and bool(((weak.x == x) | (weak.x == MASK)).all())
    share = float(weak.params["masked"].sum() / (x != PAD).sum())
    assert 0.035 < share < 0.055
    assert torch.equal(view(text, x, "weak", 1).x, x)  # what is to be predicted is the text itself


def test_shares_are_those_that_were_asked_for(text: Text) -> None:
    x = torch.arange(100, 200).repeat(500, 1)
    made = view(text, x, "strong", low=0.4, high=0.6, delete=0.2, mask=0.5)
    kept, deleted, masked = made.params["span"][:, 1], made.params["deleted"], made.params["masked"]
    assert 0.39 <= kept.min() <= 0.42 and 0.58 <= kept.max() <= 0.61 and abs(kept.mean() - 0.5) < 0.01
    assert abs(float(deleted.sum() / (100 * kept.sum())) - 0.2) < 0.01
    left = (made.x != PAD).sum(1)
    torch.testing.assert_close(left.float(), 100 * kept - deleted)
    assert abs(float(masked.sum() / left.sum()) - 0.5) < 0.02
    assert abs(float(made.params["span"][:, 0].mean()) - 0.25) < 0.02  # spans begin everywhere


@pytest.mark.parametrize(("kind", "variant"), [k for k in KINDS if k[0] != "raw"])
def test_one_token_at_least_stays_whatever_is_asked(kind: str, variant: int, text: Text) -> None:
    x = batch(200, 7)
    made = view(text, x, kind, variant, low=0.01, high=1.0, delete=1.0, mask=1.0)
    assert torch.equal((made.x != PAD).sum(1), torch.ones(200, dtype=torch.long))
    assert bool((made.x[:, 0] >= 100).all())
    hidden = view(text, x, kind, variant, low=1.0, high=1.0, delete=0.0, mask=1.0)
    assert torch.equal((hidden.x >= 100).sum(1), torch.ones(200, dtype=torch.long))


def test_options_may_differ_by_row(text: Text) -> None:
    x = batch(4)
    share = torch.tensor([1.0, 0.5, 1.0, 0.2])
    off = torch.tensor([0.0, 0.0, 1.0, 0.0])
    made = view(text, x, "strong", low=share, high=share, mask=off, delete=0.0)
    count = (x != PAD).sum(1)
    assert (made.x != PAD).sum(1).tolist() == [
        max(1, round(float(s * c))) for s, c in zip(share, count, strict=True)
    ]
    assert made.params["masked"].tolist() == [0, 0, int(count[2]) - 1, 0]


def test_without_noise_only_spans_are_cut(text: Text) -> None:
    x = batch(30)
    made = view(text, x, "strong", 2, noise=0.0)
    assert not made.params["deleted"].any() and not made.params["masked"].any()
    assert torch.equal(made.params["span"], view(text, x, "strong", 2).params["span"])
    steps = made.x.diff(dim=1)[(made.x[:, 1:] != PAD)]
    assert bool((steps == 1).all())


def test_a_view_does_not_depend_on_how_the_batch_is_shared_out(text: Text) -> None:
    x = batch(12)
    whole = text.change(x, Branch("strong", 2), Draws(3, 5, total=12)).x
    for rank, rows in enumerate((slice(0, 6), slice(6, 12))):
        mine = text.change(x[rows], Branch("strong", 2), Draws(3, 5, total=12, rows=rows, rank=rank)).x
        assert torch.equal(mine, whole[rows])


def test_the_pair_is_made_differently_and_stacks(text: Text) -> None:
    x = torch.arange(100, 120).repeat(500, 1)
    first, second = (view(text, x, "strong", v) for v in (1, 2))
    assert first.x.shape == second.x.shape
    assert not first.params["masked"].any() and second.params["masked"].float().mean() > 1
    assert second.params["deleted"].sum() > 1.5 * first.params["deleted"].sum()


def test_local_views_are_short(text: Text) -> None:
    x = batch(50)
    assert view(text, x, "local").x.shape[1] == 8
    assert view(text, x, "local", low=0.05, high=0.25).x.shape[1] == 5


@pytest.mark.parametrize(
    ("branch", "said"),
    [
        (Branch("odd"), "no view of kind 'odd'"),  # type: ignore[arg-type]
        (Branch("strong", 3), "choose from 0 to 2"),
        (Branch("strong", options={"lwo": 0.1}), "did you mean 'low'"),
        (Branch("raw", options={"low": 0.1}), "nothing is changed"),
        (Branch("strong", options={"delete": 1.5}), "from 0 to 1"),
        (Branch("strong", options={"mask": float("nan")}), "from 0 to 1"),
        (Branch("strong", options={"low": 0.9}), "0 < low ≤ high ≤ 1"),
        (Branch("strong", options={"low": 0.0}), "0 < low ≤ high ≤ 1"),
        (Branch("strong", options={"mask": torch.zeros(3)}), "one a row"),
        (Branch("strong", options={"mask": "a"}), "must be a number"),  # type: ignore[dict-item]
    ],
)
def test_branches_that_text_does_not_have_are_refused(branch: Branch, said: str, text: Text) -> None:
    with pytest.raises(OptionError, match=said):
        text.change(batch(4), branch, Draws(0, 0, total=4))


def test_batches_of_another_form_are_refused(text: Text) -> None:
    for wrong in (torch.zeros(4, 20), torch.zeros(4, dtype=torch.long)):
        with pytest.raises(OptionError, match="documents come as"):
            text.plain(wrong)


# tokens


def test_tokens_are_the_subwords_and_their_places(text: Text) -> None:
    x = batch(6)
    tokens = text.tokenise(x)
    assert tokens.numbers is None and torch.equal(tokens.codes, x) and torch.equal(tokens.present, x != PAD)  # type: ignore[arg-type]
    assert tokens.positions.shape == (20, 1) and tokens.positions[:, 0].tolist() == list(range(20))
    assert text.categories == 300


def test_masks_hide_tokens_and_never_padding(text: Text) -> None:
    x = text.read(sample.data(16)).fetch(range(16))
    whole = Batch(x, torch.arange(16), torch.full((16,), -1))
    (made,) = text.make_views(whole, (Branch("weak", 1, mask=RandomMask(0.5)),), Draws(0, 0, total=16))
    assert made.mask is not None and not bool((made.mask & (x == PAD)).any())
    assert int(made.target.codes[made.mask].max()) < text.categories  # type: ignore[index, union-attr]
