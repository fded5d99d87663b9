"""What model files hold as arrays: it comes back as it was, and what is broken is refused."""

import hashlib
import io
import json
import zipfile

import numpy as np
import pytest
from scipy import sparse

from cellclassifier import CellTypeClassifier
from cellclassifier.data import ViewMoments
from cellclassifier.errors import ModelFileError
from cellclassifier.modelfile import read_manifest
from cellclassifier.modelfile.adaptation import KNOTS, Adaptation
from cellclassifier.modelfile.members import ARRAY_MEMBERS, to_bytes
from cellclassifier.trust import TypeProfiles

N_GENES, N_TYPES, N_FEATURES = 6, 3, 3 * 6 + 4


def refusal(path):
    """Return the message with which the file is refused, by the reader and the classifier alike."""
    with pytest.raises(ModelFileError) as of_reader:
        read_manifest(path)
    with pytest.raises(ModelFileError) as of_classifier:
        CellTypeClassifier.load(path)
    assert str(of_reader.value) == str(of_classifier.value)
    return str(of_reader.value)


def change_arrays(path, member, change):
    """Change an .npz member as a forger would: the hash in the manifest fits again."""
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    with np.load(io.BytesIO(members[member])) as arrays:
        content = change(dict(arrays))
    manifest = json.loads(members["cellclassifier.json"])
    manifest["parts"][member] = hashlib.sha256(content).hexdigest()
    manifest = json.dumps(manifest).encode()
    write_members(path, members | {member: content, "cellclassifier.json": manifest})


def remove_member(path, member):
    """Remove a member as a forger would."""
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist() if name != member}
    manifest = json.loads(members["cellclassifier.json"])
    del manifest["parts"][member]
    members["cellclassifier.json"] = json.dumps(manifest).encode()
    write_members(path, members)


def write_members(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in members.items():
            file.writestr(name, text)


def packed(arrays, save=np.savez, **changes):
    buffer = io.BytesIO()
    save(buffer, **{name: value for name, value in (arrays | changes).items() if value is not None})
    return buffer.getvalue()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda _: b"PK nothing", id="no-archive"),
        pytest.param(lambda arrays: packed(arrays, np.savez_compressed), id="may-be-a-bomb"),
        pytest.param(lambda arrays: packed(arrays, codes=None), id="array-missing"),
        pytest.param(lambda arrays: packed(arrays, codes=arrays["codes"] + 3), id="no-such-type"),
        pytest.param(lambda arrays: packed(arrays, codes=arrays["codes"][:3]), id="other-length"),
        pytest.param(lambda arrays: packed(arrays, genes=arrays["genes"] + 99), id="no-such-gene"),
        pytest.param(lambda arrays: packed(arrays, counts=-arrays["counts"]), id="negative"),
        pytest.param(
            lambda arrays: packed(arrays, codes=arrays["codes"].astype(object)), id="pickled"
        ),
        pytest.param(
            lambda arrays: packed(arrays, weights_0=arrays["weights_0"].astype(str)), id="texts"
        ),
    ],
)
def test_validation_cells_that_are_broken(saved, change):
    change_arrays(saved, "validation.npz", change)
    assert "its validation cells are broken" in refusal(saved)


def forged_header(arrays):
    """Return an archive whose first array says that it is far larger than it is."""
    content = packed(arrays)
    mean = arrays["mean"]
    return content.replace(str(mean.shape).encode(), b"(9000000000000,)", 1)


def encrypted(arrays):
    """Return an archive whose members say that a password is needed."""
    content = bytearray(packed(arrays))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        position = content.index(signature)
        while position >= 0:
            content[position + offset] |= 1
            position = content.find(signature, position + 4)
    return bytes(content)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda _: b"", "BadZipFile", id="empty"),
        pytest.param(lambda arrays: packed(arrays, np.savez_compressed), "packed", id="bomb"),
        pytest.param(lambda arrays: packed(arrays, noise=None), "'noise' is missing", id="missing"),
        pytest.param(lambda arrays: packed(arrays, variances=None), "'variances'", id="no-list"),
        pytest.param(
            lambda arrays: packed(arrays, mean=arrays["mean"][1:]), "shape", id="too-few-genes"
        ),
        pytest.param(
            lambda arrays: packed(arrays, axes=arrays["axes"][1:]), "shape", id="too-few-axes"
        ),
        pytest.param(
            lambda arrays: packed(arrays, axes=arrays["axes"].astype(float)), "float64", id="double"
        ),
        pytest.param(
            lambda arrays: packed(arrays, axes=arrays["axes"] * np.nan), "not finite", id="nan"
        ),
        pytest.param(
            lambda arrays: packed(arrays, axes=arrays["axes"] * 99), "does not lie", id="too-long"
        ),
        pytest.param(
            lambda arrays: packed(arrays, noise=0 * arrays["noise"]), "does not lie", id="no-noise"
        ),
        pytest.param(
            lambda arrays: packed(arrays, mean=arrays["mean"].astype(object)), "pickle", id="pickle"
        ),
        pytest.param(forged_header, "broken", id="header-of-another-size"),
        pytest.param(encrypted, "password", id="encrypted"),
    ],
)
def test_gene_factors_that_are_broken(saved, change, message):
    change_arrays(saved, "genes.npz", change)
    told = refusal(saved)
    assert "its gene factors are broken" in told
    assert message in told


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda _: b"", "BadZipFile", id="empty"),
        pytest.param(lambda arrays: packed(arrays, np.savez_compressed), "packed", id="bomb"),
        pytest.param(lambda _: packed({}), "KeyError", id="nothing"),
        pytest.param(
            lambda arrays: packed(arrays, kernels=np.float32(3)), "its weights", id="a-number"
        ),
        pytest.param(
            lambda arrays: packed(arrays, kernels=arrays["kernels"].astype(object)),
            "pickle",
            id="pickle",
        ),
        pytest.param(
            lambda arrays: packed(arrays, library=-1 - arrays["library"]),
            "'library'",
            id="negative-library",
        ),
        pytest.param(encrypted, "password", id="encrypted"),
    ],
)
def test_weights_for_shifted_cells_that_are_broken(adapting, change, message):
    change_arrays(adapting, "shift.npz", change)
    told = refusal(adapting)
    assert "its weights for shifted cells are broken" in told
    assert message in told


