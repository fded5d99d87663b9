"""Keeps pytest from importing the script that made the files: it needs Keras 2."""

collect_ignore = ["make_golden.py", "make_model.py"]
