"""A map of the embeddings: near one another means alike to the encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from unlabeled.errors import DataError
from unlabeled.report.charts import COLOURS, MARKERS, OTHER, png
from unlabeled.report.page import Block, Image, Legend, Paragraph

POINTS = 2000
"""samples on the map at most; more would only cover one another"""
LEAST = 5
"""samples a map needs"""
SIDE = 1400
"""pixels along each side of the drawing"""


def map_blocks(
    embeddings: Any, labels: Sequence[Any] | np.ndarray | None, pictures: Any, *, seed: int = 0
) -> list[Block]:
    """The map of (samples, dim) embeddings as blocks of a page.

    labels: one a sample, None where unknown; they colour the map and nothing else. pictures: (samples,
    height, width, 3) uint8, drawn where they do not cover one another. Refused: unequal lengths.
    """
    z = np.asarray(embeddings, dtype=np.float32)
    if z.ndim != 2:
        raise DataError(f"embeddings have shape {z.shape}: a map needs one row a sample")
    names = None if labels is None else [text(label) for label in labels]
    drawn = None if pictures is None else np.asarray(pictures)
    for what, given in (("labels", names), ("pictures", drawn)):
        if given is not None and len(given) != len(z):
            raise DataError(f"embeddings have {len(z)} rows and {what} {len(given)}: give one a sample")
    if drawn is not None and (drawn.ndim != 4 or drawn.shape[3] != 3 or drawn.dtype != np.uint8):
        raise DataError(
            f"pictures are {drawn.dtype} {drawn.shape}: give uint8 of (samples, height, width, 3)"
        )
    if len(z) < LEAST:
        return [Paragraph(f"No map: it needs at least {LEAST} samples, and there are {len(z)}.")]
    if not np.isfinite(z).all():
        return [Paragraph("No map: some embeddings are NaN or infinite.")]
    total = len(z)
    if total > POINTS:
        rows = np.sort(np.random.default_rng(seed).permutation(total)[:POINTS])
        z = z[rows]
        names = None if names is None else [names[r] for r in rows]
        drawn = None if drawn is None else drawn[rows]

    legend = colours_of(names) if names is not None else []
    seen = f"{len(z):,} samples" if total == len(z) else f"{len(z):,} of {total:,} samples"
    image = Image(
        draw(project(z, seed=seed), names, legend, drawn, seed=seed),
        alt=alternative(len(z), legend, drawn is not None),
        caption=(
            ("Each picture" if drawn is not None else "Each dot")
            + " lies where the encoder put it: neighbours are alike to the encoder. "
            + ("Dots are samples whose picture would cover another. " if drawn is not None else "")
            + f"{seen}, PCA then t-SNE (seed {seed}); distances between far groups mean little."
        ),
        kind="png",
    )
    blocks: list[Block] = [image]
    if legend:
        blocks.append(Legend(legend))
        blocks.append(Paragraph("Colours are labels; they did not decide where anything lies on the map."))
    return blocks


def text(label: Any) -> str | None:
    """A label as text; None for what means unlabelled."""
    if label is None or (isinstance(label, float) and label != label):
        return None
    plain = str(label)
    return None if plain in ("", "-1") else plain


def project(z: Float[np.ndarray, "samples dim"], *, seed: int = 0) -> Float[np.ndarray, "samples 2"]:
    """Positions on a plane: PCA to at most 50 dimensions, then t-SNE. The same input gives the same map.

    Embeddings that are all the same lie on one spot.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    wide = z.astype(np.float64)
    centred = wide - wide.mean(0)
    scale = np.abs(centred).max()
    if scale <= 1e-6 * np.abs(wide).max():
        return np.zeros((len(z), 2))
    # one thread: several add up forces in an order of their own, and t-SNE magnifies the difference
    with threadpool_limits(1):
        reduced = PCA(min(50, *z.shape), svd_solver="full").fit_transform(centred / scale)
        start = np.random.default_rng(seed).normal(size=(len(z), 2)) * 1e-6
        start[:, : reduced.shape[1]] += reduced[:, :2] / reduced[:, 0].std() * 1e-4
        tsne = TSNE(
            2,
            perplexity=min(30.0, (len(z) - 1) / 3),
            init=start.astype(np.float32),
            learning_rate="auto",
            max_iter=500,
            random_state=seed,
        )
        positions: np.ndarray = tsne.fit_transform(reduced.astype(np.float32))
    return positions


def colours_of(names: Sequence[str | None]) -> list[tuple[str, str]]:
    """(name, colour) of the ten most common labels in their own order; the rest share one colour."""
    known = [name for name in names if name is not None]
    if not known:
        return []
    found, counts = np.unique(np.array(known), return_counts=True)
    top = sorted(found[np.argsort(-counts, kind="stable")[: len(COLOURS)]].tolist(), key=natural)
    legend = [(name, COLOURS[place]) for place, name in enumerate(top)]
    others = len(found) - len(top)
    if others:
        legend.append((f"{others} other classes", OTHER))
    if len(known) < len(names):
        legend.append(("unlabelled", OTHER))
    return legend


