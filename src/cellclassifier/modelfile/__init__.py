"""A classifier on disk: one pickle-free ``.keras`` file."""

from cellclassifier.modelfile.archive import manifest_json, read_manifest
from cellclassifier.modelfile.manifest import FORMAT, Manifest

__all__ = ["FORMAT", "Manifest", "manifest_json", "read_manifest"]
