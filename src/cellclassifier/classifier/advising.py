"""Whether labels can be believed: what a comparison with the training cells says, in words."""

from collections.abc import Iterator

from scipy.special import bdtrc

from cellclassifier.classifier.comparison import QueryComparison
from cellclassifier.classifier.recalibrating import ENOUGH_COUNTS, ENOUGH_GENES, enough
from cellclassifier.classifier.trusting import FEW_CELLS, MAX_SHIFT, MIN_COVERAGE

# beyond, something is said: of depth; of a given depth beside that of the cells
DEEP, SHALLOW = 3.0, 0.5
OTHER_DEPTH = 0.1
# of cells that look novel, where 5 % would; and where types that nobody knows may explain a shift
MANY_NOVEL, MOSTLY_NOVEL = 0.15, 0.3
# one file in a thousand of known cells has more novel ones by chance
NOVEL_OF_KNOWN, RARELY = 0.05, 0.999
# of cells with too few counts
MANY_LOW = 0.02
# of genes that training cells have counts of, where the counts are as many
FEW_DETECTED = 0.6
# of shifts: beyond what cells of the same experiment mostly have, and of another laboratory
SOME_SHIFT, FAR_SHIFT = 0.05, 0.3
# of the types' shares in training, see `QueryComparison.composition`
OTHER_SHARES = 0.3
# what advice begins with where something speaks against the labels
CARE = "Read the labels with care: "
_MEAN = "confidence, sets and novelty mean"


def advice_on(found: QueryComparison) -> str:
    """Return whether labels can be believed, in one paragraph.

    Examples
    --------
    >>> print(advice_on(QueryComparison(1.0, 800.0, 1.0, 0.0, 0.05, 0.0, None, n_cells=500)))
    The cells are like the training cells in depth, genes and what they look like: confidence, ...
    >>> print(advice_on(QueryComparison(1.0, 800.0, 0.85, 0.0, 0.05, 0.0, None, n_cells=500)))
    Read the labels with care: only 85% of the model's genes were measured.
    """
    said = warnings_of(found)
    few = _of_few(found) if found.n_cells < FEW_CELLS else []
    if not (said or few):
        return _alike(found)
    parts = [*said, *few, *filter(None, [_of_worth(found)])]
    return (CARE if said else "") + "; ".join(parts) + "."


def warnings_of(found: QueryComparison) -> list[str]:
    """Return what speaks against taking the labels as they are, each in a sentence."""
    said = [*_of_genes(found)]
    if found.n_cells >= FEW_CELLS:
        said += [*_of_depth(found), *_of_detected(found), *_of_low_depth(found)]
    said += _of_shift(found)
    if found.n_cells >= FEW_CELLS:
        said += [*_of_novelty(found), *_of_types(found)]
    return said


def _of_genes(found: QueryComparison) -> Iterator[str]:
    if found.gene_coverage >= ENOUGH_GENES:
        return
    few = ", too few to name cells well" if found.gene_coverage < MIN_COVERAGE else ""
    yield (
        f"only {found.gene_coverage:.0%} of the model's genes were measured{few}"
        f"{'' if found.can_calibrate else _cannot(found)}"
    )


def _of_depth(found: QueryComparison) -> Iterator[str]:
    if found.depth is None:
        return
    times = f"{found.depth:.2g}"
    has = f"cells have {times} times the counts of the training cells"
    if times == "1":
        has = "cells have as many counts as the training cells"
    given = found.depth_given if found.can_calibrate else None
    if found.depth > DEEP:
        yield has
    elif given is not None and _differ(given, found.depth):
        yield from _of_given_depth(found, f"the depth was given as {given:.2g}, and {has}")
    elif found.depth < ENOUGH_COUNTS:
        yield from _of_shallow(found, has)


def _cannot(found: QueryComparison) -> str:
    return f", and this model cannot calibrate its scores for that: {_too_sure(found)}"


def _too_sure(found: QueryComparison) -> str:
    """Return what scores are that nobody calibrated for the depth or the genes of the cells."""
    if found.novel is None:
        return "confidence is too high"
    return (
        "confidence is too high, sets hold the true type less often than asked for, and more known "
        "cells are called unknown"
    )


def _differ(given: float, depth: float) -> bool:
    return abs(enough(given) / enough(depth) - 1) > OTHER_DEPTH


def _of_given_depth(found: QueryComparison, has: str) -> Iterator[str]:
    if found.calibrated_depth is not None and found.calibrated_depth < 1:
        yield f"{has}: scores are calibrated for other cells than these, and may be off"
    elif found.depth is not None and found.depth < ENOUGH_COUNTS:
        yield f"{has}: scores are not calibrated for that, {_too_sure(found)}"


def _of_shallow(found: QueryComparison, has: str) -> Iterator[str]:
    if not found.can_calibrate:
        yield f"{has}{_cannot(found)}"
    elif found.calibrated_depth is not None and found.calibrated_depth < 1:
        yield (
            f"{has}: scores were calibrated for that on training cells that were thinned, and "
            "fewer labels are right than of deep cells"
        )
    elif found.shift_told_by == "given" and found.depth_given is None:
        yield (
            f"{has}, and scores are not calibrated for that, as the shift was given and the depth "
            f"was not: {_too_sure(found)}"
        )
    elif found.depth is not None and found.depth < SHALLOW:  # only of their kind, or from far away
        yield has


def _of_detected(found: QueryComparison) -> Iterator[str]:
    """Say where counts are on fewer genes than such a depth has."""
    if found.genes_usual is None or (found.depth is not None and found.depth < ENOUGH_COUNTS):
        return
    if found.genes_detected < FEW_DETECTED * found.genes_usual:
        yield (
            f"cells have counts of {found.genes_detected:,.0f} of the model's genes, training "
            f"cells of {found.genes_usual:,.0f}, at about the same depth"
        )


