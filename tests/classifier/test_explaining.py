"""Genes that speak for types: they add up, and say what was planted."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cellclassifier import CellTypeClassifier, ExplainSettings, TrainingConfig, explain
from cellclassifier.classifier import explaining
from cellclassifier.data import find_counts
from cellclassifier.errors import InputError, LabelError
from cellclassifier.networks import choose_predictor

ALL_GENES = ExplainSettings(n_genes=None, cells_per_type=10_000)


@pytest.fixture(scope="module")
def trained():
    """Return a classifier of some network on toy cells, fitted once."""
    kept = {}

    def fit(network, reference):
        if network not in kept:
            quick = TrainingConfig(epochs=5, learning_rate=1e-3) if network == "mlp" else None
            fitted = CellTypeClassifier(network, training=quick)
            kept[network] = fitted.fit(reference, labels_key="cell_type")
        return kept[network]

    return fit


def logits_of(classifier, expression):
    adaptation = classifier.manifest_.adaptation
    moments = None if adaptation is None else adaptation.moments
    predict = choose_predictor(classifier.model_, "keras", moments)
    return predict(sparse.csr_matrix(expression), None).astype(np.float64)


@pytest.mark.parametrize("network", ["linear", "wide-deep", "mlp"])
@pytest.mark.parametrize("baseline", ["mean", "zero"])
def test_contributions_add_up_to_what_tells_a_type_from_the_next(
    trained, toy_reference, network, baseline
):
    classifier = trained(network, toy_reference)
    settings = replace(ALL_GENES, baseline=baseline)
    found = classifier.explain(toy_reference, shift=0.0, settings=settings)
    nothing = classifier.manifest_.factors.mean if baseline == "mean" else np.zeros(60)
    logits = logits_of(classifier, classifier.expression(toy_reference).toarray())
    at_nothing = logits_of(classifier, nothing[None])[0]
    codes, (second, best) = logits.argmax(axis=1), np.argsort(logits, axis=1)[:, -2:].T
    cells = np.arange(len(codes))
    beyond = logits[cells, best] - logits[cells, second] - at_nothing[best] + at_nothing[second]
    summed = found.table.groupby("cell_type", sort=False)["contribution"].sum()
    for code, label in enumerate(classifier.classes_):
        assert summed[label] == pytest.approx(beyond[codes == code].mean(), rel=0.02)
        assert found.n_cells[label] == (codes == code).sum()
    assert found.baseline == baseline


@pytest.mark.parametrize("network", ["linear", "wide-deep", "mlp"])
def test_the_planted_markers_come_first(trained, toy_reference, network):
    found = trained(network, toy_reference).explain(toy_reference)
    for label in ("B", "NK", "T"):
        assert sum(gene.startswith(f"{label}MARK") for gene in found.genes_of(label)) >= 9
    best = found.best(5)
    assert (best["mean_expression"] > best["mean_expression_rest"]).all()
    assert (best["share_expressing"] > best["share_expressing_rest"]).all()
    assert best["rank"].tolist() == [1, 2, 3, 4, 5] * 3


def test_presence_and_absence_make_the_whole(trained, toy_reference):
    table = trained("linear", toy_reference).explain(toy_reference, settings=ALL_GENES).table
    np.testing.assert_allclose(table["by_presence"] + table["by_absence"], table["contribution"])
    absent = table[table["cell_type"] == "B"].nlargest(10, "by_absence")["gene_symbol"]
    assert not any(gene.startswith("BMARK") for gene in absent)
    zero = replace(ALL_GENES, baseline="zero")
    table = trained("linear", toy_reference).explain(toy_reference, settings=zero).table
    assert (table["by_absence"].abs() < 1e-12).all()


def test_statistics_are_those_of_the_expression(trained, toy_reference):
    classifier = trained("linear", toy_reference)
    found = classifier.explain(toy_reference, labels_key="cell_type", settings=ALL_GENES)
    expression = pd.DataFrame(
        classifier.expression(toy_reference).toarray(),
        columns=classifier.manifest_.panel.symbols,
        index=toy_reference.obs["cell_type"].to_numpy(),
    )
    for label, rows in found.table.groupby("cell_type"):
        own, rest = expression[expression.index == label], expression[expression.index != label]
        genes = rows["gene_symbol"]
        np.testing.assert_allclose(rows["mean_expression"], own.mean()[genes], rtol=1e-5)
        np.testing.assert_allclose(rows["mean_expression_rest"], rest.mean()[genes], rtol=1e-5)
        np.testing.assert_allclose(rows["share_expressing"], (own > 0).mean()[genes])
        np.testing.assert_allclose(rows["share_expressing_rest"], (rest > 0).mean()[genes])


def test_the_cells_of_the_file_serve_where_none_are_given(classifier):
    found = classifier.explain()
    sample = classifier.manifest_.sample
    assert sum(found.n_cells.values()) == len(sample.codes)
    assert "set apart" in found.source
    assert found.shift is None


def test_a_model_without_cells_says_so(trained, toy_reference):
    classifier = trained("linear", toy_reference)
    bare = CellTypeClassifier("linear")
    bare.model_, bare.manifest_ = classifier.model_, replace(classifier.manifest_, sample=None)
    with pytest.raises(InputError, match="keeps no cells to explain"):
        explain(bare)


def test_genes_that_were_not_measured_are_left_out(trained, toy_reference):
    classifier = trained("wide-deep", toy_reference)
    some = toy_reference[:, np.arange(60) % 3 > 0].copy()
    found = classifier.explain(some, settings=ALL_GENES)
    assert set(found.table["gene_symbol"]) == set(some.var_names)
    order = np.random.default_rng(0).permutation(some.n_vars)
    shuffled = classifier.explain(some[:, order].copy(), settings=ALL_GENES)
    pd.testing.assert_frame_equal(shuffled.table, found.table)


def test_shifted_cells_are_explained_as_they_are_named(classifier, cells):
    """Cells from elsewhere get another last layer; so do their explanations."""
    found = classifier.explain(cells, settings=ALL_GENES)
    assert found.shift == pytest.approx(classifier.classify(cells).shift)
    assert found.shift > 0.05
    at_home = classifier.explain(cells, shift=0.0, settings=ALL_GENES)
    assert not np.allclose(found.table["contribution"], at_home.table["contribution"], rtol=0.1)


def test_labels_the_model_does_not_know_are_left_out(trained, toy_reference):
    classifier = trained("linear", toy_reference)
    labels = toy_reference.obs["cell_type"].astype(str)
    toy_reference.obs["mine"] = labels.replace("T", "T cell")
    assert classifier.explain(toy_reference, labels_key="mine").types == ["B", "NK"]
    toy_reference.obs["mine"] = labels + "?"
    with pytest.raises(LabelError, match="none of the labels"):
        classifier.explain(toy_reference, labels_key="mine")


def test_large_sets_are_sampled_by_the_seed(trained, toy_reference, monkeypatch):
    monkeypatch.setattr(explaining, "MAX_CELLS", 60)
    classifier = trained("linear", toy_reference)
    found, again = (classifier.explain(toy_reference) for _ in range(2))
    other = classifier.explain(toy_reference, settings=ExplainSettings(seed=1))
    assert sum(found.n_cells.values()) == 60
    pd.testing.assert_frame_equal(found.table, again.table)
    assert not found.table["contribution"].equals(other.table["contribution"])


def test_cells_on_disk_are_explained_too(trained, toy_reference, tmp_path, monkeypatch):
    import cellclassifier as cc

    toy_reference.write_h5ad(tmp_path / "cells.h5ad")
    classifier = trained("linear", toy_reference)
    whole = classifier.explain(toy_reference)
    on_disk = classifier.explain(cc.read_cells(tmp_path / "cells.h5ad"))
    pd.testing.assert_frame_equal(on_disk.table, whole.table)
    monkeypatch.setattr(explaining, "MAX_CELLS", 60)
    some = classifier.explain(cc.read_cells(tmp_path / "cells.h5ad"))
    assert sum(some.n_cells.values()) == 60


def test_a_model_without_a_mean_is_explained_from_nothing(trained, toy_reference):
    classifier = trained("linear", toy_reference)
    early = CellTypeClassifier("linear")
    early.model_, early.manifest_ = classifier.model_, replace(classifier.manifest_, factors=None)
    assert early.explain(toy_reference).baseline == "zero"
    with pytest.raises(InputError, match="does not know the mean expression"):
        early.explain(toy_reference, settings=ExplainSettings(baseline="mean"))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        pytest.param({"baseline": "none"}, "'mean' or 'zero', not 'none'", id="baseline"),
        pytest.param({"n_genes": 0}, "one of the genes or more, not 0", id="genes"),
        pytest.param({"cells_per_type": -1}, "cells a type or more, not -1", id="cells"),
    ],
)
def test_settings_that_make_no_sense(wrong, says):
    with pytest.raises(InputError, match=says):
        ExplainSettings(**wrong)


def test_explanations_are_written(trained, toy_reference, tmp_path):
    found = trained("linear", toy_reference).explain(toy_reference)
    found.save(tmp_path / "genes.csv")
    read = pd.read_csv(tmp_path / "genes.csv", keep_default_na=False)
    assert read.columns.tolist() == found.table.columns.tolist()
    np.testing.assert_allclose(read["contribution"], found.table["contribution"], rtol=1e-5)
    found.save(tmp_path / "genes.json")
    content = json.loads((tmp_path / "genes.json").read_text())
    assert content["about"]["baseline"] == "mean"
    first = content["types"]["T"]["genes"][0]
    assert first["gene_symbol"] == found.genes_of("T", 1)[0]
    with pytest.raises(InputError, match=r"\.csv or \.json"):
        found.save(tmp_path / "genes.txt")
    with pytest.raises(InputError, match="no cell was explained as 'Q'"):
        found.genes_of("Q")
    assert repr(found).startswith("Explanation of 3 types")


def test_counts_of_single_cells_do_not_change(trained, toy_reference):
    before = toy_reference.copy()
    trained("linear", toy_reference).explain(toy_reference)
    assert (before.X != toy_reference.X).nnz == 0
    assert list(before.obs) == list(toy_reference.obs)
    assert find_counts(toy_reference).evidence
