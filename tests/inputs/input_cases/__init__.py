"""The wrong and odd inputs, by theme, in the order of docs/reference/inputs.md."""

from input_cases import files, formats, genes, labels, shape, values
from input_cases.case import Case, Theme

THEMES: tuple[Theme, ...] = (
    values.VALUES, shape.SHAPE, genes.GENES, formats.FORMATS, files.FILES, labels.LABELS,
)  # fmt: skip
CASES: tuple[Case, ...] = tuple(case for theme in THEMES for case in theme.cases)
