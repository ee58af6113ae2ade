"""Choice without labels: planted orders are found, what cannot be compared is said, and a search can be trusted."""

from __future__ import annotations

import copy
import itertools
import json
import math
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
import yaml
from torch import Tensor, nn

import unlabeled as ul
from tests.contract.conftest import digits
from tests.samples import table as wines
from unlabeled import api, cli
from unlabeled.data.batch import Batch
from unlabeled.data.draws import Draws
from unlabeled.errors import (
    CollapseError,
    DataError,
    Interrupted,
    MissingExtraError,
    OptionError,
    RunError,
    UserError,
)
from unlabeled.methods import lookup
from unlabeled.run import read_tensors, write_tensors
from unlabeled.selection import FIGURES, agreement, read_space, study
from unlabeled.selection.embedded import FINISHED, restore_method

X, Y = digits(240)
SMALL = {"name": "convnet", "width": 8}
TINY: dict[str, Any] = {
    "encoder": SMALL,
    "epochs": 1,
    "batch_size": 48,
    "precision": "32",
    "width": 24,
    "hidden": 16,
}
FEW: dict[str, Any] = {"samples": 200, "grouped": 20, "views": 3}
DIM = 16


class Flat(nn.Module):
    """A linear map of the pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(192, DIM, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.map(x.flatten(1))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of one architecture, a wider one, a linear one, and a run on a table."""
    folder = tmp_path_factory.mktemp("made")
    for name, temperature in (("cold", 0.1), ("warm", 1.0)):
        api.train(api.pretrain, X, method="simclr", temperature=temperature, out=folder / name, **TINY)
    wide = TINY | {"encoder": {"name": "convnet", "width": 12}}
    api.train(api.pretrain, X, method="simclr", out=folder / "wide", **wide)
    api.train(api.pretrain, X, method="simclr", out=folder / "linear", **(TINY | {"encoder": Flat()}))
    table = TINY | {"encoder": {"name": "mlp", "width": 8}, "batch_size": 16}
    api.train(api.pretrain, wines.data(), method="simclr", out=folder / "table", **table)
    return folder


def planted(made: Path, folder: Path, ranks: range) -> list[ul.Run]:
    """Runs whose features are random projections of the pixels of known rank."""
    generator = torch.Generator().manual_seed(0)
    runs = []
    for rank in ranks:
        u, v = torch.randn(DIM, DIM, generator=generator), torch.randn(DIM, 192, generator=generator)
        path = shutil.copytree(made / "linear", folder / f"rank-{rank:02d}")
        held = read_tensors(path / "encoder.safetensors")
        held["module.map.weight"] = torch.linalg.qr(u).Q[:, :rank] @ v[:rank]
        write_tensors(path / "encoder.safetensors", held)
        runs.append(ul.load(path, encoder=Flat()))
    return runs


# the order of runs


@pytest.mark.parametrize("by", ["rankme", "effective_rank", "lidar", "participation_ratio"])
def test_encoders_of_known_rank_are_put_in_its_order(made: Path, tmp_path: Path, by: str) -> None:
    runs = planted(made, tmp_path, range(2, 15, 4))
    found = ul.select(runs[1:] + runs[:1], X, by=by, **FEW)
    assert [c.name for c in found.ranking()] == ["rank-14", "rank-10", "rank-06", "rank-02"]
    assert found.best == runs[-1].path
    assert [c.name for c in found.chosen(by)] == ["rank-14"]


def test_an_order_that_follows_accuracy_agrees_with_it_and_shuffled_labels_show_no_agreement(
    made: Path, tmp_path: Path
) -> None:
    runs = planted(made, tmp_path, range(1, 9))
    right = ul.select(runs, X, labels=Y, **FEW).agreements[1]["rankme"]
    assert right.runs == 8 and right.spearman is not None and right.spearman_interval is not None
    assert right.spearman > 0.8 and right.spearman_interval[0] > 0.3
    shuffled = ul.select(runs, X, labels=np.random.default_rng(0).permutation(Y), **FEW).agreements[1][
        "rankme"
    ]
    assert shuffled.spearman_interval is not None
    assert shuffled.spearman_interval[0] < 0 < shuffled.spearman_interval[1]


