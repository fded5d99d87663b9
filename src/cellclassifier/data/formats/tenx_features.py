"""What the files of 10x Genomics say of their features: which are genes, and their names."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cellclassifier.errors import FileFormatError

GENE_EXPRESSION = "Gene Expression"
FEATURE_TYPES = "feature_types"


def kept_genes(features: pd.DataFrame) -> tuple[npt.NDArray[np.bool_], dict[str, Any]]:
    """Tell which features are gene expression, and say what the others are.

    Returns
    -------
    kept
        Shape (n_features,).
    facts
        ``dropped_feature_types`` and ``n_dropped_features``, the number of each, where there are
        any.

    Raises
    ------
    FileFormatError
        There is no gene expression.

    Examples
    --------
    >>> kept, facts = kept_genes(pd.DataFrame(
    ...     {"feature_types": ["Gene Expression", "Antibody Capture", "Antibody Capture"]}))
    >>> kept.tolist(), facts["dropped_feature_types"].tolist(), facts["n_dropped_features"].tolist()
    ([True, False, False], ['Antibody Capture'], [2])
    """
    if FEATURE_TYPES not in features:
        return np.ones(len(features), dtype=bool), {}
    kept = np.asarray(features[FEATURE_TYPES] == GENE_EXPRESSION)
    dropped = features[FEATURE_TYPES][~kept].value_counts().sort_index()
    if not kept.any():
        raise FileFormatError(
            f"it holds no counts of '{GENE_EXPRESSION}', only {dict(dropped.items())} features"
        )
    if not len(dropped):
        return kept, {}
    return kept, {
        "dropped_feature_types": np.array(dropped.index, dtype=object),
        "n_dropped_features": dropped.to_numpy(),
    }


def var_of(genes: pd.DataFrame) -> pd.DataFrame:
    """Return the genes named by their ids.

    Raises
    ------
    FileFormatError
        An id is there twice.
    """
    repeated = genes["ensembl_id"].duplicated()
    if repeated.any():
        raise FileFormatError(f"it names '{genes['ensembl_id'][repeated].iloc[0]}' twice")
    columns = [
        "gene_symbol",
        "ensembl_id",
        *genes.columns.difference(["gene_symbol", "ensembl_id"]),
    ]
    return genes[columns].set_axis(pd.Index(genes["ensembl_id"].to_numpy(), dtype=object))
