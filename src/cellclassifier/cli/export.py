"""The command that writes a model for other programs."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from cellclassifier.cli.console import say


def export(
    model: Path,
    *,
    export_format: Annotated[Literal["onnx", "h5", "saved-model"], Parameter(name="--format")],
    out: Path,
) -> None:
    """Write the network of a model for other programs.

    Parameters
    ----------
    model
        The model file, MODEL.keras.
    export_format
        onnx, which onnxruntime reads; h5, Keras's legacy file; saved-model, TensorFlow's folder.
    out
        The file to write, MODEL.onnx or MODEL.h5, or the folder of the SavedModel.
    """
    import cellclassifier as cc
    from cellclassifier.modelfile.exporting import check_export_path

    check_export_path(out, export_format)
    cc.CellTypeClassifier.load(model).export(out, format=export_format)
    say(f"wrote {out}")
