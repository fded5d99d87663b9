"""What is said of cells beside the training cells: a sentence for each way in which they differ."""

import re
from dataclasses import replace

import pytest

from cellclassifier.classifier.advising import advice_on, warnings_of
from cellclassifier.classifier.comparison import QueryComparison

ALIKE = QueryComparison(
    depth=1.0, genes_detected=100.0, gene_coverage=1.0, shift=0.0, novel=0.05, low_depth=0.0,
    changed_type=None, n_cells=600, composition=0.02,
)  # fmt: skip
ELSEWHERE = replace(ALIKE, shift=0.2, none_unknown="shift")


def test_cells_like_the_training_cells_speak_for_themselves():
    assert warnings_of(ALIKE) == []
    assert advice_on(ALIKE) == (
        "The cells are like the training cells in depth, genes and what they look like: "
        "confidence, sets and novelty mean here what they say."
    )


@pytest.mark.parametrize(
    ("differs", "said"),
    [
        pytest.param(
            {"gene_coverage": 0.85}, "only 85% of the model's genes were measured$", id="genes"
        ),
        pytest.param({"gene_coverage": 0.25}, "25% .* too few to name cells well", id="few-genes"),
        pytest.param(
            {"gene_coverage": 0.85, "can_calibrate": False},
            "85% .* this model cannot calibrate its scores for that: confidence is too high",
            id="genes-cannot",
        ),
        pytest.param({"depth": 0.3}, "cells have 0.3 times the counts", id="shallow"),
        pytest.param({"depth": 4.0}, "cells have 4 times the counts", id="deep"),
        pytest.param(
            {"low_depth": 0.021}, "2.1% of the cells have too few counts", id="cells-of-few-counts"
        ),
        pytest.param(
            {"shift": 0.2, "none_unknown": "shift"},
            r"genes differ from the training cells' \(shift 0.20\).*protocols: the network was "
            "adapted, no cell is called unknown",
            id="shift",
        ),
        pytest.param(
            {"shift": 0.2, "none_unknown": "shift", "adapts": False},
            "this network does not adapt to it, no cell is called unknown",
            id="shift-of-others",
        ),
        pytest.param(
            {"depth": 0.6, "calibrated_depth": 0.6},
            "scores were calibrated for that",
            id="calibrated",
        ),
        pytest.param(
            {"depth": 0.8, "can_calibrate": False}, "cannot calibrate its scores", id="cannot"
        ),
        pytest.param(
            {"depth": 0.61, "shift_told_by": "given"},
            "0.61 times .* not calibrated for that, as the shift was given and the depth was not: "
            "confidence is too high",
            id="shallow-shift-given",
        ),
        pytest.param(
            {"depth": 0.61, "depth_given": 2.0},
            "depth was given as 2, and cells have 0.61 times .* not calibrated for that, conf",
            id="depth-given-too-large",
        ),
        pytest.param(
            {"depth": 0.98, "depth_given": 0.3, "calibrated_depth": 0.3},
            "depth was given as 0.3, and cells have 0.98 times .* calibrated for other cells",
            id="depth-given-too-small",
        ),
        pytest.param(
            {"shift": 0.5, "shift_told_by": "given", "none_unknown": "shift"},
            "^the shift was given as 0.50, and not measured: the network was adapted",
            id="shift-given",
        ),
        pytest.param(
            {"genes_detected": 50.0, "genes_usual": 120.0},
            "counts of 50 of the model's genes, training cells of 120",
            id="genes-detected",
        ),
        pytest.param(
            {"novel": 0.98, "foreign": True}, "does not seem to know what they are", id="foreign"
        ),
        pytest.param({"shift": 0.4}, r"genes differ much .*\(shift 0.40\)", id="much-shift"),
        pytest.param(
            {"novel": 0.3}, "30% of the cells look more novel than 95 % of known", id="novel"
        ),
        pytest.param(
            {"novel": 0.3, "shift": 0.14},
            r"30% .* the model does not know, or they come from elsewhere \(shift 0.14\)",
            id="novel-and-some-shift",
        ),
        pytest.param(
            {"novel": 0.3, "shift_told_by": "given"},
            "30% .* the model does not know, or they come from elsewhere$",
            id="novel-shift-given",
        ),
        pytest.param(
            {"depth": 1.001, "depth_given": 0.3, "calibrated_depth": 0.3},
            "given as 0.3, and cells have as many counts as the training cells: scores are",
            id="depth-given-of-deep",
        ),
        pytest.param(
            {"changed_type": "B", "composition": 0.6},
            "most cells are 'B', and few training cells",
            id="other-type",
        ),
        pytest.param(
            {"composition": 0.31},
            r"other shares than in training \(distance 0.31\): confidence counts on",
            id="other-shares",
        ),
    ],
)
def test_each_difference_is_a_sentence(differs, said):
    found = replace(ALIKE, **differs)
    (warning,) = warnings_of(found)
    assert advice_on(found) == f"Read the labels with care: {warning}."
    assert len(advice_on(found).splitlines()) == 1
    assert re.search(said, warning)


