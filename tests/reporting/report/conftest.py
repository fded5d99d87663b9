"""Cells of types with names made to break a page, reports on them, and a browser to open these."""

import numpy as np
import pandas as pd
import pytest
from browsing import N_CELLS, NASTY, drop_logs, nastily_named, wait_until
from chromium import chromium
from streamed_cells import KEY, QUICK, drawn

import cellclassifier as cc


@pytest.fixture(scope="session")
def report_model(tmp_path_factory):
    classifier = cc.CellTypeClassifier(network_options={"hidden": (16,)}, training=QUICK, seed=1)
    classifier.fit(nastily_named(drawn(360, seed=3)), labels_key=KEY)
    path = tmp_path_factory.mktemp("report") / "model.keras"
    classifier.save(path)
    return path


@pytest.fixture(scope="session")
def annotated(report_model):
    """A classifier, the file of cells that it named, and what came of them."""
    cells = report_model.parent / "cells.h5ad"
    nastily_named(drawn(N_CELLS, seed=4, spread=0.1)).write_h5ad(cells)
    classifier = cc.CellTypeClassifier.load(report_model)
    named = cc.annotate_file(classifier, cells, cells.with_name("named.h5ad"), shift=0.0)
    return classifier, cells, named


@pytest.fixture(scope="session")
def survey(annotated):
    return cc.survey_annotation(*annotated, settings={"command": NASTY[0]})


@pytest.fixture(scope="session")
def evaluation():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 200)
    probabilities = rng.dirichlet((0.6, 0.6, 0.6), 200) + 1.2 * np.eye(3)[truth]
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    names = pd.Index([f"cell{number}" for number in range(200)])
    named = cc.Predictions(cc.LabelSpace(NASTY), probabilities.astype(np.float32), names)
    labels = np.array([*NASTY, "Mast"], dtype=object)[np.where(rng.random(200) < 0.02, 3, truth)]
    return cc.evaluate(labels, named)


TRIED = [
    {
        "number": number,
        "log_loss": loss,
        "accuracy": 0.9,
        "seconds": 2.5,
        "chosen": {"learning_rate": rate, "class_weights": NASTY[1]},
    }
    for number, loss, rate in ((5, 0.25, 0.000123456), (0, 0.5, 0.01), (2, 0.75, 0.002))
]


@pytest.fixture(scope="session")
def reports(survey, evaluation, annotated, report_model):
    """The three reports, by name."""
    folder = report_model.parent
    paths = {name: folder / f"{name}.html" for name in ("annotation", "evaluation", "training")}
    cc.write_annotation_report(survey, paths["annotation"])
    cc.write_evaluation_report(evaluation, paths["evaluation"], title=NASTY[1])
    search = {"score": 0.25, "n_trials": 7, "n_folds": 3, "seed": 0, "best": TRIED}
    cc.write_training_report(
        annotated[0].check_fitted(), paths["training"], title=NASTY[1], search=search
    )
    return paths


@pytest.fixture(scope="session")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture
def page(browser, reports):
    """Open a report at a width, wait until all is drawn, and return the browser."""

    def open_report(name, width=1400, scheme="light"):
        wishes = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
        features = [{"name": name, "value": value} for name, value in wishes.items()]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        browser.set_window_size(width, 900)
        drop_logs(browser)
        browser.get(reports[name].as_uri())
        wait_until(browser, "document.documentElement.dataset.ready === 'yes'")
        return browser

    return open_report