def test_every_figure_prefers_the_value_its_authors_do() -> None:
    larger = {n for n, f in FIGURES.items() if f.merit(2.0) > f.merit(1.5) > f.merit(1.0)}
    smaller = {n for n, f in FIGURES.items() if f.better == "smaller" and f.merit(2.0) < f.merit(1.0)}
    assert smaller == {"self_cluster", "uniformity", "alignment"}
    assert larger == FIGURES.keys() - smaller - {"alpha_req"}
    assert FIGURES["alpha_req"].merit(1.0) > FIGURES["alpha_req"].merit(0.8) > FIGURES["alpha_req"].merit(1.3)


def test_figures_are_those_of_the_evaluation(made: Path) -> None:
    found = ul.select([made / "cold", made / "warm"], X, samples=len(X), grouped=20, views=3)
    run = ul.load(made / "warm")
    z = np.stack(run.embed(X)["embedding"].to_pylist())
    for name in ("rankme", "nesum", "self_cluster", "uniformity", "intrinsic_dimension", "feature_spread"):
        assert found.candidates[1].figures[name] == pytest.approx(getattr(ul.evaluation, name)(z), rel=1e-5)


def test_every_run_is_embedded_once(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    plain = ul.load(made / "cold").encoder.__class__.forward

    def counted(self: Any, x: Tensor) -> Tensor:
        seen.append(len(x))
        return plain(self, x)

    monkeypatch.setattr(ul.load(made / "cold").encoder.__class__, "forward", counted)
    ul.select([made / "cold", made / "warm"], X, samples=100, grouped=10, views=3)
    assert sum(seen) == 2 * (100 + 10 * 3)


def test_the_same_seed_looks_at_the_same_samples_and_another_at_others(made: Path) -> None:
    runs = [made / "cold", made / "warm"]
    a, b, c = (ul.select(runs, X, samples=100, grouped=10, views=2, seed=s) for s in (0, 0, 1))
    assert a.to_dict() == b.to_dict()
    assert a.candidates[0].figures != c.candidates[0].figures


def test_runs_of_two_widths_are_ranked_apart(made: Path) -> None:
    found = ul.select([made / "wide", made / "cold", made / "warm"], X, **FEW)
    assert [len(members) for members in found.groups.values()] == [1, 2]
    assert any("2 architectures or widths" in note for note in found.notes)
    with pytest.raises(OptionError, match="choose a group"):
        _ = found.best
    assert {c.name for c in found.ranking(group=2)} == {"cold", "warm"}
    assert len(found.chosen("rankme")) == 2
    with pytest.raises(OptionError, match="no group 3"):
        found.ranking(group=3)


def test_clid_is_the_sum_of_z_scores_of_five_runs_or_more(made: Path, tmp_path: Path) -> None:
    runs = planted(made, tmp_path, range(3, 13, 2))
    found = ul.select(runs, X, by="clid", **FEW)
    parts = [
        np.array([c.figures[n] for c in found.candidates])
        for n in ("cluster_learnability", "intrinsic_dimension")
    ]
    slow = sum((p - p.mean()) / p.std() for p in parts)
    assert [c.figures["clid"] for c in found.candidates] == pytest.approx(list(slow))
    with pytest.raises(DataError, match="clid needs 5"):
        ul.select(runs[:4], X, by="clid", **FEW)


def test_a_figure_that_some_embeddings_have_not_is_left_out_with_the_reason(
    made: Path, tmp_path: Path
) -> None:
    runs = planted(made, tmp_path, range(2, 5))
    found = ul.select(runs, X, **FEW)
    assert all(c.figures["alpha_req"] is None for c in found.candidates)
    assert sum("no alpha_req" in note for note in found.notes) == 3  # each is of another rank
    assert "alpha_req" not in found.table().split("with the")[0].split("no alpha_req")[0]
    with pytest.raises(DataError, match=r"no run has the figure 'alpha_req'.*eigenvalues"):
        ul.select(runs, X, by="alpha_req", **FEW)


def test_what_is_true_of_all_runs_is_said_once(made: Path) -> None:
    found = ul.select([made / "cold", made / "warm"], X, samples=60, grouped=10, views=2)
    assert [note for note in found.notes if "rankme of" in note] == [
        "all runs: rankme of 60 samples in 16 dimensions: below 64 samples it is limited by their number; compare it "
        "with figures of as many samples only"
    ]


def test_the_saved_file_holds_what_the_table_shows(made: Path, tmp_path: Path) -> None:
    found = ul.select([made / "cold", made / "warm"], X, labels=Y, output=tmp_path / "a" / "s.json", **FEW)
    held = json.loads((tmp_path / "a" / "s.json").read_text())
    assert held == json.loads(json.dumps(found.to_dict()))
    assert held["chosen"]["nesum"] == [str(found.best)] and held["samples"] == 200
    shown = str(found)
    for name, value in held["runs"][0]["figures"].items():
        if value is not None:
            assert name in shown
    assert f"{held['runs'][0]['accuracy']:.3f}" in shown
    assert "fewer than 3 comparable runs" in shown


# the projector


def test_the_method_of_a_run_is_restored_with_its_heads(tmp_path: Path) -> None:
    kept: list[nn.Module] = []

    class Keep(L.Callback):
        def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
            kept.append(copy.deepcopy(pl_module.method).eval())

    for method in ("simclr", "byol", "dino"):
        options = {"hidden": 16, "width": 16} if method == "simclr" else {}
        tiny = {n: v for n, v in TINY.items() if n not in ("hidden", "width")}
        run = api.train(
            api.pretrain, X[:96], method=method, out=tmp_path / method, callbacks=[Keep()], on_collapse="warn",
            **options, **tiny,
        )  # fmt: skip
        source = run.read(X[:96])
        restored = restore_method(run, source)
        batch = Batch(source.fetch([0, 1, 2, 3]), torch.arange(4), torch.full((4,), -1))
        views = run.modality.make_views(batch, restored.plan, Draws(0, 0, total=4))
        with torch.no_grad():
            mine, theirs = (m(views, batch, FINISHED).embeddings for m in (restored, kept[-1]))
        assert all(map(torch.equal, mine, theirs)), method


def test_at_the_projector_its_output_is_looked_at(made: Path) -> None:
    found = ul.select([made / "cold", made / "warm"], X, at="projector", **FEW)
    assert {c.dim for c in found.candidates} == {TINY["width"]} and found.at == "projector"
    at_encoder = ul.select([made / "cold", made / "warm"], X, **FEW)
    assert {c.dim for c in at_encoder.candidates} == {16}


def test_methods_that_know_their_training_samples_have_no_projector_to_look_at(tmp_path: Path) -> None:
    tiny = {n: v for n, v in TINY.items() if n not in ("hidden", "width")}
    run = api.train(api.pretrain, X[:96], method="diet", out=tmp_path / "diet", on_collapse="warn", **tiny)
    with pytest.raises(OptionError, match="look at='encoder'"):
        restore_method(run, run.read(X))


def test_a_run_without_its_heads_is_refused(made: Path, tmp_path: Path) -> None:
    path = shutil.copytree(made / "cold", tmp_path / "cold")
    held = read_tensors(path / "method.safetensors")
    write_tensors(path / "method.safetensors", dict(itertools.islice(held.items(), 1)))
    run = ul.load(path)
    with pytest.raises(RunError, match=r"has no projector"):
        restore_method(run, run.read(X))


# what is refused


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"runs": ["cold"]}, DataError, "1 run is no choice"),
        ({"runs": ["cold", "cold"]}, OptionError, "given twice"),
        ({"runs": ["cold", "table"]}, DataError, "different modalities"),
        ({"runs": ["cold", "nowhere"]}, RunError, "not a run folder"),
        ({"by": "rankm"}, OptionError, "did you mean 'rankme'"),
        ({"at": "head"}, OptionError, "'encoder' or 'projector'"),
        ({"samples": 1}, OptionError, "samples must be"),
        ({"grouped": 1}, OptionError, "grouped must be"),
        ({"views": True}, OptionError, "views must be"),
        ({"seed": -1}, OptionError, "seed must be"),
        ({"labels": [0] * 7}, DataError, "7"),
    ],
)
def test_what_cannot_be_chosen_is_refused(
    made: Path, change: dict[str, Any], error: type[UserError], said: str
) -> None:
    asked = {"runs": ["cold", "warm"], **FEW, **change}
    with pytest.raises(error, match=said):
        ul.select([made / name for name in asked.pop("runs")], X, **asked)


