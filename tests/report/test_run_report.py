import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from unlabeled.errors import DataError, OptionError, RunError
from unlabeled.evaluation import Figure, Scorecard
from unlabeled.evaluation.account import LEAKAGE
from unlabeled.report import Paragraph, Samples, Shown, compare, run_report
from unlabeled.report import map as maps
from unlabeled.report.folder import read_metrics

CONFIG = """verb: pretrain
method: {name: simclr, temperature: 0.2}
encoder: {name: convnet, width: 32}
modality: {name: image}
epochs: 3
batch_size: 64
lr: 0.06
seed: 0
about: {samples: 1300, trained_on: 1297, data: "a folder of <b>images</b>", torch: 2.15.0}
"""

METRICS = """step,epoch,loss,contrast,extra,effective_rank,feature_spread,lr,validation_loss,knn
10,1,5.0,5.0,1,20.5,0.9,0.06,,
20,2,4.0,4.0,1,,0.91,0.05,4.5,0.5
30,3,3.0,3.0,1,25.5,0.92,0.01,,0.7
"""

CARD = Scorecard(
    {
        "knn": Figure(0.9, (0.88, 0.92), 0.1, 0.8, 0.7),
        "linear_probe": Figure(0.91, (0.89, 0.93), 0.1, 0.85, 0.75),
        "effective_rank": Figure(30.0, None, None, 12.0, 9.0),
    },
    ["learnt from <i>many</i> samples"],
)


@pytest.fixture(autouse=True)
def quick_curves(request, monkeypatch):
    """Drawing is the slow part: only the tests that look at drawings draw."""
    if "network" not in request.node.name and "any_columns" not in request.node.name:
        monkeypatch.setattr("unlabeled.report.one_run.curves", lambda lines: b"<svg/>")
        monkeypatch.setattr("unlabeled.report.several_runs.curves", lambda lines: b"<svg/>")
        monkeypatch.setattr("unlabeled.report.spectrum_drawing.spectrum", lambda lines: b"<svg/>")


@pytest.fixture
def run(tmp_path):
    return a_run(tmp_path / "digits")


def a_run(
    folder, *, config=CONFIG, metrics=METRICS, card=CARD, skipped="key,reason\na/<script>.png,truncated\n"
):
    folder.mkdir(parents=True)
    for name, text in (("run.yaml", config), ("metrics.csv", metrics), ("skipped.csv", skipped)):
        if text is not None:
            (folder / name).write_text(text)
    if card is not None:
        card.save(folder / "scorecard.json")
    return folder


def shown(count=9, **options):
    generator = np.random.default_rng(0)
    options = {
        "labels": (["a", None, "b"] * count)[:count],
        "pictures": generator.integers(0, 255, (count, 5, 5, 3)).astype(np.uint8),
        "texts": [f"words {i}" for i in range(count)],
        **options,
    }
    z = options.pop("embeddings", generator.normal(size=(count, 4)))
    samples = Samples([f"sample {i}" for i in range(count)], **options)
    return Shown(z, samples, count)


def words(path):
    """What a reader sees, on one line; images as their alternative text."""
    page = re.sub(r"<(style|script).*?</\1>", " ", path.read_text(encoding="utf-8"), flags=re.S)
    page = re.sub(r'<img [^>]*alt="([^"]*)">', r" [\1] ", page)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def titles(path):
    return re.findall(r"<h2[^>]*>([^<]+)</h2>", path.read_text(encoding="utf-8"))


def test_the_report_lies_in_the_run_and_says_what_was_run_and_whether_it_worked(run):
    path = run_report(run)
    assert path == run / "report.html"
    text = words(path)
    assert "simclr trained convnet without labels on 1,297 samples for 3 epochs in batches of 64." in text
    assert (
        "It learned something useful: a linear classifier on its features gets 91.0 % of the test samples"
        in text
    )
    assert "85.0 % from the raw input, 75.0 % from the untrained encoder, 10.0 % by guessing" in text
    assert titles(path) == ["Scorecard", "Samples", "Training", "What was run", "Skipped samples"]


