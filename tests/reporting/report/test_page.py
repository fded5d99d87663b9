"""What is in the files of reports, without a browser."""

import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from browsing import NASTY
from scipy import stats

import cellclassifier as cc
from cellclassifier.errors import OutputError
from cellclassifier.evaluation.survey import CellMap
from cellclassifier.reporting.report.cell_map import map_data, map_figure
from cellclassifier.reporting.report.intervals import wilson, wilson_f1
from cellclassifier.reporting.report.page import ASSETS, as_json, write_page
from cellclassifier.reporting.report.palette import FIRST, _as_seen, _from_hex, type_colours

REPORTS = ("annotation", "evaluation", "training")
MEBIBYTES = 6
LEAST_DISTANCE = 0.05


class Elements(HTMLParser):
    """The elements of a page, and the texts of its script elements by their id or class."""

    def __init__(self):
        super().__init__()
        self.names, self.told, self.scripts, self._open = [], [], [], None

    def handle_starttag(self, tag, attributes):
        self.names.append(tag)
        self.told.append(dict(attributes))
        self._open = dict(attributes) if tag == "script" else None
        if self._open is not None:
            self.scripts.append([self._open, ""])

    def handle_data(self, data):
        if self._open is not None:
            self.scripts[-1][1] += data

    def handle_endtag(self, _tag):
        self._open = None

    @classmethod
    def of(cls, path):
        elements = cls()
        elements.feed(path.read_text(encoding="utf-8"))
        return elements


@pytest.mark.parametrize("name", REPORTS)
def test_names_make_no_elements_and_end_no_script(reports, name):
    elements = Elements.of(reports[name])
    assert not {"img", "iframe", "object", "base", "form"} & set(elements.names)
    kinds = [attributes.get("type", "code") for attributes, _ in elements.scripts]
    assert kinds.count("code") == 5  # Bokeh and ours
    for attributes, text in elements.scripts:
        if attributes.get("type") == "application/json":
            json.loads(text)


@pytest.mark.parametrize("name", REPORTS)
def test_a_browser_is_told_to_ask_for_nothing(reports, name):
    elements = Elements.of(reports[name])
    (policy,) = [told["content"] for told in elements.told if "http-equiv" in told]
    assert policy.startswith("default-src 'none'; script-src 'unsafe-inline';")
    links = [told.get("href", "") + told.get("src", "") for told in elements.told]
    assert {link.partition(":")[0][:1] for link in links} <= {"", "#", "d"}
    assert [link for link in links if link.startswith("d")] == ["data:,"]


@pytest.mark.parametrize(
    ("why", "said", "not_said"),
    [
        (None, "No cell was called unknown.</p>", "refused"),
        ("shift", "Cells from so far away look novel for that alone", "It was asked"),
        ("asked", "It was asked that none be", "far away"),
    ],
)
def test_why_no_cell_is_called_unknown_is_what_holds(survey, tmp_path, why, said, not_said):
    none = replace(survey.unknown, n_cells=0, resembled={})
    of_file = replace(survey, unknown=none, shift=0.0, cautious=True, none_unknown=why)
    path = tmp_path / "report.html"
    cc.write_annotation_report(of_file, path)
    (note,) = re.findall(r"No cell was called unknown.*", path.read_text(encoding="utf-8"))
    assert said in note
    assert not_said not in note


def test_json_in_a_script_is_the_same_json():
    content = {"label": [*NASTY, "\u2028", "&amp;"], "value": 1.5}
    assert json.loads(as_json(content)) == content
    assert "<" not in as_json(content)


def test_what_is_no_number_is_refused_and_not_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_page("training.html", tmp_path / "report.html", plots={}, data={"x": float("nan")})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["report.pdf", "report", "no/such/folder/report.html"])
def test_a_place_where_no_report_can_be_is_refused(tmp_path, evaluation, name):
    with pytest.raises(OutputError, match=r"cannot write"):
        cc.write_evaluation_report(evaluation, tmp_path / name)


def test_templates_and_scripts_are_in_the_package():
    there = {path.name for path in ASSETS.iterdir()}
    assert {"report.css", "theme.js", "tables.js", "plots.js", "cell_map.js"} <= there


def large_map(n_cells, n_types):
    rng = np.random.default_rng(0)
    letters = rng.choice(list("ACGT"), (n_cells, 16))
    probabilities = rng.dirichlet(np.full(n_types, 0.1), n_cells)
    return CellMap(
        position=rng.normal(size=(n_cells, 2)).astype(np.float32),
        cell_names=np.array(["".join(row) + "-1" for row in letters], dtype=object),
        codes=probabilities.argmax(axis=1),
        confidence=probabilities.max(axis=1).astype(np.float32),
        novelty=rng.exponential(size=n_cells).astype(np.float32),
        sets=probabilities > 0.2,
        status=rng.integers(0, 5, n_cells).astype(np.int8),
        method="by lot",
    )


def test_fifty_thousand_cells_of_fifty_types_are_small_enough_to_mail(survey, tmp_path):
    labels = tuple(f"T cell of kind {number}" for number in range(50))
    drawn = large_map(50_000, 50)
    types = tuple(replace(survey.types[0], label=label) for label in labels)
    shared = tuple(replace(found, labels=labels[:2]) for found in survey.shared_sets)
    large = replace(
        survey, labels=labels, types=types, drawn=drawn, shared_sets=shared, unknown=None
    )
    cc.write_annotation_report(large, tmp_path / "report.html")
    size = (tmp_path / "report.html").stat().st_size
    assert 2**21 < size < MEBIBYTES * 2**20


