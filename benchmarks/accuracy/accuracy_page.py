"""All tables of docs/accuracy.md, from the results alone.

    PYTHONPATH=src python benchmarks/accuracy/accuracy_page.py

Counts anew on which cells unlike methods agree (agreement.py), and writes between the markers of
the page: marks, ingredients, agreement, errors of the sorted blood, and shifts fixed beforehand.
"""

from collections.abc import Callable

import agreement
import confusion
import forced_shift
import ingredients
import ingredients_table
import marks
from leaderboard import OURS, by_task, newest
from macro_f1 import TrueTypes
from peer_table import write_between_markers
from record import RESULTS, ROOT
from rows import Rows

PAGE = ROOT / "docs" / "accuracy.md"
SAME = 1e-9


def main() -> None:
    """Write the tables into the page."""
    agreement.keep(agreement.USUAL_TASK, agreement.usual_sets())
    for name, text in TABLES.items():
        write_between_markers(PAGE, text(), marker(name))
        print(f"wrote {name}")


def marker(name: str) -> str:
    """Return the line of the page after which a table begins."""
    return f"<!-- {name}, by benchmarks/accuracy/accuracy_page.py -->"


def of_marks() -> str:
    """Return the marks beside what is reached."""
    rows = newest(Rows(RESULTS / "accuracy.jsonl").read())
    return marks.text(by_task(rows), TrueTypes())


def of_ingredients() -> str:
    """Return what each ingredient brings."""
    rows = newest(Rows(RESULTS / "ingredients.jsonl").read())
    return ingredients_table.text(ingredients.differences(rows))


def of_agreement() -> str:
    """Return on which cells of the ten types unlike methods agree against the label."""
    rows = Rows(RESULTS / "agreement.jsonl").read()
    usual = agreement.usual_sets()
    own = [row for row in rows if row["task"] == agreement.USUAL_TASK and row["methods"] in usual]
    return agreement.text(sorted(own, key=lambda row: usual.index(row["methods"])))


def of_errors() -> str:
    """Return what the default's errors on the sorted blood are."""
    return confusion.errors_text(confusion.over_folds(confusion.SORTED_BLOOD, OURS))


def of_shifts() -> str:
    """Return what shifts fixed beforehand would bring."""
    frame = forced_shift.newest(Rows(forced_shift.RESULTS_FILE).read())
    measured = dict(forced_shift.by_shift(frame, "accuracy")[forced_shift.MEASURED])
    rows = newest(Rows(RESULTS / "accuracy.jsonl").read())
    other = [
        f"{row['task']} ({100 * row['accuracy']:.1f} there)"
        for row in rows
        if row["method"] == OURS
        and row["task"] in measured
        and abs(row["accuracy"] - measured[row["task"]]) > SAME
    ]
    words = f", but for {', '.join(other)}" if other else ""
    return f"{forced_shift.text(frame)}\nThe accuracy is that of the leaderboard{words}.\n"


TABLES: dict[str, Callable[[], str]] = {
    "marks": of_marks,
    "ingredients": of_ingredients,
    "agreement": of_agreement,
    "errors": of_errors,
    "shifts": of_shifts,
}


if __name__ == "__main__":
    main()
