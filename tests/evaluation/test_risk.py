import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from unlabeled.errors import DataError, OptionError
from unlabeled.evaluation import linear_probe, risk_decomposition, seed_interval

torch.set_num_threads(1)

CAUSES = ("approximation", "usability", "probe_generalisation", "encoder_generalisation")


def digits(seed=0, train=500, test=500):
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(x))[: train + test]
    x, y = x[order] / 16, y[order]
    return x[:train], y[:train], x[train:], y[train:]


def random_layer(x, width, seed=0):
    """A random layer with a threshold: an encoder that never saw any data."""
    weight = np.random.default_rng(seed).normal(size=(x.shape[1], width)) / 4
    return np.maximum(x @ weight, 0)


def encoded(width, seed=0, **sizes):
    x, y, x_test, y_test = digits(seed, **sizes)
    return random_layer(x, width, seed), y, random_layer(x_test, width, seed), y_test


def test_the_four_causes_add_up_to_the_error_of_the_probe():
    z, y, z_test, y_test = encoded(24)
    for supervised in (None, np.eye(10)[y] + z[:, :10]):
        found = risk_decomposition(z, y, z_test, y_test, held_out=100, supervised=supervised)
        assert sum(getattr(found, c) for c in CAUSES) == pytest.approx(found.total, abs=1e-9)
        assert found.total == pytest.approx(1 - linear_probe(z, y, z_test, y_test), abs=1e-12)
        assert (found.held_out_samples, found.test_samples) == (100, 500)
    assert found.approximation == found.supervised < 0.05


def test_each_risk_is_the_error_of_its_own_probe():
    """Written from the definition: the best of scikit-learn's fits to train on train itself, and both others."""
    z, y, z_test, y_test = encoded(16, train=300)
    found = risk_decomposition(z, y, z_test, y_test, held_out=60, penalties=(0.1, 10.0))
    x = StandardScaler().fit_transform(z)
    fitted = min(1 - LogisticRegression(C=c, max_iter=5000).fit(x, y).score(x, y) for c in (0.1, 10.0))
    assert found.fitted == pytest.approx(fitted, abs=0.01)
    rest, sub = train_test_split(np.arange(300), test_size=60, stratify=y, random_state=0)
    for risk, fit_on, tested in (
        (found.held_out, (z[rest], y[rest]), (z[sub], y[sub])),
        (found.test, (z, y), (z_test, y_test)),
    ):
        assert risk == pytest.approx(1 - linear_probe(*fit_on, *tested, penalties=(0.1, 10.0)), abs=1e-12)
    assert found.approximation == 0
    assert found.usability == found.fitted


def test_the_same_seed_holds_out_the_same_samples():
    z, y, z_test, y_test = encoded(16, train=300, test=100)
    first = risk_decomposition(z, y, z_test, y_test, held_out=60, seed=1)
    again = risk_decomposition(
        torch.from_numpy(z), y.tolist(), torch.from_numpy(z_test), y_test, held_out=60, seed=1
    )
    assert first == again
    others = {risk_decomposition(z, y, z_test, y_test, held_out=60, seed=s).held_out for s in range(2, 5)}
    assert others != {first.held_out}


def test_as_many_random_directions_as_samples_leave_no_error_on_train():
    generator = np.random.default_rng(0)
    z, z_test = generator.normal(size=(120, 130)), generator.normal(size=(200, 130))
    y, y_test = np.arange(120) % 3, np.arange(200) % 3
    found = risk_decomposition(z, y, z_test, y_test, held_out=30)
    assert found.fitted == 0
    assert found.probe_generalisation > 0.5
    assert found.total == pytest.approx(2 / 3, abs=0.12)


def test_an_encoder_that_never_saw_train_loses_nothing_on_test():
    centres = np.random.default_rng(9).normal(size=(3, 8))
    made = []
    for seed in range(10):
        generator = np.random.default_rng(seed)
        y = generator.permutation(np.arange(800) % 3)
        z = random_layer(centres[y] + 1.5 * generator.normal(size=(800, 8)), 12, seed)
        made.append(risk_decomposition(z[:500], y[:500], z[500:], y[500:], held_out=100, seed=seed))
    assert np.mean([m.total for m in made]) > 0.1
    low, high = seed_interval([m.encoder_generalisation for m in made])
    assert low <= 0 <= high
    held = [m.encoder_generalisation_interval for m in made]
    assert sum(low <= 0 <= high for low, high in held) >= 8
    assert all(low < m.encoder_generalisation < high for m, (low, high) in zip(made, held, strict=True))


def test_an_encoder_that_knows_train_by_heart_shows_in_encoder_generalisation():
    x, y, x_test, y_test = digits()
    z = np.c_[x, 3 * np.eye(10)[y]]
    found = risk_decomposition(z, y, np.c_[x_test, np.zeros((500, 10))], y_test, held_out=100)
    low, _ = found.encoder_generalisation_interval
    assert low > 0.02
    assert found.encoder_generalisation > 5 * max(found.usability, found.probe_generalisation)


