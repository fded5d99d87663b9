"""The tasks of the accuracy benchmark: each one yields splits of real cells, train and test."""

import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import pandas as pd
from labels import DROP, LabelMap
from record import shared_data
from sklearn.model_selection import StratifiedKFold

import cellclassifier as cc

LABELS_KEY, LIBRARY_SIZE_KEY = "cell_type", "n_counts_all_genes"
N_FOLDS, SEED = 5, 0

Cells = Any  # AnnData has no types
Group = Literal["home", "abroad", "missing"]


@dataclass(frozen=True, eq=False)
class Split:
    """Cells to learn from and cells to name.

    Raw counts in X, labels in obs["cell_type"], library sizes over all genes of the source in
    obs["n_counts_all_genes"]. Cells of types that `training` has not got are not in `test`, but
    counted.
    """

    training: Cells
    test: Cells
    n_cells_of_unknown_types: int = 0


@dataclass(frozen=True)
class Task(ABC):
    """One question to all methods."""

    name: str
    data: tuple[str, ...]

    group = "home"
    n_folds = 1
    library_size_known = True

    @property
    @abstractmethod
    def how(self) -> str:
        """How cells are split, in words."""

    @abstractmethod
    def split(self, fold: int) -> Split:
        """Return the cells of one fold."""


@dataclass(frozen=True)
class Home(Task):
    """Stratified folds of one file; some types may be left out beforehand."""

    without: tuple[str, ...] = ()
    min_cells: int = 1

    n_folds = N_FOLDS

    @property
    def how(self) -> str:
        """The call of scikit-learn."""
        return f"StratifiedKFold({N_FOLDS}, shuffle=True, random_state={SEED})"

    def split(self, fold: int) -> Split:
        """Return four fifths and the last."""
        cells = read_counted(self.data[0])
        labels = cells.obs[LABELS_KEY].astype(str)
        sizes = labels.value_counts()
        kept = labels.isin(sizes.index[sizes >= self.min_cells]) & ~labels.isin(self.without)
        cells = cells[kept.to_numpy()].copy()
        training, test = stratified_folds(cells.obs[LABELS_KEY].astype(str))[fold]
        return checked(Split(cells[training].copy(), cells[test].copy()))


@dataclass(frozen=True)
class Missing(Home):
    """As at home, but the test cells lack a random share of all genes."""

    share: float = 0.0

    group = "missing"
    library_size_known = False

    @property
    def how(self) -> str:
        """The folds, and what the test cells lack."""
        return f"{super().how}; {self.share:.0%} of genes, drawn by default_rng(fold), not in test"

    def split(self, fold: int) -> Split:
        """Return a fold of which the test cells lack genes, and nobody knows library sizes."""
        split = super().split(fold)
        n_genes = split.test.n_vars
        lost = np.random.default_rng(fold).permutation(n_genes)[: round(self.share * n_genes)]
        test = split.test[:, np.setdiff1d(np.arange(n_genes), lost)].copy()
        for cells in (split.training, test):
            del cells.obs[LIBRARY_SIZE_KEY]
        return Split(split.training, test)


@dataclass(frozen=True)
class Abroad(Task):
    """All of one file to learn from, another one to name, on the genes that they share."""

    training_map: str | None = None
    test_map: str | None = None
    # a column of the test file's obs, and the value its cells have to have
    test_only: tuple[str, str] | None = None

    group = "abroad"

    @property
    def how(self) -> str:
        """Which file is which, and by which maps."""
        only = f" where {' is '.join(self.test_only)}" if self.test_only else ""
        maps = [name for name in (self.training_map, self.test_map) if name]
        by_maps = f"; labels by {' and '.join(maps)}" if maps else ""
        return f"train on {self.data[0]}, test on {self.data[1]}{only}{by_maps}; shared genes"

    def split(self, fold: int) -> Split:  # noqa: ARG002  (there is one)
        """Return both sides with the same genes in the same order, labels in the same words."""
        training, test = (read_counted(name) for name in self.data)
        training = relabelled(training, self.training_map)
        known = set(training.obs[LABELS_KEY]) - {DROP}
        if self.test_map:
            LabelMap.read(self.test_map).check_targets(known)
        test = relabelled(test, self.test_map)
        if self.test_only:
            key, value = self.test_only
            test = test[(test.obs[key] == value).to_numpy()]
        columns, other_columns = shared_genes(training.var, test.var)
        names = training.var_names[columns]
        training, test = training[:, columns].copy(), test[:, other_columns].copy()
        test.var_names = names
        return checked(of_known_types(training[(training.obs[LABELS_KEY] != DROP)], test))