def test_weights_for_other_features_than_the_networks_are_refused(adapting):
    """The member fits itself; the network's last layer has more rows."""
    change_arrays(
        adapting, "shift.npz", lambda arrays: packed(arrays, kernels=arrays["kernels"][:, 1:])
    )
    with pytest.raises(ModelFileError, match="its weights for shifted cells are for a layer of"):
        CellTypeClassifier.load(adapting)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda _: b"", "BadZipFile", id="empty"),
        pytest.param(lambda arrays: packed(arrays, np.savez_compressed), "packed", id="bomb"),
        pytest.param(lambda arrays: packed(arrays, kept=None), "no array 'kept'", id="missing"),
        pytest.param(
            lambda arrays: packed(arrays, sizes=arrays["sizes"] + 1), "shape", id="more-cells"
        ),
        pytest.param(
            lambda arrays: packed(arrays, sizes=-arrays["sizes"]), "numbers of cells", id="negative"
        ),
        pytest.param(
            lambda arrays: packed(arrays, kept=arrays["kept"] + 9), "outside of", id="no-score"
        ),
        pytest.param(
            lambda arrays: packed(arrays, pooled=arrays["pooled"].astype(object)),
            "pickle",
            id="pickle",
        ),
        pytest.param(encrypted, "password", id="encrypted"),
    ],
)
def test_scores_of_held_out_cells_that_are_broken(saved, change, message):
    change_arrays(saved, "sets.npz", change)
    told = refusal(saved)
    assert "its scores of held-out cells are broken" in told
    assert message in told


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda _: b"", "BadZipFile", id="empty"),
        pytest.param(lambda arrays: packed(arrays, np.savez_compressed), "packed", id="bomb"),
        pytest.param(lambda arrays: packed(arrays, doubt=None), "no array 'doubt'", id="missing"),
        pytest.param(
            lambda arrays: packed(arrays, components=arrays["components"][1:]),
            "shape",
            id="too-few-genes",
        ),
        pytest.param(
            lambda arrays: packed(arrays, prototypes=arrays["prototypes"][:, 1:]),
            "shape",
            id="other-axes",
        ),
        pytest.param(
            lambda arrays: packed(arrays, rates=arrays["rates"][1:]), "shape", id="too-few-types"
        ),
        pytest.param(
            lambda arrays: packed(arrays, rates=arrays["rates"] * np.nan), "not within", id="nan"
        ),
        pytest.param(
            lambda arrays: packed(arrays, together=-arrays["together"]), "rise", id="falls"
        ),
        pytest.param(
            lambda arrays: packed(arrays, distance_depth=arrays["distance_depth"][:2]),
            "a curve of depth",
            id="half-a-curve",
        ),
        pytest.param(
            lambda arrays: packed(arrays, prototypes=arrays["prototypes"].astype(object)),
            "pickle",
            id="pickle",
        ),
        pytest.param(encrypted, "password", id="encrypted"),
    ],
)
def test_statistics_of_known_cells_that_are_broken(adapting, change, message):
    change_arrays(adapting, "novelty.npz", change)
    told = refusal(adapting)
    assert "its statistics of known cells are broken" in told
    assert message in told


def test_doubt_by_weights_that_the_file_lacks_is_refused(adapting):
    def add_far_doubt(arrays):
        return packed(arrays, far_doubt=arrays["doubt"], greater_doubt=arrays["doubt"])

    change_arrays(adapting, "novelty.npz", add_far_doubt)
    assert read_manifest(adapting).novelty.asks_far
    remove_member(adapting, "shift.npz")
    assert "weights for shifted cells, which it lacks" in refusal(adapting)