def test_every_number_of_the_scorecard_is_in_the_page(run):
    page = run_report(run).read_text()
    assert page.index(">Without labels<") < page.index(">With labels<")
    for cell in ("0.900", "0.880 to 0.920", "0.100", "0.850", "0.750", "30.0", "12.0", "9.000"):
        assert f'<td class="number">{cell}</td>' in page, cell


def test_a_figure_of_any_name_has_a_row_and_columns_without_values_are_left_out(tmp_path):
    card = Scorecard(
        {
            "uniformity": Figure(-3.2, None, None, -1.0),
            "few_shot": Figure(0.4, None, 0.1),
            "of_tomorrow": Figure(7.0),
        }
    )
    page = run_report(a_run(tmp_path / "r", card=card)).read_text()
    first, second = page.split('<p class="caption">With labels</p>')
    assert "uniformity" in first and "of_tomorrow" in first and "few_shot" in second
    assert "↓ how evenly" in page and "↑ test samples right from a few" in page
    assert "95 % interval</th>" not in page
    without = first.split('<p class="caption">Without labels</p>')[1]
    assert "chance</th>" not in without and "raw input</th>" in without


def test_how_long_training_took_is_said(tmp_path):
    metrics = "step,loss,samples_per_second\n10,3,64\n20,2,128\n"
    assert "Training took 15 s: 20 steps, 1,280 samples" in words(
        run_report(a_run(tmp_path / "a", metrics=metrics))
    )
    assert "How long training took is not known" in words(run_report(a_run(tmp_path / "b")))


def test_without_data_the_page_says_how_to_see_the_samples(run):
    assert f"`unlabeled report {run} --data DATA` adds a map" in words(run_report(run))


NASTY = "</script><script>alert(1)</script><!-- \u2028 ' \" & "


def test_no_text_of_a_sample_breaks_out_of_the_page(run):
    nasty = [NASTY] * 9
    it = shown(labels=nasty, texts=nasty, pictures=None, columns={NASTY: nasty})
    it = Shown(it.embeddings, Samples(nasty, nasty, nasty, None, {NASTY: nasty}), 9)
    page = run_report(run, shown=it).read_text()
    assert page.count("<script") == page.count("</script>") == 2  # the program, and what it reads
    assert "<!--" not in page.split("</style>")[1].split("<script>")[0]
    (held,) = re.findall(r'<script type="application/json">(.*?)</script>', page, re.S)
    data = json.loads(held)
    assert data["texts"] == data["keys"] == data["labels"] == nasty
    assert data["colourings"][1]["title"] == NASTY


def test_the_program_of_the_page_makes_no_markup_of_texts():
    program = (Path(maps.__file__).parent / "map.js").read_text()
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "</"):
        assert way not in program, way


def test_the_same_run_and_samples_give_the_same_page(run, tmp_path):
    first = run_report(run, shown=shown(), output=tmp_path / "a.html").read_bytes()
    assert run_report(run, shown=shown(), output=tmp_path / "b.html").read_bytes() == first


def test_a_page_of_two_thousand_pictures_stays_below_three_megabytes(run, monkeypatch):
    monkeypatch.setattr(
        "unlabeled.report.map.neighbourhoods", lambda z, seed: ("t-SNE", np.ascontiguousarray(z[:, :2]))
    )
    noise = np.random.default_rng(0).integers(0, 255, (2000, 40, 40, 3)).astype(np.uint8)
    it = shown(
        2000, pictures=noise, texts=["a description of some length, as rows of tables have " * 9] * 2000
    )
    assert run_report(run, shown=it).stat().st_size < 3_000_000


