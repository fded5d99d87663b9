"""The one place that imports Keras, after a backend was chosen.

``KERAS_BACKEND`` is honoured. Without it the first installed of JAX, TensorFlow and PyTorch is
used: on a CPU the perceptron trains and predicts fastest on JAX.
"""

import ctypes
import os
import sys
from importlib.util import find_spec

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


if "keras" not in sys.modules:
    choose_backend()

import keras  # noqa: E402  (the backend is chosen first)


def free_memory() -> None:
    """Forget all that Keras and its backend keep of networks that are no longer used.

    Where many networks are built in one process, what was compiled for each would pile up. On
    Linux the pages that became free go back to the system: the GNU allocator keeps them, in as many
    arenas as there were threads, and a search would look as if it leaked.
    """
    keras.utils.clear_session()
    if keras.backend.backend() == "jax":
        sys.modules["jax"].clear_caches()
    if sys.platform == "linux":
        give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries lack it
        if give_back is not None:
            give_back(0)


__all__ = ["choose_backend", "free_memory", "keras"]
