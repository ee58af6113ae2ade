"""Which layer of an encoder to use: a linear probe of each, chosen without the test set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from unlabeled.errors import DataError
from unlabeled.evaluation.arrays import Features, Labels
from unlabeled.evaluation.classification import Classification
from unlabeled.evaluation.comparison import Comparison, compare
from unlabeled.evaluation.linear import linear_probe_details


class LayerProbe(Mapping[str, Classification]):
    """Name of a layer → its linear probe on the test set, first to last; and which one to use."""

    def __init__(self, layers: Mapping[str, Classification]) -> None:
        self._layers = dict(layers)

    def __getitem__(self, name: str) -> Classification:
        return self._layers[name]

    def __repr__(self) -> str:
        accuracies = ", ".join(f"{name}: {found.accuracy:.3f}" for name, found in self.items())
        return f"LayerProbe({accuracies}; best: {self.best})"

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    @property
    def held_out(self) -> dict[str, float]:
        """Name of a layer → accuracy on the held-out part of train, by which the best one is chosen."""
        return {name: float(found.chosen["held_out"]) for name, found in self.items()}

    @property
    def last(self) -> str:
        return list(self)[-1]

    @property
    def best(self) -> str:
        """The layer that is best on the held-out part of train; between equals the later one."""
        return max(reversed(self), key=lambda name: self.held_out[name])

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._layers)

    @property
    def against_last(self) -> Comparison:
        """By how much the best layer is better than the last on the test set, with a paired interval."""
        return compare(self[self.best], self[self.last])


def layer_probe(
    train_layers: Mapping[str, Features] | Sequence[Features],
    train_labels: Labels,
    test_layers: Mapping[str, Features] | Sequence[Features],
    test_labels: Labels,
    *,
    seed: int = 0,
) -> LayerProbe:
    """A `linear_probe` of the features of every layer, and which layer is best.

    The best layer is the one with the best accuracy on a held-out fifth of train, the same rows for every
    layer; the test set never chooses. `best` names it; `against_last` says how much it is better on test than
    the last one, the usual choice, with a paired 95 % interval: of several layers compared on little data one
    is ahead by luck, and an interval that has 0 in it says so.

    Shapes: for each layer train (n, dim) and test (m, dim), first layer first; dim may differ from layer to
    layer. Layers in a list are called "0", "1", ….
    Refused: no layers, other layers in test than in train, classes of a single sample only (nothing can be
    held out), and what `linear_probe` refuses.
    Source: Alain, Bengio, "Understanding intermediate layers using linear classifier probes", 2016,
    arXiv:1610.01644; that the last layer is often not the best: Chen et al., 2020, arXiv:2002.05709.
    """
    known, asked = _named(train_layers), _named(test_layers)
    if not known:
        raise DataError("train_layers is empty: give the features of at least one layer")
    if list(known) != list(asked):
        raise DataError(
            f"train_layers has the layers {', '.join(known)} and test_layers {', '.join(asked)}: "
            "give the same ones in the same order"
        )
    found = {}
    for name, train in known.items():
        try:
            found[name] = linear_probe_details(train, train_labels, asked[name], test_labels, seed=seed)
        except DataError as error:
            raise DataError(f"layer {name}: {error}") from error
        if "held_out" not in found[name].chosen:
            raise DataError(
                "every class has a single sample in train, so none can be held out to choose a layer by"
            )
    return LayerProbe(found)


def _named(layers: Mapping[str, Features] | Sequence[Features]) -> dict[str, Features]:
    if isinstance(layers, Mapping):
        return {str(name): z for name, z in layers.items()}
    return {str(place): z for place, z in enumerate(layers)}
