"""How a Python signature becomes options of the command line, and typed text becomes arguments again.

An option keeps its Python name. Only plain values can be given (numbers, text, truth values, lists of
them): a configuration is data, so nothing in it can name code to import or to run.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import re
import textwrap
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from unlabeled.errors import OptionError, nearest

WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    type(None): "null",
    Any: "a plain value",
}
MARKS = {bool: "BOOL", int: "INT", float: "FLOAT", str: "TEXT", Any: "VALUE"}
TRUTH = frozenset(("true", "false", "yes", "no"))


@dataclass(frozen=True)
class Option:
    """One thing that can be given. `name` is the Python name; after a dot, that of a named thing's option."""

    name: str
    hint: Any = str
    default: Any = None
    doc: str = ""
    group: str = "options:"
    """the heading it stands under in the help"""
    place: Literal["named", "positional", "positionals", "optional"] = "named"
    """after a name, or by its place: one word, several, or one that may be left out"""

    @property
    def key(self) -> str:
        """Its name inside the parser, where a dot would mean nesting."""
        return self.name.replace(".", "__")

    @property
    def label(self) -> str:
        """How it is written on the command line."""
        return f"--{self.name}" if self.place == "named" else self.name.upper()

    @property
    def expected(self) -> str:
        """What it takes, in words: `a whole number or null`."""
        return " or ".join(
            f"one of {', '.join(map(str, get_args(part)))}"
            if get_origin(part) is Literal
            else WORDS.get(part, "a list such as [1, 2]")
            for part in alternatives(self.hint)
        )

    def help(self, width: int) -> list[str]:
        """Its lines of the help: what to type in the first `width` columns, what it means behind."""
        marks = [
            "|".join(map(str, get_args(part))) if get_origin(part) is Literal else MARKS.get(part, "LIST")
            for part in alternatives(self.hint)
            if part is not type(None)
        ]
        left = (
            f"  {self.label} {'|'.join(dict.fromkeys(marks))}" if self.place == "named" else f"  {self.label}"
        )
        said = "" if self.default in (None, "") else f"(default: {self.default})"
        meaning = re.sub(r"\bNone:", "left out:", self.doc)
        right = textwrap.wrap(f"{meaning} {said}".strip(), 108 - width)
        if len(left) + 2 > width and right:
            return [left, *(" " * width + line for line in right)]
        first, *others = right or [""]
        return [f"{left:<{width}}{first}".rstrip(), *(" " * width + line for line in others)]


def from_signature(
    function: Callable[..., Any],
    *,
    prefix: str = "",
    group: str = "options:",
    only: Collection[str] | None = None,
    skip: Collection[str] = (),
    docs: Mapping[str, str] | None = None,
) -> list[Option]:
    """One option for each parameter of `function` (`self`, `*args` and `**rest` aside).

    `prefix` goes before each name; `only` and `skip` choose among them. What an option means is taken
    from `docs`, by default those of the function's docstring.
    """
    docs = option_docs(inspect.getdoc(function)) if docs is None else docs
    names = getattr(inspect.unwrap(function), "__globals__", {})
    return [
        Option(
            prefix + p.name,
            plain(p.annotation, names),
            None if p.default is p.empty else p.default,
            docs.get(p.name, ""),
            group,
        )
        for p in inspect.signature(function).parameters.values()
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        and p.name not in ("self", "cls", *skip)
        and (only is None or p.name in only)
    ]


