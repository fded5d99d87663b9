"""What docs/accuracy.md shows of the ingredients, from the rows of ingredients.py."""

from ingredients import ABROAD, HOME, VARIANTS
from leaderboard import Difference

Found = list[tuple[str, float, Difference]]
ABOUT = (
    "Points of accuracy more than the full default (95 % interval); below, log-loss more. A "
    "variant that is behind names fewer cells rightly, beyond chance."
)


def text(found: Found) -> str:
    """Return the table of points and of log-loss, and in sentences what pays where."""
    own: dict[str, dict[str, tuple[float, Difference]]] = {}
    for name, log_loss, one in found:
        own.setdefault(name, {})[one.task] = (log_loss, one)
    tasks = [*HOME, *ABROAD]
    lines = [
        f"{ABOUT}\n",
        f"| variant | {' | '.join(tasks)} |",
        f"|---|{'---|' * len(tasks)}",
    ]
    for variant in VARIANTS[1:]:
        cells = [cell(*own[variant.name][task]) for task in tasks]
        lines.append(f"| {variant.name} | {' | '.join(cells)} |")
    sentences = [sentence(variant.name, own[variant.name], tasks) for variant in VARIANTS[1:]]
    return "\n".join([*lines, "", *sentences]) + "\n"


def cell(log_loss: float, one: Difference) -> str:
    """Return what a variant has more than the full default on a task."""
    return (
        f"{100 * one.mean:+.1f} ({100 * one.low:+.1f} to {100 * one.high:+.1f})<br>{log_loss:+.3f}"
    )


def sentence(variant: str, own: dict[str, tuple[float, Difference]], tasks: list[str]) -> str:
    """Return on which tasks a variant is behind the default beyond chance, and on which ahead."""
    by_word = {
        word: [task for task in tasks if own[task][1].word == word]
        for word in ("behind", "ahead", "tie")
    }
    losses = [own[task][0] for task in tasks]
    worse = sum(loss > 0 for loss in losses)
    words = "; ".join(f"{word} on {', '.join(found)}" for word, found in by_word.items() if found)
    return f"- **{variant}**: {words}; log-loss worse on {worse} of {len(tasks)}."
