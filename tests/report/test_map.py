import importlib.util
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from unlabeled.report import Paragraph, Samples, projection
from unlabeled.report import map as maps
from unlabeled.report.map import Map, map_blocks
from unlabeled.report.markers import marker
from unlabeled.report.neighbours import unit_rows
from unlabeled.report.projection import neighbourhoods, principal
from unlabeled.report.samples import sheet

TWO_CLOUDS = unit_rows(
    np.vstack(
        [np.random.default_rng(0).normal(size=(20, 8)), np.random.default_rng(1).normal(size=(20, 8)) + 12]
    )
)
LABELS = ["a", "b"]
PICTURES = np.random.default_rng(2).integers(0, 255, size=(40, 6, 9, 3)).astype(np.uint8)


def samples(count=40, *, labels=True, pictures=False):
    return Samples(
        [f"key {i}" for i in range(count)],
        [f"words {i}" for i in range(count)],
        [LABELS[i * 2 // count] for i in range(count)] if labels else None,
        PICTURES[:count] if pictures else None,
    )


def the_map(unit=TWO_CLOUDS, shown=None, **options) -> Map:
    shown = samples(len(unit)) if shown is None else shown
    made = None if shown.pictures is None else sheet(shown.pictures)
    (block,) = map_blocks({"run": unit}, shown, made, **options)
    assert isinstance(block, Map)
    return block


def points(layout) -> np.ndarray:
    return np.stack([layout.x, layout.y], axis=1)


@pytest.mark.parametrize("pictures", [False, True])
def test_the_same_embeddings_give_the_same_map(pictures):
    first, again = (the_map(TWO_CLOUDS.copy(), samples(pictures=pictures)) for _ in range(2))
    assert first.data == again.data and first.paths == again.paths and first.pictured == again.pictured


@pytest.mark.parametrize("place", [0, 1])
def test_near_embeddings_lie_near_one_another(place):
    found = points(the_map().layouts[place])
    of = np.array(samples().labels)
    nearest = [np.argsort(((found - p) ** 2).sum(1))[1] for p in found]
    assert np.mean(of[nearest] == of) > 0.9


def test_labels_colour_the_map_and_do_not_move_it():
    shown = samples()
    backwards = Samples(shown.keys, shown.texts, shown.labels[::-1])
    first, other = the_map(), the_map(shown=backwards)
    assert first.layouts == other.layouts
    assert first.colourings[1:] == other.colourings[1:]
    assert first.colourings[0].codes == other.colourings[0].codes[::-1]


def test_pca_is_the_projection_on_the_two_largest_components():
    z = np.random.default_rng(0).normal(size=(30, 5)) * [5, 3, 1, 1, 1]
    found, explained = principal(z)
    covariance = np.cov(z.T)
    values, vectors = np.linalg.eigh(covariance)
    for axis in range(2):
        expected = (z - z.mean(0)) @ vectors[:, -1 - axis]
        assert np.allclose(np.abs(found[:, axis]), np.abs(expected))
    assert explained == pytest.approx(values[-2:].sum() / values.sum())


def test_a_distance_on_the_pca_map_is_one_scale_on_both_axes():
    z = np.random.default_rng(0).normal(size=(30, 2)) * [10, 1]
    found = points(maps.laid_out("", 0, principal(z)[0], None, seed=0))
    span = np.ptp(found, axis=0)
    assert span[0] == pytest.approx(920, abs=1) and span[1] / span[0] < 0.25
    assert found.min() >= 0 and found.max() <= maps.SIDE


@pytest.mark.skipif(importlib.util.find_spec("umap") is None, reason="umap-learn is not installed")
def test_umap_is_used_where_it_is_installed_and_gives_the_same_map_again():
    # in Python rather than compiled, which takes half a minute
    code = (
        "import numpy as np\n"
        "from unlabeled.report.projection import neighbourhoods\n"
        "z = np.repeat(np.eye(2), 10, axis=0) + 0.1 * np.random.default_rng(0).normal(size=(20, 2))\n"
        "(name, first), (_, again) = neighbourhoods(z), neighbourhoods(z)\n"
        "assert name == 'UMAP' and (first == again).all() and np.isfinite(first).all()\n"
        "nearest = [np.argsort(((first - p) ** 2).sum(1))[1] // 10 for p in first]\n"
        "assert nearest == [0] * 10 + [1] * 10, nearest\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "NUMBA_DISABLE_JIT": "1"})


def test_without_umap_it_is_tsne(monkeypatch):
    monkeypatch.setattr(projection, "UMAP_FROM", 16)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert neighbourhoods(TWO_CLOUDS)[0] == "t-SNE"


def test_the_drawing_has_every_sample_in_the_colour_and_shape_of_its_label():
    made = the_map()
    layout = made.layouts[0]
    for (colour, path), code in zip(made.paths, [0, 1], strict=True):
        assert colour == f"c{code}"
        drawn = {(int(x), int(y)) for x, y in re.findall(r"M(\d+),(\d+)m", path)}
        rows = [i for i, c in enumerate(made.colourings[0].codes) if c == code]
        assert drawn == {(layout.x[i], layout.y[i]) for i in rows}
        assert path.count(marker(code, made.radius)) == len(rows)


def test_shapes_differ_and_have_about_the_same_size():
    outlines = [marker(shape, 10) for shape in range(10)]
    assert len(set(outlines)) == 10
    for outline in outlines[1:]:
        steps = np.array(
            [[float(v) for v in pair.split(",")] for pair in re.findall(r"[-\d.]+,[-\d.]+", outline)]
        )
        corners = steps.cumsum(0)
        assert np.abs(corners).max() == pytest.approx(
            10, abs=4.2
        )  # a diamond's corner is farther than its side
        assert np.abs(corners.mean(0)).max() < 4


def test_pictures_cover_no_other_and_lie_where_their_sample_does():
    made = the_map(shown=samples(pictures=True))
    layout = made.layouts[0]
    width, height = (10 * side for side in made.tile)
    chosen = layout.pictured
    assert len(chosen) > 5
    for i in chosen:
        for j in chosen:
            apart = abs(layout.x[i] - layout.x[j]) >= width or abs(layout.y[i] - layout.y[j]) >= height
            assert i == j or apart
    for i in set(range(40)) - set(chosen):  # no picture is left out that would have fitted
        assert any(
            abs(layout.x[i] - layout.x[j]) < width + 4 and abs(layout.y[i] - layout.y[j]) < height + 4
            for j in chosen
        )
    for i, (_, style) in zip(chosen, made.pictured, strict=True):
        assert style.startswith(f"left:{layout.x[i] / 10}%;top:{layout.y[i] / 10}%;")


def test_neighbours_on_the_map_are_those_of_the_embeddings():
    cosine = TWO_CLOUDS @ TWO_CLOUDS.T - 2 * np.eye(40)
    for i, near in enumerate(the_map().neighbours[0]):
        assert near == np.argsort(-cosine[i], kind="stable")[:5].tolist()


def test_many_samples_are_said_to_be_some_of_all():
    assert "40 of 1,234 samples" in the_map(total=1234).caption
    assert the_map(total=40).caption.startswith("40 samples.")


@pytest.mark.parametrize(
    "z",
    [
        np.zeros((30, 4)),
        np.ones((30, 1)) * np.arange(30)[:, None],
        np.eye(6),
        np.full((8, 3), 1e30),
        np.random.default_rng(0).normal(size=(9, 3)) * 1e200,
        np.eye(3)[[0] * 50 + [1] * 9],
    ],
)
def test_odd_embeddings_still_give_a_map(z):
    made = the_map(unit_rows(z), samples(len(z), labels=False))
    for layout in made.layouts:
        assert points(layout).min() >= 0 and points(layout).max() <= maps.SIDE


def test_few_samples_have_no_map_and_it_is_said():
    (block,) = map_blocks({"run": TWO_CLOUDS[:4]}, samples(4), None)
    assert isinstance(block, Paragraph) and "at least 5 samples" in block.text


def test_several_runs_have_a_layout_and_clusters_each():
    (made,) = map_blocks({"a": TWO_CLOUDS, "b": TWO_CLOUDS[::-1]}, samples(), None)
    assert [layout.of for layout in made.layouts] == [0, 0, 1, 1]
    assert [layout.name[:3] for layout in made.layouts] == ["a: ", "a: ", "b: ", "b: "]
    titles = [colouring.title for colouring in made.colourings]
    assert titles[0] == "label" and "a: 2 clusters" in titles and "b: 10 clusters" in titles
    assert made.neighbours[0][0] != made.neighbours[1][0]
