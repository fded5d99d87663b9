"""What each part of the work takes as cells, genes and types grow: growth.py does it.

PYTHONPATH=benchmarks/accuracy python benchmarks/scale/run.py
"""

from growth import main

if __name__ == "__main__":
    main()
