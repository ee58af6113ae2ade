"""What installing promises: a small base, honest extras, pinned versions, a quick and lean import."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

import unlabeled
from unlabeled.info import PACKAGES

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
OF_USERS = [name for name in EXTRAS if name not in ("all", "dev")]

MODULES = {
    "scikit-learn": "sklearn",
    "pyyaml": "yaml",
    "pillow": "PIL",
    "torch-geometric": "torch_geometric",
    "umap-learn": "umap",
    "huggingface-hub": "huggingface_hub",
}
"""packages that are imported under another name"""
THROUGH = {"tensorboard": "torch.utils.tensorboard"}
"""packages that are used through a module of another one"""


def package_of(requirement: str) -> str:
    return re.split(r"[<>=!~\[ ;]", requirement, maxsplit=1)[0].lower()


@cache
def imported() -> set[str]:
    """Every module that a file of the library imports, dotted, wherever in the file."""
    found: set[str] = set()
    for file in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module)
    return found


def is_imported(package: str) -> bool:
    module = THROUGH.get(package, MODULES.get(package, package))
    return any(name == module or name.startswith(f"{module}.") for name in imported())


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {name.lower().replace("_", "-"): version for name, version in pairs}


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0]))


def test_the_version_is_the_same_everywhere() -> None:
    assert unlabeled.__version__ == PROJECT["version"]
    assert f"## [Unreleased] – {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("requirement", [*PROJECT["dependencies"], *chain(*EXTRAS.values())])
def test_every_requirement_has_a_lower_bound_that_was_tested(requirement: str) -> None:
    if requirement.startswith("unlabeled["):
        assert set(requirement[len("unlabeled[") : -1].split(",")) <= set(EXTRAS)
        return
    package, bound = requirement.lower().split(">=")
    assert numbers(bound) <= numbers(pins()[package.replace("_", "-")])


def test_the_pinned_versions_name_no_address_and_no_local_file() -> None:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert not re.search(r"://|@ |^-|\.whl|\+", text, re.MULTILINE)


def test_the_base_install_holds_what_is_imported_and_nothing_else() -> None:
    assert [r for r in PROJECT["dependencies"] if not is_imported(package_of(r))] == []


@pytest.mark.parametrize("extra", OF_USERS)
def test_an_extra_brings_only_packages_that_some_file_imports(extra: str) -> None:
    assert [r for r in EXTRAS[extra] if not is_imported(package_of(r))] == []


def test_everything_imported_is_declared() -> None:
    declared = {package_of(r) for r in [*PROJECT["dependencies"], *chain(*(EXTRAS[e] for e in OF_USERS))]}
    known = {MODULES.get(package, package) for package in declared} | set(sys.stdlib_module_names)
    assert {name.partition(".")[0] for name in imported()} - known - {"unlabeled"} == set()


def test_info_lists_the_packages_that_installing_brings() -> None:
    extras = {package_of(r): extra for extra in OF_USERS for r in EXTRAS[extra]}
    base = {package_of(r): "" for r in PROJECT["dependencies"]}
    assert base | extras == PACKAGES


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        (
            "import unlabeled; unlabeled.load; unlabeled.methods.table()",
            ["lightning", "jsonargparse", "matplotlib", "jinja2", "timm", "tifffile", "tensorboard"],
        ),
        ("from unlabeled.cli import main; main(['--help'])", ["torch", "lightning", "numpy", "jsonargparse"]),
    ],
)
def test_what_is_not_needed_is_not_imported(code: str, absent: list[str]) -> None:
    check = f"; import sys; sys.exit(' '.join(m for m in {absent} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code + check], capture_output=True, text=True)
    assert done.stderr == "\n"