def _of_low_depth(found: QueryComparison) -> Iterator[str]:
    if found.low_depth is not None and found.low_depth >= MANY_LOW:
        yield f"{found.low_depth:.1%} of the cells have too few counts"


def _of_shift(found: QueryComparison) -> Iterator[str]:
    if not _comes_from_elsewhere(found):
        return
    much = "much " if found.shift is not None and found.shift >= FAR_SHIFT else ""
    how = (
        f"genes differ {much}from the training cells' (shift {found.shift:.2f}), as they do "
        f"between laboratories and protocols{_or_where_types_are_new(found)}"
    )
    if found.shift_told_by == "given":
        how = f"the shift was given as {found.shift:.2f}, and not measured"
    made = "the network was adapted" if found.adapts else "this network does not adapt to it"
    unknown = ", no cell is called unknown for its novelty" if found.none_unknown else ""
    yield f"{how}: {made}{unknown}, and sets may hold the true type less often than asked for"


def _comes_from_elsewhere(found: QueryComparison) -> bool:
    return found.shift is not None and found.shift >= MAX_SHIFT


def _or_where_types_are_new(found: QueryComparison) -> str:
    """Name the other cause that a shift of novel cells may have: numbers do not tell the two."""
    if found.foreign or found.novel is None or found.novel < MOSTLY_NOVEL:
        return ""
    return ", or where most cells are of a type that the model does not know"


def _of_novelty(found: QueryComparison) -> Iterator[str]:
    if found.novel is None or found.novel < MANY_NOVEL:
        return
    what = f"types may be among them that the model does not know{_or_from_elsewhere(found)}"
    if found.foreign:
        what = "this model does not seem to know what they are"
    elif _comes_from_elsewhere(found) and found.none_unknown == "shift":
        what = (
            "known cells from elsewhere do, and so do types that the model does not know; named "
            "with a shift of 0 such cells are called unknown"
        )
    yield f"{found.novel:.0%} of the cells look more novel than 95 % of known cells do: {what}"


def _or_from_elsewhere(found: QueryComparison) -> str:
    """Name the other cause that novel cells may have where a shift is not measured, or is small."""
    if found.shift_told_by != "measured":
        return ", or they come from elsewhere"
    if found.shift is None or found.shift < SOME_SHIFT:
        return ""
    return f", or they come from elsewhere (shift {found.shift:.2f})"


def _of_types(found: QueryComparison) -> Iterator[str]:
    if found.changed_type is not None:
        yield f"most cells are '{found.changed_type}', and few training cells were"
    elif found.adapts and _comes_from_elsewhere(found):
        return  # layers for cells from elsewhere count on no shares
    elif found.composition is not None and found.composition >= OTHER_SHARES:
        yield (
            f"types come in other shares than in training (distance {found.composition:.2f}): "
            "confidence counts on those of training, and may be off"
        )


def _of_worth(found: QueryComparison) -> str:
    """Say where nothing is said of what labels are worth; an empty text elsewhere."""
    if found.novel is not None:
        return ""
    if found.held_few:
        return (
            "this model was trained on too few cells to say what its labels are worth: no sets, "
            "novelty or status"
        )
    return "this model does not say what its labels are worth: no sets, novelty or status"


def _of_few(found: QueryComparison) -> list[str]:
    """Say of fewer cells than can be compared how many stand out, without an alarm."""
    n_cells = found.n_cells
    said = ["1 cell is" if n_cells == 1 else f"{n_cells} cells are"]
    said[0] += " too few to be compared with the training cells"
    looks = ("looks", "look"), "more novel than 95 % of known cells do", found.novel
    has = ("has", "have"), "too few counts", found.low_depth
    for (one, several), what, share in (looks, has):
        if n_found := round((share or 0.0) * n_cells):
            said.append(f"{n_found} of {n_cells} {one if n_found == 1 else several} {what}")
    return said


def _alike(found: QueryComparison) -> str:
    """Say of cells that nothing speaks against what was compared, and nothing else."""
    n_novel = round((found.novel or 0.0) * found.n_cells)
    is_chance = bdtrc(n_novel - 1, found.n_cells, NOVEL_OF_KNOWN) >= 1 - RARELY
    compared = {
        "depth": found.depth is not None,
        "genes": found.shift_told_by == "measured",
        "what they look like": found.novel is not None and is_chance,
    }
    names = [name for name, was in compared.items() if was]
    like = f"The cells are like the training cells in {_listed(names)}" if names else ""
    if found.novel is None:
        return ". ".join(filter(None, [like, _sentence(_of_worth(found))])) + "."
    if not is_chance:
        like += f"; {_of_some_novel(found, n_novel)}"
    if found.shift_told_by == "measured":
        return f"{like}." if not is_chance else f"{like}: {_MEAN} here what they say."
    how = "how far genes differ from theirs could not be measured"
    if found.shift_told_by == "given":
        how = f"the shift was given as {found.shift:.2f}, and not measured"
    return f"{like}. {_sentence(how)}: {_MEAN} what they say if the cells were made alike."


def _of_some_novel(found: QueryComparison, n_novel: int) -> str:
    where = "those whose status is unknown" if found.none_unknown is None else "the most novel ones"
    return (
        f"{n_novel:,} of {found.n_cells:,} cells look novel, where "
        f"{NOVEL_OF_KNOWN * found.n_cells:,.0f} would if all types were known: look at {where}"
    )


def _listed(names: list[str]) -> str:
    """Return names as a sentence lists them.

    >>> _listed(["depth"]), _listed(["depth", "genes", "looks"])
    ('depth', 'depth, genes and looks')
    """
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
