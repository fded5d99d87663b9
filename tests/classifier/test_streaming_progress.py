"""What is seen while cells are named, where no terminal shows a bar."""

import re

from cellclassifier.classifier.streaming_progress import cells_bar
from cellclassifier.training import progress


def test_a_log_is_told_cells_rate_and_time_left(capsys, monkeypatch):
    monkeypatch.setattr(progress, "BETWEEN_LINES", 0.0)
    with cells_bar("naming big.h5ad") as watch:
        watch(0, 20_000)
        watch(5_000, 20_000)
        watch(10_000, 20_000)
    *_, last = capsys.readouterr().err.splitlines()
    told = r"naming big\.h5ad: 10,000 of 20,000 cells, [\d,]+ cells/s, \d:\d\d:\d\d left"
    assert re.fullmatch(told, last)


def test_short_work_leaves_the_log_alone(capsys):
    with cells_bar("naming big.h5ad") as watch:
        watch(0, 20_000)
        watch(20_000, 20_000)
    assert capsys.readouterr().err == ""
