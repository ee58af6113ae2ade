"""The scikit-learn estimators: scikit-learn's own checks, and what they promise beyond."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import unlabeled as ul
from unlabeled.errors import OptionError, RunError
from unlabeled.sklearn import SelfSupervisedEncoder, SemiSupervisedClassifier

SMALL = {"name": "mlp", "width": 16, "depth": 1}


def encoder(**more: Any) -> SelfSupervisedEncoder:
    asked: dict[str, Any] = {"epochs": 2, "batch_size": 16, "encoder": SMALL, "method_options": {"width": 16}}
    return SelfSupervisedEncoder(**{**asked, **more})


def classifier(**more: Any) -> SemiSupervisedClassifier:
    return SemiSupervisedClassifier(**{"epochs": 10, "batch_size": 32, "lr": 0.01, "encoder": SMALL, **more})


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([encoder(), classifier(), SemiSupervisedClassifier(method="label_spreading")])
def test_scikit_learns_own_checks(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def wine() -> tuple[pd.DataFrame, np.ndarray]:
    """Thirteen numbers of 178 wines, one of them made a category, some cells missing."""
    held = load_wine(as_frame=True)
    X = held.data.copy()
    X["hue"] = np.where(X["hue"] > 1, "light", "dark")
    X.loc[X.index % 9 == 0, "ash"] = np.nan
    return X, held.target.to_numpy()


@pytest.fixture(scope="module")
def fitted(wine: tuple[pd.DataFrame, np.ndarray]) -> SelfSupervisedEncoder:
    return encoder().fit(wine[0])


def test_frames_with_categories_and_missing_values_are_embedded(
    wine: tuple[pd.DataFrame, np.ndarray], fitted: SelfSupervisedEncoder
) -> None:
    X, _ = wine
    z = fitted.transform(X)
    assert z.shape == (178, 16) and z.dtype == np.float32 and np.isfinite(z).all()
    assert fitted.n_features_in_ == 13 and list(fitted.feature_names_in_) == list(X.columns)


def test_embeddings_come_as_a_frame_where_asked(
    wine: tuple[pd.DataFrame, np.ndarray], fitted: SelfSupervisedEncoder
) -> None:
    X, _ = wine
    named = pickle.loads(pickle.dumps(fitted)).set_output(transform="pandas").transform(X)
    assert isinstance(named, pd.DataFrame)
    assert list(named.columns[:2]) == ["selfsupervisedencoder0", "selfsupervisedencoder1"]
    assert list(named.index) == list(X.index)


def test_saved_as_plain_data_and_read_back_with_the_same_output(
    wine: tuple[pd.DataFrame, np.ndarray],
    fitted: SelfSupervisedEncoder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    X, _ = wine
    expected = fitted.transform(X)
    fitted.save(tmp_path / "kept")

    def refuse(*args: Any, **how: Any) -> None:
        raise RuntimeError("pickle was used")

    for name in ("load", "loads", "dump", "dumps"):
        monkeypatch.setattr(pickle, name, refuse)
    again = SelfSupervisedEncoder.load(tmp_path / "kept")
    assert np.array_equal(again.transform(X), expected)
    assert again.method == fitted.method and again.n_features_in_ == 13
    run = ul.load(tmp_path / "kept")
    assert np.array_equal(np.stack(run.embed(X)["embedding"].to_pylist()).astype(np.float32), expected)
    with pytest.raises(OptionError, match="holds something"):
        fitted.save(tmp_path / "kept")
    with pytest.raises(RunError, match=r"no run\.yaml"):
        SelfSupervisedEncoder.load(tmp_path)


def test_clones_are_unfitted_and_keep_their_options(fitted: SelfSupervisedEncoder) -> None:
    other = clone(fitted)
    assert other.get_params() == fitted.get_params() and not hasattr(other, "files_")


def test_it_goes_into_a_pipeline_and_cross_validation(wine: tuple[pd.DataFrame, np.ndarray]) -> None:
    X, y = wine
    model = make_pipeline(encoder(epochs=4), LogisticRegression(max_iter=500))
    assert cross_val_score(model, X, y, cv=3).mean() > 0.8


def test_another_method_and_its_options_are_passed_on(wine: tuple[pd.DataFrame, np.ndarray]) -> None:
    made = encoder(method="simclr", method_options={"temperature": 0.5, "width": 16, "hidden": 16}).fit(
        wine[0]
    )
    assert "temperature: 0.5" in made.files_["run.yaml"].decode()
    with pytest.raises(OptionError, match="did you mean 'temperature'"):
        encoder(method="simclr", method_options={"temprature": 0.5}).fit(wine[0])


def few_labels() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Digits, of which five a class are labelled; all classes for the test."""
    held = load_digits()
    X, y = held.data[:600], held.target[:600].copy()
    hidden = y.copy()
    for c in range(10):
        hidden[np.flatnonzero(y == c)[5:]] = -1
    return X, hidden, y