@pytest.mark.parametrize("count", [1, 2, 4])
def test_few_samples_make_a_report(run, count):
    text = words(run_report(run, shown=shown(count)))
    assert f"needs at least 5 samples, and there are {count}" in text


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_embeddings_that_are_not_finite_are_said(run, broken):
    z = np.ones((9, 4))
    z[3, 1] = broken
    assert "some embeddings are NaN or infinite" in words(run_report(run, shown=shown(embeddings=z)))


@pytest.mark.parametrize("missing", ["labels", "pictures", "texts"])
def test_samples_of_which_less_is_known_make_a_report(run, missing):
    it = shown(**{missing: () if missing == "texts" else None})
    page = run_report(run, shown=it).read_text()
    assert "Nearest neighbours" in page and ("--sheet:" in page) == (missing != "pictures")


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: Samples(["a"], ["b", "c"]), "1 samples and texts 2"),
        (lambda: Samples(["a"], labels=[1, 2]), "1 samples and labels 2"),
        (lambda: Samples(["a"], columns={"age": []}), "1 samples and age 0"),
        (lambda: Samples(["a"], pictures=np.zeros((1, 4, 4, 3))), "uint8 of"),
        (lambda: Samples(["a"], pictures=np.zeros((1, 4, 4), np.uint8)), "uint8 of"),
        (lambda: Shown(np.zeros((2, 3)), Samples(["a"]), 1), "2 rows for 1 samples"),
        (lambda: Shown(np.zeros(3), Samples(["a"]), 1), "one row a sample"),
    ],
)
def test_what_does_not_fit_together_is_refused(made, message):
    with pytest.raises(DataError, match=message):
        made()


def test_texts_from_files_are_escaped(run):
    page = run_report(run, tables=[("<u>", ["<u>"], [["<u>"]])], title="<u>", lead=["<u>"]).read_text()
    for tag in ("<script", "<b>", "<i>", "<u>"):
        assert tag not in page
    assert "a/&lt;script&gt;.png" in page


def test_the_report_opens_without_a_network(run):
    page = run_report(run, shown=shown()).read_text()
    assert not re.search(r"https?://", page)
    assert set(re.findall(r'src="([a-z]+:)', page)) == {"data:"}
    assert set(re.findall(r'url\("([a-z]+:)', page)) == {"data:"} and "url('" not in page
    assert "<link" not in page and "@import" not in page and "fetch(" not in page
    assert len(re.findall("<img ", page)) == len(re.findall(r'<img [^>]*alt="[^"]+"', page))


def test_there_is_a_curve_for_every_column_and_none_twice(run):
    text = words(run_report(run))
    assert "[Loss from 5 at step 10 to 3 at step 30]" in text
    assert "dashed: held-out data" in text
    assert "[Accuracy of nearest neighbours from 0.5 at step 20 to 0.7 at step 30]" in text
    assert "[Effective rank from 20.5 at step 10 to 25.5 at step 30]" in text
    assert "[Extra from 1 at step 10" in text
    # the only term equals the loss, the epoch is another way to count steps, validation stands beside its loss
    for absent in ("[Contrast", "[Epoch", "[Validation loss"):
        assert absent not in text


@pytest.mark.parametrize(
    "metrics",
    [
        "",
        "step\n",
        "step,loss\n",
        "step,loss\n1,nan\n2,inf\n",
        "loss\n3\n2\n",
        "step,loss\n1,2\n2,1.5\n3",
        "step,loss\n1,2\n,\n\x00\n",
        "step,words\n1,hello\n",
        "a,b,c\n1,2,3,4,5\n",
        "step,only_this\n5,1e300\n6,-1e300\n",
    ],
)
def test_any_columns_of_metrics_make_a_report(tmp_path, metrics):
    run_report(a_run(tmp_path / "r", metrics=metrics))


