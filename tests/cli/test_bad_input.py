"""Bad input: one clear line, a status other than zero, nothing written."""

import shlex
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

# Command lines; {reference}, {model} and {named} are good, {bad} is what a case makes bad.
LABELS = "--labels-key cell_type"
TRUTH = "--truth-key cell_type"
TRAIN = f"train {{reference}} {LABELS} --out {{new}}.keras"
TRAIN_BAD = f"train {{bad}} {LABELS} --out {{new}}.keras"
ANNOTATE = "annotate {reference} --model {model} --out {new}.h5ad"
ANNOTATE_BAD = "annotate {bad} --model {model} --out {new}.h5ad"
EVALUATE = f"evaluate {{named}} {TRUTH} --out {{new}}.json --confusion {{new}}.png"


@pytest.fixture
def paths(tmp_path, reference_file, model_file, named_file):
    return {
        "reference": reference_file,
        "model": model_file,
        "named": named_file,
        "bad": tmp_path / "bad.h5ad",
        "map": tmp_path / "map.csv",
        "new": tmp_path / "new",
        "folder": tmp_path,
    }


@pytest.fixture
def refused(command, capsys, paths):
    """Run a command that has to fail, and fail well; return what it says."""

    def run(line: str) -> str:
        arguments = [word.format_map(paths) for word in shlex.split(line)]
        before = listing(paths["folder"])
        capsys.readouterr()
        assert command(*arguments) != 0
        shown = capsys.readouterr()
        assert len(shown.err.splitlines()) == 1, shown.err
        assert shown.err.startswith("cellclassifier: ")
        assert shown.out == ""
        assert "Traceback" not in shown.err
        assert "internal error" not in shown.err
        assert listing(paths["folder"]) == before
        return shown.err

    return run


