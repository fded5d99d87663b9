"""Write the conda recipe from pyproject.toml, so that it cannot fall behind.

    python scripts/build_conda_recipe.py

Writes conda/recipe.yaml (the recipe format 1, of rattler-build), which builds from this tree.
"""

import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "conda" / "recipe.yaml"
# where conda-forge's name is another one
CONDA_NAMES = {"isal": "python-isal", "matplotlib": "matplotlib-base"}

TEMPLATE = """\
# Written by scripts/build_conda_recipe.py from pyproject.toml; not to be changed by hand.
# rattler-build build --recipe conda/recipe.yaml --channel conda-forge
schema_version: 1

package:
  name: {name}
  version: "{version}"

source:
  path: ..

build:
  noarch: python
  script: python -m pip install . --no-deps --no-build-isolation -vv
  python:
    entry_points:
{entry_points}

requirements:
  host:
    - python {python}
    - pip
{build}
  run:
    - python {python}
{run}

tests:
  - python:
      imports:
        - cellclassifier
  - script:
      - cellclassifier --version
      - cellclassifier demo --out demo

about:
  summary: {description}
  license: {licence}
  license_file: LICENSE
"""


def main() -> None:
    """Write the recipe."""
    RECIPE.write_text(recipe(), encoding="utf-8")
    sys.stdout.write(f"wrote {RECIPE.relative_to(ROOT)}\n")


def recipe() -> str:
    """Return the text of the recipe."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project: dict[str, Any] = settings["project"]
    scripts = [f"{name} = {target}" for name, target in project["scripts"].items()]
    return TEMPLATE.format(
        name=project["name"],
        version=project["version"],
        description=project["description"],
        licence=project["license"],
        python=project["requires-python"],
        entry_points=listed(scripts, 6),
        build=listed(map(conda_name, settings["build-system"]["requires"]), 4),
        run=listed(map(conda_name, project["dependencies"]), 4),
    )


def listed(items: Iterable[str], indent: int) -> str:
    """Return the items as lines of a YAML list."""
    return "\n".join(f"{' ' * indent}- {item}" for item in items)


def conda_name(requirement: str) -> str:
    """Return a requirement as conda writes it.

    >>> conda_name("matplotlib>=3.9")
    'matplotlib-base >=3.9'
    """
    name, bound = re.fullmatch(r"([\w.-]+)(.*)", requirement).groups()  # type: ignore[union-attr]
    return f"{CONDA_NAMES.get(name, name)} {bound}".strip()


if __name__ == "__main__":
    main()
