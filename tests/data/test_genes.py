import numpy as np
import pandas as pd
import pytest

from cellclassifier.data import GenePanel, match_genes
from cellclassifier.data.genes import ENSEMBL_COLUMNS, SYMBOL_COLUMNS, check_orientation
from cellclassifier.errors import GeneOverlapError, InputError

IDS = ["ENSG00000167286", "ENSG00000156738", "ENSG00000105374"]
SYMBOLS = ["CD3D", "MS4A1", "NKG7"]
PANEL = GenePanel(np.array(IDS, dtype=object), np.array(SYMBOLS, dtype=object))


def targets(names, panel=PANEL):
    return match_genes(GenePanel.of_names(names), panel).target.tolist()


# --- names out of tables


@pytest.mark.parametrize(
    ("name", "ensembl_id", "symbol"),
    [
        ("ENSG00000167286", "ENSG00000167286", ""),
        ("ENSG00000167286.12", "ENSG00000167286", ""),
        ("ENSMUSG00000032094.3", "ENSMUSG00000032094", ""),
        ("CD3D", "", "CD3D"),
        ("HLA-DRA", "", "HLA-DRA"),
        ("RP11-34P13.7", "", "RP11-34P13.7"),
        ("ENSG0000016728", "", "ENSG0000016728"),
        ("ENST00000300692", "", "ENST00000300692"),
        ("ENSG00000167286_CD3D", "ENSG00000167286", "CD3D"),
        ("CD3D_ENSG00000167286.12", "ENSG00000167286", "CD3D"),
        ("HLA-DRA|ENSG00000204287", "ENSG00000204287", "HLA-DRA"),
        ("GRCh38_ENSG00000167286.12", "ENSG00000167286", ""),
        ("mm10___ENSMUSG00000032094", "ENSMUSG00000032094", ""),
        ("ENSG00000182378.15_PAR_Y", "ENSG00000182378", ""),
        ("ENSG00000167286_ENSG00000156738", "", "ENSG00000167286_ENSG00000156738"),
        ("", "", ""),
    ],
    ids=[
        "id", "id_with_version", "mouse_id_with_version", "symbol", "symbol_with_hyphen",
        "symbol_with_dot", "ten_digits", "transcript", "id_and_symbol",
        "symbol_and_id", "symbol_bar_id", "genome_and_id", "mouse_genome_and_id", "id_again_on_y",
        "two_ids", "nothing",
    ],
)  # fmt: skip
def test_ids_are_told_from_symbols_name_by_name(name, ensembl_id, symbol):
    panel = GenePanel.of_names([name])
    assert panel.ensembl_ids.tolist() == [ensembl_id]
    assert panel.symbols.tolist() == [symbol]


@pytest.mark.parametrize("column", SYMBOL_COLUMNS)
def test_symbols_are_read_from_columns_of_the_usual_names(column):
    panel = GenePanel.of_var(pd.DataFrame({column: SYMBOLS}, index=IDS))
    assert panel.ensembl_ids.tolist() == IDS
    assert panel.symbols.tolist() == SYMBOLS


@pytest.mark.parametrize("column", ENSEMBL_COLUMNS)
def test_ids_are_read_from_columns_of_the_usual_names(column):
    panel = GenePanel.of_var(pd.DataFrame({column: IDS}, index=SYMBOLS))
    assert panel.ensembl_ids.tolist() == IDS
    assert panel.symbols.tolist() == SYMBOLS


@pytest.mark.parametrize(
    "index", [["0", "1", "2"], ["CD3D-1", "MS4A1-2", "NKG7"]], ids=["numbers", "made_unique"]
)
def test_a_symbol_column_comes_before_an_index_of_other_names(index):
    # the message of GeneOverlapError advises to add this column, so it has to count
    panel = GenePanel.of_var(pd.DataFrame({"gene_symbol": SYMBOLS}, index=index))
    assert panel.symbols.tolist() == SYMBOLS


def test_an_id_column_of_other_ids_leaves_the_symbols_of_the_index():
    panel = GenePanel.of_var(pd.DataFrame({"gene_id": [915, 931, 4818]}, index=SYMBOLS))
    assert panel.symbols.tolist() == SYMBOLS
    assert panel.ensembl_ids.tolist() == IDS