def test_a_single_path_is_no_choice(made: Path) -> None:
    with pytest.raises(DataError, match="1 run is no choice"):
        ul.select(str(made / "cold"), X)


def test_a_run_that_gives_nan_is_named(made: Path, tmp_path: Path) -> None:
    path = shutil.copytree(made / "cold", tmp_path / "broken")
    held = read_tensors(path / "encoder.safetensors")
    write_tensors(path / "encoder.safetensors", {n: t * math.nan for n, t in held.items()})
    with pytest.raises(DataError, match="run broken gives NaN"):
        ul.select([made / "warm", path], X, **FEW)


# agreement


def slow_spearman(x: list[float], y: list[float]) -> float:
    def ranks(values: list[float]) -> list[float]:
        return [sum(v < w for v in values) + (sum(v == w for v in values) + 1) / 2 for w in values]

    a, b = ranks(x), ranks(y)
    ma, mb = sum(a) / len(a), sum(b) / len(b)
    top = sum((p - ma) * (q - mb) for p, q in zip(a, b, strict=True))
    return top / math.sqrt(sum((p - ma) ** 2 for p in a) * sum((q - mb) ** 2 for q in b))


def slow_kendall(x: list[float], y: list[float]) -> float:
    def sign(v: float) -> int:
        return (v > 0) - (v < 0)

    pairs = list(itertools.combinations(range(len(x)), 2))
    both = sum(sign(x[i] - x[j]) * sign(y[i] - y[j]) for i, j in pairs)
    untied = [sum(v[i] != v[j] for i, j in pairs) for v in (x, y)]
    return both / math.sqrt(untied[0] * untied[1])


