import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from cellclassifier.errors import FileFormatError, LabelError
from cellclassifier.evaluation import ReliabilityCurve, SetScores, evaluate, read_label_map
from cellclassifier.evaluation.evaluation import StatusScores, accuracy_of_batches
from cellclassifier.labels import LabelSpace
from cellclassifier.predictions import STATUSES, CellTrust, Predictions

LABELS = ("CD4 T", "B", "NK", "CD8 T")
TO_COARSE = {"CD4 T": "T", "CD8 T": "T", "B": "B", "NK": "NK"}


def predictions_of(rows, labels=LABELS):
    probabilities = np.array(rows, dtype=np.float32)
    names = pd.Index([f"cell{i}" for i in range(len(probabilities))])
    return Predictions(LabelSpace(labels), probabilities, names)


@pytest.fixture
def truth():
    return np.random.default_rng(0).choice(LABELS, size=300, p=[0.4, 0.3, 0.25, 0.05])


@pytest.fixture
def predictions(truth):
    rng = np.random.default_rng(1)
    is_true = np.array([[label == own for label in LABELS] for own in truth])
    rows = 0.7 * rng.dirichlet([0.5] * 4, size=300) + 0.3 * is_true
    return predictions_of(rows)


# --- against scikit-learn


def test_scores_are_those_of_scikit_learn(truth, predictions):
    evaluation = evaluate(truth, predictions)
    named = predictions.labels
    assert evaluation.n_cells == 300
    assert evaluation.accuracy == pytest.approx(metrics.accuracy_score(truth, named))
    assert evaluation.macro_f1 == pytest.approx(metrics.f1_score(truth, named, average="macro"))
    f1 = metrics.f1_score(truth, named, average=None)
    assert evaluation.median_f1 == pytest.approx(np.median(f1))
    order = np.argsort(LABELS)  # scikit-learn sorts the columns
    expected = metrics.log_loss(truth, predictions.probabilities[:, order])
    assert evaluation.log_loss == pytest.approx(expected, rel=1e-5)
    assert 0.5 < evaluation.accuracy < 0.95  # the oracle says something


def test_scores_of_each_type_are_those_of_scikit_learn(truth, predictions):
    evaluation = evaluate(truth, predictions)
    report = metrics.classification_report(truth, predictions.labels, output_dict=True)
    assert set(evaluation.per_type) == set(LABELS)
    for label, scores in evaluation.per_type.items():
        assert scores.precision == pytest.approx(report[label]["precision"])
        assert scores.recall == pytest.approx(report[label]["recall"])
        assert scores.f1 == pytest.approx(report[label]["f1-score"])
        assert scores.n_cells == report[label]["support"]


def test_confusion_has_true_labels_in_rows_in_the_order_of_the_model(truth, predictions):
    evaluation = evaluate(truth, predictions)
    assert evaluation.labels == LABELS
    expected = metrics.confusion_matrix(truth, predictions.labels, labels=LABELS)
    np.testing.assert_array_equal(evaluation.confusion, expected)


def test_calibration_error_is_of_the_label_given():
    rows = [[0.7, 0.1, 0.1, 0.1]] * 10
    truth = ["CD4 T"] * 7 + ["B"] * 3
    assert evaluate(truth, predictions_of(rows)).ece == pytest.approx(0, abs=1e-6)
    assert evaluate(["CD4 T"] * 10, predictions_of(rows)).ece == pytest.approx(0.3, abs=1e-6)


def test_a_type_without_cells_counts_in_no_mean():
    rows = [[0.7, 0.1, 0.1, 0.1], [0.1, 0.7, 0.1, 0.1], [0.1, 0.1, 0.7, 0.1]]
    evaluation = evaluate(["CD4 T", "B", "B"], predictions_of(rows))
    f1 = [1.0, 2 / 3]
    assert evaluation.macro_f1 == pytest.approx(np.mean(f1))
    assert evaluation.median_f1 == pytest.approx(np.median(f1))
    assert evaluation.per_type["NK"].n_cells == 0
    assert evaluation.per_type["CD8 T"].precision == 0