@dataclass(frozen=True)
class LeaveOut(Task):
    """One file without the cells that have a value in a column of obs, which are named."""

    key: str = ""
    value: str = ""

    group = "abroad"

    @property
    def how(self) -> str:
        """The column and its value."""
        return f"train on {self.data[0]} but where {self.key} is {self.value}, test on those"

    def split(self, fold: int) -> Split:  # noqa: ARG002  (there is one)
        """Return those without the value, and those with it."""
        cells = relabelled(read_counted(self.data[0]), None)
        apart = (cells.obs[self.key] == self.value).to_numpy()
        return checked(of_known_types(cells[~apart], cells[apart]))


def of_known_types(training: Cells, test: Cells) -> Split:
    """Leave test cells out whose type the training cells have not got."""
    known = test.obs[LABELS_KEY].isin(set(training.obs[LABELS_KEY])).to_numpy()
    return Split(training.copy(), test[known].copy(), int((~known).sum()))


def checked(split: Split) -> Split:
    """Refuse a split in which a cell is on both sides, labels differ in words, or genes differ."""
    training, test = split.training, split.test
    if both := set(identities(training, test)) & set(identities(test, training)):
        raise ValueError(
            f"{len(both)} cells are in training and in test, such as {sorted(both)[0]}"
        )
    if unknown := set(test.obs[LABELS_KEY]) - set(training.obs[LABELS_KEY]):
        raise ValueError(f"the test has types that training has not got: {sorted(unknown)}")
    if list(training.var_names) != list(test.var_names):
        raise ValueError("training and test have other genes, or in another order")
    return split


def identities(cells: Cells, others: Cells) -> list[str]:
    """Return what tells cells apart from others: names in one file, barcodes across files.

    In one file a barcode may stand twice, as that of cells of two runs; between donors, some of
    the 737,280 barcodes of the kit meet by chance.
    """
    if cells.uns["file"] == others.uns["file"]:
        return [str(name) for name in cells.obs_names]
    if "barcode" in cells.obs and "barcode" in others.obs:
        return [
            f"{row.donor} {row.barcode}" for row in cells.obs[["donor", "barcode"]].itertuples()
        ]
    return [f"{cells.uns['file']} {name}" for name in cells.obs_names]


@cache
def read_counted(name: str) -> Cells:
    """Read a file and see to it that it has library sizes over all its genes; not to be changed."""
    cells = cc.read_cells(shared_data(name)).to_memory()
    cells.uns["file"] = name
    if LIBRARY_SIZE_KEY not in cells.obs:
        cells.obs[LIBRARY_SIZE_KEY] = np.asarray(cells.X.sum(axis=1)).ravel()
    return cells


def relabelled(cells: Cells, label_map: str | None) -> Cells:
    """Return a copy with mapped labels as plain text."""
    labels = cells.obs[LABELS_KEY].astype(str).to_numpy()
    copy = cells.copy()
    copy.obs[LABELS_KEY] = LabelMap.read(label_map).apply(labels) if label_map else labels
    return copy


def stratified_folds(labels: pd.Series) -> list[tuple[Any, Any]]:
    """Return the rows of training and test of each fold."""
    with warnings.catch_warnings():
        # the rarest types of the pancreas have fewer cells than there are folds
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=SEED)
        return list(folds.split(labels, labels))