def natural(name: str) -> tuple[int, float, str]:
    """Numbers by size, before words by letter."""
    try:
        return (0, float(name), name)
    except ValueError:
        return (1, 0.0, name)


def alternative(samples: int, legend: Sequence[tuple[str, str]], pictures: bool) -> str:
    what = f"Map of {samples} samples" + (" drawn as small pictures" if pictures else " drawn as dots")
    return what + (f", coloured by label: {', '.join(name for name, _ in legend)}" if legend else "")


def draw(
    positions: Float[np.ndarray, "samples 2"],
    names: Sequence[str | None] | None,
    legend: Sequence[tuple[str, str]],
    pictures: UInt8[np.ndarray, "samples height width 3"] | None,
    *,
    seed: int,
) -> bytes:
    """The map as PNG: dots in the colour and shape of their label, and pictures framed in that colour."""
    from matplotlib.figure import Figure
    from matplotlib.patheffects import withStroke

    low, high = positions.min(0), positions.max(0)
    # PCA then t-SNE fills a disc; a margin of half a picture keeps the outermost whole
    spots = 0.04 + 0.92 * (positions - low) / np.where(high > low, high - low, 1)
    spots = np.where(high > low, spots, 0.5)
    colour = dict(legend)
    of_sample = (
        [colour.get(name or "", OTHER) for name in names] if names is not None else [COLOURS[0]] * len(spots)
    )

    figure = Figure(figsize=(7, 7), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.set_axis_off()
    shape = {name: MARKERS[place % len(MARKERS)] for place, (name, _) in enumerate(legend)}
    for marker in sorted(set(shape.values()) | {"o"}):
        mine = [i for i in range(len(spots)) if shape.get((names[i] if names else None) or "", "o") == marker]
        size = (9 if pictures is not None else 26) * (0.5 if len(spots) > 800 else 1)
        axes.scatter(
            spots[mine, 0],
            spots[mine, 1],
            s=size,
            c=[of_sample[i] for i in mine],
            marker=marker,
            alpha=0.75,
            linewidths=0,
        )
    if pictures is not None:
        axes.imshow(
            paste(spots, of_sample, pictures, framed=bool(legend), seed=seed), extent=(0, 1, 0, 1), zorder=3
        )
    elif names is not None:
        for name, _ in legend:
            rows = [i for i, n in enumerate(names) if n == name]
            if rows and name.isascii() and name.isprintable() and len(name) <= 14:
                # the sample nearest to the class's middle: a mean may fall between two groups
                middle = np.median(spots[rows], axis=0)
                at = spots[rows][np.argmin(((spots[rows] - middle) ** 2).sum(1))]
                axes.text(
                    at[0],
                    at[1],
                    name,
                    fontsize=12,
                    weight="bold",
                    ha="center",
                    va="center",
                    color=colour[name],
                    zorder=4,
                    path_effects=[withStroke(linewidth=3.5, foreground="white")],
                    parse_math=False,
                )
    return png(figure, dpi=SIDE // 7)


def paste(
    spots: Float[np.ndarray, "samples 2"],
    colours: Sequence[str],
    pictures: UInt8[np.ndarray, "samples height width 3"],
    *,
    framed: bool,
    seed: int,
) -> UInt8[np.ndarray, "side side 4"]:
    """A clear sheet with those pictures on it that cover no other, in an order drawn by `seed`."""
    from PIL import Image as Picture
    from PIL import ImageColor

    sheet = np.zeros((SIDE, SIDE, 4), dtype=np.uint8)
    longest = int(np.clip(0.65 * SIDE / len(spots) ** 0.5, 34, 110))
    edge = 3 if framed else 0
    shrink = longest / max(pictures.shape[1:3])
    width, height = (max(4, round(side * shrink)) for side in (pictures.shape[2], pictures.shape[1]))
    blurred = Picture.Resampling.NEAREST if shrink >= 2 else Picture.Resampling.LANCZOS
    for i in np.random.default_rng(seed).permutation(len(spots)):
        left = int(spots[i, 0] * SIDE) - width // 2 - edge
        top = int((1 - spots[i, 1]) * SIDE) - height // 2 - edge
        left = min(max(0, left), SIDE - width - 2 * edge)
        top = min(max(0, top), SIDE - height - 2 * edge)
        here = sheet[top : top + height + 2 * edge, left : left + width + 2 * edge]
        if here[..., 3].any():
            continue
        here[...] = (*ImageColor.getrgb(colours[i]), 255)
        small = Picture.fromarray(np.ascontiguousarray(pictures[i])).resize((width, height), blurred)
        here[edge : edge + height, edge : edge + width, :3] = np.asarray(small)
    return sheet