def test_any_sequence_of_labels_is_a_truth(truth, predictions):
    expected = evaluate(truth, predictions).to_json()
    for kind in (list, pd.Series, pd.Categorical, lambda x: np.asarray(x, dtype=object)):
        assert evaluate(kind(truth), predictions).to_json() == expected


# --- labels that the model does not know


def test_a_label_unknown_to_the_model_can_only_be_missed():
    rows = [[0.7, 0.1, 0.1, 0.1], [0.1, 0.7, 0.1, 0.1], [0.1, 0.1, 0.7, 0.1]]
    evaluation = evaluate(["CD4 T", "B", "Mast"], predictions_of(rows))
    assert evaluation.labels_unknown_to_the_model == ("Mast",)
    assert evaluation.labels == (*LABELS, "Mast")
    assert evaluation.accuracy == pytest.approx(2 / 3)
    assert evaluation.per_type["Mast"].recall == 0
    assert evaluation.per_type["Mast"].n_cells == 1
    assert evaluation.macro_f1 == pytest.approx(2 / 3)
    assert evaluation.confusion[4].tolist() == [0, 0, 1, 0, 0]
    smallest = np.finfo(np.float32).eps
    expected = -np.log([0.7, 0.7, smallest]).mean()
    assert evaluation.log_loss == pytest.approx(expected, rel=1e-6)


def test_no_label_in_common_is_refused_with_both_vocabularies(predictions):
    with pytest.raises(LabelError) as refused:
        evaluate(["b cell"] * 300, predictions)
    message = str(refused.value)
    assert "the truth ['b cell'] and the model ['CD4 T', 'B', 'NK', 'CD8 T'] share no" in message
    assert "--label-map" in message


@pytest.mark.parametrize(("n_true", "n_named"), [(2, 3), (0, 0)], ids=["other_length", "no_cells"])
def test_truth_has_to_be_of_the_same_cells(n_true, n_named):
    rows = np.full((n_named, 4), 0.25)
    with pytest.raises(LabelError, match=f"{n_true} true labels do not fit {n_named} predictions"):
        evaluate(["B"] * n_true, predictions_of(rows))


# --- label maps


def test_probabilities_of_types_that_become_one_add_up():
    # each T type alone is less probable than B, together they are more
    rows = [[0.3, 0.4, 0.0, 0.3], [0.1, 0.6, 0.2, 0.1]]
    evaluation = evaluate(["CD8 T", "B"], predictions_of(rows), label_map=TO_COARSE)
    assert evaluation.labels == ("B", "NK", "T")
    assert evaluation.accuracy == 1.0
    assert evaluation.log_loss == pytest.approx(-np.log([0.6, 0.6]).mean(), rel=1e-6)
    assert evaluate(["CD8 T", "B"], predictions_of(rows)).accuracy == 0.5


def test_a_map_of_each_label_to_itself_changes_no_score(truth, predictions):
    mapped = evaluate(truth, predictions, label_map={label: label for label in LABELS})
    plain = evaluate(truth, predictions)
    assert mapped.macro_f1 == pytest.approx(plain.macro_f1)
    assert mapped.log_loss == pytest.approx(plain.log_loss)
    assert mapped.per_type == plain.per_type


def test_a_map_leads_another_vocabulary_to_a_common_one(predictions):
    label_map = {**TO_COARSE, "T cells": "T"}
    evaluation = evaluate(["T cells"] * 300, predictions, label_map=label_map)
    assert evaluation.labels_unknown_to_the_model == ()
    assert evaluation.per_type["T"].n_cells == 300


