"""The command that downloads published sets of cells."""

# The heavy imports stand inside the function, so that --help answers at once. The signature is
# read when the command runs: its types have to be real.

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from cellclassifier.cli.console import say

Switch = Parameter(negative="")


def fetch(
    name: str | None = None,
    *,
    out: Path | None = None,
    list_sets: Annotated[bool, Parameter(name="--list", negative="")] = False,
    cells_per_type: int | Literal["all"] | None = None,
    seed: int = 0,
    catalogue: Path | None = None,
    cache: Path | None = None,
    offline: Annotated[bool, Switch] = False,
    accept_change: Annotated[bool, Switch] = False,
) -> None:
    """Download a published set of cells, and write it to one file.

    Parameters
    ----------
    name
        The set, such as zheng-sorted.
    out
        The folder to write NAME.h5ad to, made where it is missing.
    list_sets
        Show every set with size, licence, citation, and whether it is at hand; download nothing.
    cells_per_type
        How many cells of each type to draw, or all; without it, what the catalogue says: 2000 for
        zheng-sorted.
    seed
        Of the draw.
    catalogue
        A TOML file with sets of your own; docs/how-to/fetch.md has the schema.
    cache
        The folder of downloads; without it, what the variable CELLCLASSIFIER_CACHE says, or else
        the system's folder for caches.
    offline
        Use what is in the cache and nothing else.
    accept_change
        Where a file has changed since its first download, take the new one.
    """
    from cellclassifier.errors import InputError
    from cellclassifier.fetching import Downloads, describe_sets, download_bars, fetch_cells

    downloads = Downloads(cache, offline=offline, accept_change=accept_change)
    if list_sets:
        if name is not None or out is not None:
            raise InputError("fetch takes NAME --out DIR, or --list alone")
        say(describe_sets(catalogue, downloads))
        return
    if name is None or out is None:
        raise InputError(
            "fetch takes a name and a folder: cellclassifier fetch zheng-sorted --out DIR; "
            "cellclassifier fetch --list shows the names"
        )
    with download_bars() as watch:
        fetched = fetch_cells(
            name,
            out,
            cells_per_type=cells_per_type,
            seed=seed,
            catalogue=catalogue,
            downloads=downloads,
            watch=watch,
        )
    say(str(fetched))
    say(f"wrote {fetched.path}")
