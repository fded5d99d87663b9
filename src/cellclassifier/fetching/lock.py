"""The lock file: the hash of each file at its first download."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from cellclassifier.errors import InputError
from cellclassifier.files import replacing

FORMAT = 1


@dataclass(frozen=True)
class LockedFile:
    """What a file was at its first download."""

    sha256: str
    n_bytes: int
    address: str


@dataclass(frozen=True)
class LockFile:
    """A JSON file, ``{"format": 1, "files": {"SET/FILE": {"sha256": …, …}}}``."""

    path: Path

    def read(self) -> dict[str, LockedFile]:
        """Return the records by file.

        Raises
        ------
        InputError
            The lock file is broken, or of a later format.
        """
        if not self.path.exists():
            return {}
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                raise InputError(
                    f"the lock file '{self.path}' has format {content['format']}, but this "
                    f"version knows format {FORMAT}; use a newer cellclassifier"
                )
            return {name: LockedFile(**record) for name, record in content["files"].items()}
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise self._broken(error) from error
        except (KeyError, TypeError, AttributeError) as error:
            raise self._broken(error) from error

    def record(self, name: str, locked: LockedFile) -> None:
        """Write the record of one file."""
        records = self.read() | {name: locked}
        content = {
            "format": FORMAT,
            "files": {name: asdict(records[name]) for name in sorted(records)},
        }
        with replacing(self.path) as temporary:
            temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    def _broken(self, error: Exception) -> InputError:
        return InputError(
            f"the lock file '{self.path}' is broken ({error}); if it is removed, the hashes of "
            "the next fetch are recorded instead"
        )
