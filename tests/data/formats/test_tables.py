"""Tables of text, in the forms that pandas and R write."""

import numpy as np
import pandas as pd
import pytest
from cell_files import BARCODES, COUNTS, N_CELLS, SYMBOLS, write_text

from cellclassifier import read_cells
from cellclassifier.data.formats import tables
from cellclassifier.errors import FileFormatError

FRAME = pd.DataFrame(COUNTS.astype(int), index=BARCODES, columns=SYMBOLS)


def write_table(path, frame, separator):
    """Write as R's write.table does: quoted names, and one heading less than there are fields."""
    lines = [separator.join(f'"{name}"' for name in frame.columns)]
    for name, row in frame.iterrows():
        lines.append(separator.join([f'"{name}"', *map(str, row)]))
    return write_text(path, "\n".join(lines) + "\n")


def refusal_of(path, text, **options):
    with pytest.raises(FileFormatError) as refused:
        read_cells(write_text(path, text), **options)
    message = str(refused.value)
    assert "\n" not in message
    assert path.name in message
    return message


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cells.csv"


@pytest.mark.parametrize("frame", [FRAME, FRAME.T], ids=["cells_x_genes", "genes_x_cells"])
@pytest.mark.parametrize("name", ["cells.csv", "cells.tsv", "cells.txt", "cells.txt.gz"])
@pytest.mark.parametrize("label", ["", "gene", None], ids=["no_heading", "heading", "one_less"])
def test_names_of_genes_prove_the_orientation(tmp_path, frame, name, label):
    path, separator = tmp_path / name, "," if ".csv" in name else "\t"
    if label is None:
        write_table(path, frame, separator)
    else:
        write_text(path, frame.to_csv(sep=separator, index_label=label))
    cells = read_cells(path)
    np.testing.assert_array_equal(cells.X.toarray(), COUNTS)
    assert cells.X.format == "csr"
    assert cells.X.dtype == np.float32
    assert (cells.obs_names.tolist(), cells.var_names.tolist()) == (BARCODES, SYMBOLS)
    where = "columns" if frame is FRAME else "rows"
    assert cells.uns["read_cells"] == {
        "format": "table", "genes_in": where, "proof": "names of genes",
    }  # fmt: skip


@pytest.mark.parametrize("separator", [",", "\t", ";", " "])
@pytest.mark.parametrize("name", ["cells.csv", "cells.tsv", "cells.txt"])
def test_the_separator_is_seen_whatever_the_name(tmp_path, name, separator):
    cells = read_cells(write_table(tmp_path / name, FRAME, separator))
    np.testing.assert_array_equal(cells.X.toarray(), COUNTS)


@pytest.mark.parametrize("rows", [1, 2, 5, 10**6])
def test_blocks_do_not_change_the_counts(path, monkeypatch, rows):
    monkeypatch.setattr(tables, "BLOCK_VALUES", rows * (len(SYMBOLS) + 1))
    write_text(path, FRAME.to_csv())
    np.testing.assert_array_equal(read_cells(path).X.toarray(), COUNTS)


@pytest.mark.parametrize(("told", "shape"), [("rows", (2, 3)), ("columns", (3, 2))])
def test_names_that_prove_nothing_are_turned_by_the_users_word(path, told, shape):
    cells = read_cells(write_text(path, ",a,b\nx,1,0\ny,0,2\nz,3,3\n"), genes_in=told)
    assert cells.shape == shape
    assert cells.uns["read_cells"]["proof"] == "told"


def test_names_that_prove_nothing_are_refused_with_examples_of_both(path):
    message = refusal_of(path, ",a_1,b_1\nx_1,1,0\ny_1,0,2\n")
    assert "nothing proves where its genes are: 0% of its rows" in message
    assert "x_1" in message
    assert "a_1" in message
    assert 'genes_in="rows" or "columns" (--genes-in' in message


