import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cellclassifier import CellTypeClassifier
from cellclassifier.data import GenePanel, find_counts, match_genes
from cellclassifier.data.merging import merge_duplicates
from cellclassifier.errors import GeneOverlapError

CD3D, MOUSE_CD3D, KMT2A = "ENSG00000167286", "ENSMUSG00000032094", "ENSG00000118058"
HUMAN = ["CD3D", "MS4A1", "NKG7", "LYZ", "HLA-DRA"]
MOUSE = ["Cd3d", "Ms4a1", "Nkg7", "Lyz2", "Xkr4"]


def resolved(names, species="unknown"):
    return GenePanel.of_names(names).resolved(species)


# --- names to genes


@pytest.mark.parametrize(
    ("name", "ensembl_id", "symbol"),
    [
        ("CD3D", CD3D, "CD3D"),
        ("MLL", KMT2A, "MLL"),
        ("GRCh38_CD3D", CD3D, "CD3D"),
        ("hg19_CD3D", CD3D, "CD3D"),
        ("HUMAN_CD3D", CD3D, "CD3D"),
        ("mm10___Cd3d", MOUSE_CD3D, "Cd3d"),
        ("CD3D__chr11", CD3D, "CD3D"),
        (f"{CD3D}.12", CD3D, "CD3D"),
        ("Y_RNA", "", "Y_RNA"),
        ("cd3d", "", "cd3d"),
        ("Cd3d", "", "Cd3d"),
        ("GFP", "", "GFP"),
    ],
    ids=[
        "symbol", "previous_symbol", "genome", "older_genome", "human", "mouse_genome",
        "chromosome", "id", "shared_symbol", "lower_case", "mouse_symbol", "transgene",
    ],
)  # fmt: skip
def test_a_name_among_human_genes(name, ensembl_id, symbol):
    panel = resolved([*HUMAN, name])
    assert (panel.ensembl_ids[-1], panel.symbols[-1]) == (ensembl_id, symbol)


@pytest.mark.parametrize(
    ("name", "symbol"), [("HLA.DRA", "HLA-DRA"), ("MT.CO1", "MT-CO1"), ("CD3D", "CD3D")]
)
def test_names_that_r_made_are_read_where_no_name_has_a_hyphen(name, symbol):
    assert resolved(["MS4A1", "NKG7", name]).symbols[-1] == symbol
    if "." in name:  # beside a hyphen the dot is somebody's own
        assert resolved(["MS4A1", "NKG7", "HLA-DRB1", name]).ensembl_ids[-1] == ""


def test_what_the_names_turned_out_to_be_is_counted():
    resolution = resolved([CD3D, "MS4A1", "MLL", "novel", "KMT2A", ""]).resolution
    assert resolution.species == "human"
    assert (resolution.n_by_id, resolution.n_by_symbol, resolution.n_by_alias) == (1, 2, 1)
    assert (resolution.n_verbatim, resolution.n_duplicated) == (2, 1)
    assert resolution.share == pytest.approx(4 / 6)
    assert str(resolution) == (
        "human: 1 genes by id, 2 by symbol, 1 by previous symbol or alias, 2 by their name as it "
        "is; 1 duplicated"
    )


@pytest.mark.parametrize(
    ("names", "species"),
    [
        (HUMAN, "human"),
        (MOUSE, "mouse"),
        ([f"{MOUSE_CD3D}.1", CD3D], "both"),
        ([*(f"GRCh38_{name}" for name in HUMAN), *(f"mm10___{name}" for name in MOUSE)], "both"),
        (["feat0", "feat1"], "unknown"),
        ([*(f"feat{i}" for i in range(40)), "CD3D"], "unknown"),
        ([], "unknown"),
    ],
    ids=["human", "mouse", "ids_of_both", "genomes_of_both", "no_genes", "hardly_any", "nothing"],
)
def test_species_is_told(names, species):
    assert resolved(names).species == species


def test_ids_that_came_with_the_data_stay():
    genes = GenePanel(np.array(["ENSG00000161570"], object), np.array(["CCL5"], object)).resolved()
    assert genes.ensembl_ids.tolist() == ["ENSG00000161570"]  # hg19's, withdrawn since
    assert match_genes(genes, GenePanel.of_names(["CCL5"])).target.tolist() == [0]


def test_genes_of_one_symbol_and_different_ids_are_different():
    y_rna = np.array(["Y_RNA", "Y_RNA", "CD3D"], dtype=object)
    ids = np.array(["ENSG00000199990", "ENSG00000200001", CD3D], dtype=object)
    measured = GenePanel(ids, y_rna).resolved()
    assert measured.resolution.n_duplicated == 0
    panel = GenePanel(np.array(["ENSG00000201777", CD3D], object), y_rna[1:])
    assert match_genes(measured, panel).target.tolist() == [-1, -1, 1]


def test_a_name_that_another_gene_has_now_means_what_it_meant_to_the_model():
    # MARCH1 is MARCHF1's former name; here a model of old ids has a gene of that name of its own
    panel = GenePanel(
        np.array(["ENSG00000999999", "ENSG00000145416"], object),
        np.array(["MARCH1", "MARCHF1"], object),
    )
    measured = resolved(["MARCH1", "CD3D", "MS4A1"])
    assert match_genes(measured, panel).target.tolist() == [0, -1, -1]


# --- columns of one gene


