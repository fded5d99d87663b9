"""Networks made elsewhere, brought to the form of ours."""

from cellclassifier.errors import InputError
from cellclassifier.networks.backend import keras
from cellclassifier.networks.heads import LOGITS, PROBABILITIES


def as_classifier(model: "keras.Model") -> "keras.Model":
    """Return `model` with its end rebuilt as dense layer ``logits`` and softmax ``probabilities``.

    Parameters
    ----------
    model
        Sequential or functional, with one input and one output; it ends in a dense layer with
        softmax activation, or in a dense layer and a softmax.

    Returns
    -------
    keras.Model
        Functional; the same function.

    Raises
    ------
    InputError
        `model` has several inputs or outputs, or another end.

    Examples
    --------
    >>> layers = [keras.Input((5,)), keras.layers.Dense(3, activation="softmax", name="types")]
    >>> [layer.name for layer in as_classifier(keras.Sequential(layers)).layers[1:]]
    ['logits', 'probabilities']
    """
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise InputError(
            f"its network has {len(model.inputs)} inputs and {len(model.outputs)} outputs; "
            "a classifier has one of each"
        )
    if isinstance(model, keras.Sequential):
        model = unrolled(model)
    dense = _last_dense(model)
    config = dense.get_config() | {"name": LOGITS, "activation": "linear"}
    logits = keras.layers.Dense.from_config(config)
    probabilities = keras.layers.Softmax(name=PROBABILITIES)(logits(dense.input))
    logits.set_weights(dense.get_weights())
    return keras.Model(model.inputs[0], probabilities, name=model.name)


def unrolled(model: "keras.Sequential") -> "keras.Sequential":
    """Return a copy of `model`, each layer of which is called once.

    A Sequential that was read from a file calls its layers again with each one that is added, so
    that ``layer.output`` is not what the next layer takes.
    """
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def _last_dense(model: "keras.Model") -> "keras.layers.Dense":
    last = _layer_before(model, model.outputs[0])
    if _is_softmax(last):
        dense = _layer_before(model, last.input)
        if type(dense) is keras.layers.Dense and dense.activation is keras.activations.linear:
            return dense
    elif (
        type(last) is keras.layers.Dense
        and last.activation is keras.activations.softmax
        and len(last.output.shape) == 2
    ):
        return last
    activation = getattr(getattr(last, "activation", None), "__name__", None)
    raise InputError(
        f"its network ends in {type(last).__name__} '{last.name}'"
        f"{f' with activation {activation}' if activation else ''}; expected was a dense layer "
        "of the types with a softmax"
    )


def _is_softmax(layer: "keras.Layer") -> bool:
    is_activation = isinstance(layer, keras.layers.Activation)
    return isinstance(layer, keras.layers.Softmax) or (
        is_activation and layer.activation is keras.activations.softmax
    )


def _layer_before(model: "keras.Model", tensor: "keras.KerasTensor") -> "keras.Layer":
    for layer in model.layers:
        if layer.output is tensor:
            return layer
    raise InputError("its network's output comes from no layer that it lists")
