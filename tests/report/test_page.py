import re

import pytest

from unlabeled.report import Folded, Gallery, Image, Legend, Paragraph, Section, Table, render
from unlabeled.report.page import Grid, Neighbours, Row, Sheet, Tile, shown, write

NASTY = "<script>alert('x')</script> & \"q\" {{ 7*7 }}"


def everything():
    image = Image(b"<svg/>", alt=NASTY, title=NASTY, caption=NASTY)
    tile = Tile(0, NASTY, NASTY, NASTY, 0.5, True)
    sheet = Sheet(b"png", "png", 1, 1, 1, 4, 4)
    return [
        Section(
            NASTY,
            [
                Paragraph(NASTY),
                Table(NASTY, [NASTY, "n"], [[NASTY, 3], ["b", 4.5]], {NASTY: NASTY}),
                image,
                Gallery([image, image]),
                Legend([(NASTY, "#123456")]),
                Folded(NASTY, NASTY),
                sheet,
                Neighbours([Row(tile, [tile], NASTY)], sheet),
                Neighbours([Row(tile, [tile])], None),
                Grid([NASTY], [NASTY] * 3, [[NASTY], [image], [None]]),
            ],
        )
    ]


def test_every_text_is_escaped_wherever_it_stands():
    page = render(NASTY, everything(), lead=[NASTY])
    assert "<script" not in page
    assert "alert" in page
    assert "49" not in page.split("</style>")[1]


def test_the_page_loads_nothing_from_elsewhere():
    page = render("A page", everything())
    assert not re.search(r"https?://", page)
    assert "<link" not in page and "@import" not in page
    assert set(re.findall(r'url\("([a-z]+:)', page)) == {"data:"} and page.count("url(") == 1
    assert set(re.findall(r'src="([a-z]+:)', page)) == {"data:"}


def test_every_image_has_words_for_who_cannot_see_it():
    page = render("A page", [Section("s", [Image(b"png", "a curve that falls", kind="png")])])
    assert re.findall(r'<img src="data:image/png;base64,[^"]+" alt="([^"]*)"', page) == ["a curve that falls"]


def test_columns_of_numbers_are_set_right_and_words_left():
    table = Table(
        "", ["name", "accuracy", "reason"], [["3", "0.91 ± 0.02", "why"], ["b", "−1.5", "2 things and why"]]
    )
    assert table.numeric == [False, True, False]
    page = render("t", [Section("s", [table])])
    assert '<td class="number">0.91 ± 0.02</td>' in page
    assert '<th scope="row" class="words">3</th>' in page


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, ""),
        (True, "True"),
        (7, "7"),
        (12345, "12,345"),
        (0.5, "0.500"),
        (0.00012345, "0.0001234"),
        (29.531, "29.53"),
        (1500.0, "1500"),
        (12345.0, "12,345"),
        (0.0, "0.000"),
        (float("nan"), "NaN"),
        (float("inf"), "inf"),
        ("0.50", "0.50"),
    ],
)
def test_numbers_are_shown_with_about_three_digits(cell, text):
    assert shown(cell) == text


def test_a_file_name_that_is_no_utf8_does_not_stop_the_page(tmp_path):
    path = write(render("run caf\udce9", []), tmp_path / "new" / "report.html")
    assert "caf\\udce9" in path.read_text(encoding="utf-8")
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]


def test_a_tile_shows_its_own_part_of_the_sheet():
    sheet = Sheet(b"", "png", 7, 3, 3, 8, 8)
    assert sheet.style(0) == "--x:0%;--y:0%"
    assert sheet.style(4) == "--x:50%;--y:50%"
    assert sheet.style(6) == "--x:0%;--y:100%"
    assert Sheet(b"", "png", 1, 1, 1, 8, 8).style(0) == "--x:0%;--y:0%"