def test_columns_of_one_gene_are_added_at_the_first():
    counts = sparse.csr_matrix(np.array([[1, 2, 4, 8], [0, 1, 0, 3]], dtype=np.float32))
    merged, genes = merge_duplicates(counts, resolved(["MLL", "CD3D", "KMT2A", f"{CD3D}.4"]))
    assert merged.toarray().tolist() == [[5, 10], [0, 4]]
    assert genes.ensembl_ids.tolist() == [KMT2A, CD3D]
    assert genes.resolution.n_duplicated == 2
    assert counts.toarray().tolist() == [[1, 2, 4, 8], [0, 1, 0, 3]]


def test_without_duplicates_nothing_is_copied():
    counts, genes = sparse.csr_matrix((2, 2)), resolved(["CD3D", "MS4A1"])
    merged, kept = merge_duplicates(counts, genes)
    assert merged is counts
    assert kept is genes


# --- orthologues


def test_mouse_genes_are_refused_by_a_human_model_with_the_way_out():
    with pytest.raises(GeneOverlapError) as refused:
        match_genes(resolved(MOUSE), resolved(HUMAN))
    message = str(refused.value)
    assert "the genes are those of mouse, such as ['Cd3d', 'Ms4a1', 'Nkg7']" in message
    assert "trained on human, such as ['CD3D', 'MS4A1', 'NKG7']" in message
    assert "map_orthologs=True (--map-orthologs on the command line)" in message
    assert "\n" not in message


@pytest.mark.parametrize("names", [MOUSE, [MOUSE_CD3D, *MOUSE[1:]]], ids=["symbols", "with_id"])
def test_one_to_one_orthologues_are_matched_where_asked_for(names):
    match = match_genes(resolved(names), resolved(HUMAN), map_orthologs=True)
    assert match.target.tolist() == [0, 1, 2, -1, -1]  # LYZ has two genes in mouse
    assert match.n_orthologs == 4


def test_human_genes_are_matched_to_a_mouse_model():
    match = match_genes(resolved(HUMAN), resolved(MOUSE), map_orthologs=True)
    assert match.target.tolist() == [0, 1, 2, -1, -1]


def test_within_one_species_nothing_is_mapped():
    match = match_genes(resolved(HUMAN), resolved(HUMAN), map_orthologs=True)
    assert match.target.tolist() == [0, 1, 2, 3, 4]
    assert match.n_orthologs == 0


def test_cells_of_both_species_are_matched_by_their_own_genes():
    both = [*(f"mm10___{name}" for name in MOUSE), *(f"GRCh38_{name}" for name in HUMAN)]
    match = match_genes(resolved(both), resolved(HUMAN))
    assert match.target.tolist() == [-1, -1, -1, -1, -1, 0, 1, 2, 3, 4]


def test_names_of_no_genes_match_those_of_either_species_to_the_letter():
    match = match_genes(resolved([*MOUSE, "GFP"]), resolved([*HUMAN, "GFP"]), map_orthologs=True)
    assert match.target.tolist() == [0, 1, 2, -1, -1, 5]


# --- real files


@pytest.mark.parametrize("name", ["pbmc3k", "zheng_sorted_facs", "baron_pancreas"])
def test_genes_of_real_files_are_known(shared_data, name):
    var = ad.read_h5ad(shared_data(f"{name}.h5ad"), backed="r").var
    resolution = GenePanel.of_var(var).resolution
    assert resolution.species == "human"
    assert resolution.share >= 0.95, str(resolution)


@pytest.mark.parametrize("name", ["pbmc3k", "zheng_sorted_facs", "baron_pancreas"])
def test_counts_of_real_files_are_of_genes_known_by_symbol_alone(shared_data, name):
    cells = ad.read_h5ad(shared_data(f"{name}.h5ad"))
    is_known = GenePanel.of_var(cells.var, "gene_symbol").ensembl_ids != ""
    share = cells.X[:, is_known].sum() / cells.X.sum()
    assert share >= 0.99


def test_symbols_of_the_same_file_find_the_genes_of_its_ids(shared_data):
    var = ad.read_h5ad(shared_data("zheng_sorted_facs.h5ad"), backed="r").var
    whole = GenePanel.of_var(var)
    match = match_genes(GenePanel.of_var(var, "gene_symbol"), whole)
    is_single = ~var["gene_symbol"].duplicated(keep=False).to_numpy()
    assert np.array_equal(match.target[is_single], np.arange(len(var))[is_single])


def test_paul15_is_told_as_mouse_and_refused_by_a_human_model(shared_data):
    genes = GenePanel.of_var(ad.read_h5ad(shared_data("paul15.h5ad"), backed="r").var)
    human = GenePanel.of_var(ad.read_h5ad(shared_data("pbmc3k.h5ad"), backed="r").var)
    assert genes.species == "mouse"
    assert genes.resolution.share >= 0.95
    with pytest.raises(GeneOverlapError, match="map_orthologs=True"):
        match_genes(genes, human)
    assert match_genes(genes, human, min_coverage=0.0, map_orthologs=True).n_orthologs > 2500


@pytest.mark.parametrize("name", ["zeisel_cortex", "cbmc_citeseq"])
def test_files_without_gene_names_are_matched_to_the_letter(shared_data, name):
    cells = ad.read_h5ad(shared_data(f"{name}.h5ad"))[::20].copy()
    raw = find_counts(cells)
    assert raw.genes.resolution.n_verbatim == len(raw.genes) == cells.n_vars
    common = cells.obs["cell_type"].value_counts().index[:3]
    cells = cells[cells.obs["cell_type"].isin(common)].copy()
    cells.obs = pd.DataFrame({"cell_type": cells.obs["cell_type"].astype(str)})
    classifier = CellTypeClassifier("linear", genes=200).fit(cells, labels_key="cell_type")
    assert classifier.classify(cells[:, ::-1].copy()).gene_coverage == 1.0
