"""What is told of cells that were named, against what was written of them."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from streamed_cells import KEY, drawn, in_blocks_of, log_normalised, write

import cellclassifier as cc
from cellclassifier.classifier import drawing, embedding, surveying
from cellclassifier.classifier.sampling import sample_runs
from cellclassifier.classifier.speaking import gene_dots
from cellclassifier.errors import InputError
from cellclassifier.predictions import STATUSES

FEW = 45


@pytest.fixture
def surveyed(classifier, tmp_path):
    """Name some cells of a file, and look at what came of it."""

    def survey(cells, out="named.h5ad", file="cells.h5ad", **asked):
        path = write(cells, tmp_path / file)
        target = None if out is None else tmp_path / out
        named = cc.annotate_file(classifier, path, target, **asked)
        return named, cc.survey_annotation(classifier, path, named)

    return survey


def test_it_tells_what_the_annotated_file_says(surveyed):
    cells = drawn(FEW, seed=4, spread=0.3)
    named, survey = surveyed(cells)
    obs = cc.read_cells(named.out).obs
    sizes = obs["predicted_cell_type"].value_counts()
    assert {found.label: found.n_cells for found in survey.types} == sizes[sizes > 0].to_dict()
    assert [found.n_cells for found in survey.types] == sorted(sizes[sizes > 0], reverse=True)
    confidence = obs.groupby("predicted_cell_type", observed=True)[
        "predicted_cell_type_confidence"
    ].mean()
    for found in survey.types:
        assert found.mean_confidence == pytest.approx(confidence[found.label], abs=1e-6)
    status = obs["predicted_cell_type_status"].value_counts()
    assert survey.statuses == status[status > 0].to_dict()
    ambiguous = obs[obs["predicted_cell_type_status"] == "ambiguous"]
    sets = ambiguous["predicted_cell_type_set"].value_counts()
    assert {" | ".join(s.labels): s.n_cells for s in survey.shared_sets} == sets[sets > 0].to_dict()
    assert survey.advice in cc.read_cells(named.out).uns["cellclassifier"]["advice"]
    assert survey.n_cells == survey.input.n_cells == FEW
    assert survey.drawn.cell_names.tolist() == cells.obs_names.tolist()
    size = [len(text.split(" | ")) if text else 0 for text in obs["predicted_cell_type_set"]]
    assert survey.drawn.sets.sum(axis=1).tolist() == size


def test_unknown_cells_resemble_the_types_that_they_would_have_got(surveyed, classifier):
    # all counts in a few genes: no training cell looks so
    cells = drawn(FEW, seed=4)
    strange = np.zeros((10, cells.n_vars), np.float32)
    strange[:, 100:] = np.random.default_rng(0).poisson(30, (10, cells.n_vars - 100))
    cells.X = sparse.csr_matrix(sparse.vstack([cells.X[:-10], strange]))
    asked = {"shift": 0.0, "trust": cc.TrustSettings(unknown="label")}
    named, survey = surveyed(cells, **asked)
    n_unknown = int((named.status == STATUSES.index("unknown")).sum())
    assert n_unknown >= 10
    assert survey.unknown.n_cells == n_unknown
    assert sum(survey.unknown.resembled.values()) == n_unknown
    likeliest = classifier.classify(cells, shift=0.0).labels[-10:]
    assert set(likeliest) <= set(survey.unknown.resembled)
    assert survey.labels == (*classifier.check_fitted().label_space.labels, "unknown")
    assert {found.label for found in survey.types} >= {"unknown"}


@pytest.mark.parametrize(
    ("out", "file"),
    [
        pytest.param("named.csv", "cells.h5ad", id="table"),
        pytest.param(None, "cells.h5ad", id="in-place"),
        pytest.param("named.zarr", "cells.zarr", id="store"),
    ],
)
def test_it_is_the_same_wherever_the_annotations_go(surveyed, out, file):
    cells = drawn(FEW, seed=4, spread=0.3)
    _, expected = surveyed(cells, out="expected.h5ad", file="others.h5ad")
    _, survey = surveyed(cells, out=out, file=file)
    assert survey.types == expected.types
    assert survey.dots.genes == expected.dots.genes
    np.testing.assert_array_equal(survey.drawn.position, expected.drawn.position)


def test_log_normalised_cells_are_drawn_by_their_counts(surveyed):
    cells = drawn(FEW, seed=4, spread=0.3)
    _, expected = surveyed(cells)
    _, survey = surveyed(log_normalised(cells), out="again.h5ad", file="logs.h5ad")
    assert "undone exactly" in survey.input.counts
    np.testing.assert_array_equal(survey.dots.mean, expected.dots.mean)
    np.testing.assert_array_equal(survey.depth.library_size, expected.depth.library_size)


def test_of_many_cells_runs_are_drawn_and_said_so(surveyed, monkeypatch, cells):
    monkeypatch.setattr(surveying, "MAX_DRAWN_CELLS", 100)
    monkeypatch.setattr(surveying, "embed_cells", lambda e: (e[:, :2].toarray(), "two genes"))
    monkeypatch.setattr(drawing, "BLOCK_CELLS", 7)
    named, survey = surveyed(cells, streaming=in_blocks_of(64))
    rows = np.concatenate([np.arange(run.start, run.stop) for run in sample_runs(600, 100)])
    assert len(survey.drawn) == len(rows) == 100
    assert survey.drawn.method.startswith("100 of the 600 cells, in runs of consecutive ones")
    assert survey.drawn.cell_names.tolist() == cells.obs_names[rows].tolist()
    np.testing.assert_array_equal(survey.drawn.codes, named.codes[rows])
    np.testing.assert_array_equal(survey.drawn.confidence, named.confidence[rows])
    # of all cells, not of those drawn
    assert survey.n_cells == sum(survey.statuses.values()) == 600
    assert survey.depth.library_size.tolist() == cells.X[rows].sum(axis=1).ravel().tolist()[0]


@pytest.mark.parametrize(
    ("spread", "refused", "why"),
    [(0.0, 0.05, None), (0.3, 0.05, "shift"), (0.0, 0.0, "asked"), (0.3, 0.0, "asked")],
)
def test_why_no_cell_is_called_unknown_is_told(surveyed, spread, refused, why):
    cells = drawn(300, seed=4, spread=spread)
    named, survey = surveyed(cells, trust=cc.TrustSettings(refused=refused))
    assert named.none_unknown == survey.none_unknown == why


def test_another_file_is_refused(classifier, tmp_path):
    path = write(drawn(FEW, seed=4), tmp_path / "cells.h5ad")
    named = cc.annotate_file(classifier, path, tmp_path / "named.csv")
    other = write(drawn(FEW + 1, seed=4), tmp_path / "other.h5ad")
    with pytest.raises(InputError, match="has 46 cells, and 45 were named"):
        cc.survey_annotation(classifier, other, named)


def test_dots_are_the_means_and_shares_of_pandas():
    rng = np.random.default_rng(0)
    expression = rng.poisson(0.7, (60, 6)).astype(np.float32)
    codes = rng.integers(0, 3, 60)
    names = np.array(list("abcdef"), dtype=object)
    chosen = {"Z": ["f", "a"], "X": ["a", "b"], "Y": ["c", "nowhere"]}
    dots = gene_dots(sparse.csr_matrix(expression), codes, list("XYZ"), names, chosen)
    assert (dots.genes, dots.speaks_for) == (("a", "b", "c", "f"), ("X", "X", "Y", "Z"))
    frame = pd.DataFrame(expression, columns=names)[list(dots.genes)]
    np.testing.assert_allclose(dots.mean, frame.groupby(codes).mean(), rtol=1e-6)
    np.testing.assert_allclose(dots.share, (frame > 0).groupby(codes).mean(), rtol=1e-6)


def test_types_and_further_cells_are_laid_out_among_their_own_kind(monkeypatch):
    monkeypatch.setattr(embedding, "MAX_UMAP_CELLS", 120)
    cells = drawn(240, seed=5)
    expression = sparse.csr_matrix(cells.X.log1p())
    position, method = embedding.embed_cells(expression)
    again, _ = embedding.embed_cells(expression)
    np.testing.assert_array_equal(position, again)
    assert "UMAP of 30 principal components of 120 genes, seed 0" in method
    assert method.endswith("laid out for 120 cells, the others placed among these")
    labels = cells.obs[KEY].to_numpy()
    distance = np.linalg.norm(position[:, None] - position[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    nearest = distance.argsort(axis=1)[:, :5]
    assert (labels[nearest] == labels[:, None]).mean() > 0.9


@pytest.mark.parametrize("shape", [(1, 5), (3, 1), (60, 2)])
def test_few_cells_or_genes_are_laid_out_too(shape):
    expression = sparse.csr_matrix(np.random.default_rng(0).random(shape, dtype=np.float32))
    position, method = embedding.embed_cells(expression)
    assert position.shape == (shape[0], 2)
    assert np.isfinite(position).all()
    assert method
