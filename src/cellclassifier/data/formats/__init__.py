"""One module for each kind of file that cells come in."""
