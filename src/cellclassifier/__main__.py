"""``python -m cellclassifier``."""

from cellclassifier.cli import main

if __name__ == "__main__":
    main()
