"""R's saved objects as plain data: vectors, lists and slots. Nothing in them is run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from cellclassifier.errors import FileFormatError, MissingExtraError

# what writes, in R, a folder that read_cells knows
CONVERSION = (
    'in R: m <- Seurat::GetAssayData(x, layer = "counts")  # or SummarizedExperiment::assay(x); '
    'dir.create("cells"); Matrix::writeMM(m, "cells/matrix.mtx"); writeLines(colnames(m), '
    '"cells/barcodes.tsv"); writeLines(paste(rownames(m), rownames(m), sep = "\\t"), '
    '"cells/genes.tsv"); then read_cells("cells")'
)

try:
    from rdata.parser import RObject as RObject
    from rdata.parser import RObjectType, parse_file
except ModuleNotFoundError as error:
    raise MissingExtraError(
        "reading .rds files needs the package rdata; install it: "
        f"pip install 'cellclassifier[rds]'; or convert, {CONVERSION}"
    ) from error

_VECTORS = (RObjectType.INT, RObjectType.REAL, RObjectType.LGL)
MISSING_LEVEL = 0


def read_object(path: Path) -> RObject:
    """Read the one object of an ``.rds`` file; R's classes and functions stay data."""
    return parse_file(path, extension=".rds").object


def attributes(obj: RObject) -> dict[str, RObject]:
    """Return the attributes of an object; the slots of R's S4 classes are such."""
    found = {}
    node = obj.attributes
    while node is not None and node.info.type is RObjectType.LIST:
        found[_symbol(node.tag)] = _followed(node.value[0])
        node = node.value[1]
    return found


def slot(obj: RObject, *names: str) -> RObject:
    """Return a slot of a slot of an object."""
    for name in names:
        present = attributes(obj)
        if name not in present:
            raise FileFormatError(f"its {class_of(obj)} has no slot '{name}' but {list(present)}")
        obj = present[name]
    return obj


def class_of(obj: RObject) -> str:
    """Return the first class of an object, or what R calls its kind."""
    classes = attributes(obj).get("class")
    return texts(classes)[0] if classes is not None else obj.info.type.name


def elements(obj: RObject) -> dict[str, RObject]:
    """Return the named elements of a list."""
    if obj.info.type is not RObjectType.VEC:
        return {}
    names = texts(attributes(obj)["names"]) if "names" in attributes(obj) else [""] * len(obj.value)
    return {name: _followed(value) for name, value in zip(names, obj.value, strict=True)}


def texts(obj: RObject) -> list[str]:
    """Return a vector of texts; what is missing is empty. Another object has none."""
    obj = _followed(obj)
    if obj.info.type is not RObjectType.STR:
        return []
    return [_decoded(_followed(text).value) for text in obj.value]


def numbers(obj: RObject) -> npt.NDArray[Any]:
    """Return a vector of numbers; what is missing is NaN."""
    if obj.info.type not in _VECTORS:
        raise FileFormatError(f"a {class_of(obj)} stands where numbers are expected")
    values: Any = obj.value
    if np.ma.isMaskedArray(values):
        values = np.ma.filled(values.astype(float), np.nan) if values.mask.any() else values.data
    return np.asarray(values)


def matrix(obj: RObject) -> tuple[sparse.csc_matrix, list[str], list[str]]:
    """Return a matrix of numbers, and the names of its rows and columns, perhaps none."""
    kind, parts = class_of(obj), attributes(obj)
    if kind == "dgCMatrix":
        rows, columns = (int(n) for n in numbers(slot(obj, "Dim")))
        pointers = numbers(slot(obj, "p")).astype(np.int64)
        indices = numbers(slot(obj, "i")).astype(np.int64)
        values = sparse.csc_matrix((numbers(slot(obj, "x")), indices, pointers), (rows, columns))
        values.check_format(full_check=True)
        names = slot(obj, "Dimnames")
    elif obj.info.type in _VECTORS and "dim" in parts and len(parts["dim"].value) == 2:
        shape = tuple(int(n) for n in numbers(parts["dim"]))
        values = sparse.csc_matrix(numbers(obj).reshape(shape, order="F"))
        names = parts.get("dimnames", obj)
    else:
        raise FileFormatError(
            f"a {kind} stands where a dgCMatrix or a plain matrix is expected; convert it, "
            f"{CONVERSION}"
        )
    named = (
        [texts(each) for each in names.value] if names.info.type is RObjectType.VEC else [[], []]
    )
    return values, named[0], named[1]


def table(columns: Mapping[str, RObject], names: list[str]) -> pd.DataFrame:
    """Return a table of those columns that are vectors of one value a row."""
    read = {name: _column(obj) for name, obj in columns.items()}
    kept = {name: values for name, values in read.items() if values is not None}
    return pd.DataFrame(
        {name: values for name, values in kept.items() if len(values) == len(names)},
        index=pd.Index(names, dtype=object),
    )


def _column(obj: RObject) -> Any:  # noqa: ANN401
    if obj.info.type is RObjectType.STR:
        missing = [_followed(text).value is None for text in obj.value]
        return pd.Series(texts(obj), dtype=object).mask(np.array(missing, dtype=bool)).to_numpy()
    if obj.info.type not in _VECTORS:
        return None
    levels = attributes(obj).get("levels")
    if levels is None:
        return numbers(obj)
    codes = np.nan_to_num(numbers(obj), nan=MISSING_LEVEL).astype(int) - 1
    return pd.Categorical.from_codes(codes.tolist(), pd.Index(texts(levels)))


def _followed(obj: RObject) -> RObject:
    """Return what a reference to an earlier object means."""
    while obj.referenced_object is not None:
        obj = obj.referenced_object
    return obj


def _symbol(tag: RObject | None) -> str:
    return "" if tag is None else _decoded(_followed(_followed(tag).value).value)


def _decoded(content: bytes | None) -> str:
    if content is None:
        return ""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")