def trade_off(narrow, wide):
    assert wide.usability < narrow.usability - 0.1
    assert wide.probe_generalisation > narrow.probe_generalisation + 0.05


@pytest.mark.parametrize("seed", range(3))
def test_a_wide_embedding_is_more_usable_and_generalises_less_where_labels_are_noisy(seed):
    """The trade-off of the paper, on digits with a fifth of the labels drawn anew.

    With clean labels the probe on 512 units is the better one on digits in both respects: nothing is left to
    trade, and only the first half of the claim shows.
    """
    found, clean = {}, {}
    for width in (16, 512):
        z, y, z_test, y_test = encoded(width, seed, train=400, test=300)
        clean[width] = risk_decomposition(z, y, z_test, y_test, held_out=80, seed=seed)
        generator = np.random.default_rng(seed)
        y, y_test = (
            np.where(generator.random(len(t)) < 0.2, generator.integers(0, 10, len(t)), t)
            for t in (y, y_test)
        )
        found[width] = risk_decomposition(z, y, z_test, y_test, held_out=80, seed=seed)
    trade_off(found[16], found[512])
    assert clean[512].usability < clean[16].usability - 0.1


def test_a_wide_embedding_of_images_is_more_usable_and_generalises_less():
    """The same on 1,000 + 1,000 images of CIFAR-10, labels as they are."""
    path = (
        Path(__file__).resolve().parents[3]
        / "shared"
        / "data"
        / "images"
        / "cifar10_small"
        / "cifar10_small.zip"
    )
    if not path.exists():
        pytest.skip(f"the shared data is not here ({path})")
    x, y = {}, {}
    with zipfile.ZipFile(path) as archive:
        for split, step in (("train", 5), ("test", 1)):
            names = sorted(n for n in archive.namelist() if n.endswith(".jpg") and n.startswith(split))[
                ::step
            ]
            pictures = [np.asarray(Image.open(io.BytesIO(archive.read(n)))) for n in names]
            x[split] = np.stack(pictures).reshape(len(names), -1) / 255 - 0.5
            y[split] = [n.split("/")[1] for n in names]
    made = []
    for width in (16, 512):
        z, z_test = (random_layer(x[split] / 4, width) for split in ("train", "test"))
        made.append(risk_decomposition(z, y["train"], z_test, y["test"], held_out=200))
    trade_off(*made)


def test_causes_below_zero_are_given_as_they_are_and_cut_in_the_clipped_view():
    x, y, x_test, y_test = digits()
    bad = PCA(2).fit_transform(x)
    found = risk_decomposition(x, y, x_test, y_test, held_out=100, supervised=bad)
    assert found.approximation > 0.2
    assert found.usability < 0
    assert found.clipped["usability"] == 0
    assert found.clipped["approximation"] == found.approximation
    assert tuple(found.clipped) == CAUSES


Z, Y = np.random.default_rng(0).normal(size=(12, 3)), np.arange(12) % 2
TEST = Z + 1


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (
            (Z, Y, np.vstack([TEST, Z[4:6]]), np.r_[Y, 0, 1]),
            {},
            DataError,
            "2 of 14 rows of test are rows of train, ",
        ),
        ((Z * 0.0, Y, TEST * -0.0, Y), {}, DataError, "12 of 12 rows of test are rows of train"),
        ((Z, Y, TEST, Y), {"held_out": 12}, OptionError, "held_out is 12 of 12"),
        ((Z, Y, TEST, Y), {"held_out": 0}, OptionError, "held_out is 0 of 12"),
        ((Z, Y, TEST, Y), {"held_out": 1}, OptionError, "both parts need one sample of each of 2 classes"),
        ((Z, Y, TEST, Y), {"held_out": 11}, OptionError, "both parts need one"),
        ((Z, np.r_[Y[:11], 5], TEST, Y), {}, DataError, "class 5 has one train sample"),
        ((Z, np.r_[[0] * 10, 1, 1], TEST, Y), {"held_out": 2}, OptionError, "without class 1"),
        ((Z, Y, TEST, Y), {"supervised": Z[:5]}, DataError, "supervised has 5 rows and train 12"),
        ((Z, Y, TEST[:, :2], Y), {}, DataError, "3 columns and test 2"),
        ((Z, Y[:5], TEST, Y), {}, DataError, "train has 12 rows and train_labels 5"),
        ((Z, Y, TEST, Y - 1), {}, DataError, "test_labels is -1"),
        ((Z, Y * 0, TEST, Y), {}, DataError, "one class only"),
        ((Z, Y, TEST, Y), {"penalties": (-1.0,)}, OptionError, "penalties"),
    ],
)
def test_what_cannot_be_decomposed_is_refused_by_name(arguments, options, error, message):
    with pytest.raises(error, match=message):
        risk_decomposition(*arguments, **{"held_out": 4} | options)