@pytest.mark.parametrize("method", ["supervised", "label_spreading"])
def test_a_few_labels_give_classes_to_the_rest(method: str) -> None:
    X, hidden, y = few_labels()
    model = SemiSupervisedClassifier(
        method=method, epochs=60, batch_size=50, lr=0.003, encoder={"name": "mlp", "width": 64}
    ).fit(X, hidden)
    assert list(model.classes_) == list(range(10))  # −1 is no class
    assert set(model.predict(X)) <= set(range(10))
    proba = model.predict_proba(X)
    assert proba.shape == (600, 10) and np.allclose(proba.sum(1), 1, atol=1e-5)
    assert (model.predict(X) == y)[hidden == -1].mean() > 0.6


def test_it_starts_from_a_fitted_encoder() -> None:
    X, hidden, y = few_labels()
    start = encoder(epochs=8, batch_size=100, encoder={"name": "mlp", "width": 64}).fit(X)
    for method in ("supervised", "label_spreading"):
        model = SemiSupervisedClassifier(method=method, init=start, epochs=40, batch_size=50, lr=0.003)
        model.fit(X, hidden)
        assert (model.predict(X) == y)[hidden == -1].mean() > 0.6


def test_a_saved_classifier_predicts_the_same(tmp_path: Path) -> None:
    X, hidden, _ = few_labels()
    names = np.array([None if c == -1 else f"digit {c}" for c in hidden], dtype=object)
    for kind, y in {"numbers": hidden, "names": names}.items():
        model = classifier(epochs=2).fit(X, y)
        again = SemiSupervisedClassifier.load(model.save(tmp_path / kind))
        assert list(again.classes_) == list(model.classes_)
        assert again.get_params() == model.get_params() and again.n_features_in_ == 64
        assert np.array_equal(again.predict_proba(X), model.predict_proba(X))


def test_label_spreading_keeps_rows_and_says_so(tmp_path: Path) -> None:
    X, hidden, _ = few_labels()
    with pytest.raises(OptionError, match="keeps its rows"):
        SemiSupervisedClassifier(method="label_spreading").fit(X, hidden).save(tmp_path / "x")


def test_minus_one_beside_a_single_class_is_taken_as_a_class_and_said() -> None:
    X, _, y = (rows[:100] for rows in few_labels())
    with pytest.warns(UserWarning, match="two classes"):
        model = classifier().fit(X, np.where(y > 4, 1, -1))
    assert list(model.classes_) == [-1, 1]


@pytest.mark.parametrize(
    ("y", "said"), [([0, 1], "has 2"), ([1] * 600, "at least two classes"), (None, "requires y")]
)
def test_labels_that_do_not_fit_are_refused(y: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        classifier().fit(few_labels()[0], y)


@pytest.mark.parametrize("made", [encoder(epochs=1), classifier(epochs=1)], ids=["encoder", "classifier"])
def test_a_row_of_which_nothing_is_known_is_refused_and_never_dropped(made: Any) -> None:
    X, _, y = (rows[:60] for rows in few_labels())
    X = X[:, X.std(0) > 1].astype(float)  # a constant column says no more when a cell is missing
    hidden = np.where(np.arange(60) % 2, y, -1)
    broken = X.copy()
    broken[3] = np.nan
    made = clone(made).fit(X, np.where(hidden == -1, 0, hidden))
    with pytest.raises(ValueError, match="rows 3"):
        made.transform(broken) if hasattr(made, "transform") else made.predict(broken)
    with pytest.raises(ValueError, match="1 of the 60 rows"):
        clone(made).fit(broken, np.where(hidden == -1, 0, hidden))
    with pytest.raises(ValueError, match="rows 3"):
        SemiSupervisedClassifier(method="label_spreading").fit(broken, hidden)


def test_in_cross_validation_the_start_is_fitted_in_each_fold() -> None:
    X, _, y = (rows[:200] for rows in few_labels())
    start = encoder(epochs=2, batch_size=50, encoder={"name": "mlp", "width": 16}).fit(X)
    model = classifier(init=start, encoder=None, epochs=30)
    assert cross_val_score(model, X, y, cv=2, error_score="raise").mean() > 0.3
    assert hasattr(start, "files_")  # what was given stays as it was


def test_a_frame_is_taken_by_the_place_of_its_columns_where_an_array_was_fitted() -> None:
    X = few_labels()[0][:100, 2:8]
    model = encoder(epochs=1).fit(X)
    with pytest.warns(UserWarning, match="feature names"):
        by_place = model.transform(pd.DataFrame(X, columns=list("abcdef")))
    assert np.array_equal(by_place, model.transform(X))


def test_words_in_an_array_are_refused_with_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"could not convert string.*as a data frame"):
        encoder(epochs=1).fit(np.array([["a", "1"], ["b", "2"]] * 10, dtype=object))


def test_what_cannot_be_kept_as_data_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    model = encoder(epochs=1, random_state=np.random.RandomState(0)).fit(few_labels()[0][:50])
    with pytest.raises(OptionError, match=r"random_state=RandomState.*whole number"):
        model.save(tmp_path / "x")
    assert not (tmp_path / "x").exists()
