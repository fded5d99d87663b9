"""Archives that mean harm, and archives that are broken."""

import gzip
import io
import tarfile

import pytest
from archive_server import FOLDER, packed, tenx_files

from cellclassifier import archives
from cellclassifier.archives import extract_files
from cellclassifier.errors import FileFormatError

NAMES = ("matrix.mtx", "genes.tsv", "barcodes.tsv")
FILES = tenx_files(5, seed=0)


@pytest.fixture
def extract(tmp_path):
    """Extract an archive's bytes; return the folder, or raise."""

    def call(content):
        archive, into = tmp_path / "cells.tar.gz", tmp_path / "deep" / "into"
        archive.write_bytes(content)
        into.mkdir(parents=True)
        extract_files(archive, FOLDER, NAMES, into)
        return into

    return call


def member(name, kind=tarfile.REGTYPE, linkname="", size=0):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, linkname, size
    return info


def test_the_wanted_files_come_out_flat_and_alone(extract):
    others = [member(FOLDER, tarfile.DIRTYPE), member("readme.txt", size=3)]
    into = extract(packed(FILES, others))
    assert sorted(path.name for path in into.iterdir()) == sorted(NAMES)
    assert (into / "matrix.mtx").read_bytes() == FILES[f"{FOLDER}/matrix.mtx"]


def test_names_that_begin_with_a_dot_are_the_same(extract):
    assert len(list(extract(packed({f"./{name}": data for name, data in FILES.items()})).iterdir()))


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (member("../evil", size=1), "written outside"),
        (member(f"{FOLDER}/../../../evil", size=1), "written outside"),
        (member("/tmp/evil", size=1), "written outside"),  # noqa: S108
        (member("a\\..\\evil", size=1), "written outside"),
        (member("link", tarfile.SYMTYPE, "/etc/passwd"), "a link or a device"),
        (member(f"{FOLDER}/matrix.mtx", tarfile.SYMTYPE, "/etc/passwd"), "a link or a device"),
        (member("link", tarfile.LNKTYPE, "matrix.mtx"), "a link or a device"),
        (member("device", tarfile.CHRTYPE), "a link or a device"),
        (member("pipe", tarfile.FIFOTYPE), "a link or a device"),
        (member(f"{FOLDER}/matrix.mtx", size=1), "is there twice"),
    ],
    ids=[
        "parent", "parent_inside", "absolute", "backslash", "symlink", "symlink_wanted",
        "hard_link", "device", "pipe", "twice",
    ],
)  # fmt: skip
def test_an_archive_that_means_harm_is_refused_as_a_whole(extract, tmp_path, bad, expected):
    with pytest.raises(FileFormatError, match=f"cells.tar.gz' cannot be unpacked.*{expected}"):
        extract(packed(FILES, [bad]))
    written = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert set(written) <= {"cells.tar.gz", *NAMES}
    assert not (tmp_path / "deep" / "evil").exists()


def test_an_archive_that_grows_without_end_is_stopped(extract, monkeypatch):
    monkeypatch.setattr(archives, "HARMLESS_BYTES", 2**20)
    with pytest.raises(FileFormatError, match="unpacks to more than 1,048,576 bytes"):
        extract(packed(FILES, [member("zeros", size=2**24)]))


def test_an_honest_archive_passes_the_same_limit(extract, monkeypatch):
    monkeypatch.setattr(archives, "HARMLESS_BYTES", 2**20)
    assert extract(packed(FILES)).is_dir()


def test_an_archive_of_very_many_members_is_refused(extract, monkeypatch):
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    with pytest.raises(FileFormatError, match="more than 3 members"):
        extract(packed(FILES, [member("a", size=1)]))


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.9])
def test_a_truncated_archive_is_refused(extract, share):
    content = packed(FILES)
    with pytest.raises(FileFormatError, match="cannot be unpacked"):
        extract(content[: int(share * len(content))])


def test_an_archive_with_a_flipped_byte_is_refused(extract):
    content = bytearray(packed(FILES))
    content[len(content) // 2] ^= 0xFF
    with pytest.raises(FileFormatError, match="cannot be unpacked"):
        extract(bytes(content))


@pytest.mark.parametrize(
    "content", [b"<html></html>", gzip.compress(b"plain text " * 100)], ids=["page", "no_tar"]
)
def test_what_is_no_archive_is_refused(extract, content):
    with pytest.raises(FileFormatError, match="cannot be unpacked"):
        extract(content)


def test_a_missing_file_is_named_with_what_is_there(extract):
    files = {name: data for name, data in FILES.items() if "genes" not in name}
    with pytest.raises(FileFormatError, match=r"lacks \['filtered.*genes\.tsv'\] and has \['filt"):
        extract(packed(files))


def test_a_tar_without_gzip_is_refused(extract):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.addfile(member("a"))
    with pytest.raises(FileFormatError, match="cannot be unpacked"):
        extract(content.getvalue())
