"""A server on this machine with small archives of the form that 10x Genomics publishes."""

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

GENES = [(f"ENSG{number:011d}", f"GENE{number}") for number in range(1, 31)]
FOLDER = "filtered_matrices_mex/hg19"
DATE = "Tue, 26 Jul 2016 20:33:11 GMT"


def tenx_files(
    n_cells: int, seed: int, genes: Sequence[tuple[str, str]] = GENES
) -> dict[str, bytes]:
    """Return the members of an archive; each cell has counts."""
    counts = np.random.default_rng(seed).poisson(0.7, size=(len(genes), n_cells))
    counts[0] += 1
    rows, columns = np.nonzero(counts)
    entries = "".join(
        f"{row + 1} {column + 1} {counts[row, column]}\n"
        for row, column in zip(rows, columns, strict=True)
    )
    header = "%%MatrixMarket matrix coordinate integer general\n%\n"
    matrix = f"{header}{len(genes)} {n_cells} {len(rows)}\n{entries}"
    barcodes = "".join(f"CELL{number:04d}-1\n" for number in range(n_cells))
    texts = {
        "matrix.mtx": matrix,
        "genes.tsv": "".join(f"{ensembl_id}\t{symbol}\n" for ensembl_id, symbol in genes),
        "barcodes.tsv": barcodes,
    }
    return {f"{FOLDER}/{name}": text.encode() for name, text in texts.items()}


def counts_of(files: dict[str, bytes]) -> np.ndarray:
    """Read the matrix by hand, shape (n_cells, n_genes): an oracle for the reader."""
    lines = files[f"{FOLDER}/matrix.mtx"].decode().splitlines()[2:]
    n_genes, n_cells, _ = map(int, lines[0].split())
    counts = np.zeros((n_cells, n_genes), dtype=np.float32)
    for line in lines[1:]:
        gene, cell, count = map(int, line.split())
        counts[cell - 1, gene - 1] = count
    return counts


def packed(files: dict[str, bytes], extra: Sequence[tarfile.TarInfo] = ()) -> bytes:
    """Return a .tar.gz archive of `files`, before which `extra` members stand."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for member in extra:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return content.getvalue()


def archive_of(n_cells: int, seed: int, genes: Sequence[tuple[str, str]] = GENES) -> bytes:
    """Return an archive as published."""
    return packed(tenx_files(n_cells, seed, genes))


class ArchiveServer:
    """What the server has and how it misbehaves; a test changes both."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        # for the requests to come: bytes after which the line is cut; a status in place of a file
        self.cuts: list[int] = []
        self.statuses: list[int] = []
        self.knows_ranges = True
        self.validator = "ETag"
        self.redirects: dict[str, str] = {}
        # path and Range of each request
        self.requests: list[tuple[str, str | None]] = []
        self.port = 0

    @property
    def base(self) -> str:
        """The address of the server."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        """The path of each request."""
        return [path for path, _ in self.requests]

    def write_catalogue(self, path: Path, labels: dict[str, str | None], **keys: object) -> Path:
        """Write the catalogue of one set, toy-set, with a file for each name in `labels`."""
        lines = ["[toy-set]", 'title = "Toy cells"', 'citation = "Nobody 2024"']
        lines += ['licence = "CC0"', f'base = "{self.base}"', f'folder = "{FOLDER}"']
        lines += [f"{key} = {value}" for key, value in keys.items()]
        for name, label in labels.items():
            lines += ["[[toy-set.files]]", f'name = "{name}"', f'path = "{name}.tar.gz"']
            lines += [f'label = "{label}"'] if label else []
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path


@contextmanager
def serving() -> Iterator[ArchiveServer]:
    """Serve on a free port of 127.0.0.1."""
    content = ArchiveServer()
    handler = type("Handler", (_Handler,), {"content": content})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        content.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield content
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    content: ArchiveServer

    def do_GET(self) -> None:
        content = self.content
        name = self.path.removeprefix("/")
        content.requests.append((name, self.headers["Range"]))
        if content.statuses:
            self.send_error(content.statuses.pop(0))
        elif name in content.redirects:
            self.send_response(302)
            self.send_header("Location", content.redirects[name])
            self.end_headers()
        elif name not in content.files:
            self.send_error(404)
        else:
            self._send(content.files[name])

    def _send(self, data: bytes) -> None:
        content = self.content
        tags = {
            "ETag": f'"{hashlib.sha256(data).hexdigest()[:16]}"',
            "Last-Modified": DATE,
            "weak": f'W/"{len(data)}"',
        }
        start = 0
        wanted = self.headers["Range"]
        fits = self.headers["If-Range"] in (None, tags.get(content.validator))
        if wanted and content.knows_ranges and fits:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start > len(data):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        if content.validator in tags:
            header = "ETag" if content.validator == "weak" else content.validator
            self.send_header(header, tags[content.validator])
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        end = start + content.cuts.pop(0) if content.cuts else len(data)
        self.wfile.write(data[start:end])

    def log_message(self, *_: object) -> None:
        pass