def test_metrics_keep_the_steps_of_the_cells_that_are_filled(run):
    metrics = read_metrics(run / "metrics.csv")
    assert metrics["effective_rank"][0].tolist() == [10, 30]
    assert metrics["validation_loss"] == (20, 4.5)


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("run.yaml", "What was run is not known"),
        ("metrics.csv", "No curves: the run left no figures"),
        ("scorecard.json", "Not computed: `unlabeled evaluate RUN DATA`"),
        ("skipped.csv", "Not known: the folder has no skipped.csv"),
    ],
)
def test_a_missing_piece_is_absent_and_said(run, missing, said):
    (run / missing).unlink()
    assert said in words(run_report(run))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("run.yaml", "a: [b", "run.yaml cannot be read"),
        ("run.yaml", "just words", "run.yaml holds no configuration"),
        ("scorecard.json", "{", "cannot be read as a scorecard"),
        ("scorecard.json", '{"knn": {"value": "high"}}', "cannot be read as a scorecard"),
    ],
)
def test_a_broken_piece_is_said_and_the_rest_still_shown(run, name, content, said):
    (run / name).write_text(content)
    path = run_report(run)
    assert said in words(path)
    assert {"Training", "Skipped samples", "Not readable"} <= set(titles(path))


def test_nothing_in_a_run_folder_is_executed(run, tmp_path):
    (run / "run.yaml").write_text(f"!!python/object/apply:os.system ['touch {tmp_path / 'ran'}']\n")
    run_report(run)
    assert not (tmp_path / "ran").exists()


def test_a_run_without_scorecard_is_judged_by_what_was_watched(tmp_path):
    healthy = words(run_report(a_run(tmp_path / "a", card=None)))
    assert "The loss went from 5 to 3." in healthy
    assert "no collapse" in healthy
    flat = METRICS.replace("0.92,", "0.01,")
    assert "a collapse?" in words(run_report(a_run(tmp_path / "b", card=None, metrics=flat)))


@pytest.mark.parametrize(
    ("figure", "said"),
    [
        (Figure(0.91, (0.89, 0.93), 0.1, 0.95, 0.75), "the raw input does as well or better"),
        (Figure(0.91, (0.89, 0.93), 0.1, 0.90, 0.75), "within the margin of error"),
        (Figure(0.70, (0.65, 0.75), 0.1, 0.90, 0.75), "has not learned anything useful yet"),
        (Figure(0.70, (0.65, 0.75), 0.1), "It learned something useful"),
        (Figure(0.70), "cannot be said without something to compare with"),
    ],
)
def test_the_verdict_is_honest(tmp_path, figure, said):
    assert said in words(run_report(a_run(tmp_path / "r", card=Scorecard({"linear_probe": figure}))))


def test_skipped_samples_are_counted_and_the_first_hundred_named(tmp_path):
    many = "key,reason\n" + "".join(f"{i}.png,empty\n" for i in range(250))
    text = words(run_report(a_run(tmp_path / "many", skipped=many)))
    assert "250 could not be read" in text and " 99.png" in text and " 100.png" not in text
    assert "None: everything could be read." in words(
        run_report(a_run(tmp_path / "none", skipped="key,reason\n"))
    )


def test_tables_words_and_a_map_can_be_added(run, tmp_path):
    output = tmp_path / "elsewhere" / "page.html"
    path = run_report(
        run,
        shown=shown(),
        tables=[("Few labels", ["", "5"], [["raw", "0.85 ± 0.01"]]), Paragraph("over ten draws")],
        title="Digits",
        lead=["It works."],
        output=output,
    )
    assert path == output and not (run / "report.html").exists()
    assert titles(path)[:5] == [
        "Results",
        "Scorecard",
        "Map of the embeddings",
        "Nearest neighbours",
        "Spectrum of the features",
    ]
    text = words(path)
    assert "Digits" in text and "It works." in text and "0.85 ± 0.01" in text and "over ten draws" in text


@pytest.mark.parametrize(
    "function", [run_report, lambda folder: compare([folder, folder], folder / "o.html")]
)
def test_a_folder_that_is_no_run_is_refused(function, tmp_path):
    with pytest.raises(RunError, match="not a run folder"):
        function(tmp_path)
    with pytest.raises(RunError, match="not a folder"):
        function(tmp_path / "absent")


