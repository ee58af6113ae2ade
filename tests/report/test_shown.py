"""What a report shows of data, for every kind of it."""

import json
import re

import numpy as np
import pytest
import torch
from tests.samples import KINDS

import unlabeled as ul
from unlabeled.data.batch import Batch
from unlabeled.data.draws import Draws
from unlabeled.errors import DataError, OptionError
from unlabeled.methods import Branch
from unlabeled.report.shown import column_of
from unlabeled.report.views_seen import Seen, plan_of, seen, view_blocks, words_of

torch.set_num_threads(1)
SECTIONS = [
    "Scorecard",
    "Map of the embeddings",
    "Nearest neighbours",
    "Spectrum of the features",
    "What the method saw",
    "Training",
    "What was run",
    "Skipped samples",
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Kind → (run, data); trained once for a step or two, by a masked method where that is quick."""
    made = {}

    def of(kind: str, method: str):
        if (kind, method) not in made:
            sample = KINDS[kind]
            token = ul.methods.lookup(method).cls.requires.tokens
            name = next(iter(reversed(sample.ENCODERS) if token else iter(sample.ENCODERS)))
            data = sample.data(sample.ROWS)
            run = ul.pretrain(
                data,
                method=method,
                modality=sample.MODALITY,
                encoder={"name": name, **sample.ENCODERS[name]},
                epochs=1,
                batch_size=None if kind == "graph" else 32,
                precision="32",
                on_collapse="warn",
                devices=1,
                out=tmp_path_factory.mktemp("runs") / f"{kind}-{method}",
            )
            made[kind, method] = run, data
        return made[kind, method]

    return of


def the_map(page: str) -> dict:
    (held,) = re.findall(r'<script type="application/json">(.*?)</script>', page, re.S)
    return json.loads(held)


@pytest.mark.filterwarnings("ignore:.*no benchmark.*")
@pytest.mark.parametrize("kind", KINDS)
def test_the_report_of_every_kind_of_data_has_every_section(kind, runs):
    run, data = runs(kind, "simclr")
    sample = KINDS[kind]
    page = run.report(data, labels=sample.labels(sample.ROWS)).read_text()
    assert re.findall(r"<h2[^>]*>([^<]+)</h2>", page) == SECTIONS
    held = the_map(page)
    source = run.read(data)
    assert held["keys"] == [str(key) for key in source.keys]
    assert held["labels"] == [str(label) for label in sample.labels(sample.ROWS)]
    assert held["texts"] and all(held["texts"])
    assert not re.search(r"https?://", page)
    assert page.count('<th scope="col">strong</th>') == 2


@pytest.mark.filterwarnings("ignore:.*no benchmark.*")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "plan",
    [
        (),
        (Branch("raw"), Branch("strong", 2), Branch("local")),
        (Branch("weak", rows="labelled"), Branch("strong", rows="unlabelled")),
    ],
    ids=["none", "three", "rows"],
)
def test_the_views_are_exactly_those_of_the_plan(kind, plan, runs):
    run, data = runs(kind, "simclr")
    source = run.read(data)
    rows = np.array([2, 5, 9, 11])
    shown = seen(run.modality, source, plan, rows, {"seed": 3, "batch_size": 16})
    assert shown.keys == [str(source.keys[r]) for r in rows]
    assert [len(views) for views in shown.views] == [len(plan)] * 4
    for place, branch in enumerate(plan):
        cells = [views[place] for views in shown.views]
        takes = {None: [True] * 4, "labelled": [True, False] * 2, "unlabelled": [False, True] * 2}[
            branch.rows
        ]
        if not source.whole:  # nodes cannot be taken apart
            assert [cell is not None for cell in cells] == takes
    (_, grid) = view_blocks(shown)
    assert list(grid.header) == ["unchanged", *map(words_of, plan)]


@pytest.mark.parametrize("kind", ["image", "text"])
def test_the_views_are_drawn_as_the_first_step_of_the_run_draws_them(kind, runs):
    run, data = runs(kind, "simclr")
    source = run.read(data)
    plan = plan_of(run.config, run.encoder, run.modality, source, None)
    assert [branch.kind for branch in plan] == ["strong", "strong"]
    rows = np.arange(4)
    shown = seen(run.modality, source, plan, rows, run.config)
    # the first step sees 32 samples; ours are its first four
    batch = Batch(source.fetch(np.arange(32)), torch.arange(32), torch.full((32,), -1))
    views = run.modality.make_views(batch, plan, Draws(run.config["seed"], 0, total=32))
    for place, view in enumerate(views):
        texts = run.modality.describe(view.x)
        pictures = run.modality.show(view.x)
        for row in rows:
            assert shown.views[row][place]["text"] == texts[row]
            if pictures is not None:
                assert (shown.views[row][place]["picture"] == pictures[row]).all()


@pytest.mark.filterwarnings("ignore:.*no benchmark.*")
@pytest.mark.parametrize("kind", KINDS)
def test_hidden_tokens_are_visible_as_hidden(kind, runs):
    run, data = runs(kind, "mae")
    source = run.read(data)
    plan = plan_of(run.config, run.encoder, run.modality, source, None)
    assert words_of(plan[0]) == "weak 1, 75% hidden"
    shown = seen(run.modality, source, plan, np.arange(4), run.config)
    bare = seen(run.modality, source, (Branch("weak", 1),), np.arange(4), run.config)
    for (cell,), (plain,) in zip(shown.views, bare.views, strict=True):
        if cell["picture"] is None:
            assert cell["text"] != plain["text"] or kind == "graph"
        else:
            assert cell["picture"].shape == plain["picture"].shape
            assert (cell["picture"] != plain["picture"]).any()


def test_a_method_that_cannot_be_set_up_is_said_and_the_rest_shown(runs, tmp_path, monkeypatch):
    run, data = runs("image", "simclr")
    monkeypatch.setitem(run.config, "method", {"name": "of_tomorrow"})
    page = run.report(data, output=tmp_path / "r.html").read_text()
    assert "Not shown: the method cannot be set up here (there is no method" in page
    monkeypatch.setitem(run.config, "method", {"name": "simclr", "hue": 3})
    assert "its options do not fit it" in run.report(data, output=tmp_path / "r.html").read_text()
    assert "Nearest neighbours" in page


def test_setting_the_method_up_changes_no_random_numbers_and_no_encoder(runs):
    run, data = runs("image", "simclr")
    source = run.read(data)
    before = [p.clone() for p in run.encoder.parameters()]
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    plan_of({"method": {"name": "swav"}}, run.encoder, run.modality, source, None)
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(a, b) for a, b in zip(before, run.encoder.parameters(), strict=True))


def test_a_column_of_the_data_colours_the_map(runs, tmp_path):
    run, data = runs("table", "simclr")
    page = run.report(data, column="malic_acid", output=tmp_path / "r.html").read_text()
    colouring = the_map(page)["colourings"][0]
    assert colouring["title"] == "malic_acid" and colouring["css"] == "s"
    values = data["malic_acid"].to_pylist()
    low = [v for v, code in zip(values, colouring["codes"], strict=True) if code == 0]
    assert max(low) <= np.nanquantile(np.array(values, dtype=float), 0.2)
    assert [v is None for v in values] == [code == -1 for code in colouring["codes"]]


def test_a_column_that_is_not_there_or_not_of_samples_is_refused(runs):
    run, data = runs("table", "simclr")
    with pytest.raises(DataError, match=r"no column 'malic'.*malic_acid"):
        run.report(data, column="malic")
    image, pictures = runs("image", "simclr")
    with pytest.raises(DataError, match="no table"):
        image.report(pictures, column="age")
    with pytest.raises(DataError, match="one row a sample"):
        column_of(data.slice(0, 9), "ash", run.read(data))


@pytest.mark.parametrize("option", [{"labels": [1]}, {"column": "age"}])
def test_labels_and_columns_without_data_are_refused(option, runs):
    with pytest.raises(OptionError, match="give the data too"):
        runs("image", "simclr")[0].report(**option)


def test_no_more_samples_than_asked_for_are_shown(runs):
    run, data = runs("image", "simclr")
    shown = run.shown(data, points=10)
    assert len(shown.samples) == len(shown.embeddings) == 10 and shown.total == 64
    with pytest.raises(OptionError, match="points"):
        run.shown(data, points=0)


def test_embeddings_are_those_of_the_trained_and_of_the_untrained_encoder(runs):
    run, data = runs("image", "simclr")
    shown = run.shown(data, points=10)
    keys = {key: i for i, key in enumerate(run.read(data).keys)}
    rows = [keys[key] for key in shown.samples.keys]
    whole = np.stack(run.embed(data)["embedding"].to_pylist())
    assert np.allclose(shown.embeddings, whole[rows], atol=1e-5)
    x = run.modality.plain(run.read(data).fetch(rows))
    assert np.allclose(shown.untrained, run.untrained()(x).detach(), atol=1e-5)
    assert isinstance(shown.views, Seen)


def test_an_own_module_has_a_report_without_an_untrained_one(tmp_path):
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 8))
    data = KINDS["image"].data(32)
    run = ul.pretrain(data, method="simclr", encoder=module, epochs=1, batch_size=16, out=tmp_path / "r")
    assert run.shown(data).untrained is None
    assert "trained" in run.report(data).read_text()