@pytest.mark.parametrize(
    ("missing", "truth"), [("NK", ["B"]), ("Mast", ["Mast"])], ids=["of_the_model", "of_the_truth"]
)
def test_a_label_that_is_not_in_the_map_is_an_error(missing, truth):
    label_map = {fine: coarse for fine, coarse in TO_COARSE.items() if fine != missing}
    side = "model" if missing == "NK" else "truth"
    with pytest.raises(LabelError) as refused:
        evaluate(truth, predictions_of([[0.25] * 4]), label_map=label_map)
    message = str(refused.value)
    assert f"says nothing about ['{missing}'] of the {side};" in message
    assert "it has to map every label of the truth and of the model" in message
    assert "add a line label,mapped for each" in message


def test_labels_that_are_not_in_the_map_are_told_side_by_side():
    with pytest.raises(LabelError, match=r"\['Mast'\] of the truth and \['B', 'NK'\] of the mod"):
        evaluate(["Mast"], predictions_of([[0.25] * 4]), label_map={"CD4 T": "T", "CD8 T": "T"})


@pytest.mark.parametrize("nothing", ["", " ", None, float("nan")], ids=repr)
@pytest.mark.parametrize("label", ["NK", "Mast"], ids=["of_the_model", "of_no_cell"])
def test_a_label_that_is_mapped_to_nothing_is_an_error(label, nothing):
    label_map = {**TO_COARSE, label: nothing}
    with pytest.raises(LabelError, match=rf"the label map leads \['{label}'\] to no label; every"):
        evaluate(["B"], predictions_of([[0.25] * 4]), label_map=label_map)


def written(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "map.csv"
    path.write_text(text, encoding=encoding)
    return path


def test_a_map_is_read_as_it_stands(tmp_path):
    path = written(tmp_path, 'label,mapped\nCD4 T, T\n"B, naive",B\nÜ/ü,T\n\nCD4 T,T\n')
    assert read_label_map(path) == {"CD4 T": "T", "B, naive": "B", "Ü/ü": "T"}


def test_a_map_saved_by_a_spreadsheet_is_read(tmp_path):
    path = written(tmp_path, "label,mapped\r\nCD4 T,T\r\n", encoding="utf-8-sig")
    assert read_label_map(path) == {"CD4 T": "T"}


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("from,to\nB,B\n", r"\['from', 'to'\]"),
        ("CD4 T,T\n", r"\['CD4 T', 'T'\]"),
        ("label,mapped\nB\n", r"\['B'\]"),
        ("label,mapped,why\nB,B,x\n", r"\['label', 'mapped', 'why'\]"),
        ("", "nothing"),
    ],
    ids=["other_header", "no_header", "one_column", "three_columns", "empty"],
)
def test_a_map_of_another_form_is_refused_with_what_it_has(tmp_path, text, seen):
    with pytest.raises(FileFormatError, match=f"line label,mapped .* it has {seen}"):
        read_label_map(written(tmp_path, text))


def test_a_label_sent_to_two_is_refused(tmp_path):
    with pytest.raises(LabelError, match="sends 'B' to two labels"):
        read_label_map(written(tmp_path, "label,mapped\nB,B\nB,lymphocyte\n"))


def test_labels_mapped_to_nothing_are_refused_by_name(tmp_path):
    path = written(tmp_path, "label,mapped\nB,\nNK,NK\nT, \n")
    with pytest.raises(LabelError) as refused:
        read_label_map(path)
    message = str(refused.value)
    assert f"the label map '{path}' leads ['B', 'T'] to no label" in message
    assert "every label needs one to be scored as: a coarser one, or itself" in message


def test_a_line_without_a_label_is_refused(tmp_path):
    with pytest.raises(LabelError, match="a line without a label, which is mapped to 'T'"):
        read_label_map(written(tmp_path, "label,mapped\nB,B\n ,T\n"))


def test_lines_without_any_text_are_left_out(tmp_path):
    path = written(tmp_path, "\nlabel,mapped\n\nB,B\n,\n , \n")
    assert read_label_map(path) == {"B": "B"}