def listing(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def check(message: str, told: list[str]) -> None:
    assert [words for words in told if words not in message] == [], message


# Files that are no cells.


def not_there(_, __):
    pass


def text(path, _):
    path.write_text("gene,a,b\n1,2")


def empty(path, _):
    path.touch()


def folder(path, _):
    path.mkdir()


def other_hdf5(path, _):
    with h5py.File(path, "w") as file:
        file["counts"] = [1, 2, 3]


def half(path, good):
    path.write_bytes(good.read_bytes()[: good.stat().st_size // 2])


def all_but_the_end(path, good):
    path.write_bytes(good.read_bytes()[:-100])


@pytest.mark.parametrize("line", [TRAIN_BAD, ANNOTATE_BAD], ids=["train", "annotate"])
@pytest.mark.parametrize(
    ("make", "told"),
    [
        pytest.param(not_there, ["there is no file", "bad.h5ad"], id="wrong-path"),
        pytest.param(text, ["is not an h5ad file", "12 bytes"], id="not-an-h5ad"),
        pytest.param(empty, ["is not an h5ad file", "0 bytes"], id="empty-file"),
        pytest.param(folder, ["is not an h5ad file", "a folder"], id="folder"),
        pytest.param(other_hdf5, ["not an h5ad file", "['counts']"], id="another-hdf5"),
        pytest.param(half, ["cut off", " bytes)"], id="truncated-to-half"),
        pytest.param(all_but_the_end, ["cut off", " bytes)"], id="truncated-at-the-end"),
    ],
)
def test_file_that_is_no_cells(refused, paths, line, make, told):
    make(paths["bad"], paths["reference"])
    check(refused(line), told)


# Cells that are not what is needed.


def no_cells(cells):
    return cells[:0].copy()


def no_genes(cells):
    return cells[:, :0].copy()


def one_type(cells):
    return cells[cells.obs["cell_type"] == "NK"].copy()


def type_with_one_cell(cells):
    keep = (cells.obs["cell_type"] != "NK").to_numpy()
    keep[np.flatnonzero(~keep)[0]] = True
    return cells[keep].copy()


def labels_missing(cells):
    labels = cells.obs["cell_type"].astype(object)
    labels.iloc[:7] = np.nan
    cells.obs["cell_type"] = labels
    return cells


def genes_renamed(n_kept):
    def rename(cells):
        others = [f"OTHER{i}" for i in range(60 - n_kept)]
        cells.var = pd.DataFrame(index=[*cells.var_names[:n_kept], *others])
        return cells

    return rename


def one_value(value):
    def put(cells):
        cells.X.data[5] = value
        return cells

    return put


def scaled(cells):
    dense = cells.X.toarray()
    cells.X = (dense - dense.mean(axis=0)) / dense.std(axis=0)
    return cells


def fractions(cells):
    cells.X = cells.X * 0.37
    return cells


def cell_without_counts(cells):
    dense = cells.X.toarray()
    dense[3] = 0
    cells.X = sparse.csr_matrix(dense)
    return cells


NO_COUNTS = "no raw counts were found"


@pytest.mark.parametrize(
    ("line", "change", "told"),
    [
        pytest.param(TRAIN_BAD, no_cells, ["0 cells"], id="no-cells-train"),
        pytest.param(ANNOTATE_BAD, no_cells, ["0 cells and 60 genes"], id="no-cells-annotate"),
        pytest.param(ANNOTATE_BAD, no_genes, ["120 cells and 0 genes"], id="no-genes"),
        pytest.param(
            f"{TRAIN_BAD} --strict", type_with_one_cell,
            ["single cell", "['NK']", "at least 2"], id="one-cell",
        ),
        pytest.param(TRAIN_BAD, one_type, ["one label ['NK']", "two types"], id="one-type-only"),
        pytest.param(
            f"{TRAIN_BAD} --strict", labels_missing, ["7 of 120 cells", "notna()"], id="nan-labels"
        ),
        pytest.param(
            ANNOTATE_BAD, genes_renamed(0),
            ["only 0 of the model's 60 genes", "'OTHER0'", "--gene-ids"], id="no-gene-in-common",
        ),
        pytest.param(
            ANNOTATE_BAD, genes_renamed(11), ["only 11 of the model's 60 genes", "20%"],
            id="under-a-fifth-of-the-panel",
        ),
        pytest.param(
            TRAIN_BAD, one_value(-1), [NO_COUNTS, "negative values down to -1"], id="negative"
        ),
        pytest.param(TRAIN_BAD, one_value(np.nan), [NO_COUNTS, "1 values that are NaN"], id="nan"),
        pytest.param(
            ANNOTATE_BAD, scaled, [NO_COUNTS, "scaled or centred", "layers['counts']"], id="scaled"
        ),
        pytest.param(TRAIN_BAD, fractions, [NO_COUNTS, "not whole"], id="not-whole"),
        pytest.param(TRAIN_BAD, cell_without_counts, ["['cell3']"], id="cell-without-counts"),
    ],
)  # fmt: skip
def test_cells_that_are_not_what_is_needed(refused, paths, toy_reference, line, change, told):
    change(toy_reference).write_h5ad(paths["bad"])
    check(refused(line), told)


# Truths and label maps.


@pytest.mark.parametrize(
    ("label", "told"),
    [
        pytest.param("neuron", ["share no label", "['neuron']", "--label-map"], id="none-shared"),
        pytest.param(None, ["120 of 120 cells have no label"], id="missing"),
    ],
)
def test_truth_that_cannot_be_compared(refused, paths, label, told):
    named = ad.read_h5ad(paths["named"])
    named.obs["cell_type"] = pd.Categorical([label] * 120)
    named.write_h5ad(paths["named"])
    check(refused(EVALUATE), told)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param(None, ["there is no label map"], id="not-there"),
        pytest.param(b"from,to\nB,B\n", ["label,mapped", "['from', 'to']"], id="other-columns"),
        pytest.param(b"label,mapped\nB\n", ["two columns; it has ['B']"], id="one-column"),
        pytest.param(b"", ["it has nothing"], id="empty"),
        pytest.param(b"\xff\xfe\x00label", ["is not a CSV text"], id="binary"),
        pytest.param(b"label,mapped\nB,x\nB,y\n", ["sends 'B' to two labels"], id="twice"),
        pytest.param(b"label,mapped\nB,x\n", ["nothing about ['NK', 'T']"], id="incomplete"),
        pytest.param(b"label,mapped\nB,\nT,x\n", ["leads ['B'] to no label"], id="to-nothing"),
        pytest.param(b"label,mapped\n,x\n", ["a line without a label"], id="of-nothing"),
    ],
)
def test_bad_label_map(refused, paths, content, told):
    if content is not None:
        paths["map"].write_bytes(content)
    check(refused(f"{EVALUATE} --label-map {{map}}"), told)


# Places that cannot be written, and options that make no sense.


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(f"train {{reference}} {LABELS} --out {{missing}}/m.keras", id="train"),
        pytest.param("annotate {reference} --model {model} --out {missing}/n.h5ad", id="annotate"),
        pytest.param(f"genes {{reference}} {LABELS} --out {{missing}}/r.csv", id="genes"),
        pytest.param(f"evaluate {{named}} {TRUTH} --out {{missing}}/e.json", id="evaluate"),
        pytest.param(f"evaluate {{named}} {TRUTH} --confusion {{missing}}/c.png", id="confusion"),
    ],
)
def test_output_folder_missing(refused, paths, line):
    paths["missing"] = paths["folder"] / "missing"
    check(refused(line), ["cannot write", str(paths["missing"]), "does not exist; make it first"])


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(f"train {{reference}} {LABELS} --out {{new}}.keras", id="train"),
        pytest.param("annotate {reference} --model {model} --out {new}.h5ad", id="annotate"),
        pytest.param(f"genes {{reference}} {LABELS} --out {{new}}.csv", id="genes"),
        pytest.param(f"evaluate {{named}} {TRUTH} --out {{new}}.json", id="evaluate"),
        pytest.param(f"evaluate {{named}} {TRUTH} --confusion {{new}}.png", id="confusion"),
    ],
)
def test_output_is_a_folder(refused, paths, line):
    for suffix in (".keras", ".h5ad", ".csv", ".json", ".png"):
        paths["new"].with_suffix(suffix).mkdir()
    check(refused(line), ["cannot write", str(paths["new"]), "it is a folder"])