def shared_genes(genes: pd.DataFrame, others: pd.DataFrame) -> tuple[Any, Any]:
    """Return the columns of the genes that both have, in the order of the first.

    By Ensembl id where both have one, else by symbol; an id or symbol that stands twice on one
    side tells nothing.
    """
    position_of_id = unique_positions(others["ensembl_id"])
    position_of_symbol = unique_positions(others["gene_symbol"])
    own_ids, own_symbols = (
        unique_positions(genes["ensembl_id"]),
        unique_positions(genes["gene_symbol"]),
    )
    has_id = [bool(str(name)) for name in others["ensembl_id"]]
    pairs: dict[int, int] = {
        position: position_of_id[name]
        for name, position in own_ids.items()
        if name in position_of_id
    }
    taken = set(pairs.values())
    for symbol, position in own_symbols.items():
        other = position_of_symbol.get(symbol)
        if position in pairs or other is None or other in taken:
            continue
        if not (str(genes["ensembl_id"].iloc[position]) and has_id[other]):
            pairs[position] = other
    columns = sorted(pairs)
    return np.array(columns), np.array([pairs[column] for column in columns])


def unique_positions(names: pd.Series) -> dict[str, int]:
    """Return the position of each name that is not empty and stands once."""
    texts = names.astype(str).reset_index(drop=True)
    texts = texts[(texts != "") & ~texts.duplicated(keep=False)]
    return {name: position for position, name in zip(texts.index.tolist(), texts, strict=True)}


def sorted_blood(name: str, test: str) -> Abroad:
    """Return the task of naming another selection of the sorted cells, by the first one."""
    data = ("zheng_sorted_facs.h5ad", "zheng_sorted_merged.h5ad")
    return Abroad(name, data, test_only=("upstream", test))


FACS, MERGED = "zheng_sorted_facs", "zheng_sorted_merged"
TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Home(FACS, (f"{FACS}.h5ad",)),
        Home(MERGED, (f"{MERGED}.h5ad",)),
        Home("baron_pancreas", ("baron_pancreas.h5ad",)),
        Home("zeisel_cortex", ("zeisel_cortex.h5ad",), without=("(none)",), min_cells=10),
        Home("paul15", ("paul15.h5ad",)),
        Home("cbmc_citeseq", ("cbmc_citeseq.h5ad",)),
        sorted_blood("facs_to_mudan", "mudan"),
        sorted_blood("facs_to_same", "same"),
        Abroad(
            "pbmc3k_to_3prime",
            ("pbmc3k.h5ad", "pbmc_10x_3prime.h5ad"),
            training_map="pbmc3k_common",
            test_map="pbmc_10x_3prime_common",
        ),
        Abroad(
            "merged_to_pbmc3k",
            (f"{MERGED}.h5ad", "pbmc3k.h5ad"),
            training_map="merged_coarse",
            test_map="pbmc3k_coarse",
        ),
        Abroad(
            "merged_to_3prime",
            (f"{MERGED}.h5ad", "pbmc_10x_3prime.h5ad"),
            training_map="merged_coarse",
            test_map="pbmc_10x_3prime_coarse",
        ),
        *(
            LeaveOut(f"merged_without_{value}", (f"{MERGED}.h5ad",), "upstream", value)
            for value in ("facs", "mudan", "same")
        ),
        *(
            LeaveOut(
                f"3prime_without_{value}", ("pbmc_10x_3prime.h5ad",), "protocol", f"10x 3p {value}"
            )
            for value in ("v1", "v2")
        ),
        Missing("facs_missing_30", (f"{FACS}.h5ad",), share=0.3),
        Missing("facs_missing_50", (f"{FACS}.h5ad",), share=0.5),
    )
}
GROUPS: tuple[str, ...] = ("home", "abroad", "missing")


def choose_tasks(words: str) -> list[Task]:
    """Return the tasks of comma-separated names and groups, in the order of the table."""
    asked = set(words.split(","))
    if unknown := asked - TASKS.keys() - set(GROUPS):
        raise SystemExit(f"there are no tasks {sorted(unknown)}; there are {[*GROUPS, *TASKS]}")
    return [task for task in TASKS.values() if asked & {task.name, task.group}]