def test_several_runs_stand_side_by_side(tmp_path):
    other = Scorecard({"linear_probe": Figure(0.5, (0.45, 0.55), 0.1)}, ["encoder of y/run", "elsewhere"])
    first = a_run(tmp_path / "x" / "run")
    second = a_run(
        tmp_path / "y" / "run",
        config=CONFIG.replace("simclr, temperature: 0.2", "byol"),
        card=other,
        metrics=None,
    )
    path = compare([first, second], tmp_path / "both.html")
    text = words(path)
    assert "Best by a linear classifier on the features: x/run with 91.0 %" in text
    assert "do not overlap" in text
    assert (
        "linear_probe ↑ test samples right by a linear classifier on the features 0.910 (0.890 to 0.930) 0.500"
        in text
    )
    assert "knn ↑ test samples right by a vote of their nearest neighbours 0.900 (0.880 to 0.920) –" in text
    assert "last loss 3.000 –" in text
    assert "y/run byol trained convnet without labels on 1,297 samples" in text
    assert "method.name simclr byol" in text and "method.temperature 0.2 –" in text
    assert "encoder.width" not in text
    assert "Loss of each run; at the end x/run 3]" in text
    assert "not all evaluated in the same way" in text
    assert not re.search(r"https?://", path.read_text())


def test_several_runs_that_show_samples_stand_side_by_side(tmp_path):
    runs = [a_run(tmp_path / name) for name in "ab"]
    path = compare(runs, tmp_path / "both.html", shown=[shown(), shown(embeddings=np.eye(9))])
    assert titles(path)[2:5] == ["Map of the embeddings", "Nearest neighbours", "Spectrum of the features"]
    assert re.findall(r"<option[^>]*>([^<]*t-SNE)", path.read_text()) == ["a: t-SNE", "b: t-SNE"]
    other = Shown(np.eye(2), Samples(["x", "y"]), 2)
    with pytest.raises(DataError, match="the same samples of this data: b differs"):
        compare(runs, tmp_path / "both.html", shown=[shown(), other])


def test_runs_within_the_margin_of_error_are_said_to_be(tmp_path):
    runs = [a_run(tmp_path / name) for name in "ab"]
    text = words(compare(runs, tmp_path / "both.html"))
    assert "this may be chance" in text and "Nothing: the runs have the same settings" in text
    for name in "ab":
        (tmp_path / name / "scorecard.json").unlink()
    assert "none can be called better" in words(compare(runs, tmp_path / "both.html"))


def test_runs_evaluated_alike_are_not_said_to_differ(tmp_path):
    figures = {"linear_probe": Figure(0.5, (0.45, 0.55), 0.1)}
    runs = [
        a_run(tmp_path / name, card=Scorecard(figures, [f"encoder of {name}", "200 samples"]))
        for name in ("x", "y")
    ]
    assert "not all evaluated" not in words(compare(runs, tmp_path / "both.html"))


def test_leakage_is_said_before_the_verdict(tmp_path):
    card = Scorecard(
        {"knn": Figure(1.0, (0.9, 1.0), 0.1)}, ["encoder of x", f"{LEAKAGE} 3 of 9 test samples"]
    )
    assert "Careful, leakage: 3 of 9 test samples. It" in words(run_report(a_run(tmp_path / "x", card=card)))


def test_a_comparison_takes_two_to_ten_different_runs(run, tmp_path):
    with pytest.raises(OptionError, match="2 to 10"):
        compare([run], tmp_path / "o.html")
    with pytest.raises(OptionError, match="given twice"):
        compare([run, run / ".." / run.name], tmp_path / "o.html")


def test_reports_touch_no_global_state_and_are_imported_late(run):
    code = (
        "import sys, unlabeled.report as r\n"
        "assert not {'matplotlib', 'jinja2', 'sklearn'} & set(sys.modules), 'imported early'\n"
        f"r.run_report({str(run)!r})\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