def unpacked(text, dtype):
    return np.frombuffer(base64.b64decode(text), dtype=dtype)


def test_the_page_is_told_the_truth_of_each_cell():
    drawn = large_map(300, 4)
    labels = ["A", "B", "C", "D"]
    data = map_data(drawn, labels, type_colours(4))
    by_name = {name: row for row, name in enumerate(drawn.cell_names)}
    rows = np.array([by_name[name] for name in data["names"]])
    assert rows.tolist() != sorted(rows)
    assert sorted(rows) == list(range(300))
    np.testing.assert_array_equal(unpacked(data["code"], "<u2"), drawn.codes[rows])
    np.testing.assert_array_equal(unpacked(data["x"], "<f4"), drawn.position[rows, 0])
    np.testing.assert_array_equal(unpacked(data["y"], "<f4"), drawn.position[rows, 1])
    np.testing.assert_array_equal(unpacked(data["status"], "u1"), drawn.status[rows])
    confidence = unpacked(data["confidence"], "<u2") / data["steps"]
    np.testing.assert_allclose(confidence, drawn.confidence[rows], atol=1e-5)
    novelty = unpacked(data["novelty"], "<u2") * data["top_novelty"] / data["steps"]
    np.testing.assert_allclose(novelty, drawn.novelty[rows], atol=1e-3)
    sets = [data["sets"][number] for number in unpacked(data["set"], "<u2")]
    expected = cc.LabelSpace(tuple(labels)).join(drawn.sets[rows])
    assert sets == [text or "(none)" for text in expected]
    np.testing.assert_array_equal(unpacked(data["set_size"], "<u2"), drawn.sets[rows].sum(axis=1))


def test_a_model_that_does_not_tell_has_no_columns_of_trust():
    drawn = replace(large_map(20, 3), novelty=None, sets=None, status=None)
    assert {"novelty", "set", "set_size", "status"}.isdisjoint(map_data(drawn, "ABC", "xyz"))
    tips = [name for name, _ in map_figure(drawn).hover[0].tooltips]
    assert tips == ["cell", "type", "confidence"]


@pytest.mark.parametrize("n_types", [1, 6, 7, 20, 50])
def test_colours_can_be_told_apart_by_usual_eyes_and_without_green(n_types):
    colours = type_colours(n_types)
    assert colours[:6] == list(FIRST[:n_types])
    assert colours == type_colours(60)[:n_types]
    usual, without_green = _as_seen(_from_hex(colours))
    for seen, least in ((usual, LEAST_DISTANCE), (without_green, LEAST_DISTANCE / 2)):
        distance = np.linalg.norm(seen[:, None] - seen[None], axis=2) + np.eye(n_types)
        assert distance.min() > least


def test_oklab_of_white_and_red():
    usual, _ = _as_seen(np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]]))
    np.testing.assert_allclose(usual[0], [1, 0, 0], atol=1e-3)
    np.testing.assert_allclose(usual[1], [0.628, 0.225, 0.126], atol=1e-3)  # Ottosson's table


@pytest.mark.parametrize(("hits", "n"), [(0, 5), (3, 7), (99, 100), (5, 5)])
def test_intervals_are_those_of_scipy(hits, n):
    expected = stats.binomtest(hits, n).proportion_ci(method="wilson")
    score = wilson(hits, n)
    assert (score.value, score.n) == (hits / n, n)
    assert (score.low, score.high) == pytest.approx(tuple(expected), abs=2e-4)


def test_the_interval_of_f1_covers_it_as_often_as_it_says():
    rng = np.random.default_rng(0)
    # cells: found, missed, wrongly named so, all others
    shares = np.array([0.25, 0.1, 0.05, 0.6])
    true_f1 = 2 * shares[0] / (2 * shares[0] + shares[1] + shares[2])
    drawn = rng.multinomial(200, shares, size=2000)
    scores = [wilson_f1(int(h), int(h + m), int(h + w)) for h, m, w, _ in drawn]
    covered = np.mean([score.low <= true_f1 <= score.high for score in scores])
    assert covered == pytest.approx(0.95, abs=0.015)


def test_scores_of_an_evaluation_stand_in_its_report(reports, evaluation):
    text = reports["evaluation"].read_text(encoding="utf-8")
    first = next(iter(evaluation.per_type.values()))
    for value in (evaluation.accuracy, evaluation.macro_f1, first.precision, first.recall):
        assert f"{value:.3f}" in text
    assert "the model was not trained on them" in text


def test_what_a_model_says_of_itself_stands_in_its_report(reports, annotated):
    text = reports["training"].read_text(encoding="utf-8")
    training = annotated[0].check_fitted().training
    assert f"{training['validation']['accuracy']:.1%}" in text
    assert f"{training['n_cells']:,}" in text
    assert "0.2500 nats, mean of 3 folds" in text
    for gene in annotated[0].check_fitted().panel.names[:3]:
        assert f">{gene}<" in text
