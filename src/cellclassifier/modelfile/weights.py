"""Weights of a model file, read without Keras."""

import io
from collections.abc import Iterator, Sequence

import h5py
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def read_weights(content: bytes, layers: Sequence[str]) -> tuple[Floats, ...] | None:
    """Return the weights of some layers, as Keras lists them.

    Parameters
    ----------
    content
        Of ``model.weights.h5``.
    layers
        Their names.

    Returns
    -------
    tuple of numpy.ndarray or None
        None where the file is not as Keras writes it: what is wrong, Keras will say. Nothing is
        followed out of the file, and nothing takes more memory than the file has bytes.
    """
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            found = {str(group.attrs["name"]): group for group in _groups(file)}
            return tuple(
                _array(found[name], number, len(content))
                for name in layers
                for number in range(len(found[name]))
            )
    except (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError):
        return None


def _groups(file: h5py.File) -> Iterator[h5py.Group]:
    layers = _inside(file, "layers")
    for name in layers:
        variables = _inside(_inside(layers, name), "vars")
        if "name" in variables.attrs:
            yield variables


def _inside(group: h5py.Group, name: str) -> h5py.Group:
    """Return what lies in the file itself."""
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"{name} is a link")  # noqa: TRY004
    return group[name]


def _array(group: h5py.Group, number: int, n_bytes: int) -> Floats:
    stored = _inside(group, str(number))
    plain = stored.chunks is None and not stored.external and not stored.is_virtual
    if not plain or stored.dtype != np.float32 or stored.nbytes > n_bytes:
        raise ValueError(f"{stored.name} is not a plain array")
    return np.asarray(stored[()], dtype=np.float32)
