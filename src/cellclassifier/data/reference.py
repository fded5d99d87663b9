"""Labelled cells, as every kind of training takes them."""

from dataclasses import dataclass
from typing import TypedDict, Unpack

import anndata as ad
import numpy as np
import numpy.typing as npt

from cellclassifier.data.annotations import read_training_labels
from cellclassifier.data.batches import read_batches
from cellclassifier.data.counts import RawCounts, find_counts
from cellclassifier.labels import LabelSpace


class CountsArguments(TypedDict, total=False):
    """The keywords of `find_counts`, for all that hand them on."""

    layer: str | None
    library_size_key: str | None
    gene_ids: str | None
    allow_non_integer: bool


@dataclass(frozen=True, eq=False)
class LabelledCounts:
    """Raw counts and types of a reference.

    Parameters
    ----------
    raw
        The cells that have a label.
    codes
        The type of each of them, shape (n_cells,), int32.
    label_space
        The types.
    n_unlabelled
        Cells of the reference without a label, which were left out.
    batch_codes
        The donor, study or lane of each cell, shape (n_cells,), int32; None where none was told.
    """

    raw: RawCounts
    codes: npt.NDArray[np.int32]
    label_space: LabelSpace
    n_unlabelled: int
    batch_codes: npt.NDArray[np.int32] | None = None

    @classmethod
    def of(
        cls,
        reference: ad.AnnData,
        labels_key: str,
        *,
        strict: bool = False,
        batch_key: str | None = None,
        **counts: Unpack[CountsArguments],
    ) -> "LabelledCounts":
        """Read labels and counts.

        Parameters
        ----------
        reference
            Is not changed.
        labels_key
            The column of ``obs`` with the types.
        strict
            Whether to refuse a reference with unlabelled cells, instead of leaving them out.
        batch_key
            The column of ``obs`` with the batches; None for cells that are one.
        **counts
            The keywords of `find_counts`.

        Raises
        ------
        LabelError
            Labels are missing (all of them, or any under `strict`), or too few.
        InputError
            Batches are missing, or nothing can be told of them.
        CountsError
            No raw counts can be found or proved.
        """
        labels, labelled = read_training_labels(reference, labels_key, strict=strict)
        label_space = LabelSpace.of(labels)
        codes = label_space.encode(labels)
        batch_codes = None
        if batch_key is not None:
            batch_codes = read_batches(reference.obs, batch_key, labelled, labels)
        raw = find_counts(reference, **counts)
        n_unlabelled = len(raw) - len(labelled)
        raw = raw[labelled] if n_unlabelled else raw
        return cls(raw, codes, label_space, n_unlabelled, batch_codes)

    @property
    def labels(self) -> npt.NDArray[np.object_]:
        """The type of each cell, shape (n_cells,)."""
        return self.label_space.decode(self.codes)

    def __len__(self) -> int:
        return len(self.codes)
