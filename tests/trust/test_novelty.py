"""Novelty: unseen types found, known ones left alone, and each cell judged for itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.special import softmax
from sklearn.decomposition import TruncatedSVD
from sklearn.metrics import roc_auc_score

from cellclassifier.data import principal_axes
from cellclassifier.trust.evidence import (
    MAX_PROTOTYPES,
    MIN_PER_TYPE,
    CellEvidence,
    HeldOutCells,
    Trial,
    choose_prototypes,
)
from cellclassifier.trust.novelty import MIN_CELLS, NoveltyModel
from cellclassifier.trust.surprises import OF_FAR

# With more axes than there are differences between types, new cells lie closer than held-out ones:
# the axes fit the noise of the cells that they were made of. There a trial is needed.
N_TYPES, N_PANEL, N_AXES = 5, 150, 5
IN_ORDER = np.arange(N_PANEL, dtype=np.int32)
NONE = np.empty((0, N_TYPES))


def shares_of_types():
    """Return what share each gene has of the counts of the known types and an unseen one."""
    rng = np.random.default_rng(50)
    shares = rng.lognormal(0, 1, N_PANEL) * rng.lognormal(0, 0.6, (N_TYPES + 1, N_PANEL))
    return shares / shares.sum(axis=1, keepdims=True)


def simulated(n_cells, seed):
    """Draw raw counts of known types, these types, and counts of the unseen one."""
    rng, shares = np.random.default_rng(seed), shares_of_types()
    codes = rng.integers(N_TYPES, size=n_cells)
    depth = 800 * rng.lognormal(0, 0.3, (n_cells, 1))
    known = rng.poisson(shares[codes] * depth * rng.gamma(5, 0.2, (n_cells, N_PANEL)))
    unseen = rng.poisson(shares[-1] * depth * rng.gamma(5, 0.2, (n_cells, N_PANEL)))
    return known.astype(np.float32), codes, unseen.astype(np.float32)


def probabilities_of(counts):
    """Return what a network could say that knows the types, held back: (n_cells, n_types)."""
    return softmax(0.1 * counts @ np.log(shares_of_types()[:-1].T), axis=1).astype(np.float32)


def undecided_of(counts):
    """Return what a network could say that is less sure: (n_cells, n_types)."""
    return softmax(np.log(np.maximum(probabilities_of(counts), 1e-30)) / 3, axis=1)


def plain_of(counts):
    """Return what another network could say, which looks at every other gene: the same shape."""
    return probabilities_of(counts * (np.arange(N_PANEL) % 2))


def expression_of(counts):
    return np.log1p(1e3 * counts / counts.sum(axis=1, keepdims=True)).astype(np.float32)


class Fitted:
    """A novelty model of simulated cells."""

    def __init__(self, n_cells=1500, far=None, *, plain=False):
        counts, codes, _ = simulated(n_cells, seed=0)
        expression = expression_of(counts)
        svd = TruncatedSVD(N_AXES, random_state=0).fit(expression)
        axes = svd.components_.astype(np.float32)
        known = CellEvidence(
            expression @ axes.T, NONE, None, sparse.csr_matrix(counts), IN_ORDER,
            counts.sum(axis=1).astype(float),
        )  # fmt: skip
        of_plain = plain_of(counts) if plain else None
        held_out = HeldOutCells(np.arange(n_cells), probabilities_of(counts), of_plain)
        if far is not None:
            of_plain = None if of_plain is None else of_plain[far]
            far = HeldOutCells(far, undecided_of(counts)[far], of_plain)
        self.plain = plain
        self.model = NoveltyModel.of(axes, known, codes, held_out, far, 0)
        self.detect = self.model.detector(np.ones(N_PANEL, dtype=bool))

    def evidence(self, counts):
        expression = expression_of(counts)
        return CellEvidence(
            expression @ self.model.components,
            probabilities_of(counts),
            undecided_of(counts) if self.model.asks_far else None,
            sparse.csr_matrix(counts),
            IN_ORDER,
            counts.sum(axis=1).astype(float),
            plain_of(counts) if self.plain else None,
        )

    def novelty(self, counts):
        return self.detect(self.evidence(counts))


@pytest.fixture(scope="module")
def fitted():
    return Fitted()


@pytest.fixture(scope="module")
def known_and_unseen():
    known, _, unseen = simulated(1000, seed=1)
    return known, unseen


def some_of(cells, rows):
    far = cells.far_probabilities
    return CellEvidence(
        cells.embedding[rows],
        cells.probabilities[rows],
        None if far is None else far[rows],
        cells.counts[rows],
        cells.target,
        cells.library_size[rows],
    )


# --- what is found


def test_an_unseen_type_is_found(fitted, known_and_unseen):
    known, unseen = (fitted.novelty(counts) for counts in known_and_unseen)
    truth = np.repeat([0, 1], len(known))
    assert roc_auc_score(truth, np.concatenate([known, unseen])) > 0.95


@pytest.mark.parametrize("share", [0.2, 0.05, 0.02])
def test_of_known_cells_the_share_asked_for_is_novel(fitted, known_and_unseen, share):
    novelty = fitted.novelty(known_and_unseen[0])
    assert (novelty >= -np.log10(share)).mean() == pytest.approx(share, abs=0.03)


def test_novelty_is_a_number_from_zero_on(fitted, known_and_unseen):
    for counts in known_and_unseen:
        novelty = fitted.novelty(counts)
        assert novelty.dtype == np.float32
        assert np.isfinite(novelty).all()
        assert (novelty >= 0).all()


def test_what_is_far_from_all_does_not_tie(fitted, known_and_unseen):
    novelty = fitted.novelty(known_and_unseen[1])
    beyond = novelty[novelty > 2]
    assert len(beyond) > 500
    assert len(np.unique(beyond)) == len(beyond)


@pytest.mark.parametrize("field", ["embedding", "probabilities"])
def test_the_farther_or_the_more_doubtful_the_more_novel(fitted, known_and_unseen, field):
    cells = some_of(fitted.evidence(known_and_unseen[0]), np.zeros(20, dtype=int))
    steps = np.linspace(0, 1, 20, dtype=np.float32)[:, None]
    if field == "embedding":
        moved = cells.embedding + 100 * steps
    else:  # from sure of one type to all types alike
        sure = np.eye(N_TYPES, dtype=np.float32)[cells.probabilities.argmax(axis=1)]
        moved = (1 - steps) * sure + steps / N_TYPES
    novelty = fitted.detect(cells._replace(**{field: moved}))
    assert (np.diff(novelty[1:]) >= 0).all()
    assert novelty[-1] > novelty[1]


# --- each cell for itself


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_novelty_depends_on_no_other_cell(fitted, known_and_unseen, seed):
    cells = fitted.evidence(np.concatenate(known_and_unseen))
    together = fitted.detect(cells)
    rows = np.random.default_rng(seed).permutation(len(together))[:200]
    np.testing.assert_array_equal(fitted.detect(some_of(cells, rows)), together[rows])
    alone = [fitted.detect(some_of(cells, rows[i : i + 1]))[0] for i in range(5)]
    np.testing.assert_array_equal(alone, together[rows[:5]])


def test_the_order_of_genes_changes_no_bit(fitted, known_and_unseen):
    cells = fitted.evidence(known_and_unseen[1])
    order = np.random.default_rng(0).permutation(N_PANEL)
    turned = cells._replace(counts=cells.counts[:, order].tocsr(), target=IN_ORDER[order])
    np.testing.assert_array_equal(fitted.detect(turned), fitted.detect(cells))


def test_the_same_cells_and_seed_give_the_same_model(fitted):
    again = Fitted().model.to_arrays()
    for name, values in fitted.model.to_arrays().items():
        np.testing.assert_array_equal(again[name], values)


@pytest.mark.parametrize("has_trial", [False, True])
def test_a_trial_tells_how_new_cells_lie_on_axes_that_fit_noise(has_trial):
    """New cells lie closer to the training cells; only a trial without some of them knows it."""
    n_cells, n_new = 240, 3000
    counts, codes, _ = simulated(n_cells, seed=0)
    expression = sparse.csr_matrix(expression_of(counts))
    axes, far = principal_axes(expression), np.arange(0, n_cells, 3)
    assert len(axes) == 25
    known = CellEvidence(
        expression @ axes.T, NONE, None, sparse.csr_matrix(counts), IN_ORDER,
        counts.sum(axis=1).astype(float),
    )  # fmt: skip
    held_out = HeldOutCells(np.arange(n_cells), probabilities_of(counts))
    is_in = np.arange(n_cells) % 3 > 0
    trial = Trial(expression @ principal_axes(expression[is_in]).T, is_in)
    model = NoveltyModel.of(
        axes, known, codes, held_out, HeldOutCells(far, undecided_of(counts)[far]), 0,
        trial=trial if has_trial else None,
    )  # fmt: skip
    new, _, _ = simulated(n_new, seed=1)
    cells = CellEvidence(
        expression_of(new) @ model.components, probabilities_of(new), undecided_of(new),
        sparse.csr_matrix(new), IN_ORDER, new.sum(axis=1).astype(float),
    )  # fmt: skip
    novelty = model.detector(np.ones(N_PANEL, dtype=bool))(cells)
    refused = (novelty >= -np.log10(0.2)).mean()
    assert refused == pytest.approx(0.2, abs=0.07) if has_trial else refused < 0.1


def test_too_few_held_out_cells_make_no_model():
    axes = np.eye(2, N_PANEL, dtype=np.float32)
    counts, codes, _ = simulated(200, seed=0)
    known = CellEvidence(
        expression_of(counts) @ axes.T, NONE, None, sparse.csr_matrix(counts), IN_ORDER,
        counts.sum(axis=1).astype(float),
    )  # fmt: skip
    probabilities = np.full((MIN_CELLS, N_TYPES), 1 / N_TYPES)
    rows = np.arange(MIN_CELLS)
    enough, too_few = (HeldOutCells(rows[n:], probabilities[n:]) for n in (0, 1))
    assert NoveltyModel.of(axes, known, codes, too_few, None, 0) is None
    assert NoveltyModel.of(axes[:0], known, codes, enough, None, 0) is None
    of_enough = NoveltyModel.of(axes, known, codes, enough, too_few, 0)
    assert of_enough is not None
    assert not of_enough.asks_far  # too few for a tail


def test_where_two_networks_doubt_the_more_surprising_one_counts(fitted, known_and_unseen):
    far = Fitted(far=np.arange(0, 1500, 3))
    assert far.model.asks_far
    assert not fitted.model.asks_far
    known, unseen = known_and_unseen
    cells = far.evidence(known)
    refused = far.detect(cells) >= -np.log10(0.05)
    assert 0.02 < refused.mean() < 0.09
    sure = np.eye(N_TYPES)[cells.probabilities.argmax(axis=1)]
    without_either = far.detect(cells._replace(probabilities=sure, far_probabilities=sure))
    for doubt in ({"far_probabilities": sure}, {"probabilities": sure}):
        of_one = far.detect(cells._replace(**doubt))
        assert (of_one <= far.detect(cells)).all()
        assert (of_one > without_either).mean() > 0.5
    truth = np.repeat([0, 1], len(known))
    assert roc_auc_score(truth, np.r_[far.detect(cells), far.novelty(unseen)]) > 0.95


def test_heads_that_contradict_each_other_are_doubt():
    plain = Fitted(far=np.arange(0, 1500, 3), plain=True)
    known, codes, _ = simulated(1000, seed=1)
    cells = plain.evidence(known)
    sure, other = np.eye(N_TYPES)[codes], np.eye(N_TYPES)[(codes + 1) % N_TYPES]
    agree = cells._replace(probabilities=sure, far_probabilities=sure, plain_probabilities=sure)
    for contradicted in (
        agree._replace(plain_probabilities=other),
        agree._replace(far_probabilities=other),
    ):
        assert (plain.detect(contradicted) > plain.detect(agree)).all()
    refused = plain.detect(cells) >= -np.log10(0.05)
    assert 0.02 < refused.mean() < 0.09


def test_prototypes_are_a_thousand_and_rare_types_have_theirs():
    codes = np.repeat([0, 1, 2, 3], [20_000, 2000, 100, 7])
    chosen = choose_prototypes(codes, np.random.default_rng(0))
    sizes = np.bincount(codes[chosen])
    assert (np.diff(chosen) > 0).all()
    assert 0.98 * MAX_PROTOTYPES <= len(chosen) <= MAX_PROTOTYPES + 4 * MIN_PER_TYPE
    assert sizes[0] > sizes[1] > sizes[2] >= MIN_PER_TYPE
    assert sizes[3] == 7
    assert len(choose_prototypes(codes[-500:], np.random.default_rng(0))) == 500


# --- in a file


def test_a_file_gives_back_what_it_got(fitted, known_and_unseen):
    arrays = fitted.model.to_arrays()
    again = NoveltyModel.from_arrays(arrays, N_PANEL, N_TYPES)
    assert again.to_arrays().keys() == arrays.keys()
    for name, values in arrays.items():
        np.testing.assert_array_equal(again.to_arrays()[name], values)
    cells = fitted.evidence(known_and_unseen[1])
    found = again.detector(np.ones(N_PANEL, dtype=bool))(cells)
    np.testing.assert_array_equal(found, fitted.detect(cells))


def test_a_model_of_many_types_and_genes_is_under_ten_megabytes(fitted):
    n_types, n_genes, n_axes = 500, 4000, 25
    codes = np.random.default_rng(0).integers(n_types, size=100_000)
    n_prototypes = len(choose_prototypes(codes, np.random.default_rng(0)))
    shapes = {
        "components": (n_genes, n_axes),
        "prototypes": (n_prototypes, n_axes),
        "rates": (n_types, n_genes),
        "dispersion": (n_genes,),
    }
    arrays = fitted.model.to_arrays()
    n_bytes = sum(
        np.prod(shapes.get(name, values.shape)) * values.itemsize for name, values in arrays.items()
    )
    assert shapes.keys() <= arrays.keys()
    assert n_bytes < 10e6


def put(value):
    def change(values):
        values = values.copy()
        values.flat[1] = value
        return values

    return change


BROKEN = {
    "missing": (lambda _: None, "no array"),
    "narrower": (lambda values: values[..., :-1], "shape"),
    "another-axis": (lambda values: values[None], "shape"),
    "a-number": (lambda values: values.dtype.type(1), "shape"),
    "none": (lambda values: values[:0], "shape"),
    "half": (lambda values: values.astype(np.float16), "float16"),
    "whole": (lambda values: values.astype(np.int64), "int64"),
    "text": (lambda values: values.astype(str), "<U"),
    "nan": (put(np.nan), "not within|finite"),
    "infinite": (put(np.inf), "not within|finite"),
    "negative-infinite": (put(-np.inf), "not within|finite"),
    "large": (put(1e15), "not within|finite"),
}
NAMES = (
    "components", "prototypes", "rates", "dispersion", "distance_depth", "unexpected_depth",
    "distance", "doubt", "unexpected", "together",
)  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("name", NAMES)
def test_arrays_that_are_no_model_are_refused(fitted, name, broken):
    arrays, (change, says) = dict(fitted.model.to_arrays()), BROKEN[broken]
    arrays[name] = change(arrays[name])
    arrays = {name: values for name, values in arrays.items() if values is not None}
    with pytest.raises(ValueError, match=says):
        NoveltyModel.from_arrays(arrays, N_PANEL, N_TYPES)


@pytest.mark.parametrize("name", ["rates", "dispersion"])
def test_what_cannot_be_negative_is_refused_where_it_is(fitted, name):
    arrays = dict(fitted.model.to_arrays())
    arrays[name] = put(-0.1)(arrays[name])
    with pytest.raises(ValueError, match="not within 0 and"):
        NoveltyModel.from_arrays(arrays, N_PANEL, N_TYPES)


def test_a_model_of_other_genes_or_types_is_refused(fitted):
    assert set(fitted.model.to_arrays()) == set(NAMES)
    for n_genes, n_types in ((N_PANEL + 1, N_TYPES), (N_PANEL, N_TYPES + 1)):
        with pytest.raises(ValueError, match="shape"):
            NoveltyModel.from_arrays(fitted.model.to_arrays(), n_genes, n_types)


def test_a_file_without_the_far_doubt_is_of_a_model_that_does_not_ask_for_it():
    model = Fitted(far=np.arange(1500)).model
    arrays = dict(model.to_arrays())
    assert set(arrays) == {*NAMES, *OF_FAR}
    assert NoveltyModel.from_arrays(arrays, N_PANEL, N_TYPES).asks_far
    without = {name: values for name, values in arrays.items() if name not in OF_FAR}
    assert not NoveltyModel.from_arrays(without, N_PANEL, N_TYPES).asks_far
    for name in OF_FAR:  # one without the other, or broken
        lacking = {key: values for key, values in arrays.items() if key != name}
        with pytest.raises(ValueError, match=f"no array '{name}'"):
            NoveltyModel.from_arrays(lacking, N_PANEL, N_TYPES)
        with pytest.raises(ValueError, match="a tail is"):
            NoveltyModel.from_arrays(arrays | {name: np.zeros(3)}, N_PANEL, N_TYPES)
