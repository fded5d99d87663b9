"""Where the raw counts of an AnnData are, and the proof that they are counts.

In order of use: `places` and `matrices` bring the values, `one_pass`, `scanning` and `integers` say
whether they are counts as they are, `inversion` recovers them where they are not, `libraries` knows
the library sizes, `finding` holds the search.
"""

from cellclassifier.data.counts.finding import find_counts
from cellclassifier.data.counts.libraries import total_counts
from cellclassifier.data.counts.raw import RawCounts

__all__ = ["RawCounts", "find_counts", "total_counts"]
