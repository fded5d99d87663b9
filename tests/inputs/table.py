"""Writes docs/reference/inputs.md by running every case: ``python tests/inputs/table.py``."""

import re
import sys
import tempfile
from pathlib import Path

from input_cases import THEMES
from input_cases.case import Case
from input_cases.running import MODEL_NAME, Models, Seen, run_case

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "reference" / "inputs.md"
MAX_SHOWN = 400
# ends each refusal of values; told once
ADVICE = (
    "Keep raw counts beside other values: adata.layers['counts'] = adata.X.copy() before "
    'normalising, or name their layer: layer="…" (--layer on the command line)'
)
INTRODUCTION = f"""# Inputs

What comes of inputs that are wrong or odd. An input is **accepted** as it is; or **converted**,
where what was done to it can be undone, mapped or added up exactly; or **refused**, by one line and
a status other than zero, and nothing is written. Nothing is accepted with a mere warning, but for a
type of one cell to train on. What is accepted or converted gets the labels and probabilities of the
clean cells: to the bit, but for counts corrected for ambient RNA, of which the labels are the same.

Each row is a test in `tests/inputs`, which hands the input to `annotate` with a model of
human blood cells (`{MODEL_NAME}`), and labels to `train`. The third column is what `check`
says of an input that is taken, or the error, shortened where it goes on (…). Where no counts were
found, the last … stands for this advice:

> {ADVICE}

This page is written by `python tests/inputs/table.py`, and each test compares its row with what
it saw.
"""
HEADING = "| input | outcome | what is said | option |\n|---|---|---|---|"


def render(rows: dict[str, str]) -> str:
    """Return the whole document, given the row of each case."""
    parts = [INTRODUCTION]
    for theme in THEMES:
        lines = [rows[case.name] for case in theme.cases if not case.skip]
        parts.append("\n".join([f"## {theme.title}\n", HEADING, *lines]) + "\n")
    return "\n".join(parts)


def row_of(case: Case, seen: Seen) -> str:
    """Return the row of a case."""
    option = f"`{case.option}`" if case.option else ""
    said = _shortened(seen.said, case.until).replace("|", "\\|").replace("*", "\\*")
    return f"| {case.what} | {case.outcome_in_words} | {said} | {option} |"


def _shortened(said: str, until: str) -> str:
    """Return the text as far as `until`, and of long ones the beginning and the end."""
    if until:
        said = "".join(said.partition(until)[:2]) + " …"
    said = re.sub(r"\s+", " ", said).replace(ADVICE, "…")
    if len(said) <= MAX_SHOWN:
        return said
    half = MAX_SHOWN // 2
    return f"{said[:half].rsplit(' ', 1)[0]} … {said[-half:].split(' ', 1)[1]}"


def write_document() -> None:
    """Run every case, and write what was seen."""
    rows = {}
    with tempfile.TemporaryDirectory() as scratch:
        models = Models.trained(Path(scratch))
        for theme in THEMES:
            for case in [case for case in theme.cases if not case.skip]:
                folder = Path(scratch, case.name)
                folder.mkdir()
                rows[case.name] = row_of(case, run_case(case, models, folder))
    DOCUMENT.write_text(render(rows), encoding="utf-8")
    sys.stdout.write(f"wrote {DOCUMENT.name}: {len(rows)} inputs\n")


if __name__ == "__main__":
    write_document()
