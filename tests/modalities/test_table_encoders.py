"""The encoders of tables: missing cells, tokens left out or hidden, and that a saved spec builds them again."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch
from tests.samples import table as wines
from torch import Tensor, nn

import unlabeled as ul
from unlabeled.errors import DataError, OptionError
from unlabeled.modalities.table import Table
from unlabeled.parts.encoder import Encoder

MODALITY = Table.measure(wines.data())
X = MODALITY.read(wines.data()).fetch(np.arange(32))
COLUMNS = X.shape[1]
BOTH = ["mlp", "transformer"]


def made(name: str, modality: Table = MODALITY, seed: int = 0, **options) -> Encoder:
    torch.manual_seed(seed)
    return modality.build_encoder(name, **{**wines.ENCODERS[name], **options}).eval()


def changed(place: int, value: float) -> Tensor:
    x = X.clone()
    x[:, place] = value
    return x


@pytest.mark.parametrize("name", BOTH)
def test_features_have_their_width_and_are_finite_float32(name):
    encoder = made(name)
    with torch.autocast("cpu", torch.bfloat16):
        half = encoder(X)
    for z in (encoder(X), half):
        assert z.shape == (32, encoder.dim) and z.dtype == torch.float32 and z.isfinite().all()


@pytest.mark.parametrize(
    ("name", "low", "high"), [("mlp", 100_000, 500_000), ("transformer", 200_000, 500_000)]
)
def test_default_encoders_have_the_size_that_is_said(name, low, high):
    count = sum(p.numel() for p in MODALITY.build_encoder(name).parameters())
    assert low < count < high


@pytest.mark.parametrize("name", BOTH)
def test_spec_builds_the_same_architecture(name):
    encoder = made(name)
    again = MODALITY.build_encoder(**encoder.spec).eval()
    again.load_state_dict(encoder.state_dict())
    assert torch.equal(again(X), encoder(X))


@pytest.mark.parametrize("name", BOTH)
def test_every_column_and_its_absence_change_the_features(name):
    encoder = made(name)
    for place, size in enumerate(MODALITY.sizes):
        a, b = (encoder(changed(place, v)) for v in ((0.0, 1.0) if size else (-1.0, 1.0)))
        gone = encoder(changed(place, torch.nan))
        for one, other in ((a, b), (a, gone), (b, gone)):
            assert (one - other).abs().amax(dim=1).min() > 1e-6, MODALITY.columns[place].name


@pytest.mark.parametrize("name", BOTH)
def test_a_missing_number_is_not_a_zero(name):
    encoder = made(name)
    place = MODALITY.sizes.index(0)
    assert not torch.allclose(encoder(changed(place, torch.nan)), encoder(changed(place, 0.0)))


@pytest.mark.parametrize("name", BOTH)
def test_tables_of_one_kind_of_column_are_encoded(name):
    own = np.random.default_rng(0)
    for data in (own.normal(size=(50, 3)), pa.table({n: own.choice(["x", "y"], 50) for n in "abc"})):
        modality = Table.measure(data)
        encoder = made(name, modality).train()
        x = modality.read(data).fetch(np.arange(50))
        encoder(x).sum().backward()
        assert all(p.grad is not None for n, p in encoder.named_parameters() if n != "cls_token")


def test_no_token_attends_to_a_missing_cell():
    encoder = made("transformer")
    x = changed(2, torch.nan)
    there = encoder.encode(x)
    # leaving the missing column out altogether gives the same: it had no part in anything
    keep = torch.tensor([i for i in range(COLUMNS) if i != 2]).expand(32, -1)
    without = encoder.encode(x, keep=keep)
    torch.testing.assert_close(without.features, there.features, rtol=1e-5, atol=1e-6)
    # and so does a known cell that is said to be absent
    present = torch.ones(32, COLUMNS, dtype=torch.bool)
    present[:, 2] = False
    torch.testing.assert_close(
        encoder.encode(X, present=present).features, there.features, rtol=1e-5, atol=1e-6
    )


def test_tokens_left_out_have_no_part_in_the_others():
    encoder = made("transformer")
    keep = torch.tensor([0, 1, 4, 6]).expand(32, -1)
    encoded = encoder.encode(X, keep=keep)
    assert encoded.tokens.shape == (32, 4, encoder.dim)
    other = X.clone()
    other[:, [2, 3, 5, 7, 8]] = 0.0
    assert torch.equal(encoder.encode(other, keep=keep).features, encoded.features)


def test_a_hidden_token_shows_its_column_and_not_its_value():
    encoder = made("transformer")
    mask = torch.zeros(32, COLUMNS, dtype=torch.bool)
    mask[:, 0] = True
    token = torch.randn(encoder.dim)
    a = encoder.encode(changed(0, 1.0), mask=mask, mask_token=token)
    b = encoder.encode(changed(0, -1.0), mask=mask, mask_token=token)
    assert torch.equal(a.tokens, b.tokens)
    elsewhere = mask.roll(1, dims=1)
    assert not torch.allclose(encoder.encode(X, mask=elsewhere, mask_token=token).features, a.features)


def test_a_row_without_a_known_cell_has_finite_features():
    for name in BOTH:
        assert made(name)(torch.full((2, COLUMNS), torch.nan)).isfinite().all()


def test_training_moves_what_missing_and_known_cells_mean():
    encoder = made("mlp").train()
    optimiser = torch.optim.SGD(encoder.parameters(), lr=0.1)
    before = encoder.categories.weight.clone()
    encoder(X).square().mean().backward()
    optimiser.step()
    assert (encoder.categories.weight != before).any(dim=1).sum() > len(MODALITY.sizes)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("mpl", {}, "did you mean 'mlp'"),
        ("custom", {}, "pass the module again"),
        ("mlp", {"widht": 3}, "did you mean 'width'"),
        ("mlp", {"depth": 0}, "at least 1"),
        ("mlp", {"dropout": 1.0}, r"\[0, 1\)"),
        ("transformer", {"width": 10, "heads": 4}, "does not divide"),
        ("transformer", {"pool": "max"}, "'mean' or 'cls'"),
    ],
)
def test_encoders_that_make_no_sense_are_refused(name, options, said):
    with pytest.raises(OptionError, match=said):
        MODALITY.build_encoder(name, **options)


@pytest.mark.parametrize("name", BOTH)
def test_rows_of_another_width_are_refused(name):
    with pytest.raises(OptionError, match=f"rows of {COLUMNS} columns"):
        made(name)(X[:, 1:])


def test_only_the_transformer_has_tokens():
    with pytest.raises(OptionError, match="has no tokens"):
        made("mlp").encode(X, keep=torch.zeros(32, 1, dtype=torch.int64))


def test_own_module_is_given_the_cells_with_gaps():
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(COLUMNS, 5)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x.nan_to_num())

    encoder = MODALITY.adopt(Own())
    assert encoder.dim == 5 and encoder(X).shape == (32, 5)


# from end to end


@pytest.mark.filterwarnings("ignore:.*no benchmark.*")
def test_a_run_on_a_frame_with_a_label_column_embeds_new_rows(tmp_path):
    data = wines.data().append_column("kind", pa.array(wines.labels()))
    run = ul.pretrain(
        data,
        method="vicreg",
        labels="kind",
        encoder={"name": "mlp", **wines.ENCODERS["mlp"]},
        epochs=1,
        batch_size=16,
        out=tmp_path / "run",
        on_collapse="warn",
        width=16,
    )
    assert run.modality.label == "kind"
    again = ul.load(tmp_path / "run")
    with_labels, without = again.embed(data), again.embed(wines.data())
    assert with_labels["embedding"] == without["embedding"]
    assert with_labels["label"].to_pylist() == [str(v) for v in wines.labels()]
    assert without["label"].null_count == wines.ROWS
    new = wines.data().set_column(9, "color_intensity", pa.array(["purple"] * wines.ROWS))
    with pytest.warns(UserWarning, match="64 cells of 'color_intensity' hold values that training never saw"):
        again.embed(new)
    with pytest.raises(DataError, match="no column 'ash'"):
        again.embed(wines.data().drop_columns(["ash"]))
