"""The command panel, genes --plot, and train --genes with a file."""

import pandas as pd
import pytest

from cellclassifier import CellTypeClassifier


@pytest.fixture
def panel(command, reference_file, tmp_path):
    """Run the command on the toy cells; options may replace the usual ones."""

    def run(*options):
        usual = {"--labels-key": "cell_type", "--out": tmp_path / "panel.csv", "--sizes": "2,5"}
        given = [option for name in usual if name not in options for option in (name, usual[name])]
        return command("panel", reference_file, *given, *options)

    return run


def test_panel_writes_genes_in_order_with_what_each_size_reaches(panel, tmp_path, capsys):
    plot = tmp_path / "panel.png"
    assert panel("--sizes", "5,2,5", "--plot", plot) == 0
    table = pd.read_csv(tmp_path / "panel.csv")
    assert table.columns.tolist() == [
        "rank", "ensembl_id", "gene_symbol", "gain", "panel_size",
        "accuracy", "accuracy_low", "accuracy_high",
        "macro_f1", "macro_f1_low", "macro_f1_high",
    ]  # fmt: skip
    assert table["rank"].tolist() == [1, 2, 3, 4, 5]
    assert table["panel_size"].tolist() == [2, 2, 5, 5, 5]
    assert table["gene_symbol"].str.contains("MARK").all()
    assert table["ensembl_id"].str.startswith("ENSG").all()
    assert (table["accuracy_low"] <= table["accuracy"]).all()
    assert table["accuracy"].iloc[-1] > 0.9
    assert plot.read_bytes().startswith(b"\x89PNG")
    told = capsys.readouterr().out
    assert told.count("redundancy-aware") == told.count("most divergent") == 2
    assert "5 genes, best first" in told


def test_the_same_seed_gives_the_same_file(panel, tmp_path):
    contents = []
    for name in ("one.csv", "two.csv"):
        assert panel("--out", tmp_path / name, "--sizes", "2", "--seed", "3") == 0
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1]


@pytest.mark.parametrize("command_name", ["panel", "genes"])
def test_train_takes_the_genes_of_a_table(command, panel, reference_file, tmp_path, command_name):
    table, model = tmp_path / "panel.csv", tmp_path / "of_panel.keras"
    if command_name == "panel":
        assert panel("--sizes", "4") == 0
    else:
        assert command("genes", reference_file, "--labels-key", "cell_type", "--out", table) == 0
    train = ["train", reference_file, "--labels-key", "cell_type", "--out", model]
    assert command(*train, "--network", "linear", "--genes", table) == 0
    names = CellTypeClassifier.load(model).manifest_.panel.names.tolist()
    assert names == pd.read_csv(table)["gene_symbol"].tolist()


def test_genes_draws_the_ranking(command, reference_file, tmp_path):
    plot = tmp_path / "genes.png"
    arguments = ["--labels-key", "cell_type", "--out", tmp_path / "genes.csv", "--plot", plot]
    assert command("genes", reference_file, *arguments) == 0
    assert plot.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--sizes", "10,many"], "--sizes are whole numbers separated by commas"),
        (["--sizes", ""], "--sizes are whole numbers separated by commas"),
        (["--sizes", "10,0"], "none below 1"),
        (["--sizes", "10,61"], "panel of 61 genes cannot be chosen: only 60 genes"),
        (["--candidates", "0"], "one candidate or more"),
        (["--seed", "-1"], "seed"),
        (["--labels-key", "colour"], "there is no column 'colour'"),
        (["--out", "/no/such/folder/panel.csv"], "does not exist; make it first"),
        (["--plot", "/no/such/folder/panel.png"], "does not exist; make it first"),
        (["--plot", "panel.gif"], "name it one of"),
    ],
    ids=[
        "no_numbers", "no_sizes", "size_zero", "more_than_all", "no_candidates", "negative_seed",
        "labels", "out", "plot", "plot_kind",
    ],
)  # fmt: skip
def test_bad_input_is_told_in_one_line(panel, tmp_path, capsys, options, reason):
    assert panel(*options) == 1
    told = capsys.readouterr()
    assert reason in told.err
    assert told.err.startswith("cellclassifier: ")
    assert told.err.count("\n") == 1
    assert "internal error" not in told.err
    assert not (tmp_path / "panel.csv").exists()


def test_types_of_too_few_cells_are_told(command, toy_reference, tmp_path, capsys):
    few = (toy_reference.obs["cell_type"] != "B") | (
        toy_reference.obs_names.isin(
            toy_reference.obs_names[toy_reference.obs["cell_type"] == "B"][:4]
        )
    )
    reference, out = tmp_path / "few.h5ad", tmp_path / "panel.csv"
    toy_reference[few].write_h5ad(reference)
    assert command("panel", reference, "--labels-key", "cell_type", "--out", out) == 1
    assert "types with fewer than 5 cells cannot be cross-validated" in capsys.readouterr().err


def test_train_tells_of_a_gene_list_that_is_none(command, reference_file, tmp_path, capsys):
    train = ["train", reference_file, "--labels-key", "cell_type", "--out", tmp_path / "m.keras"]
    assert command(*train, "--genes", "most") == 1
    assert "genes are a number, 'all', or a file with their names" in capsys.readouterr().err
