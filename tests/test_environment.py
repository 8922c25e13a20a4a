"""What is installed is what environment.yml pins, and there is one list of pins."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
PINS = next(item["pip"] for item in ENVIRONMENT["dependencies"] if isinstance(item, dict))


@pytest.mark.parametrize("pin", PINS)
def test_installed_is_what_is_pinned(pin):
    name, version = pin.split("==")
    assert metadata.version(name).split("+")[0] == version  # the local label, +cpu, is the build's


def test_python_is_the_one_named():
    (python,) = (item for item in ENVIRONMENT["dependencies"] if isinstance(item, str) and item.startswith("python"))
    assert python == f"python={sys.version_info.major}.{sys.version_info.minor}"


def test_the_makefile_reads_every_pin_and_has_none_of_its_own():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    expression = re.search(r"s/\^ \*- \*\\\(([^)]*)\\\)", text)[1]
    pattern = re.compile(r"^ *- *(" + expression.replace("\\", "") + ")")
    lines = (ROOT / "environment.yml").read_text(encoding="utf-8").splitlines()
    assert [match[1] for line in lines if (match := pattern.match(line))] == PINS
    assert not [pin for pin in PINS if pin in text]


def test_no_other_list_of_pins():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert "dependencies =" not in project and not list(ROOT.glob("requirements*.txt"))


def test_every_import_is_pinned():
    """A library that only comes along with another may go with it."""
    pinned = {pin.split("==")[0].lower().replace("_", "-") for pin in PINS}
    providers = metadata.packages_distributions()
    missing = set()
    for path in [*(ROOT / "sersupport").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]:
        for line in path.read_text(encoding="utf-8").splitlines():
            match = re.match(r"\s*(?:from|import) ([a-zA-Z_]\w*)", line)
            if match and match[1] in providers and match[1] != "sersupport":
                own = {name.lower().replace("_", "-") for name in providers[match[1]]}
                if not own & pinned:
                    missing.add((match[1], path.name))
    assert not missing


def test_everything_in_the_package_is_installed_with_it():
    """Weights, printed tables and style sheets lie where setuptools is told to look."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    declared = project["tool"]["setuptools"]["package-data"].items()
    found = [path for package, globs in declared for glob in globs for path in ROOT.glob(f"{as_path(package)}/{glob}")]
    assert data_files(found) == data_files((ROOT / "sersupport").rglob("*"))


def as_path(package: str) -> str:
    return package.replace(".", "/")


def data_files(paths) -> set[Path]:
    return {path for path in paths if path.is_file() and path.suffix not in (".py", ".pyc")}
