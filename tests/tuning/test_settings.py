"""Settings files: what is written comes back, and what does not fit is named."""

import json

import pytest

from cellclassifier import CellTypeClassifier, TrainingConfig, build_mlp
from cellclassifier.classifier.settings import ClassifierSettings, choose_settings
from cellclassifier.errors import InputError
from cellclassifier.networks import NETWORKS
from cellclassifier.tuning import space


@pytest.fixture
def settings_file(tmp_path):
    path = tmp_path / "best.json"
    ClassifierSettings.of_network("mlp").save(path)
    return path


def changed(path, **values):
    """Write `values` over the file's, a key such as ``training__epochs`` one level down."""
    content = json.loads(path.read_text())
    for name, value in values.items():
        *above, last = name.split("__")
        (content[above[0]] if above else content)[last] = value
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("network", space.SPACES)
def test_every_value_of_the_search_comes_back(network, tmp_path):
    dimensions = space.space_of(network, 20_000)
    defaults = {dimension.name: dimension.default for dimension in dimensions}
    for dimension in dimensions:
        ends = getattr(dimension, "values", None) or (dimension.low, dimension.high)
        for value in ends:
            settings = space.settings_of(network, defaults | {dimension.name: value})
            settings.save(tmp_path / "best.json")
            assert ClassifierSettings.read(tmp_path / "best.json") == settings


@pytest.mark.parametrize("network", NETWORKS)
def test_default_settings_are_those_of_the_classifier(network, tmp_path):
    settings = ClassifierSettings.of_network(network)
    settings.save(tmp_path / "best.json")
    assert ClassifierSettings.read(tmp_path / "best.json") == settings
    assert settings.classifier().network == network


def test_settings_name_their_format(settings_file):
    content = json.loads(settings_file.read_text())
    assert content["format_name"] == "cellclassifier settings"
    assert content["format"] == 1


def test_what_is_left_out_of_the_training_has_its_default(settings_file):
    changed(settings_file, training={"epochs": 7})
    assert ClassifierSettings.read(settings_file).training == TrainingConfig(epochs=7)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param({"speed": 1}, "unknown key 'speed'", id="key"),
        pytest.param({"training__momentum": 1}, "unknown key 'training.momentum'", id="inner-key"),
        pytest.param({"format": 2}, "they have the format 2", id="format"),
        pytest.param({"format_name": "x"}, "do not say that they are", id="format-name"),
        pytest.param(
            {"genes": "many"}, "'genes' is 'many', and a whole number or 'all'", id="genes"
        ),
        pytest.param({"genes": True}, "'genes' is True", id="bool-for-number"),
        pytest.param({"genes": 0}, "one gene or more, not 0", id="no-gene"),
        pytest.param({"network": "mlp"}, "'network' is 'mlp', and an object", id="network-text"),
        pytest.param({"network__name": "lstm"}, "no network 'lstm'", id="network-name"),
        pytest.param({"network__options": {"units": 3}}, "no option 'units'; it has", id="option"),
        pytest.param(
            {"network__options": {"dropout": 1}}, r"dropout is a number in \[0, 1\)", id="dropout"
        ),
        pytest.param({"training__epochs": "9"}, "'training.epochs' is '9', and a whole", id="text"),
        pytest.param({"training__epochs": 0}, "epochs has to be positive", id="epochs"),
        pytest.param({"training__solver": "sgd"}, "'lbfgs' or 'stacked' was expected", id="solver"),
        pytest.param(
            {"normalisation__counts_per_cell": float("nan")}, "is nan, and a number", id="nan"
        ),
        pytest.param(
            {"tuning": {"score": 1.0}}, "the key 'tuning.n_trials' is missing", id="tuned"
        ),
        pytest.param(
            {"tuning": {"score": 1.0, "n_trials": 1, "n_folds": 3, "seed": 0, "best": [{}]}},
            r"the key 'tuning.best\[0\].number' is missing",
            id="tried",
        ),
    ],
)
def test_file_that_does_not_fit_is_refused_by_name(settings_file, values, message):
    changed(settings_file, **values)
    with pytest.raises(InputError, match=message) as refused:
        ClassifierSettings.read(settings_file)
    assert str(settings_file) in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(b"{", "are no JSON", id="broken"),
        pytest.param(b"\xff\xfe", "are no JSON", id="binary"),
        pytest.param(b"[1]", "do not say that they are", id="list"),
        pytest.param(b"[" * 100_000, "are no JSON", id="deep"),
    ],
)
def test_file_that_is_no_settings_is_refused(tmp_path, text, message):
    (tmp_path / "best.json").write_bytes(text)
    with pytest.raises(InputError, match=message):
        ClassifierSettings.read(tmp_path / "best.json")


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"cannot read the settings .*No such file"):
        ClassifierSettings.read(tmp_path / "best.json")


def test_words_of_the_user_come_before_those_of_the_file(settings_file):
    assert choose_settings().network.name == "wide-deep"
    settings = choose_settings(config=settings_file, genes=12, epochs=3)
    assert (settings.genes, settings.training.epochs) == (12, 3)
    with pytest.raises(InputError, match="is for the network 'mlp', not 'cnn'"):
        choose_settings("cnn", config=settings_file)


def test_network_options_stay_with_the_model(toy_reference, tmp_path):
    options = {"hidden": (6, 5), "dropout": 0.25}
    classifier = CellTypeClassifier(
        "mlp", network_options=options, training=TrainingConfig(epochs=1)
    ).fit(toy_reference, labels_key="cell_type")
    assert [layer.units for layer in classifier.model_.layers if hasattr(layer, "units")] == [
        6,
        5,
        3,
    ]
    classifier.save(tmp_path / "model.keras")
    loaded = CellTypeClassifier.load(tmp_path / "model.keras")
    assert loaded.network_options == {"hidden": [6, 5], "dropout": 0.25}
    assert loaded.manifest_.network["options"] == loaded.network_options


def test_options_are_for_a_network_given_by_name(toy_reference):
    with pytest.raises(InputError, match=r"functools\.partial"):
        CellTypeClassifier(build_mlp, network_options={"l2": 0.1}).fit(
            toy_reference, labels_key="cell_type"
        )