@pytest.mark.parametrize(
    ("line", "told"),
    [
        pytest.param("demo --out {model}", ["cannot make the folder"], id="demo-into-a-file"),
        pytest.param(
            f"train {{reference}} {LABELS} --out {{new}}.h5", ["end in .keras"], id="model-name"
        ),
        pytest.param(
            "annotate {reference} --model {model} --out {new}.txt", [".h5ad or .zarr"], id="name"
        ),
        pytest.param(
            f"evaluate {{named}} {TRUTH} --confusion {{new}}.gif", [".png, .svg"], id="figure-name"
        ),
        pytest.param(
            "train {reference} --labels-key type --out {new}.keras",
            ["no column 'type' in .obs", "['cell_type']"], id="labels-key-missing",
        ),
        pytest.param(
            "genes {reference} --labels-key type --out {new}.csv",
            ["no column 'type' in .obs", "['cell_type']"], id="labels-key-missing-genes",
        ),
        pytest.param(
            "evaluate {named} --truth-key type", ["no column 'type'", "'cell_type'"],
            id="truth-key-missing",
        ),
        pytest.param(
            f"{TRAIN} --network lstm",
            ["no network 'lstm'", "'linear', 'wide-deep', 'mlp'"],
            id="network",
        ),
        pytest.param(f"{TRAIN} --network cnn", ["60 genes are too few"], id="too-few-for-cnn"),
        pytest.param(f"{TRAIN} --epochs 0", ["epochs has to be positive, not 0"], id="epochs"),
        pytest.param(f"{TRAIN} --seed -1", ["a seed is a whole number", "-1"], id="seed"),
        pytest.param("demo --out {new} --seed -1", ["a seed is a whole number"], id="demo-seed"),
        pytest.param(f"{TRAIN} --genes 0", ["one gene", "not 0"], id="genes-zero"),
        pytest.param(f"{TRAIN} --genes most", ["genes", "most"], id="genes-a-word"),
        pytest.param(f"{TRAIN} --layer umi", ["no layer 'umi'"], id="layer"),
        pytest.param(
            f"{ANNOTATE} --library-size-key depth", ["no column 'depth'"], id="library-size"
        ),
        pytest.param(
            f"{ANNOTATE} --library-size-key cell_type", ["'cell_type'", "not counts"],
            id="library-size-of-words",
        ),
        pytest.param(f"{ANNOTATE} --gene-ids name", ["no column 'name'"], id="gene-ids"),
        pytest.param(
            f"evaluate {{reference}} {TRUTH}", ["carry no predictions", "annotate them first"],
            id="not-annotated",
        ),
        pytest.param("inspect {new}.keras", ["there is no model file"], id="inspect-no-model"),
        pytest.param("inspect {reference}", ["is not a model file"], id="inspect-cells"),
        pytest.param(
            "annotate {reference} --model {named} --out {new}.h5ad", ["is not a model file"],
            id="cells-for-a-model",
        ),
        pytest.param("inspect", ["a model file or --preset"], id="inspect-nothing"),
        pytest.param("inspect --preset resnet", ["'resnet'", "'original-cnn'"], id="preset"),
        pytest.param("anotate {reference}", ["anotate", "--help lists"], id="unknown-command"),
        pytest.param(f"{ANNOTATE} --modle x", ["--modle", "--help lists"], id="unknown-option"),
        pytest.param("train {reference}", ["--labels-key", "--help lists"], id="option-missing"),
    ],
)  # fmt: skip
def test_options_that_make_no_sense(refused, line, told):
    check(refused(line), told)
