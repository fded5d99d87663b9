"""The commands that draw."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from cellclassifier import write_cells

SVG, PNG = b"<?xml", b"\x89PNG"


@pytest.mark.parametrize("what", ["confusion", "reliability", "answered"])
def test_annotated_cells_are_scored_and_drawn(command, named_file, tmp_path, what):
    out = tmp_path / f"{what}.png"
    assert command("plot", what, named_file, "--truth-key", "cell_type", "--out", out) == 0
    assert out.read_bytes().startswith(PNG)


def test_several_files_get_a_line_each(command, named_file, tmp_path):
    out = tmp_path / "answered.svg"
    asked = ["--truth-key", "cell_type", "--out", out]
    assert command("plot", "answered", named_file, named_file, *asked) == 0
    assert out.read_bytes().startswith(SVG)
    assert command("plot", "answered", "--truth-key", "cell_type", "--out", out) == 1


def test_genes_of_all_types_and_of_one(command, model_file, reference_file, tmp_path, capsys):
    for name, asked in (
        ("dots.svg", []),
        ("cells.svg", ["--cells", reference_file]),
        ("one.svg", ["--type", "T", "--genes", 5]),
    ):
        assert command("plot", "genes", model_file, "--out", tmp_path / name, *asked) == 0
        assert (tmp_path / name).read_bytes().startswith(SVG)
    assert command("plot", "genes", model_file, "--out", tmp_path / "q.svg", "--type", "Q") == 1
    assert "no cell was explained as 'Q'" in capsys.readouterr().err


def test_cells_where_they_are_and_where_they_are_put(command, named_file, tmp_path, capsys):
    named = ad.read_h5ad(named_file)
    named[:40].write_h5ad(tmp_path / "few.h5ad")
    out = tmp_path / "map.png"
    assert command("plot", "embedding", tmp_path / "few.h5ad", "--out", out) == 0
    named.obsm["X_umap"] = np.random.default_rng(0).normal(size=(named.n_obs, 2))
    write_cells(named, tmp_path / "laid_out.h5ad")
    confidence = ["--colour", "predicted_cell_type_confidence"]
    assert command("plot", "embedding", tmp_path / "laid_out.h5ad", "--out", out, *confidence) == 0
    for wrong, says in (
        (["--colour", "louvain"], "no column 'louvain'"),
        (["--basis", "X_tsne"], "no 'X_tsne' in .obsm"),
    ):
        path = tmp_path / "laid_out.h5ad"
        assert command("plot", "embedding", path, "--out", out, *wrong) == 1
        assert says in capsys.readouterr().err


def test_panels_by_size(command, tmp_path, capsys):
    scores = {
        f"{score}{end}": [low, low, high]
        for score in ("accuracy", "macro_f1")
        for end, low, high in (("", 0.5, 0.9), ("_low", 0.4, 0.8), ("_high", 0.6, 1.0))
    }
    pd.DataFrame({"rank": [1, 2, 3], "panel_size": [2, 2, 3], **scores}).to_csv(
        tmp_path / "panel.csv"
    )
    assert command("plot", "panel", tmp_path / "panel.csv", "--out", tmp_path / "p.pdf") == 0
    assert (tmp_path / "p.pdf").read_bytes().startswith(b"%PDF")
    (tmp_path / "other.csv").write_text("gene\nCD3D\n")
    assert command("plot", "panel", tmp_path / "other.csv", "--out", tmp_path / "o.pdf") == 1
    assert "is not a table of the command panel" in capsys.readouterr().err


def test_a_figure_of_another_kind_is_refused(command, model_file, tmp_path, capsys):
    assert command("plot", "genes", model_file, "--out", tmp_path / "genes.gif") == 1
    assert "name it one of .png, .svg, .pdf" in capsys.readouterr().err