@pytest.mark.parametrize(
    "little",
    [
        {"gene_coverage": 0.9}, {"depth": 0.5}, {"depth": 3.0}, {"depth": None}, {"shift": 0.149},
        {"shift": None}, {"novel": 0.149}, {"novel": None}, {"low_depth": None},
        {"low_depth": 0.019}, {"composition": 0.299}, {"composition": None},
        {"depth": 0.6, "depth_given": 0.65, "calibrated_depth": None},
        {"depth": 1.0, "depth_given": 2.0},
    ],
    ids=str,
)  # fmt: skip
def test_what_differs_little_or_is_not_known_is_not_spoken_of(little):
    assert warnings_of(replace(ALIKE, **little)) == []


def test_layers_for_cells_from_elsewhere_count_on_no_shares():
    assert not any("shares" in said for said in warnings_of(replace(ELSEWHERE, composition=0.8)))
    others = replace(ELSEWHERE, composition=0.8, adapts=False)
    assert "other shares" in advice_on(others)


# --- what was not compared is not said to be alike


def test_of_a_given_shift_it_is_said_that_nobody_measured_it():
    for shift in (0.0, 0.1):
        said = advice_on(replace(ALIKE, shift=shift, shift_told_by="given"))
        assert said.startswith("The cells are like the training cells in depth and what they look")
        assert f"The shift was given as {shift:.2f}, and not measured: confidence" in said


def test_genes_that_tell_no_shift_are_not_said_to_be_alike():
    said = advice_on(replace(ALIKE, shift_told_by="nothing"))
    assert "in depth and what they look like." in said
    assert "could not be measured" in said


def test_more_novel_cells_than_chance_makes_are_counted_and_not_called_alike():
    # of 600 known cells 51 and more look novel once in a thousand files
    by_chance, beyond = (replace(ALIKE, novel=n / 600) for n in (46, 60))
    assert "what they look like" in advice_on(by_chance)
    assert warnings_of(beyond) == []
    said = advice_on(beyond)
    assert "what they look like" not in said
    assert "60 of 600 cells look novel, where 30 would if all types were known: " in said
    assert said.endswith("look at those whose status is unknown.")
    asked = replace(beyond, none_unknown="asked")
    assert advice_on(asked).endswith("look at the most novel ones.")


def test_a_model_that_does_not_know_how_it_errs_says_so():
    silent = replace(ALIKE, novel=None, low_depth=None, shift=None, shift_told_by="nothing")
    assert advice_on(silent) == (
        "The cells are like the training cells in depth. This model does not say what its labels "
        "are worth: no sets, novelty or status."
    )
    small = replace(silent, held_few=True)
    assert "trained on too few cells to say what its labels are worth" in advice_on(small)
    assert "no sets, novelty or status" in advice_on(replace(small, gene_coverage=0.5))


# --- few cells


def test_few_cells_are_not_compared():
    few = replace(ALIKE, n_cells=5, novel=0.0)
    assert advice_on(few) == "5 cells are too few to be compared with the training cells."
    one = replace(few, n_cells=1)
    assert advice_on(one) == "1 cell is too few to be compared with the training cells."
    assert warnings_of(replace(few, gene_coverage=0.2))


def test_chance_in_few_cells_raises_no_alarm():
    few = replace(
        ALIKE, n_cells=3, novel=1 / 3, low_depth=2 / 3, depth=0.2, genes_detected=1, genes_usual=90
    )
    assert warnings_of(few) == []
    assert advice_on(few) == (
        "3 cells are too few to be compared with the training cells; 1 of 3 looks more novel than "
        "95 % of known cells do; 2 of 3 have too few counts."
    )


# --- cells from elsewhere


def test_of_another_tissue_from_elsewhere_cells_are_called_unknown():
    found = replace(ALIKE, shift=0.5, novel=1.0, foreign=True)
    assert "no cell is called unknown" not in advice_on(found)


@pytest.mark.parametrize("foreign", [False, True])
def test_where_nobody_is_refused_that_is_said(foreign):
    found = replace(ELSEWHERE, shift=0.5, novel=1.0, foreign=foreign, none_unknown="asked")
    assert "no cell is called unknown" in advice_on(found)


def test_many_novel_cells_from_elsewhere_may_be_of_types_that_nobody_knows():
    assert "or where most cells are of a type" not in advice_on(replace(ELSEWHERE, novel=0.2))
    said = advice_on(replace(ELSEWHERE, novel=0.6))
    assert "protocols, or where most cells are of a type that the model does not know" in said
    assert "60% of the cells look more novel than 95 % of known cells do: known cells from" in said


def test_shallow_cells_lack_genes_for_that():
    shallow = replace(ALIKE, depth=0.4, calibrated_depth=0.4, genes_detected=40, genes_usual=100)
    assert len(warnings_of(shallow)) == 1


def test_several_differences_are_all_told():
    both = replace(ELSEWHERE, depth=0.1)
    assert len(warnings_of(both)) == 2
    assert all(warning in advice_on(both) for warning in warnings_of(both))
