"""Options of networks: taken where the builder takes them, refused by name elsewhere."""

import pytest

from cellclassifier.errors import InputError
from cellclassifier.networks import (
    NETWORKS,
    ConvBlock,
    build_cnn,
    check_options,
    configure_network,
)
from cellclassifier.networks.options import option_names


@pytest.mark.parametrize("network", NETWORKS)
def test_options_of_every_network_are_arguments_of_its_builder(network):
    names = option_names(network)
    assert "l2" in names
    configure_network(network, {"l2": 0.01})(500, 3, seed=0)


def test_blocks_are_given_as_values_or_as_objects():
    as_value = {"channels": 4, "kernel": 3, "pool": 2, "padding": "valid"}
    block = ConvBlock(4, 3, 2, "valid")
    assert check_options("cnn", {"blocks": [block]}) == {"blocks": [as_value]}
    ours = configure_network("cnn", {"blocks": [as_value], "hidden": [8]})(40, 3, seed=0)
    theirs = build_cnn(40, 3, blocks=[block], hidden=(8,))
    assert ours.count_params() == theirs.count_params()


@pytest.mark.parametrize(
    ("network", "options"),
    [
        pytest.param("linear", {"hidden": [3]}, id="not-of-this-network"),
        pytest.param("mlp", {"seed": 3}, id="seed"),
        pytest.param("mlp", {"hidden": 3}, id="hidden-number"),
        pytest.param("mlp", {"hidden": "512"}, id="hidden-text"),
        pytest.param("mlp", {"hidden": [0]}, id="hidden-zero"),
        pytest.param("mlp", {"hidden": [True]}, id="hidden-bool"),
        pytest.param("mlp", {"dropout": 1.0}, id="dropout"),
        pytest.param("mlp", {"l2": -1}, id="l2"),
        pytest.param("mlp", {"l2": float("inf")}, id="l2-infinite"),
        pytest.param("mlp", {"activation": "reluu"}, id="activation"),
        pytest.param("mlp", {"activation": 3}, id="activation-number"),
        pytest.param("wide-deep", {"projection": 0}, id="projection-zero"),
        pytest.param("wide-deep", {"projection": [64]}, id="projection-list"),
        pytest.param("mlp", {"projection": 64}, id="projection-elsewhere"),
        pytest.param("cnn", {"pooling": "sum"}, id="pooling"),
        pytest.param("cnn", {"blocks": 3}, id="blocks-number"),
        pytest.param("cnn", {"blocks": [3]}, id="block-number"),
        pytest.param("cnn", {"blocks": [{"channels": 4}]}, id="block-incomplete"),
        pytest.param(
            "cnn", {"blocks": [{"channels": 4, "kernel": 0, "pool": 2}]}, id="block-kernel"
        ),
        pytest.param(
            "cnn",
            {"blocks": [{"channels": 4, "kernel": 2, "pool": 2, "padding": "x"}]},
            id="block-padding",
        ),
    ],
)
def test_option_that_does_not_fit_is_refused(network, options):
    (name,) = options
    with pytest.raises(InputError, match=name):
        check_options(network, options)
