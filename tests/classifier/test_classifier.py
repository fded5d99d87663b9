"""The classifier: scikit-learn's manners, and predictions that depend on the cell alone."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError as SklearnNotFittedError
from sklearn.utils.validation import check_is_fitted

from cellclassifier import CellTypeClassifier, Normalisation, TrainingConfig
from cellclassifier.classifier import shifting
from cellclassifier.data import stratified_split
from cellclassifier.errors import GeneOverlapError, InputError, LabelError, NotFittedError
from cellclassifier.labels import LabelSpace
from cellclassifier.networks import build_mlp

QUICK = TrainingConfig(epochs=2, batch_size=64)
# counts beside the genes of the file, so that genes may come and go and the library size stays
REST = 500


@pytest.fixture
def reference(toy_reference):
    toy_reference.obs["depth"] = np.asarray(toy_reference.X.sum(axis=1)).ravel() + REST
    return toy_reference


@pytest.fixture
def classifier(reference):
    return CellTypeClassifier("linear").fit(
        reference, labels_key="cell_type", library_size_key="depth"
    )


@pytest.fixture
def expected(classifier, reference):
    return probabilities_of(classifier, reference)


def probabilities_of(classifier, cells, **where):
    return classifier.classify(cells, library_size_key="depth", **where).probabilities


def small_network(n_genes, n_types, *, seed):
    return build_mlp(n_genes, n_types, hidden=(8,), seed=seed)


# Scikit-learn's manners.


def test_parameters_are_stored_as_given():
    normalisation, training = Normalisation("log1p"), TrainingConfig(epochs=3)
    classifier = CellTypeClassifier(
        "mlp", genes=7, normalisation=normalisation, training=training, seed=5
    )
    stored = {"genes": 7, "normalisation": normalisation, "training": training, "seed": 5}
    assert classifier.get_params().items() >= ({"network": "mlp"} | stored).items()
    assert classifier.set_params(genes="all").genes == "all"
    with pytest.raises(ValueError, match="Invalid parameter 'depth'"):
        classifier.set_params(depth=3)


def test_clone_has_the_parameters_and_not_the_model(classifier):
    copy = clone(classifier.set_params(seed=3))
    assert copy.get_params() == classifier.get_params()
    assert not hasattr(copy, "model_")


def test_repr_shows_what_was_changed():
    assert repr(CellTypeClassifier(genes=7)) == "CellTypeClassifier(genes=7)"


def test_fit_returns_itself_and_learns_the_types(classifier, reference):
    assert classifier.fit(reference, labels_key="cell_type") is classifier
    assert classifier.classes_.tolist() == ["B", "NK", "T"]
    check_is_fitted(classifier)


def test_fit_twice_gives_the_same_bits(classifier, reference, expected):
    classifier.fit(reference, labels_key="cell_type", library_size_key="depth")
    np.testing.assert_array_equal(probabilities_of(classifier, reference), expected)


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda c, cells: c.predict(cells), id="predict"),
        pytest.param(lambda c, cells: c.predict_proba(cells), id="predict_proba"),
        pytest.param(lambda c, cells: c.annotate(cells), id="annotate"),
        pytest.param(lambda c, cells: c.score(cells, "cell_type"), id="score"),
        pytest.param(lambda c, _: c.save("model.keras"), id="save"),
        pytest.param(lambda c, _: c.classes_, id="classes_"),
    ],
)
def test_before_fit(reference, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFittedError, match=r"call fit\(reference, labels_key=…\)"):
        call(CellTypeClassifier(), reference)
    with pytest.raises(SklearnNotFittedError):
        check_is_fitted(CellTypeClassifier())
    assert list(tmp_path.iterdir()) == []


def test_predictions_are_consistent(classifier, reference):
    probabilities = classifier.predict_proba(reference)
    labels = classifier.predict(reference)
    assert probabilities.shape == (120, 3)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert labels.tolist() == classifier.classes_[probabilities.argmax(axis=1)].tolist()
    accuracy = (labels == reference.obs["cell_type"].to_numpy()).mean()
    assert classifier.score(reference, "cell_type") == pytest.approx(accuracy)
    assert accuracy == 1


# A prediction depends on the cell alone.


def test_order_of_genes_changes_nothing(classifier, reference, expected):
    order = np.random.default_rng(1).permutation(reference.n_vars)
    np.testing.assert_array_equal(
        probabilities_of(classifier, reference[:, order].copy()), expected
    )


def test_genes_outside_the_panel_change_nothing(classifier, reference, expected):
    rng = np.random.default_rng(1)
    extra = ad.AnnData(
        sparse.csr_matrix(rng.poisson(0.2, size=(reference.n_obs, 9)).astype(np.float32)),
        obs=pd.DataFrame(index=reference.obs_names),
        var=pd.DataFrame(
            {"ensembl_id": [f"ENSG{i:011d}" for i in range(900, 909)]},
            index=[f"EXTRA{i}" for i in range(9)],
        ),
    )
    both = ad.concat([extra, reference], axis="var")
    both.obs["depth"] = reference.obs["depth"]
    np.testing.assert_array_equal(probabilities_of(classifier, both), expected)


@pytest.mark.parametrize(
    "var",
    [
        pytest.param(lambda var: pd.DataFrame(index=var.index), id="symbols-alone"),
        pytest.param(lambda var: pd.DataFrame(index=list(var["ensembl_id"])), id="ids-alone"),
        pytest.param(lambda var: pd.DataFrame(index=list(var["ensembl_id"] + ".3")), id="versions"),
        pytest.param(
            lambda var: pd.DataFrame({"gene_name": list(var.index)}, index=map(str, range(60))),
            id="symbols-in-a-column",
        ),
    ],
)
def test_genes_are_found_by_symbol_or_id(classifier, reference, expected, var):
    reference.var = var(reference.var)
    np.testing.assert_array_equal(probabilities_of(classifier, reference), expected)


def test_genes_are_found_in_the_column_named(classifier, reference, expected):
    reference.var = pd.DataFrame({"mine": reference.var_names}, index=map(str, range(60)))
    with pytest.raises(GeneOverlapError):
        probabilities_of(classifier, reference)
    found = probabilities_of(classifier, reference, gene_ids="mine")
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(lambda counts: counts.toarray(), id="dense"),
        pytest.param(lambda counts: np.asfortranarray(counts.toarray()), id="dense-by-column"),
        pytest.param(sparse.csc_matrix, id="csc"),
        pytest.param(sparse.csr_array, id="csr-array"),
        pytest.param(lambda counts: counts.astype(np.float64), id="float64"),
        pytest.param(lambda counts: counts.astype(np.int32), id="int32"),
        pytest.param(lambda counts: counts.astype(np.uint8), id="uint8"),
    ],
)
def test_kind_of_matrix_changes_nothing(classifier, reference, expected, kind):
    reference.X = kind(reference.X)
    np.testing.assert_array_equal(probabilities_of(classifier, reference), expected)


def test_counts_in_a_layer_change_nothing(classifier, reference, expected):
    reference.layers["umi"] = reference.X.copy()
    reference.X = np.log2(reference.X.toarray() + 1.5)
    np.testing.assert_array_equal(probabilities_of(classifier, reference, layer="umi"), expected)


def test_one_cell_alone_is_named_as_in_the_crowd(classifier, reference, expected):
    for row in (0, 59, 119):
        alone = probabilities_of(classifier, reference[[row]].copy())
        np.testing.assert_array_equal(alone, expected[[row]])


def test_order_of_cells_changes_nothing(classifier, reference, expected):
    order = np.random.default_rng(1).permutation(reference.n_obs)
    shuffled = probabilities_of(classifier, reference[order].copy())
    np.testing.assert_array_equal(shuffled, expected[order])


@pytest.mark.parametrize("block_cells", [1, 7, 120])
def test_size_of_blocks_changes_nothing(classifier, reference, expected, monkeypatch, block_cells):
    monkeypatch.setattr(shifting, "BLOCK_CELLS", block_cells)
    np.testing.assert_array_equal(probabilities_of(classifier, reference), expected)


def test_view_of_an_anndata_is_read_as_its_copy(classifier, reference, expected):
    some = np.arange(0, 120, 3)
    np.testing.assert_array_equal(probabilities_of(classifier, reference[some]), expected[some])


def test_missing_genes_are_reported(classifier, reference):
    panel = classifier.manifest_.panel.symbols
    half = reference[:, panel[:30]].copy()
    predictions = classifier.classify(half, library_size_key="depth")
    assert predictions.gene_coverage == 0.5
    annotated = classifier.annotate(half, library_size_key="depth")
    assert annotated.uns["cellclassifier"]["gene_coverage"] == 0.5
    assert classifier.classify(reference).gene_coverage == 1


@pytest.mark.parametrize("n_measured", [0, 11], ids=["none", "under-a-fifth"])
def test_too_few_genes(classifier, reference, n_measured):
    names = reference.var_names.to_numpy().copy()
    names[n_measured:] = [f"OTHER{i}" for i in range(60 - n_measured)]
    reference.var = pd.DataFrame(index=names)
    with pytest.raises(GeneOverlapError, match=rf"only {n_measured} of the model's 60 genes"):
        classifier.predict(reference)


def test_a_fifth_of_the_genes_is_enough(classifier, reference):
    twelve = reference[:, classifier.manifest_.panel.symbols[:12]].copy()
    assert classifier.classify(twelve, library_size_key="depth").gene_coverage == 0.2


# What is written, and what is not.


def test_annotate_writes_its_keys_and_no_others(classifier, reference):
    before = reference.copy()
    assert classifier.annotate(reference, library_size_key="depth") is reference
    assert list(reference.obs) == [
        *before.obs, "predicted_cell_type", "predicted_cell_type_confidence",
    ]  # fmt: skip
    assert set(reference.obsm) == {"cell_type_probabilities"}
    assert set(reference.uns) == {"cellclassifier"}
    pd.testing.assert_frame_equal(reference.obs[before.obs.columns], before.obs)
    pd.testing.assert_frame_equal(reference.var, before.var)
    assert (reference.X != before.X).nnz == 0
    assert set(reference.layers) == set(before.layers)
    assert len(reference.varm) == len(reference.obsp) == 0


def test_annotate_writes_what_classify_says(classifier, reference, tmp_path):
    predictions = classifier.classify(reference)
    classifier.save(tmp_path / "model.keras")
    named = classifier.annotate(reference)
    assert named.obs["predicted_cell_type"].tolist() == predictions.labels.tolist()
    assert named.obs["predicted_cell_type"].cat.categories.tolist() == ["B", "NK", "T"]
    np.testing.assert_array_equal(
        named.obs["predicted_cell_type_confidence"], predictions.confidence
    )
    np.testing.assert_array_equal(named.obsm["cell_type_probabilities"], predictions.probabilities)
    provenance = named.uns["cellclassifier"]
    assert provenance["model_sha256"] == classifier.manifest_.sha256
    assert provenance["labels"].tolist() == ["B", "NK", "T"]
    assert provenance["n_genes"] == 60


@pytest.mark.parametrize("act", ["fit", "predict"])
def test_cells_are_only_read(classifier, reference, act):
    reference.X.indices.setflags(write=False)
    reference.X.data.setflags(write=False)
    before = reference.copy()
    if act == "fit":
        classifier.fit(reference, labels_key="cell_type")
    else:
        classifier.predict(reference)
    assert (reference.X != before.X).nnz == 0
    pd.testing.assert_frame_equal(reference.obs, before.obs)
    pd.testing.assert_frame_equal(reference.var, before.var)
    assert set(reference.layers) == set(before.layers)
    assert len(reference.uns) == len(reference.obsm) == 0


def test_saved_and_loaded_gives_the_same_probabilities(classifier, reference, expected, tmp_path):
    classifier.save(tmp_path / "model.keras")
    loaded = CellTypeClassifier.load(tmp_path / "model.keras")
    np.testing.assert_array_equal(probabilities_of(loaded, reference), expected)
    assert loaded.classes_.tolist() == classifier.classes_.tolist()


# What it learns from.


@pytest.mark.parametrize(
    ("genes", "n_genes"),
    [
        pytest.param(12, 12, id="number"),
        pytest.param(np.int64(12), 12, id="numpy-number"),
        pytest.param(10_000, 60, id="more-than-there-are"),
        pytest.param("all", 60, id="all"),
    ],
)
def test_number_of_genes(reference, genes, n_genes):
    classifier = CellTypeClassifier("linear", genes=genes).fit(reference, labels_key="cell_type")
    assert len(classifier.manifest_.panel) == n_genes
    assert classifier.model_.input_shape == (None, n_genes)


def test_genes_chosen_are_markers(reference):
    classifier = CellTypeClassifier("linear", genes=25).fit(reference, labels_key="cell_type")
    assert not any(name.startswith("HOUSE") for name in classifier.manifest_.panel.symbols)


def test_genes_named_are_looked_at_in_that_order(reference):
    genes = ["TMARK3", "ENSG00000000001", "NKMARK7"]
    classifier = CellTypeClassifier("linear", genes=genes).fit(reference, labels_key="cell_type")
    assert classifier.manifest_.panel.symbols.tolist() == ["TMARK3", "BMARK0", "NKMARK7"]


@pytest.mark.parametrize(
    ("genes", "message"),
    [
        pytest.param(0, "at least one gene, not 0", id="zero"),
        pytest.param("most", "a number, 'all' or a list of names, not 'most'", id="a-word"),
        pytest.param(["TMARK3", "CD3D"], r"1 of the 2 genes named .*'CD3D'", id="not-measured"),
        pytest.param([], "the list of genes is empty", id="no-names"),
        pytest.param(["TMARK3", "TMARK3"], r"names \['TMARK3'\] more than once", id="name-twice"),
    ],
)
def test_genes_that_make_no_panel(reference, genes, message):
    with pytest.raises(InputError, match=message):
        CellTypeClassifier("linear", genes=genes).fit(reference, labels_key="cell_type")


def test_network_as_a_function(reference, tmp_path):
    classifier = CellTypeClassifier(small_network, training=QUICK)
    classifier.fit(reference, labels_key="cell_type")
    assert classifier.manifest_.network["name"] == "small_network"
    assert classifier.manifest_.network["n_parameters"] == 61 * 8 + 9 * 3
    classifier.save(tmp_path / "model.keras")
    loaded = CellTypeClassifier.load(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        loaded.predict_proba(reference), classifier.predict_proba(reference)
    )


def test_unknown_network(reference):
    with pytest.raises(InputError, match="there is no network 'lstm'"):
        CellTypeClassifier("lstm").fit(reference, labels_key="cell_type")


def test_seed_reaches_the_network_and_the_training(reference):
    def weights(seed):
        classifier = CellTypeClassifier(small_network, training=QUICK, seed=seed)
        return classifier.fit(reference, labels_key="cell_type").model_.get_weights()[0]

    assert not np.array_equal(weights(1), weights(2))


@pytest.mark.parametrize("seed", [-1, 2**31, 0.5, None], ids=str)
def test_seed_that_is_none(reference, seed):
    with pytest.raises(InputError, match=rf"a seed is a whole number .* not {seed}$"):
        CellTypeClassifier("linear", seed=seed).fit(reference, labels_key="cell_type")


def test_watcher_is_told_of_each_epoch(reference):
    epochs = []
    CellTypeClassifier(small_network, training=QUICK).fit(
        reference, labels_key="cell_type", watch=lambda epoch, n, _: epochs.append((epoch, n))
    )
    assert epochs == [(1, 2), (2, 2)]


def test_labels_missing(reference):
    with pytest.raises(LabelError, match=r"no column 'type' in \.obs; it has \['cell_type'"):
        CellTypeClassifier().fit(reference, labels_key="type")


def test_failed_fit_leaves_the_old_model(classifier, reference, expected):
    with pytest.raises(LabelError):
        classifier.fit(reference, labels_key="type")
    np.testing.assert_array_equal(probabilities_of(classifier, reference), expected)


def test_real_cells_are_named(pbmc68k):
    labels = pbmc68k.obs["bulk_labels"].astype(str)
    codes = LabelSpace.of(labels).encode(labels)
    kept, apart = stratified_split(codes, 0.2, np.random.default_rng(0))
    classifier = CellTypeClassifier().fit(
        pbmc68k[kept].copy(), labels_key="bulk_labels", library_size_key="n_counts"
    )
    unseen = pbmc68k[apart].copy()
    named = classifier.classify(unseen, library_size_key="n_counts")
    assert (named.labels == unseen.obs["bulk_labels"].to_numpy()).mean() >= 0.7
    assert "undone exactly: every value came out whole" in classifier.manifest_.training["counts"]