def option_docs(doc: str | None) -> dict[str, str]:
    """What a docstring says of its parameters, in either of the two ways it may do so.

    A list under `Args:` (`name: text`, continued further in), or the name in backticks and a colon
    anywhere, up to the next such name or to a sentence that ends its line.
    """
    doc = inspect.cleandoc(doc or "") + "\n"
    found: dict[str, str] = {}
    if listed := re.search(r"^Args:\n((?: +.*\n)*)", doc, re.MULTILINE):
        found |= dict(re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", listed[1], re.MULTILINE))
    name = r"(?:`\w+`(?:, | and ))*`\w+`:\s"
    for paragraph in doc.split("\n\n"):
        for names, text in re.findall(rf"({name})(.*?)(?={name}|\.\n|$)", f"{paragraph}\n", re.DOTALL):
            found |= dict.fromkeys(re.findall(r"`(\w+)`", names), text)
    return {name: " ".join(text.replace("`", "").split()).rstrip(";.") for name, text in found.items()}


def alternatives(hint: Any) -> tuple[Any, ...]:
    """The members of a union, or the type itself."""
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def plain(annotation: Any, names: Mapping[str, Any]) -> Any:
    """The part of an annotation that can be typed: `str | Path | ndarray | None` becomes `str | None`.

    `names` is where a written annotation looks its names up; text is what is left of one
    without any plain part; `Any` stays: its value is whatever the text looks like.
    """
    members = list(dict.fromkeys(_members(annotation, names)))
    if Any in members:
        return Any
    if not set(members) - {type(None)}:
        members.append(str)
    # everything can be read as text, so text is tried last
    members.sort(key=lambda member: (member is str, member is type(None)))
    return Union[tuple(members)]  # noqa: UP007 (there is no other way to make a union of a list)


def _is_plain(value: Any) -> bool:
    """Whether a value is data: a number, text, a truth value, null, or a list of these."""
    return isinstance(value, tuple(kind for kind in WORDS if kind is not Any)) or (
        isinstance(value, list | tuple) and all(map(_is_plain, value))
    )


def _members(annotation: Any, names: Mapping[str, Any]) -> list[Any]:
    if isinstance(annotation, str):
        found: list[Any] = []
        for node in _parts(ast.parse(annotation.strip(), mode="eval").body):
            try:
                value = eval(compile(ast.Expression(node), "<annotation>", "eval"), dict(names))
            except (NameError, AttributeError):  # known to the type checker only: nothing plain
                continue
            found += _members(value, names)
        return found
    origin, inner = get_origin(annotation), get_args(annotation)
    if len(alternatives(annotation)) > 1:
        return [member for part in inner for member in _members(part, names)]
    if annotation is None:
        return [type(None)]
    if origin is Literal or annotation in WORDS:
        return [annotation]
    if isinstance(annotation, type) and issubclass(annotation, Path):
        return [str]
    if origin in (list, tuple, Sequence) and inner and set(inner) <= {*WORDS, ...}:
        return [annotation if origin is tuple else list[inner[0]]]  # type: ignore[valid-type]
    return []


def _parts(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return [*_parts(node.left), *_parts(node.right)]
    return [node]


class Options:
    """The options of one command: reads a command line and a configuration, writes the help."""

    def __init__(self, usage: str, about: str, options: Sequence[Option]) -> None:
        self.usage = usage
        self.about = about
        self.options = {option.name: option for option in options}

    def read(self, words: Sequence[str], config: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What was given, by option name, and nothing else; the command line overrules the configuration."""
        config = config or {}
        for name, value in config.items():
            if name not in self.options:
                raise OptionError(f"the configuration has an unknown key {name!r}: {self._near(name)}")
            if not _is_plain(value):
                raise OptionError(
                    f"in the configuration, {name} must be {self.options[name].expected}, not {value!r}"
                )
        parser = self._parser()
        values = {self.options[name].key: value for name, value in config.items()}
        given = {
            **self._checked(lambda: parser.parse_object(values, defaults=False), "in the configuration, "),
            **self._checked(lambda: parser.parse_args(self._joined(words))),
        }
        return {o.name: given[o.key] for o in self.options.values() if o.key in given}

    def help(self) -> str:
        """The text of `--help`."""
        lines = [f"usage: unlabeled {self.usage}", "", self.about]
        for group in dict.fromkeys(option.group for option in self.options.values()):
            lines += ["", group]
            for option in self.options.values():
                if option.group == group:
                    lines += option.help(width=32)
        return "\n".join(lines)

    def _parser(self) -> Any:
        """One jsonargparse parser over all options. It sees plain types only: there is nothing to import."""
        import jsonargparse

        parser = jsonargparse.ArgumentParser(exit_on_error=False, add_help=False)
        for option in self.options.values():
            # SUPPRESS: what was not given stays absent, so that no default overrules a configuration
            if option.place == "named":
                parser.add_argument(
                    f"--{option.name}", dest=option.key, type=option.hint, default=argparse.SUPPRESS
                )
            else:
                nargs = "*" if option.place == "positionals" else "?"
                parser.add_argument(option.key, type=option.hint, nargs=nargs, default=argparse.SUPPRESS)
        return parser

    def _joined(self, words: Sequence[str]) -> list[str]:
        """`--name value` as `--name=value`, a bare truth value as true; unknown names are refused by name.

        Left alone, argparse takes `-1e-3` for an option and cannot say which name was nearly right.
        """
        joined: list[str] = []
        rest = list(words)
        while rest:
            word = rest.pop(0)
            if not word.startswith("--"):
                if re.match(r"-[a-zA-Z]", word):
                    raise OptionError(f"{word!r} is not understood: options are written --name value")
                joined.append(word)
                continue
            name, equals, _ = word[2:].partition("=")
            option = self.options.get(name)
            if option is None or option.place != "named":
                raise OptionError(f"there is no option --{name}: {self._near(name)}")
            if equals:
                joined.append(word)
            elif option.hint is bool and not (rest and rest[0].lower() in TRUTH):
                joined.append(f"{word}=true")
            elif not rest or rest[0].startswith("--"):
                raise OptionError(f"{word} needs a value: {option.expected}")
            else:
                joined.append(f"{word}={rest.pop(0)}")
        return joined

    def _checked(self, read: Callable[[], Any], where: str = "") -> dict[str, Any]:
        """What the parser read, or its complaint in words a person can use."""
        try:
            return dict(vars(read()))
        except argparse.ArgumentError as error:
            text = str(error)
        key = re.search(r'Parser key "(\w+)"', text)
        option = next((o for o in self.options.values() if key and o.key == key[1]), None)
        if option is not None:
            value = re.search(r"(?:Got|Given) value: (.*)", text, re.DOTALL)
            shown = f", not {value[1].strip()!r}" if value else ""
            raise OptionError(
                f"{where}{option.name if where else option.label} must be {option.expected}{shown}"
            )
        if extra := re.search(r"unrecognized arguments: (.*)", text, re.DOTALL):
            raise OptionError(f"{extra[1]!r} is one argument too many; usage: unlabeled {self.usage}")
        raise OptionError(f"{where}{text}")

    def _near(self, name: str) -> str:
        owned = [known for known in self.options if known.endswith(f".{name}")]
        return f"did you mean {owned[0]!r}?" if owned else nearest(name, self.options)