@pytest.mark.parametrize("missing", [np.nan, None, pd.NA, ""], ids=["nan", "none", "NA", "empty"])
def test_a_missing_name_is_filled_from_the_next_place(missing):
    var = pd.DataFrame({"gene_symbol": ["CD3D", missing, "NKG7"]}, index=SYMBOLS)
    assert GenePanel.of_var(var).symbols.tolist() == SYMBOLS


def test_categorical_columns_are_read():
    var = pd.DataFrame({"gene_symbol": pd.Categorical(["CD3D", None, "CD3D"])}, index=IDS)
    assert GenePanel.of_var(var).symbols.tolist() == ["CD3D", "MS4A1", "CD3D"]


def test_gene_ids_names_the_only_column_read():
    var = pd.DataFrame({"gene_symbol": ["x", "y", "z"], "hgnc": ["CD3D", None, IDS[2]]}, index=IDS)
    panel = GenePanel.of_var(var, "hgnc")
    assert panel.symbols.tolist() == ["CD3D", "", "NKG7"]
    assert panel.ensembl_ids.tolist() == [IDS[0], "", IDS[2]]


def test_a_gene_ids_column_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(InputError, match=r"no column 'hgnc' in .var; it has \['gene_symbol'\]"):
        GenePanel.of_var(pd.DataFrame({"gene_symbol": SYMBOLS}, index=IDS), "hgnc")


def test_names_are_symbols_and_ids_where_there_is_none():
    panel = GenePanel.of_names(["CD3D", IDS[1]])
    assert panel.names.tolist() == ["CD3D", IDS[1]]


def test_indexing_takes_genes_in_the_order_asked():
    assert PANEL[np.array([2, 0])].symbols.tolist() == ["NKG7", "CD3D"]
    assert PANEL[np.array([2, 0])].ensembl_ids.tolist() == [IDS[2], IDS[0]]


# --- matching


@pytest.mark.parametrize(
    "names",
    [IDS, [f"{name}.7" for name in IDS], SYMBOLS, [IDS[0], "MS4A1", f"{IDS[2]}.2"]],
    ids=["ids", "ids_with_versions", "symbols", "mixed"],
)
def test_genes_are_matched_by_id_or_symbol(names):
    assert targets(names) == [0, 1, 2]


def test_other_order_and_further_genes_are_no_matter():
    match = match_genes(GenePanel.of_names(["XIST", "NKG7", "ACTB", IDS[0]]), PANEL)
    assert match.target.tolist() == [-1, 2, -1, 0]
    assert (match.n_by_id, match.n_by_symbol, match.n_summed) == (1, 1, 0)
    assert match.gene_coverage == pytest.approx(2 / 3)


def test_the_id_decides_where_id_and_symbol_disagree():
    measured = GenePanel(np.array([IDS[0]], dtype=object), np.array(["MS4A1"], dtype=object))
    assert match_genes(measured, PANEL).target.tolist() == [0]


def test_several_measured_genes_of_one_name_go_to_one_place():
    match = match_genes(GenePanel.of_names(["CD3D", "NKG7", "CD3D", "CD3D"]), PANEL)
    assert match.target.tolist() == [0, 2, 0, 0]
    assert match.n_summed == 2
    assert match.gene_coverage == pytest.approx(2 / 3)


def test_a_gene_found_by_id_takes_no_counts_of_another_one_of_its_symbol():
    panel = GenePanel(np.array(IDS, dtype=object), np.array(["x1", "x2", "x3"], dtype=object))
    assert targets([IDS[0], "x1", "x3"], panel) == [0, -1, 2]


def test_a_gene_found_by_id_takes_the_counts_of_its_own_symbol():
    assert targets([IDS[0], "CD3D", "NKG7"]) == [0, 0, 2]


def test_genes_without_any_name_match_nothing():
    nameless = GenePanel.of_names(["", "CD3D"])
    assert match_genes(nameless, GenePanel.of_names(["", "CD3D"])).target.tolist() == [-1, 1]


def test_case_matters():
    with pytest.raises(GeneOverlapError):
        targets(["cd3d", "ms4a1", "nkg7"])


