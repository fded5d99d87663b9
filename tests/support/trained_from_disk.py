"""Small classifiers trained from disk, and how they are compared with those of memory."""

from dataclasses import replace

import numpy as np
from streamed_cells import KEY

import cellclassifier as cc

LINEAR = cc.TrainingConfig(solver="lbfgs", epochs=6, refit=True)


def classifier(network="linear", training=LINEAR, **others):
    options = {"hidden": [8]} if network == "mlp" else None
    return cc.CellTypeClassifier(
        network, network_options=options, training=training, genes=60, **others
    )


def on_disk(path, out, model=None, files=None, **others):
    files = replace(files or cc.ReferenceFiles(), from_disk=True)
    return cc.fit_file(model or classifier(), path, out, labels_key=KEY, files=files, **others)


def assert_same(one, other):
    """Compare two classifiers, bit by bit, in all that a model file holds."""
    for mine, its in zip(one.model_.get_weights(), other.model_.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, its)
    mine, its = one.manifest_, other.manifest_
    assert mine.panel.names.tolist() == its.panel.names.tolist()
    for key in set(mine.training) - {"files", "counts", "genes"}:
        assert mine.training[key] == its.training[key], key
    for part in ("factors", "sample", "adaptation", "conformal", "novelty"):
        kept, expected = getattr(mine, part), getattr(its, part)
        assert (kept is None) == (expected is None)
        if expected is None:
            continue
        for name, values in expected.to_arrays().items():
            np.testing.assert_array_equal(kept.to_arrays()[name], values, err_msg=f"{part}.{name}")
