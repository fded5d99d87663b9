"""The one place that imports Keras: when it is first needed, after a backend was chosen.

``KERAS_BACKEND`` is honoured. Without it the first installed of JAX, TensorFlow and PyTorch is
used: on a CPU the perceptron trains and predicts fastest on JAX.

Naming cells by the default network needs no Keras, and importing it takes about as long as all else
that naming imports. So annotations say ``"keras.Model"`` in quotes, and modules that derive from
its classes are imported by who trains.
"""

import ctypes
import os
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from cellclassifier.errors import BackendError

PREFERRED = ("jax", "tensorflow", "torch")


def choose_backend() -> str:
    """Return the backend Keras will use, and tell Keras by ``KERAS_BACKEND``.

    Raises
    ------
    BackendError
        The one asked for is unknown or not installed, or none is installed.
    """
    asked = os.environ.get("KERAS_BACKEND")
    if asked is None:
        asked = next((name for name in PREFERRED if find_spec(name)), None)
        if asked is None:
            raise BackendError(
                f"Keras needs one of {', '.join(PREFERRED)}, and none is installed: pip install jax"
            )
        os.environ["KERAS_BACKEND"] = asked
    elif asked not in PREFERRED or not find_spec(asked):
        raise BackendError(
            f"KERAS_BACKEND is '{asked}', which is not installed; it has to be one of "
            f"{[name for name in PREFERRED if find_spec(name)]}"
        )
    return asked


class _Keras:
    """Stands for the package until something of it is asked for."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  (anything of a package)
        return getattr(import_module("keras"), name)


if "keras" not in sys.modules:
    choose_backend()

if TYPE_CHECKING:
    import keras
else:
    keras = _Keras()


def free_memory() -> None:
    """Forget all that Keras and its backend keep of networks that are no longer used.

    Where many networks are built in one process, what was compiled for each would pile up. On
    Linux the pages that became free go back to the system: the GNU allocator keeps them, in as many
    arenas as there were threads, and a search would look as if it leaked.
    """
    if "keras" in sys.modules:
        keras.utils.clear_session()
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
    if sys.platform == "linux":
        give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries lack it
        if give_back is not None:
            give_back(0)


__all__ = ["choose_backend", "free_memory", "keras"]