@pytest.mark.parametrize("n_measured", [19, 20], ids=["below", "at_the_limit"])
def test_a_fifth_of_the_panel_is_enough(n_measured):
    panel = GenePanel.of_names([f"GENE{i}" for i in range(100)])
    measured = GenePanel.of_names([f"GENE{i}" for i in range(n_measured)])
    if n_measured == 20:
        assert match_genes(measured, panel).gene_coverage == 0.2
    else:
        with pytest.raises(GeneOverlapError, match="only 19 of the model's 100 genes"):
            match_genes(measured, panel)


def test_the_refusal_shows_names_of_both_sides_and_the_ways_out():
    with pytest.raises(GeneOverlapError) as refused:
        match_genes(GenePanel.of_names(["cd3d", "ms4a1"]), PANEL)
    message = str(refused.value)
    assert "only 0 of the model's 3 genes were measured (at least 20% are needed)" in message
    assert "Your genes look like ['cd3d', 'ms4a1']" in message
    assert "the model's like ['CD3D', 'MS4A1', 'NKG7']" in message
    assert '.var["gene_symbol"]' in message
    assert "--gene-ids" in message
    assert "\n" not in message


def test_the_refusal_of_few_genes_with_the_right_names_asks_for_more_genes():
    panel = GenePanel.of_names([f"GENE{i}" for i in range(100)])
    measured = GenePanel.of_names([f"GENE{i}" for i in range(90, 200)])
    with pytest.raises(GeneOverlapError) as refused:
        match_genes(measured, panel)
    message = str(refused.value)
    assert "only 10 of the model's 100 genes" in message
    assert "The names fit, but your cells have 110 genes only" in message
    assert "--genes FILE" in message
    assert "look like" not in message


def test_no_gene_in_common_is_refused_whatever_coverage_is_asked():
    with pytest.raises(GeneOverlapError):
        match_genes(GenePanel.of_names(["XIST"]), PANEL, min_coverage=0.0)


# --- columns, orientation


@pytest.mark.parametrize("kind", ["symbols", "ids"])
def test_where_the_usual_places_name_no_genes_the_column_that_does_is_taken_and_recorded(kind):
    names = {"symbols": SYMBOLS, "ids": [f"{name}.3" for name in IDS]}[kind]
    var = pd.DataFrame(
        {"kind": ["lncRNA", "mRNA", "mRNA"], "Gene": names, "n": [1, 2, 3]},
        index=["row1", "row2", "row3"],
    )
    panel = GenePanel.of_var(var)
    assert panel.ensembl_ids.tolist() == IDS
    assert panel.resolution.column == "Gene"
    assert "human in .var['Gene']" in str(panel.resolution)


def test_a_further_column_is_not_read_where_the_index_names_genes():
    panel = GenePanel.of_var(pd.DataFrame({"Gene": SYMBOLS[::-1]}, index=SYMBOLS))
    assert panel.symbols.tolist() == SYMBOLS
    assert panel.resolution.column == ""


def test_names_of_no_genes_are_kept():
    panel = GenePanel.of_var(pd.DataFrame({"kind": ["x", "y"]}, index=["feat0", "feat1"]))
    assert panel.symbols.tolist() == ["feat0", "feat1"]
    assert panel.species == "unknown"
    assert panel.resolution.n_verbatim == 2


def test_genes_for_cells_are_refused_with_the_ways_out():
    barcodes = GenePanel.of_names(["AAACCTGAGAAACCAT-1", "AAACCTGAGAAACCGC-1"])
    with pytest.raises(InputError) as refused:
        check_orientation([*SYMBOLS, "novel"], barcodes)
    message = str(refused.value)
    assert "the cells look like genes: 75% of the names of the rows are" in message
    assert "adata.T" in message
    assert 'genes_in="rows"' in message
    assert "--genes-in rows" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("cells", "genes"),
    [(["c1", "c2"], SYMBOLS), (SYMBOLS, SYMBOLS), (["c1", "c2"], ["g1", "g2"]), ([], ["g1"])],
    ids=["as_it_should_be", "genes_by_genes", "no_names_known", "no_cells"],
)
def test_the_orientation_is_refused_only_where_it_is_plain(cells, genes):
    check_orientation(cells, GenePanel.of_names(genes))