@pytest.mark.parametrize("seed", range(5))
def test_agreement_is_the_formula(seed: int) -> None:
    generator = np.random.default_rng(seed)
    x, y = (generator.integers(0, 6, 12).astype(float).tolist() for _ in range(2))
    found = agreement(x, y)
    assert found.spearman == pytest.approx(slow_spearman(x, y))
    assert found.kendall == pytest.approx(slow_kendall(x, y))
    chosen = [b for a, b in zip(x, y, strict=True) if a == max(x)]
    assert found.lost == pytest.approx(max(y) - sum(chosen) / len(chosen))


def test_agreement_of_the_same_order_is_one_and_of_the_reverse_minus_one() -> None:
    x = np.arange(9.0)
    same, reverse = agreement(x, x**3), agreement(x, -x)
    assert (same.spearman, same.kendall, same.lost) == (1, 1, 0)
    assert (reverse.spearman, reverse.kendall, reverse.lost) == (-1, -1, 8)
    assert same.spearman_interval == pytest.approx((1, 1))


def test_intervals_are_given_from_eight_runs_on_and_hold_zero_for_unrelated_figures() -> None:
    assert agreement(range(7), [3, 1, 2, 5, 4, 7, 6]).spearman_interval is None
    generator = np.random.default_rng(0)
    outside = 0
    for _ in range(40):
        found = agreement(generator.normal(size=20), generator.normal(size=20)).spearman_interval
        assert found is not None
        outside += not found[0] < 0 < found[1]
    assert outside <= 8  # a twentieth expected; the bootstrap of 20 runs is a little narrow


