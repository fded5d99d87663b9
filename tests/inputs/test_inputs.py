"""Every wrong or odd input of docs/reference/inputs.md, through the public door."""

import numpy as np
import pytest
from input_cases import CASES, THEMES
from input_cases.running import Models, run_case
from table import ADVICE, DOCUMENT, render, row_of

MIN_CASES = 40


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    return Models.trained(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def document():
    return DOCUMENT.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_outcome_of_an_input(case, models, tmp_path, document):
    if case.skip:
        pytest.skip(case.skip)
    seen = run_case(case, models, tmp_path)
    assert [words for words in case.says if words not in seen.said] == [], seen.said
    assert seen.input_unchanged
    assert seen.nothing_else_written
    if case.outcome == "refused":
        check_refused(seen)
    else:
        check_named(case, seen, models)
    is_told = row_of(case, seen) in document.splitlines()
    assert is_told, "docs/reference/inputs.md says something else: run python tests/inputs/table.py"


def check_refused(seen):
    assert seen.status == 1
    assert len(seen.errors) == 1
    assert "Traceback" not in seen.said
    assert "internal error" not in seen.said
    assert seen.labels is None
    if seen.said.startswith("no raw counts were found"):
        assert seen.said.endswith(f". {ADVICE}")


def check_named(case, seen, models):
    assert seen.status == 0, seen.said
    assert len(seen.errors) == case.warns
    assert all(line.startswith("cellclassifier: note: ") for line in seen.errors)
    labels, probabilities = models.expected(case)
    assert seen.labels == labels
    if case.same == "bits":
        np.testing.assert_array_equal(seen.probabilities, probabilities)


def test_the_document_is_made_of_the_cases_alone(document):
    """Each test above finds its own row; here, that there are no others."""
    lines = iter(document.splitlines())
    rows = [line for line in lines if line.startswith("| ") and line[2:7] != "input"]
    cases = [case for case in CASES if not case.skip]
    assert len(rows) == len(cases)
    assert document == render(dict(zip([case.name for case in cases], rows, strict=True)))
    for case, row in zip(cases, rows, strict=True):
        assert row.startswith(f"| {case.what} | {case.outcome_in_words} | ")


def test_each_case_has_a_name_and_a_row_of_its_own():
    assert len({case.name for case in CASES}) == len(CASES) >= MIN_CASES
    assert len({(case.what, case.option, case.command) for case in CASES}) == len(CASES)


def test_each_option_turns_a_refusal_or_is_refused():
    refused = {case.what for case in CASES if case.outcome == "refused" and not case.option}
    needed = {case.what for theme in THEMES for case in theme.cases if case.option}
    assert len(needed & refused) >= MIN_CASES // 8
