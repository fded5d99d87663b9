"""What it takes to make a zarr store of a file once, beside the passes with which training begins.

    PYTHONPATH=benchmarks/accuracy python benchmarks/scale/store.py CELLS.h5ad

All that the file holds is written, matrix by matrix, packed by blosc-lz4 as make_cells.py does. A
row goes to benchmarks/results/scale_train.jsonl, way "store".
"""

import argparse
import json
import os
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path

import zarr
from annotate import kind_of, size_of
from record import provenance, save
from train import KEYS, RESULTS, is_of
from zarr.codecs import BloscCodec

from cellclassifier import read_cells
from cellclassifier.data.streaming import identity_of
from cellclassifier.data.streaming.copying import write_whole


def main() -> None:
    """Write the store, print and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cells", type=Path)
    args = parser.parse_args()
    compressor = BloscCodec(cname="lz4", clevel=5)
    with tempfile.TemporaryDirectory(prefix="scale-", dir=args.cells.parent) as folder:
        out, begin = Path(folder) / "cells.zarr", time.perf_counter()
        with warnings.catch_warnings():  # anndata's, of the format of the store
            warnings.simplefilter("ignore")
            root = zarr.open_group(out, mode="w", zarr_format=3)
            write_whole(root, read_cells(args.cells), {"compressors": compressor})
        seconds = time.perf_counter() - begin
        n_bytes = int(identity_of(out)["bytes"])
    row = {"kind": kind_of(args.cells), **size_of(args.cells), "way": "store"}
    row |= {"network": None, "epochs": None, "seconds": round(seconds, 1)}
    row |= {"store_gigabytes": round(n_bytes / 1e9, 2)}
    row["load_average"] = round(os.getloadavg()[1], 1)
    print(json.dumps(row))
    made_by = provenance(Path(__file__).with_name("make_cells.py"))
    save(
        RESULTS, [row | made_by | {"data": args.cells.name}], partial(is_of, [row[k] for k in KEYS])
    )


if __name__ == "__main__":
    main()
