"""Every exception of the package.

::

    CellClassifierError
    ├── InputError (ValueError)          something given to us is not what it has to be
    │   ├── FileFormatError              a file that cannot be read as cells
    │   ├── CountsError                  no raw counts can be found or proved
    │   ├── GeneOverlapError             too few of the genes wanted were measured
    │   └── LabelError                   labels missing, too few, or from another vocabulary
    ├── ModelFileError (ValueError)      a model file that is broken, unsafe or too new
    ├── DownloadError (OSError)          a file that cannot be had from the network, or has changed
    ├── OutputError (OSError)            a place that cannot be written
    ├── ClusterError (RuntimeError)      a cluster that does not answer, or whose workers are lost
    │   └── LostProcessError             a process that others train with is gone
    ├── NotFittedError (ValueError, AttributeError)   fit or load first
    ├── BackendError (ImportError)       no Keras backend is installed
    └── MissingExtraError (ImportError)  a package of an optional extra is not installed

There is one warning, `InputWarning`: something given to us is unusual, and was taken as it is.

Each message says what happened, what was expected and how to fix it, with the values. The command
line prints the message as one line and ends with status 1.
"""


class CellClassifierError(Exception):
    """The root of the tree: catch it to catch all that the package raises on purpose."""


class InputError(CellClassifierError, ValueError):
    """Something given to us is not what it has to be."""


class FileFormatError(InputError):
    """A file that is missing, broken or of a kind that cannot be read as cells."""


class CountsError(InputError):
    """No raw counts can be found, or what was found cannot be proved to be counts."""


class GeneOverlapError(InputError):
    """Too few of the genes wanted were measured."""


class LabelError(InputError):
    """Labels that are missing, too few, or from another vocabulary."""


class ModelFileError(CellClassifierError, ValueError):
    """A model file that is broken, unsafe, or of a format that this version does not know."""


class DownloadError(CellClassifierError, OSError):
    """A file that cannot be had from the network, or is not the one it was."""


class OutputError(CellClassifierError, OSError):
    """A place that cannot be written."""


class ClusterError(CellClassifierError, RuntimeError):
    """A cluster that does not answer, or whose workers are lost."""


class LostProcessError(ClusterError):
    """A process that others train with is gone."""


class NotFittedError(CellClassifierError, ValueError, AttributeError):
    """The classifier has to be fitted or loaded before this call."""


class BackendError(CellClassifierError, ImportError):
    """No Keras backend is installed, or the one asked for is not."""


class MissingExtraError(CellClassifierError, ImportError):
    """A package that only some commands need, and an extra brings, is not installed."""


class InputWarning(UserWarning):
    """Something given to us is unusual; it was taken as it is."""
