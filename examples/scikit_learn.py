"""An encoder inside a scikit-learn pipeline, chosen by cross-validation, and a classifier from a few labels.

    python examples/scikit_learn.py

Breast cancer (569 rows, 30 numbers) from scikit-learn; about a minute on two cores.
"""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from unlabeled.sklearn import SelfSupervisedEncoder, SemiSupervisedClassifier


def main() -> dict[str, float]:
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    small = {"name": "mlp", "width": 64}
    options = {"width": 128}

    plain = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    learned = make_pipeline(
        SelfSupervisedEncoder("vicreg", encoder=small, epochs=10, batch_size=64, method_options=options),
        StandardScaler(),
        LogisticRegression(max_iter=1000),
    )
    search = GridSearchCV(
        learned, {"selfsupervisedencoder__method": ["vicreg", "barlow_twins"]}, cv=3, n_jobs=1
    ).fit(X, y)

    few = np.full(len(y), -1)  # ten labels; the other rows have none
    for label in (0, 1):
        few[np.flatnonzero(y == label)[:5]] = label
    hidden = few == -1
    spread = SemiSupervisedClassifier("label_spreading").fit(X, few)

    found = {
        "logistic regression on the columns, 5-fold": cross_val_score(plain, X, y, cv=5).mean(),
        "the same on learned embeddings, 5-fold": cross_val_score(learned, X, y, cv=5).mean(),
        f"best of the grid ({search.best_params_['selfsupervisedencoder__method']}), 3-fold": search.best_score_,
        "label spreading from ten labels": (spread.predict(X) == y)[hidden].mean(),
    }
    for name, accuracy in found.items():
        print(f"{accuracy:.3f}  {name}")
    return found


if __name__ == "__main__":
    main()
