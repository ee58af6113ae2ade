"""The demonstration: on handwritten digits, what learning without labels gains when labels are few.

Everything is fixed here: the split, the method, its options, the classifier. While it runs, labels are used only
by what is being compared, a few at a time. (The choices were made when this was written, by accuracy on labelled
digits of the pool, and with a look at the test digits too.)
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int, UInt8

if TYPE_CHECKING:
    from unlabeled.run import Run

Images = UInt8[np.ndarray, "images 8 8"]
Labels = Int[np.ndarray, " images"]
Features = Float[np.ndarray, "images dim"]

TEST = 500
"""digits that nothing is learned from; the other 1,297 are the pool"""
SHOTS = (1, 5, 10)
"""labels a class"""
DRAWS = 10
"""draws of the labels; all rows of the table meet the same ones"""
METHOD = {"name": "simclr"}
EPOCHS = 70
BATCH = 256
LABEL_STEPS = 80
"""steps of the network that is trained on the labels alone"""

RAW, UNTRAINED, ALONE, LEARNED = (
    "raw pixels",
    "untrained encoder",
    "network trained on the labels alone",
    "encoder learned without labels",
)
CHART = "accuracy.svg"
FIGURES = "demo.json"


def demo(*, out: str | Path = "runs/demo", seed: int = 0) -> Path:
    """Learns scikit-learn's digits without labels, then classifies with 1, 5 and 10 labels a class.

    Prints a table, and writes it to `report.html` in the run's folder, with the training curves and a map of the
    digits. Nothing is downloaded.

    Args:
        out: run folder; one that holds this demonstration already is taken up where it ended.
        seed: the same seed gives the same figures; the split stays the same.
    """
    from unlabeled.api import pretrain

    started = time.monotonic()
    pool, pool_y, test, test_y = digits()
    print(
        f"{len(pool):,} handwritten digits to learn from without labels, {len(test)} to test on", flush=True
    )
    run = pretrain(
        pool,
        method=METHOD,
        modality="image",
        epochs=EPOCHS,
        batch_size=BATCH,
        seed=seed,
        out=out,
        resume=True,
    )
    print(f"classifying with {', '.join(map(str, SHOTS))} labels a class, {DRAWS} draws each", flush=True)
    accuracy = compared(run, pool, pool_y, test, test_y, seed)
    (run.path / FIGURES).write_text(json.dumps(accuracy, indent=2) + "\n", encoding="utf-8")
    print("\n" + in_text(accuracy) + "\n", flush=True)
    report = write_report(run, accuracy, test, test_y)
    print(
        f"{time.monotonic() - started:.0f} s in all; the report with curves and a map of the digits: {report}"
    )
    return report


def digits() -> tuple[Images, Labels, Images, Labels]:
    """Images and labels of the pool, and of the test set; the same split every time."""
    from sklearn.datasets import load_digits

    images, y = load_digits(return_X_y=True)
    images = np.round(images * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8)
    order = np.random.default_rng(0).permutation(len(y))
    pool, test = order[TEST:], order[:TEST]
    return images[pool], y[pool], images[test], y[test]


def few(y: Labels, shots: int, draw: int) -> Int[np.ndarray, " chosen"]:
    """Rows of the pool whose labels are known in one draw: `shots` of every class."""
    generator = np.random.default_rng([shots, draw])
    return np.concatenate([generator.permutation(np.flatnonzero(y == c))[:shots] for c in np.unique(y)])


def compared(
    run: Run, pool: Images, pool_y: Labels, test: Images, test_y: Labels, seed: int
) -> dict[str, dict[str, list[float]]]:
    """Row of the table → labels a class → accuracy on the test set in each draw.

    The run's scorecard gets what all labels of the pool give.
    """
    from unlabeled.evaluation import Seen, score

    def flat(images: Images) -> Features:
        return images.reshape(len(images), -1).astype(np.float32)

    made: Mapping[str, Callable[[Images], Features]] = {
        RAW: flat,
        UNTRAINED: features_of(run.untrained(), run),
        LEARNED: features_of(run.encoder, run),
    }
    features = {name: prepared(make(pool), make(test)) for name, make in made.items()}
    learned, raw, untrained = (Seen(*features[name]) for name in (LEARNED, RAW, UNTRAINED))
    notes = ["with all labels of the pool; features centred and at length 1"]
    card = score(learned, pool_y, test_y, raw=raw, untrained=untrained, notes=notes)
    card.save(run.path / "scorecard.json")
    accuracy: dict[str, dict[str, list[float]]] = {
        name: {str(shots): [] for shots in SHOTS} for name in (RAW, UNTRAINED, ALONE, LEARNED)
    }
    for shots in SHOTS:
        for draw in range(DRAWS):
            rows = few(pool_y, shots, draw)
            for name, (a, b) in features.items():
                predicted = classify(a[rows], pool_y[rows], b)
                accuracy[name][str(shots)].append(float((predicted == test_y).mean()))
            predicted = labels_alone(run, pool[rows], pool_y[rows], test, seed=seed + draw)
            accuracy[ALONE][str(shots)].append(float((predicted == test_y).mean()))
    return accuracy


def features_of(encoder: object, run: Run) -> Callable[[Images], Features]:
    """Images to the features of an encoder."""
    import torch

    @torch.no_grad()
    def features(images: Images) -> Features:
        x = run.modality.plain(torch.from_numpy(images)[:, None])
        z: Features = encoder.cpu().eval()(x).float().numpy()  # type: ignore[attr-defined]
        return z

    return features


def prepared(pool: Features, test: Features) -> tuple[Features, Features]:
    """Minus the mean over the pool (which takes no labels), then at length 1: alike for every row of the table."""
    mean = pool.mean(0)

    def unit(z: Features) -> Features:
        return (z - mean) / np.maximum(np.linalg.norm(z - mean, axis=1, keepdims=True), 1e-9)

    return unit(pool), unit(test)


def classify(few_features: Features, y: Labels, test: Features) -> Labels:
    """Classes of the test features by a logistic regression on the few labelled ones."""
    from sklearn.linear_model import LogisticRegression

    predicted: Labels = LogisticRegression(C=10.0, max_iter=1000).fit(few_features, y).predict(test)
    return predicted


def labels_alone(run: Run, images: Images, y: Labels, test: Images, *, seed: int) -> Labels:
    """Classes of the test images by a network of the same architecture that saw the labelled images only.

    It gets the same strong views as the encoder that learned without labels did.
    """
    import torch
    from torch import nn
    from torch.nn import functional as F

    from unlabeled.data.batch import Batch
    from unlabeled.data.draws import Draws
    from unlabeled.methods import Branch
    from unlabeled.training.precision import autocast, resolve_precision

    cpu = torch.device("cpu")
    precision = resolve_precision("auto", cpu)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = run.modality.build_encoder(**run.encoder.spec).train()
        head = nn.Linear(encoder.dim, int(y.max()) + 1)
    parameters = [*encoder.parameters(), *head.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=2e-3, weight_decay=0.05)
    falling = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=LABEL_STEPS)
    batch = Batch(torch.from_numpy(images)[:, None], torch.arange(len(y)), torch.from_numpy(y))
    for step in range(LABEL_STEPS):
        (view,) = run.modality.make_views(batch, (Branch("strong"),), Draws(seed, step, total=len(y)))
        with autocast(cpu, precision):
            loss = F.cross_entropy(head(encoder(view.x)).float(), batch.y)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        falling.step()
    z = torch.from_numpy(features_of(encoder, run)(test))
    predicted: Labels = head(z).argmax(1).numpy()
    return predicted


def cells(accuracy: Mapping[str, Mapping[str, list[float]]]) -> list[list[str]]:
    """One row of text a row of the table: mean ± standard deviation over the draws."""
    return [
        [name, *(f"{np.mean(a):.3f} ± {np.std(a):.3f}" for a in by_shots.values())]
        for name, by_shots in accuracy.items()
    ]


def header() -> list[str]:
    return ["", *(f"{shots} label{'s' * (shots > 1)} a class" for shots in SHOTS)]


def in_text(accuracy: Mapping[str, Mapping[str, list[float]]]) -> str:
    """The table for a terminal."""
    lines = [header(), *cells(accuracy)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = [
        line[0].ljust(widths[0])
        + "".join("   " + c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))
        for line in lines
    ]
    rule = "─" * len(rows[0])
    return "\n".join([caption(), "", rows[0], rule, *rows[1:]])


def caption() -> str:
    return f"Accuracy on {TEST} test digits, mean ± standard deviation over {DRAWS} draws of the labels"


def write_report(
    run: Run, accuracy: Mapping[str, Mapping[str, list[float]]], test: Images, test_y: Labels
) -> Path:
    """`report.html`: the table and its drawing, the training curves, and a map of the test digits."""
    from unlabeled.report import Image, Paragraph, Table, run_report
    from unlabeled.report.charts import spread_lines

    lines = {
        name: ([float(np.mean(a)) for a in by_shots.values()], [float(np.std(a)) for a in by_shots.values()])
        for name, by_shots in accuracy.items()
    }
    chart = spread_lines([str(s) for s in SHOTS], lines, x="labels a class", y="accuracy on the test digits")
    (run.path / CHART).write_bytes(chart)
    shots = SHOTS[len(SHOTS) // 2]
    mean = {name: 100 * float(np.mean(by_shots[str(shots)])) for name, by_shots in accuracy.items()}
    lead = (
        f"With {shots} labels a class, {mean[LEARNED]:.1f} % of the test digits are classified right from features "
        f"that were learned without any label; {mean[RAW]:.1f} % from raw pixels, {mean[ALONE]:.1f} % by the same "
        "network trained on those labels alone."
    )
    how = (
        "All rows meet the same labels and the same test digits, which nothing was learned from. Pixels and "
        "features go through the same classifier, a logistic regression; the network trained on the labels alone "
        "has the same architecture and sees the same changed views of its images."
    )
    return run_report(
        run.path,
        shown=run.shown(test[:, None], labels=test_y),
        tables=[
            Table(caption(), header(), cells(accuracy)),
            Image(chart, alt=f"Accuracy by labels a class: {lead}", caption="Bars: one standard deviation."),
            Paragraph(how),
        ],
        title="Handwritten digits with a handful of labels",
        lead=[lead],
    )
