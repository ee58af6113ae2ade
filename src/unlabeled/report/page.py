"""One HTML file that opens offline: everything it shows is inside it, and every text in it is escaped."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from unlabeled.report.map import Map

Cell = str | int | float | None


@dataclass(frozen=True)
class Paragraph:
    """Plain words."""

    text: str


@dataclass(frozen=True)
class Table:
    """Rows under a header; columns of numbers are set right."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    notes: Mapping[str, str] = field(default_factory=dict)
    """first cell of a row → words below it"""

    @property
    def text(self) -> list[list[str]]:
        """The rows as they are shown."""
        return [[shown(cell) for cell in row] for row in self.rows]

    @property
    def numeric(self) -> list[bool]:
        """Which columns hold numbers; the first names its row and never does."""
        columns = [[row[c] for row in self.text if c < len(row) and row[c]] for c in range(len(self.header))]
        return [c > 0 and all(starts_a_number(cell) for cell in cells) for c, cells in enumerate(columns)]


@dataclass(frozen=True)
class Image:
    """A drawing or picture, with words for who cannot see it."""

    data: bytes
    alt: str
    title: str = ""
    caption: str = ""
    kind: str = "svg+xml"
    """svg+xml, png or jpeg"""

    @property
    def uri(self) -> str:
        return f"data:image/{self.kind};base64,{base64.b64encode(self.data).decode()}"


@dataclass(frozen=True)
class Gallery:
    """Small images side by side, as many in a row as fit."""

    images: Sequence[Image]


@dataclass(frozen=True)
class Legend:
    """What the colours of the image before it mean."""

    colours: Sequence[tuple[str, str]]
    """(name, #rrggbb)"""


@dataclass(frozen=True)
class Folded:
    """Long text that is shown when asked for."""

    summary: str
    text: str


@dataclass(frozen=True)
class Sheet:
    """Small pictures of samples in one image: picture i is its i-th tile, row by row. A page has one at most."""

    data: bytes
    kind: str
    """png or jpeg"""
    count: int
    columns: int
    rows: int
    height: int
    width: int
    """pixels of a tile"""

    @property
    def uri(self) -> str:
        return f"data:image/{self.kind};base64,{base64.b64encode(self.data).decode()}"

    def style(self, i: int) -> str:
        """Where on the sheet picture i is."""
        row, column = divmod(i, self.columns)
        across, down = column / max(1, self.columns - 1), row / max(1, self.rows - 1)
        return f"--x:{100 * across:.6g}%;--y:{100 * down:.6g}%"


@dataclass(frozen=True)
class Tile:
    """A sample as it stands among others: its picture on the sheet, or its words, and what is said of it."""

    place: int
    key: str
    text: str
    label: str
    cosine: float | None = None
    same: bool | None = None
    """whether it has the label of the first of its row; None where that is not known"""


@dataclass(frozen=True)
class Row:
    """A sample, and others behind it."""

    first: Tile
    others: Sequence[Tile]
    title: str = ""


@dataclass(frozen=True)
class Neighbours:
    """Rows of samples."""

    rows: Sequence[Row]
    sheet: Sheet | None


@dataclass(frozen=True)
class Grid:
    """Pictures or texts under a header, a named row a sample; None is an empty cell."""

    header: Sequence[str]
    names: Sequence[str]
    rows: Sequence[Sequence[Image | str | None]]


Block: TypeAlias = "Paragraph | Table | Image | Gallery | Legend | Folded | Sheet | Neighbours | Grid | Map"


@dataclass(frozen=True)
class Section:
    """A headed part of the page."""

    title: str
    blocks: Sequence[Block] = field(default_factory=tuple)


def render(title: str, sections: Sequence[Section], *, lead: Sequence[str] = ()) -> str:
    """The page as HTML text. `lead`: paragraphs under the title, before the first section."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["kind"] = lambda block, name: type(block).__name__ == name
    here = Path(__file__).parent
    style, program = ((here / name).read_text(encoding="utf-8") for name in ("page.css", "map.js"))
    moves = any(type(block).__name__ == "Map" for section in sections for block in section.blocks)
    return environment.get_template("page.html.j2").render(
        title=title, lead=lead, sections=sections, style=style, program=program if moves else ""
    )


def write(page: str, path: Path) -> Path:
    """Writes the page whole or not at all, so that a report that exists is never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    # what UTF-8 cannot hold (file names of no known encoding) is shown as \udcxx
    part.write_bytes(page.encode("utf-8", errors="backslashreplace"))
    part.replace(path)
    return path


def shown(cell: Cell) -> str:
    """A cell as text: floats with about three digits, whole numbers with separators."""
    if cell is None:
        return ""
    if isinstance(cell, bool | str):
        return str(cell)
    if isinstance(cell, int):
        return f"{cell:,}" if abs(cell) >= 10_000 else str(cell)
    if not math.isfinite(cell):
        return "NaN" if cell != cell else str(cell)
    if cell == int(cell) and abs(cell) < 1e6 and abs(cell) >= 100:
        return shown(int(cell))
    return f"{cell:.3f}" if 0.01 <= abs(cell) < 10 or cell == 0 else f"{cell:.4g}"


def starts_a_number(text: str) -> bool:
    return text.lstrip("−-+±~<>≈ ")[:1].isdigit() or text in ("NaN", "–")
