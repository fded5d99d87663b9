"""What reading had to settle, kept with the cells."""

from typing import Any

import anndata as ad

READING_KEY = "read_cells"


def record(cells: ad.AnnData, file_format: str, **facts: Any) -> ad.AnnData:  # noqa: ANN401
    """Write ``uns["read_cells"]``: the format, and what was kept, left out or turned.

    Files of AnnData get none, so that reading and writing them again adds nothing.

    Examples
    --------
    >>> import numpy as np
    >>> cells = record(ad.AnnData(np.ones((2, 3))), "table", genes_in="rows")
    >>> cells.uns["read_cells"]
    {'format': 'table', 'genes_in': 'rows'}
    """
    cells.uns[READING_KEY] = {**cells.uns.get(READING_KEY, {}), "format": file_format, **facts}
    return cells
