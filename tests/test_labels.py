import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellclassifier.errors import LabelError
from cellclassifier.labels import LabelSpace, shown


def test_encode_and_decode_are_inverse():
    space = LabelSpace(("T", "B/plasma", "Überzelle"))
    labels = ["B/plasma", "T", "Überzelle", "T"]
    codes = space.encode(labels)
    assert codes.tolist() == [1, 0, 2, 0]
    assert codes.dtype == np.int32
    assert space.decode(codes).tolist() == labels


def test_of_sorts_and_keeps_each_label_once():
    assert LabelSpace.of(["T", "B", "T", "NK"]).labels == ("B", "NK", "T")


def test_the_given_order_is_the_order_of_codes():
    assert LabelSpace(("T", "B")).encode(["B", "T"]).tolist() == [1, 0]


def test_encode_names_the_unknown_labels_and_the_known_ones():
    with pytest.raises(LabelError, match=r"unknown labels \['Mast', 'NK'\]; known are \['B', 'T'"):
        LabelSpace(("B", "T")).encode(["NK", "B", "Mast", "NK"])


def test_no_labels_encode_to_no_codes():
    assert LabelSpace(("B", "T")).encode([]).shape == (0,)


def test_a_label_twice_is_refused_by_name():
    with pytest.raises(LabelError, match=r"\['B'\] stand more often"):
        LabelSpace(("B", "T", "B"))


def test_ontology_ids_are_unknown_unless_given():
    assert LabelSpace(("B", "T")).ontology_ids == (None, None)
    assert LabelSpace(("B",), ("CL:0000236",)).ontology_ids == ("CL:0000236",)


def test_ontology_ids_have_to_be_as_many_as_labels():
    with pytest.raises(LabelError, match="2 labels need as many ontology ids, not 1"):
        LabelSpace(("B", "T"), ("CL:0000236",))


def test_spaces_of_the_same_labels_are_equal():
    assert LabelSpace(("B", "T")) == LabelSpace.of("TBB")
    assert LabelSpace(("B", "T")) != LabelSpace(("T", "B"))


@pytest.mark.parametrize(
    ("n_names", "expected_end"),
    [(10, "'9']"), (11, "'9'] and 1 more"), (25, "'9'] and 15 more")],
    ids=["ten", "eleven", "many"],
)
def test_shown_cuts_long_lists_and_says_so(n_names, expected_end):
    assert shown(range(n_names)).endswith(expected_end)


# --- sets of labels as texts


def test_a_set_is_a_text_of_its_labels_in_their_order():
    space = LabelSpace(("T", "B", "NK"))
    sets = np.array([[True, True, False], [False, False, True], [False, False, False]])
    assert space.join(sets).tolist() == ["T | B", "NK", ""]


@given(
    n_types=st.integers(1, 70), n_cells=st.integers(0, 30), seed=st.integers(0, 2**32 - 1),
    share=st.sampled_from([0.0, 0.02, 0.5, 1.0]),
)  # fmt: skip
def test_texts_give_back_their_sets(n_types, n_cells, seed, share):
    space = LabelSpace(tuple(f"type {number}, or 1|2" for number in range(n_types)))
    sets = np.random.default_rng(seed).random((n_cells, n_types)) < share
    again = space.split(space.join(sets))
    assert again.shape == sets.shape
    assert again.dtype == bool
    np.testing.assert_array_equal(again, sets)


@pytest.mark.parametrize("text", ["B | Mast", "B |T", " ", "B | ", "b"])
def test_texts_of_other_labels_are_refused(text):
    with pytest.raises(LabelError, match="unknown labels"):
        LabelSpace(("B", "T")).split(["B | T", text])
