"""The command that names cells from disk: its outputs, its words, and its ends."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from anndata.io import write_elem
from scipy import sparse

from cellclassifier import CellTypeClassifier, read_cells
from cellclassifier.data import read_predictions
from cellclassifier.data.streaming.writing import SparseWriter


@pytest.fixture
def annotate(command, reference_file, model_file):
    def run(*options, cells=reference_file):
        return command("annotate", cells, "--model", model_file, *options)

    return run


@pytest.fixture
def expected(model_file, toy_reference):
    return CellTypeClassifier.load(model_file).classify(toy_reference)


def check_same(path, expected):
    found = read_predictions(read_cells(path))
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)


@pytest.mark.parametrize("block_cells", ["1", "7", "1000"])
def test_blocks_change_nothing(annotate, expected, tmp_path, block_cells):
    out = tmp_path / "named.h5ad"
    assert annotate("--out", out, "--block-cells", block_cells) == 0
    check_same(out, expected)


def test_what_is_said(annotate, tmp_path, capsys):
    out = tmp_path / "named.h5ad"
    assert annotate("--out", out) == 0
    shown = capsys.readouterr()
    assert shown.err == ""  # no bar where that is no terminal
    assert re.search(r"predicted type +cells +median confidence", shown.out)
    assert re.search(r"NK +40 +\d\.\d\d", shown.out)
    assert "model's genes measured  100.0%" in shown.out
    assert f"wrote {out}" in shown.out


@pytest.mark.parametrize("options", [[], ["--annotations-only"]])
def test_a_table(annotate, expected, tmp_path, options):
    out = tmp_path / "named.csv.gz"
    assert annotate("--out", out, *options) == 0
    table = pd.read_csv(out)
    assert table["label"].tolist() == expected.labels.tolist()


def test_in_place(annotate, expected, reference_file):
    assert annotate("--in-place") == 0
    check_same(reference_file, expected)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        pytest.param([], ["--out NAMED.h5ad or --in-place"], id="no-output"),
        pytest.param(["--in-place", "--out", "named.h5ad"], ["one of the two"], id="two-outputs"),
        pytest.param(
            ["--annotations-only", "--out", "named.h5ad"], ["NAMED.csv", "named.h5ad"], id="copy"
        ),
        pytest.param(["--annotations-only", "--in-place"], ["the file itself"], id="no-table"),
        pytest.param(["--out", "named.txt"], [".h5ad or .zarr, or .csv"], id="other-kind"),
        pytest.param(["--out", "n.h5ad", "--block-cells", "0"], ["one cell or more"], id="block"),
    ],
)
def test_options_that_make_no_sense(
    annotate, tmp_path, monkeypatch, capsys, reference_file, options, told
):
    monkeypatch.chdir(tmp_path)
    before = reference_file.read_bytes()
    assert annotate(*options) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert len(shown.err.splitlines()) == 1
    assert [words for words in told if words not in shown.err] == []
    assert reference_file.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model.keras", "reference.h5ad"]


def test_parquet_without_its_package(annotate, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert annotate("--out", tmp_path / "named.parquet") == 1
    assert "cellclassifier[parquet]" in capsys.readouterr().err


# --- ends from outside, and memory, in processes of their own


def many_cells(path, n_cells, n_genes=60, genes_per_cell=None):
    """Write cells of one kind, block by block; they hold the genes of the toy reference."""
    rng, step = np.random.default_rng(0), 5_000
    symbols = [f"{name}MARK{i}" for name in ("B", "NK", "T") for i in range(10)]
    symbols += [f"HOUSE{i}" for i in range(n_genes - len(symbols))]
    share = (genes_per_cell or n_genes) / n_genes
    block = sparse.random(step, n_genes, share, "csr", rng=rng, dtype=np.float32)
    depth = np.repeat(rng.lognormal(0, 0.7, step), np.diff(block.indptr))
    block.data[:] = 1 + rng.poisson(depth * rng.lognormal(0, 1, block.nnz))
    with h5py.File(path, "w") as file:
        file.attrs["encoding-type"], file.attrs["encoding-version"] = "anndata", "0.1.0"
        writer = SparseWriter(file, "X", n_across=n_genes, dtype="f4")
        for _ in range(n_cells // step):
            writer.append(block)
        writer.finish()
        write_elem(file, "obs", pd.DataFrame(index=[f"c{number}" for number in range(n_cells)]))
        write_elem(file, "var", pd.DataFrame(index=symbols))
    return path


def begun(*arguments, **options):
    # a process inherits it where Ctrl-C is ignored, as in the background of a shell
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "cellclassifier", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "status"),
    [
        pytest.param(signal.SIGINT, 130, id="ctrl-c"),
        pytest.param(signal.SIGTERM, 143, id="terminated"),
        pytest.param(signal.SIGKILL, None, id="killed"),
    ],
)
def test_work_that_was_ended_goes_on(command, model_file, tmp_path, capsys, number, status):
    cells, out = many_cells(tmp_path / "cells.h5ad", 20_000), tmp_path / "named.h5ad"
    arguments = ["annotate", cells, "--model", model_file, "--out", out, "--block-cells", "40"]
    process, partial = begun(*arguments), tmp_path / "named.h5ad.partial"
    while process.poll() is None and len(list(partial.glob("block_*.npz"))) < 5:
        time.sleep(0.01)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert not out.exists()
    n_kept = len(list(partial.glob("block_*.npz")))
    assert 5 <= n_kept < 500
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    if status is not None:
        assert process.returncode == status
        assert re.fullmatch(
            rf"cellclassifier: interrupted: \d[\d,]* of 20,000 cells are named and kept in "
            rf"'{partial}'; run the same command again, and it goes on\n",
            said,
        )
    kept = {file: file.stat().st_mtime_ns for file in partial.glob("block_*.npz")}
    assert kept
    capsys.readouterr()
    assert command(*arguments) == 0
    told = rf"goes on where it was: {40 * n_kept:,} of 20,000 cells are named already\n"
    assert re.fullmatch(told, capsys.readouterr().err)
    whole = CellTypeClassifier.load(model_file)
    shift = read_predictions(read_cells(out)).shift
    check_same(out, whole.classify(read_cells(cells), shift=shift))
    assert sorted(Path(tmp_path).glob("*.partial")) == []


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="sends a signal to a group of processes")
def test_ctrl_c_at_a_terminal_ends_workers_of_this_machine_in_silence(model_file, tmp_path):
    cells, out = many_cells(tmp_path / "cells.h5ad", 20_000), tmp_path / "named.h5ad"
    options = ["--out", out, "--block-cells", "20", "--dask", "local:2"]
    process = begun("annotate", cells, "--model", model_file, *options, start_new_session=True)
    partial = tmp_path / "named.h5ad.partial"
    while process.poll() is None and len(list(partial.glob("block_*.npz"))) < 20:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # workers are in the group, too
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert re.fullmatch(
        r"cellclassifier: interrupted: \d[\d,]* of 20,000 cells are named and kept in .*goes on",
        said.splitlines()[-1],  # a backend may have words of its own before
    )


MEASURE = """
import json, re, sys
def peak_mb():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) / 1024
from cellclassifier import CellTypeClassifier
from cellclassifier.classifier.streaming import Streaming, annotate_file
model, small, cells, out = sys.argv[1:]
classifier = CellTypeClassifier.load(model)
streaming = Streaming(block_cells=500)
annotate_file(classifier, small, out, streaming=streaming)
before = peak_mb()
annotate_file(classifier, cells, out, streaming=streaming)
print(json.dumps([before, peak_mb()]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc of Linux")
def test_memory_does_not_grow_with_the_cells(model_file, tmp_path):
    small = many_cells(tmp_path / "small.h5ad", 5_000, n_genes=2_000, genes_per_cell=400)
    large = many_cells(tmp_path / "large.h5ad", 60_000, n_genes=2_000, genes_per_cell=400)
    assert large.stat().st_size > 180e6
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, model_file, small, large, tmp_path / "named.h5ad"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    before, after = json.loads(done.stdout.splitlines()[-1])
    assert after - before < 40  # the large file would take 190 MB, and several times that to name
