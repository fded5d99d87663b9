"""Parts of one set of cells put together."""

from collections.abc import Sequence
from typing import Literal

import anndata as ad
import numpy as np
import pandas as pd

from cellclassifier.errors import FileFormatError


def joined(parts: Sequence[ad.AnnData], axis: Literal["obs", "var"]) -> tuple[ad.AnnData, int]:
    """Put parts one after the other along `axis`; what a part does not list is 0 there.

    Returns
    -------
    cells
        In memory, names in the order in which the parts list them.
    n_not_in_every
        The number of names of the other axis that not every part lists.

    Raises
    ------
    FileFormatError
        Two parts share a name along `axis`.

    Examples
    --------
    >>> parts = [ad.AnnData(np.ones((1, len(genes))), var=pd.DataFrame(index=list(genes)))
    ...          for genes in ("BA", "B")]
    >>> parts[0].obs_names, parts[1].obs_names = ["one"], ["two"]
    >>> cells, n_not_in_every = joined(parts, "obs")
    >>> cells.X.tolist(), cells.var_names.tolist(), n_not_in_every
    ([[1.0, 1.0], [1.0, 0.0]], ['B', 'A'], 1)
    """
    own = [part.obs_names if axis == "obs" else part.var_names for part in parts]
    other = [part.var_names if axis == "obs" else part.obs_names for part in parts]
    names = np.concatenate(own)
    repeated = pd.Index(names).duplicated()
    if repeated.any():
        raise FileFormatError(f"two of its parts name '{names[repeated][0]}'")
    n_parts = pd.Series(np.concatenate(other)).value_counts(sort=False)  # in order of appearance
    cells = ad.concat(
        [part.to_memory() for part in parts], axis=axis, join="outer", fill_value=0, merge="first"
    )
    cells = cells[:, n_parts.index] if axis == "obs" else cells[n_parts.index]
    return cells.copy(), int((n_parts < len(parts)).sum())