def test_equal_merits_have_no_order() -> None:
    found = agreement([1.0] * 8, range(8))
    assert found.spearman is None and found.kendall is None and found.lost == pytest.approx(3.5)


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        ([1, 2], [1, 2], "at least 3"),
        ([1, 2, 3], [1, 2], "one number a run"),
        ([1, 2, math.nan], [1, 2, 3], "finite"),
    ],
)
def test_agreement_refuses_what_has_no_order(x: list[float], y: list[float], said: str) -> None:
    with pytest.raises(DataError, match=said):
        agreement(x, y)


# the space


def test_a_space_is_read_as_data(tmp_path: Path) -> None:
    file = tmp_path / "space.yaml"
    file.write_text(
        "temperature: [5e-2, 1.0, log]\nmethod.hidden: [16, 64]\nlr: [1, 2]\noptimiser: {choices: [lars, sgd]}\n"
    )
    found = read_space(file, lookup("simclr"))
    assert {n: p.plain() for n, p in found.items()} == {
        "temperature": [0.05, 1.0, "log"],
        "hidden": [16, 64],
        "lr": [1, 2],
        "optimiser": {"choices": ["lars", "sgd"]},
    }
    assert [getattr(p, "whole", None) for p in found.values()] == [False, True, False, None]


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({}, "the space is empty"),
        (None, "the space is empty"),
        ({"temprature": [0.1, 1]}, "did you mean 'temperature'"),
        ({"method.lr": [0.1, 1]}, "cannot search"),
        ({"encoder": {"choices": ["vit", "convnet"]}}, "cannot search"),
        ({"temperature": [1, 0.1]}, "must be the smaller"),
        ({"temperature": [0, 1, "log"]}, "no logarithm"),
        ({"temperature": [0.1, 1, "linear"]}, "give .low, high"),
        ({"temperature": 0.1}, "give .low, high"),
        ({"temperature": ["a", 1]}, "no number"),
        ({"temperature": [0.1, math.inf]}, "no number"),
        ({"temperature": [False, True]}, "no number"),
        ({"hidden": [1.5, 3]}, "whole numbers"),
        ({"optimiser": [1, 2]}, "is no number"),
        ({"temperature": {"choices": []}}, "give .low, high"),
        ({"temperature": {"choices": [[1]]}}, "must be numbers"),
        ({"temperature": [0.1, 1], "method.temperature": [0.1, 1]}, "twice"),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused(space: Any, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        read_space(space, lookup("simclr"))


def test_nothing_in_a_space_file_is_executed(tmp_path: Path) -> None:
    file = tmp_path / "space.yaml"
    file.write_text(f"temperature: !!python/object/apply:os.mkdir ['{tmp_path}/made']\n")
    with pytest.raises(OptionError, match="plain values"):
        read_space(file, lookup("simclr"))
    assert not (tmp_path / "made").exists()


# the search

SPACE = {"temperature": [0.05, 2.0, "log"], "lr": [1e-4, 1e-2, "log"]}
Searching = Callable[..., study.Search]


@pytest.fixture
def searching(tmp_path: Path) -> Searching:
    def searched(name: str = "out", **asked: Any) -> study.Search:
        given = {"method": "simclr", "space": SPACE, "trials": 3, **FEW, **TINY, **asked}
        return ul.search(X[:96], out=tmp_path / name, **given)

    return searched


def test_a_search_leaves_runs_and_finds_the_best_of_them(searching: Searching, tmp_path: Path) -> None:
    found = searching()
    assert [t.state for t in found.trials] == ["complete"] * 3
    chosen = ul.select([t.path for t in found.trials], X[:96], **FEW)
    assert chosen.best == found.best
    for trial, candidate in zip(found.trials, chosen.candidates, strict=True):
        assert trial.figure == pytest.approx(candidate.figures["nesum"])
        method = ul.load(trial.path).config
        assert (method["method"]["temperature"], method["lr"]) == tuple(trial.options.values())
    held = json.loads((tmp_path / "out" / "search.json").read_text())
    assert held["best"] == str(found.best) and len(held["trials"]) == 3
    assert all(f"{trial.figure:.3f}"[:4] in found.table() for trial in found.trials)


def test_a_search_that_was_interrupted_and_resumed_finds_what_one_never_stopped_does(
    searching: Searching, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = searching("whole")
    real, calls = api.train, itertools.count()

    def stopped(*args: Any, **asked: Any) -> ul.Run:
        if next(calls) == 1:
            Path(asked["out"]).mkdir()
            raise Interrupted(2, "step 1")
        return real(*args, **asked)

    monkeypatch.setattr(study.api, "train", stopped)
    with pytest.raises(Interrupted):
        searching("parts")
    resumed = searching("parts", resume=True)
    assert [(t.number, t.options, t.figure, t.state) for t in resumed.trials] == [
        (t.number, t.options, t.figure, t.state) for t in whole.trials
    ]
    assert searching("parts", resume=True).trials == resumed.trials  # nothing is left to do


def test_a_trial_that_falls_behind_is_pruned_and_leaves_a_whole_run(
    searching: Searching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "UNPRUNED", 1)
    worse = itertools.count()
    monkeypatch.setattr(study, "measure", lambda by, embedded: (100.0 - next(worse), []))
    found = searching(trials=2, epochs=4)
    assert [t.state for t in found.trials] == ["complete", "pruned"]
    first, second = (ul.load(t.path) for t in found.trials)
    last = [
        int((run.path / "metrics.csv").read_text().splitlines()[-1].split(",")[0]) for run in (first, second)
    ]
    assert last[1] < last[0]
    held = torch.load(second.path / "last.ckpt", weights_only=True)["unlabeled"]
    assert held["moved"] == last[1]
    assert found.best == first.path and "pruned" in found.table()


def test_unpruned_trials_run_to_their_end(searching: Searching, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "UNPRUNED", 0)
    worse = itertools.count()
    monkeypatch.setattr(study, "measure", lambda by, embedded: (100.0 - next(worse), []))
    assert [t.state for t in searching(prune=False, trials=2).trials] == ["complete"] * 2
    assert next(worse) == 2


def test_looking_at_a_trial_does_not_change_it(searching: Searching) -> None:
    looked, alone = searching("a", trials=1, epochs=2), searching("b", trials=1, epochs=2, prune=False)
    a, b = (read_tensors(Path(s.trials[0].path) / "encoder.safetensors") for s in (looked, alone))
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_an_own_module_starts_every_trial_as_it_was_given(searching: Searching) -> None:
    found = searching(trials=2, space={"temperature": {"choices": [0.2]}}, encoder=Flat())
    assert found.trials[0].figure == found.trials[1].figure


def test_trials_that_collapse_are_told_and_never_the_best(
    searching: Searching, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = api.train, itertools.count()

    def collapsing(*args: Any, **asked: Any) -> ul.Run:
        if next(calls) == 0:
            raise CollapseError("collapsed at step 3")
        return real(*args, **asked)

    monkeypatch.setattr(study.api, "train", collapsing)
    found = searching(trials=2)
    assert [t.state for t in found.trials] == ["failed", "complete"]
    assert found.best == Path(found.trials[1].path)
    assert "trial 0 failed: collapsed at step 3" in found.table()


def test_a_search_of_failures_only_has_no_best(searching: Searching, monkeypatch: pytest.MonkeyPatch) -> None:
    def collapsing(*args: Any, **asked: Any) -> ul.Run:
        raise CollapseError("collapsed")

    monkeypatch.setattr(study.api, "train", collapsing)
    found = searching(trials=1)
    with pytest.raises(RunError, match="none is the best"):
        _ = found.best


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"space": {}}, "the space is empty"),
        ({"by": "rankmee"}, "did you mean 'rankme'"),
        ({"by": "clid"}, "no label-free figure 'clid'"),
        ({"method": "simclrr"}, "did you mean 'simclr'"),
        ({"method": {"temperature": 1.0}}, "'name'"),
        ({"trials": 0}, "trials must be"),
        ({"lr": 0.1}, "both fixed and in the space"),
        ({"method": {"name": "simclr", "temperature": 0.1}}, "both fixed and in the space"),
        ({"epoch": 3}, "did you mean 'epochs'"),
        ({"labels": Y[:96]}, "no option 'labels'"),
        ({"at": "nowhere"}, "'encoder' or 'projector'"),
    ],
)
def test_a_search_that_cannot_be_made_is_refused_before_it_begins(
    searching: Searching, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(OptionError, match=said):
        searching(**change)
    assert not (tmp_path / "out").exists()


def test_only_the_same_search_is_resumed(
    searching: Searching, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(RunError, match="no search"):
        searching("other")

    def collapsing(*args: Any, **asked: Any) -> ul.Run:
        raise CollapseError("collapsed")

    monkeypatch.setattr(study.api, "train", collapsing)
    searching(trials=1)
    with pytest.raises(RunError, match="holds a search already"):
        searching(trials=1)
    with pytest.raises(RunError, match="another search \\(space"):
        searching(resume=True, space={"temperature": [0.1, 2.0]})
    with pytest.raises(RunError, match="seed, training differ"):
        searching(resume=True, seed=1, epochs=3)


def test_other_data_is_no_continuation(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"method": "simclr", "space": SPACE, "out": tmp_path / "out", **FEW, **TINY}
    ul.search(X[:96], trials=1, **asked)
    with pytest.raises(RunError, match="the data changed"):
        ul.search(X[96:192], trials=2, resume=True, **asked)


def test_a_space_that_changes_the_width_looked_at_is_refused(tmp_path: Path) -> None:
    tiny = {n: v for n, v in TINY.items() if n != "width"}
    space = {"width": {"choices": [8, 12, 16, 20]}}
    with pytest.raises(OptionError, match="changes the width"):
        ul.search(
            X[:96],
            method="simclr",
            space=space,
            out=tmp_path / "out",
            at="projector",
            trials=8,
            **FEW,
            **tiny,
        )


def test_a_search_needs_its_extra(searching: Searching, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"unlabeled\[select\]"):
        searching()


# the command line


def test_runs_are_chosen_on_the_command_line(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "x.npy", X)
    lines = ["index,label", *(f"{i},{label}" for i, label in enumerate(Y))]
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    words = ["select", str(made / "cold"), str(made / "warm"), "--data", str(tmp_path / "x.npy")]
    words += ["--labels", str(tmp_path / "labels.csv"), "--by", "lidar", "--output", str(tmp_path / "s.json")]
    assert cli.main([*words, "--samples", "200", "--grouped", "20", "--views", "3"]) == 0
    shown = capsys.readouterr().out
    held = json.loads((tmp_path / "s.json").read_text())
    assert f"chosen by lidar: {held['chosen']['lidar'][0]}" in shown and "linear_probe" in shown


def test_hyperparameters_are_searched_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "x.npy", X[:96])
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(SPACE))
    words = ["select", "--search", str(tmp_path / "space.yaml"), "--data", str(tmp_path / "x.npy")]
    words += ["--method", "simclr", "--method.width", "16", "--trials", "2", "--out", str(tmp_path / "out")]
    words += ["--encoder", "convnet", "--encoder.width", "8", "--epochs", "1", "--samples", "90"]
    assert cli.main(words) == 0
    assert "best by nesum: " in capsys.readouterr().out
    config = ul.load(tmp_path / "out" / "trial-001").config
    assert config["method"]["width"] == 16 and config["encoder"]["width"] == 8 and config["epochs"] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("select", "needs RUN"),
        ("select a b", "select needs --data"),
        ("select a --data x", "not a run folder"),
        ("select --search s.yaml --method simclr --out o", "select needs --data"),
        ("select --search s.yaml --data d --out o", "select needs --method"),
        (
            "select --search s.yaml --data d --out o --method simclr --temperature 2",
            "did you mean 'method.temperature'",
        ),
        ("select --search s.yaml --data d --out o --method.width 3", "needs --method NAME"),
        ("select --search nowhere.yaml --data d --out o --method simclr", "nowhere.yaml"),
    ],
)
def test_mistakes_on_the_command_line_are_named(
    words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words.split()) == 2
    assert said in capsys.readouterr().err
