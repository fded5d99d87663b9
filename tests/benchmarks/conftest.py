"""The benchmark's modules are scripts beside one another, not a package."""

import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

sys.path.insert(0, str(BENCHMARKS / "accuracy"))
# behind, for both folders have a command named run
sys.path.append(str(BENCHMARKS / "scale"))
sys.path.append(str(BENCHMARKS / "trust"))
