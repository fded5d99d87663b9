"""Clusters vote beside the cells, in memory and on disk."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from streamed_cells import KEY, in_blocks_of, write

from cellclassifier import VoteSettings, find_clusters, read_cells, vote
from cellclassifier.classifier import clustering
from cellclassifier.classifier.streaming import annotate_file
from cellclassifier.errors import InputError
from cellclassifier.labels import LabelSpace
from cellclassifier.predictions import STATUSES, CellTrust, Predictions

SPACE = LabelSpace(("B", "NK", "T"))
VOTE_COLUMNS = [f"predicted_cell_type_vote{end}" for end in ("", "_agreement", "_cluster")]


def named(labels, unknown=()):
    probabilities = np.full((len(labels), 3), 0.1, np.float32)
    probabilities[np.arange(len(labels)), SPACE.encode(labels)] = 0.8
    status = np.full(len(labels), STATUSES.index("assigned"), np.int8)
    status[list(unknown)] = STATUSES.index("unknown")
    trust = CellTrust(probabilities > 0.5, 0.9, np.zeros(len(labels), np.float32), status)
    return Predictions(SPACE, probabilities, pd.RangeIndex(len(labels)), trust=trust)


def test_a_cluster_says_what_most_of_its_cells_say():
    cells = named(["B", "B", "T", "NK", "NK", "T"])
    votes = vote(cells, [1, 1, 1, 2, 2, 2], min_agreement=0.6)
    assert votes.labels.tolist() == ["B", "B", "B", "NK", "NK", "NK"]
    np.testing.assert_allclose(votes.agreement, 2 / 3)
    assert votes.stands.all()
    assert cells.labels.tolist() == ["B", "B", "T", "NK", "NK", "T"]


def test_where_too_few_agree_cells_keep_their_own():
    cells = named(["B", "B", "T", "NK"])
    votes = vote(cells, list("aaab"), min_agreement=0.7)
    assert votes.labels.tolist() == ["B", "B", "T", "NK"]
    assert votes.stands.tolist() == [False, False, False, True]
    table = votes.table()
    assert table["label"].tolist() == ["", "NK"]
    assert table["n_cells"].tolist() == [3, 1]
    np.testing.assert_allclose(table["agreement"], [2 / 3, 1])


def test_unknown_cells_say_nothing_but_count():
    cells = named(["B", "B", "B", "T"], unknown=(1, 2))
    votes = vote(cells, [1, 1, 1, 1], min_agreement=0.25)
    np.testing.assert_allclose(votes.agreement, 1 / 4)
    none = vote(named(["B", "T"], unknown=(0, 1)), [1, 1], min_agreement=0)
    assert not none.stands.any()


def test_cells_in_no_cluster_keep_their_own():
    cells = named(["B", "B", "T"])
    for clusters in (pd.Series(["a", "a", None]), np.array([1.0, 1.0, np.nan])):
        votes = vote(cells, clusters)
        assert votes.labels.tolist() == ["B", "B", "T"]
        assert votes.agreement.tolist() == [1, 1, 0]
        assert votes.n_clusters == 1
    assert not vote(cells, [None] * 3).stands.any()


def test_wrong_numbers_are_refused():
    with pytest.raises(InputError, match="2 cells have a cluster, but 3 were named"):
        vote(named(["B", "B", "T"]), [1, 1])
    with pytest.raises(InputError, match=r"from 0 to 1, not 1\.5"):
        vote(named(["B"]), [1], min_agreement=1.5)
    with pytest.raises(InputError, match="is positive, not 0"):
        VoteSettings(resolution=0)


def test_clusters_are_found_and_the_same_again():
    rng = np.random.default_rng(0)
    groups = np.arange(300) % 3
    means = np.where(np.arange(60) % 3 == groups[:, None], 3.0, 0.3)
    expression = sparse.csr_matrix(np.log1p(rng.poisson(means)).astype(np.float32))
    clusters = find_clusters(expression)
    assert len(np.unique(clusters)) >= 3
    for cluster in np.unique(clusters):
        assert len(np.unique(groups[clusters == cluster])) == 1
    np.testing.assert_array_equal(find_clusters(expression), clusters)


def test_sets_beyond_the_size_for_which_scanpy_goes_another_way_have_clusters():
    rng = np.random.default_rng(0)
    means = np.repeat(rng.gamma(0.5, 4.0, (2, 40)), 2_500, axis=0)
    clusters = find_clusters(sparse.csr_matrix(np.log1p(rng.poisson(means))))
    assert set(clusters[:2_500]).isdisjoint(clusters[2_500:])


def test_cells_that_cannot_be_clustered_are_refused_at_once(monkeypatch):
    monkeypatch.setattr(clustering, "MAX_CELLS", 99)
    many = sparse.csr_matrix(np.ones((100, 3), np.float32))
    with pytest.raises(InputError, match="100 cells are too many to cluster here, 99 are not"):
        find_clusters(many)


@pytest.fixture
def clustered(cells):
    cells.obs["leiden"] = pd.Categorical((np.arange(cells.n_obs) % 7).astype(str))
    cells.obs.loc[cells.obs_names[3], "leiden"] = None
    return cells


@pytest.mark.parametrize("key", ["leiden", None])
def test_on_disk_as_in_memory(classifier, clustered, tmp_path, key):
    settings = VoteSettings(key=key, min_agreement=0.3)
    path = write(clustered, tmp_path / "cells.h5ad")
    alone = classifier.annotate(clustered.copy())
    in_memory = classifier.annotate(clustered.copy(), vote=settings)
    for name, step in (("one.h5ad", 64), ("other.zarr", 500)):
        out = tmp_path / name
        told = annotate_file(
            classifier, path, out, streaming=in_blocks_of(step), vote=settings
        ).vote
        on_disk = read_cells(out).to_memory()
        for column in VOTE_COLUMNS:
            assert on_disk.obs[column].tolist()[4:] == in_memory.obs[column].tolist()[4:]
        assert on_disk.obs["predicted_cell_type_vote"].cat.categories.tolist() == list(SPACE.labels)
        for column in alone.obs:
            assert on_disk.obs[column].tolist()[4:] == alone.obs[column].tolist()[4:], column
        record = on_disk.uns["cellclassifier"]["vote"]
        assert record == in_memory.uns["cellclassifier"]["vote"]
        assert record["clusters"] == (key or "found")
        assert "the word of its cluster stands for" in told
    changed = in_memory.obs["predicted_cell_type_vote"] != in_memory.obs["predicted_cell_type"]
    assert changed.any() or key is None


def test_an_earlier_vote_goes(classifier, clustered):
    classifier.annotate(clustered, vote=VoteSettings(key="leiden"))
    assert set(VOTE_COLUMNS) <= set(clustered.obs)
    classifier.annotate(clustered)
    assert not set(VOTE_COLUMNS) & set(clustered.obs)
    assert "vote" not in clustered.uns["cellclassifier"]


def test_votes_in_a_table_and_in_the_file_itself(classifier, clustered, tmp_path):
    settings = VoteSettings(key="leiden", min_agreement=0.3)
    path, out = write(clustered, tmp_path / "cells.h5ad"), tmp_path / "named.csv"
    annotate_file(classifier, path, out, streaming=in_blocks_of(64), vote=settings)
    table = pd.read_csv(out)
    assert table.columns.tolist()[-3:] == ["vote", "vote_agreement", "vote_cluster"]
    annotate_file(classifier, path, None, vote=settings)
    written = read_cells(path)
    assert written.obs["predicted_cell_type_vote"].tolist() == table["vote"].tolist()
    assert written.obs[KEY].tolist() == clustered.obs[KEY].tolist()


def test_a_column_that_is_not_there_is_refused_before_anything_is_named(
    classifier, cells, tmp_path
):
    path = write(cells, tmp_path / "cells.h5ad")
    with pytest.raises(InputError, match="no column 'louvain' with clusters"):
        annotate_file(classifier, path, tmp_path / "o.h5ad", vote=VoteSettings(key="louvain"))
    assert [file.name for file in tmp_path.iterdir()] == ["cells.h5ad"]
    with pytest.raises(InputError, match="no column 'louvain' with clusters"):
        classifier.annotate(cells, vote=VoteSettings(key="louvain"))