# --- the adaptation


@pytest.fixture(scope="module")
def adaptation():
    rng = np.random.default_rng(0)
    counts = sparse.csr_matrix(rng.poisson(2, (30, N_GENES)).astype(np.float32))
    codes = np.arange(30) % N_TYPES
    return Adaptation(
        TypeProfiles.of(counts, np.full(30, 50.0), codes, N_TYPES),
        rng.normal(size=(2, N_FEATURES, N_TYPES)).astype(np.float32),
        rng.normal(size=(2, N_TYPES)).astype(np.float32),
        ViewMoments.of(counts.log1p()),
        (
            rng.normal(size=(N_GENES, N_TYPES)).astype(np.float32),
            rng.normal(size=N_TYPES).astype(np.float32),
        ),
    )


@pytest.fixture(scope="module")
def home():
    rng = np.random.default_rng(1)
    return rng.normal(size=(N_FEATURES, N_TYPES)).astype(np.float32), np.float32([1, 2, 3])


@pytest.mark.parametrize(
    ("shift", "layer"),
    [
        *KNOTS, (0.0, 0), (0.049, 0), (0.1, 0.5), (0.165, 1), (0.25, 1.5), (1, 2), (1e300, 2),
        (np.inf, 2),
    ],
)  # fmt: skip
def test_the_layer_changes_linearly_between_the_knots(adaptation, home, shift, layer):
    kernel, bias = adaptation.last_layer(*home, shift)
    kernels, biases = [home[0], *adaptation.kernels], [home[1], *adaptation.biases]
    low = min(int(layer), 1)
    for ours, layers in ((kernel, kernels), (bias, biases)):
        expected = (1 - (layer - low)) * layers[low] + (layer - low) * layers[low + 1]
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, expected, atol=1e-6)


@pytest.mark.parametrize(("shift", "layer"), [(0.0, 0), (0.16, 1), (2.0, 2)])
def test_at_the_knots_the_layer_is_the_same_to_the_bit(adaptation, home, shift, layer):
    kernel, bias = adaptation.last_layer(*home, shift)
    np.testing.assert_array_equal(kernel, [home[0], *adaptation.kernels][layer])
    np.testing.assert_array_equal(bias, [home[1], *adaptation.biases][layer])


def read_back(content):
    return ARRAY_MEMBERS["shift.npz"].read(content, N_GENES, N_TYPES)


def test_adaptation_comes_back_as_it_went(adaptation):
    again = read_back(to_bytes(adaptation)).to_arrays()
    assert again.keys() == adaptation.to_arrays().keys()
    for name, values in adaptation.to_arrays().items():
        np.testing.assert_array_equal(again[name], values)
        assert again[name].dtype == values.dtype


CHANGES = {
    "one-less": lambda values, _: values[:-1],
    "one-more": lambda values, _: np.concatenate([values, values[:1]]),
    "another-axis": lambda values, _: values[None],
    "narrower": lambda values, _: values[..., :-1],
    "flat": lambda values, _: values.ravel()[:1],
    "a-number": lambda values, _: values.dtype.type(1),
    "none": lambda values, _: values[:0],
    "half": lambda values, _: values.astype(np.float16),
    "whole": lambda values, _: values.astype(np.int64),
    "complex": lambda values, _: values.astype(complex),
    "text": lambda values, _: values.astype(str),
    "other-bytes": lambda values, _: values.astype(values.dtype.newbyteorder(">")),
    "nan": lambda values, at: put(values, at, np.nan),
    "infinite": lambda values, at: put(values, at, np.inf),
    "negative-infinite": lambda values, at: put(values, at, -np.inf),
}


def put(values, at, value):
    values = values.copy()
    values.flat[at % values.size] = value
    return values


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    "name",
    [
        "kernels", "biases", "counts", "library", "view_mean", "view_slope", "plain_kernel",
        "plain_bias",
    ],
)  # fmt: skip
def test_hostile_arrays_are_refused_and_nothing_else(adaptation, name, change):
    arrays = dict(adaptation.to_arrays())
    arrays[name] = CHANGES[change](arrays[name], 7)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    with pytest.raises(ModelFileError, match="its weights for shifted cells are broken"):
        read_back(buffer.getvalue())


@pytest.mark.parametrize("name", ["plain_kernel", "plain_bias"])
def test_half_a_plain_head_is_refused(adaptation, name):
    arrays = {**adaptation.to_arrays()}
    del arrays[name]
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    with pytest.raises(ModelFileError, match="its weights for shifted cells are broken"):
        read_back(buffer.getvalue())


@pytest.mark.parametrize(("n_genes", "n_types"), [(N_GENES + 1, N_TYPES), (N_GENES, N_TYPES + 1)])
def test_adaptation_of_another_model_is_refused(adaptation, n_genes, n_types):
    with pytest.raises(ModelFileError, match="its weights for shifted cells are broken"):
        ARRAY_MEMBERS["shift.npz"].read(to_bytes(adaptation), n_genes, n_types)