def test_names_of_genes_on_both_axes_are_refused(path):
    assert "nothing proves" in refusal_of(path, ",CD3D,LYZ\nCD14,1,0\nNKG7,0,2\n")


def test_fractions_keep_their_precision(path):
    cells = read_cells(write_text(path, ",c1_a,c2_a\nCD3D,0.1,0\nLYZ,2,1e-9\n"))
    assert cells.X.toarray().tolist() == [[0.1, 2.0], [0.0, 1e-9]]


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(path):
    path.write_bytes(b"\xef\xbb\xbf,CD3D,LYZ\r\nAAAC,1,2\r\n")
    assert read_cells(path).var_names.tolist() == ["CD3D", "LYZ"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "it has 0 lines"),
        (",CD3D,LYZ\n", "it has 1 lines"),
        ("# a comment\n,CD3D,LYZ\nAAAC,1,2\n", "do not fit together: their numbers of fields are"),
        (",CD3D,LYZ\nAAAC,1,2\nAAAG,1\n", "row 'AAAG' has nothing for 'LYZ'"),
        (",CD3D,LYZ\nAAAC,1,2\nAAAG,1,2,3\n", "Expected 3 fields in line 3, saw 4"),
        (",CD3D,LYZ\nAAAC,1,\n", "row 'AAAC' has nothing for 'LYZ'"),
        (",CD3D,LYZ\nAAAC,1,NA\n", "row 'AAAC' has 'NA' for 'LYZ', where a number"),
        (",CD3D,LYZ\nAAAC,1,nan\n", "row 'AAAC' has 'nan' for 'LYZ', where a number"),
        (",CD3D,LYZ\nAAAC,1,inf\n", "row 'AAAC' has inf for 'LYZ', not a number"),
        (",CD3D,cell_type\nAAAC,1,T cell\n", "row 'AAAC' has 'T cell' for 'cell_type'"),
        (",CD3D,CD3D\nAAAC,1,2\n", "two of its columns are named 'CD3D'"),
        (",CD3D,LYZ\nAAAC,1,2\nAAAC,1,2\n", "two of its rows are named 'AAAC'"),
        (",CD3D,\nAAAC,1,2\n", "column 3 of its first line has no name"),
        ("CD14,CD3D,LYZ\n0,1,2\n", "its first column, 'CD14', holds the number 0"),
    ],
    ids=[
        "empty", "heading_alone", "comment", "row_too_short", "row_too_long", "empty_field", "NA",
        "nan", "inf", "text", "column_twice", "row_twice", "column_without_name", "no_row_names",
    ],
)  # fmt: skip
def test_what_is_no_table_of_counts_is_refused(path, text, expected):
    assert expected in refusal_of(path, text)


def test_text_far_down_is_found_in_its_block(path, monkeypatch):
    monkeypatch.setattr(tables, "BLOCK_VALUES", 2 * (len(SYMBOLS) + 1))
    text = FRAME.to_csv().replace("70000", "many")
    assert f"row '{BARCODES[2]}' has 'many' for '{SYMBOLS[3]}'" in refusal_of(path, text)


def test_bytes_that_are_no_text_are_refused(path):
    path.write_bytes(b",CD3D,LYZ\nAAAC,1,\xff\n" * 3)
    with pytest.raises(FileFormatError, match="cannot be read as a table of counts"):
        read_cells(path)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_a_compressed_table_cut_off_is_refused(tmp_path, share):
    whole = write_text(tmp_path / "whole.csv.gz", FRAME.to_csv()).read_bytes()
    path = tmp_path / "cells.csv.gz"
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(FileFormatError, match="cannot be read as a table of counts"):
        read_cells(path)


def test_integers_as_names_need_an_empty_heading(path):
    frame = FRAME.reset_index(drop=True)
    cells = read_cells(write_text(path, frame.to_csv()))
    assert cells.obs_names.tolist() == [str(number) for number in range(N_CELLS)]
