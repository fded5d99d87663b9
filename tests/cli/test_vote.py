"""Votes on the command line."""

import pandas as pd
import pytest

from cellclassifier import read_cells


def test_a_column_votes(command, model_file, reference_file, tmp_path, capsys):
    out = tmp_path / "named.h5ad"
    asked = ["--vote-key", "cell_type", "--vote-agreement", 0.5]
    assert command("annotate", reference_file, "--model", model_file, "--out", out, *asked) == 0
    assert "Votes of 3 clusters" in capsys.readouterr().out
    named = read_cells(out)
    votes = pd.crosstab(named.obs["cell_type"], named.obs["predicted_cell_type_vote"])
    assert (votes > 0).sum().sum() == 3
    assert named.uns["cellclassifier"]["vote"]["clusters"] == "cell_type"


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        pytest.param(["--vote-key", "leiden"], "no column 'leiden' with clusters", id="key"),
        pytest.param(["--vote-key", "leiden", "--vote", "auto"], "one of the two", id="both"),
        pytest.param(["--vote", "auto", "--vote-agreement", "2"], "not 2.0", id="share"),
    ],
)
def test_votes_that_cannot_be(command, model_file, reference_file, tmp_path, capsys, asked, says):
    out = tmp_path / "named.h5ad"
    assert command("annotate", reference_file, "--model", model_file, "--out", out, *asked) == 1
    assert says in capsys.readouterr().err
    assert not out.exists()