def test_a_map_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(FileFormatError, match=r"there is no label map '.*map\.csv'"):
        read_label_map(tmp_path / "map.csv")


def test_a_map_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "map.csv"
    path.write_bytes(b"\x89HDF\r\n\x1a\n\xff\xfe\x00")
    with pytest.raises(FileFormatError, match="is not a CSV text"):
        read_label_map(path)


# --- the value on disk


def test_the_file_holds_every_score(tmp_path, truth, predictions):
    evaluation = evaluate(truth, predictions)
    path = tmp_path / "evaluation.json"
    evaluation.save(path)
    content = json.loads(path.read_text(encoding="utf-8"))
    assert set(content) == {
        "about", "n_cells", "accuracy", "macro_f1", "median_f1", "log_loss", "ece", "reliability",
        "answered", "sets", "by_status", "per_type", "labels", "confusion",
        "labels_unknown_to_the_model",
    }  # fmt: skip
    for score in ("n_cells", "accuracy", "macro_f1", "median_f1", "log_loss", "ece"):
        assert content[score] == getattr(evaluation, score)
    assert content["labels"] == list(LABELS)
    assert content["confusion"] == evaluation.confusion.tolist()
    assert set(content["per_type"]["B"]) == {"precision", "recall", "f1", "n_cells"}
    assert content["per_type"]["B"]["n_cells"] == int((truth == "B").sum())
    curve = ReliabilityCurve.from_json(content["reliability"])
    assert curve.ece == pytest.approx(evaluation.ece, abs=1e-11)
    assert content["answered"]["accuracy"]["1"] == pytest.approx(evaluation.accuracy)
    assert content["sets"] is None
    assert "rows are true labels" in content["about"]
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_says_what_sets_were_worth():
    rows = [[0.7, 0.1, 0.1, 0.1], [0.1, 0.7, 0.1, 0.1]]
    evaluation = evaluate(["CD4 T", "Mast"], predictions_of(rows))
    sets = np.array(rows) > 0.5
    scored = replace(evaluation, sets=SetScores.of(np.array([0, 4]), sets, wanted=0.9))
    content = scored.to_json()["sets"]
    assert (content["wanted"], content["coverage"], content["one"]) == (0.9, 0.5, 1.0)
    assert content["per_type"] == {"CD4 T": 1.0, "B": None, "NK": None, "CD8 T": None}


def test_the_table_has_a_row_a_type(truth, predictions):
    frame = evaluate(truth, predictions).to_frame()
    assert frame.index.tolist() == list(LABELS)
    assert frame.columns.tolist() == ["precision", "recall", "f1", "n_cells"]
    assert frame["n_cells"].sum() == 300


def test_repr_is_one_line_of_scores(truth, predictions):
    evaluation = evaluate(truth, predictions)
    assert repr(evaluation).startswith(
        f"Evaluation of 300 cells: accuracy {evaluation.accuracy:.3f}, macro-F1 "
    )


def test_each_status_has_its_accuracy_and_no_cell_is_taken_out():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]], dtype="float32")
    status = np.array(
        [STATUSES.index(name) for name in ("assigned", "unknown", "unknown", "assigned")]
    )
    trust = CellTrust(
        probabilities > 0.5, 0.9, np.zeros(4, "float32"), status.astype("int8"), label_unknown=True
    )
    cells = pd.Index(list("abcd"))
    named = Predictions(LabelSpace(("B", "T")), probabilities, cells, trust=trust)
    found = evaluate(["B", "T", "T", "T"], named)
    assert found.accuracy == 0.75
    assert found.by_status == {"assigned": StatusScores(1.0, 2), "unknown": StatusScores(0.5, 2)}
    assert evaluate(["B", "T", "T", "T"], replace(named, trust=None)).by_status == {}
    of_batches = accuracy_of_batches(["B", "T", "T", "T"], named, ["one", "one", "two", "two"])
    assert of_batches.accuracy.to_dict() == {"one": 0.5, "two": 1.0}
