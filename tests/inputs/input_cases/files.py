"""Files that are broken, or not what their names say."""

import gzip
import shutil

import h5py
import numpy as np
import rdata
import scipy.io
import zarr
from anndata.io import write_elem

from cellclassifier import write_cells
from input_cases.case import Theme
from input_cases.writers import (
    frame_of,
    write_archive,
    write_loom,
    write_mat,
    write_packed,
    write_rds,
    write_tenx_folder,
    write_tenx_v3,
)

FILES = Theme("Files that are broken, or not what their names say", shows="file")


def cut_off(path, share=0.6):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    return path


def written(cells, path):
    write_cells(cells, path)
    return path


@FILES.refused("no such file", "there is no file", until="there is no file 'cells.h5ad'")
def not_there(_, folder):
    return folder / "cells.h5ad"


@FILES.refused("an h5ad file that was cut off", "cut off", until="cut off while copying")
def h5ad_cut_off(cells, folder):
    return cut_off(written(cells, folder / "cells.h5ad"))


@FILES.refused("a 10x file that was cut off", "cut off", until="cut off while copying")
def tenx_cut_off(cells, folder):
    return cut_off(write_tenx_v3(folder / "cells.h5", cells))


@FILES.refused("a loom file that was cut off", "cut off", until="cut off while copying")
def loom_cut_off(cells, folder):
    return cut_off(write_loom(folder / "cells.loom", cells))


@FILES.refused(
    "a MATLAB file that was cut off", "cannot be read as a MATLAB file", until="a MATLAB file"
)
def matlab_cut_off(cells, folder):
    return cut_off(write_mat(folder / "cells.mat", cells))


@FILES.refused(
    "a compressed CSV that was cut off", "cannot be read as a table", until="a table of counts"
)
def csv_cut_off(cells, folder):
    return cut_off(write_packed(folder / "cells.csv.gz", frame_of(cells).to_csv()))


@FILES.refused(
    "a compressed matrix.mtx.gz that was cut off", "cannot be read as a matrix", until="a matrix"
)
def mtx_cut_off(cells, folder):
    inside = write_tenx_folder(folder / "filtered", cells, 3)
    cut_off(inside / "matrix.mtx.gz")
    return inside


@FILES.refused("a plain matrix.mtx that was cut off", "matrix.mtx'", until="matrix.mtx'")
def plain_mtx_cut_off(cells, folder):
    inside = write_tenx_folder(folder / "hg19", cells, 2)
    cut_off(inside / "matrix.mtx")
    return inside


@FILES.refused("a CSV that was cut off within a line", "cannot be read as a table of counts")
def plain_csv_cut_off(cells, folder):
    return cut_off(table(folder, frame_of(cells)))


@FILES.refused("an archive that was cut off", "cells.tar.gz'", until="cannot be unpacked")
def archive_cut_off(cells, folder):
    return cut_off(write_archive(folder / "cells.tar.gz", cells, "hg19"))


@FILES.refused("an .rds file that was cut off", "cannot be read as cells of R", until="cells of R")
def rds_cut_off(cells, folder):
    return cut_off(write_rds(folder / "cells.rds", cells))


@FILES.refused("a zarr store that lost a part of its values", "is not whole", "copy it again")
def zarr_with_a_part_missing(cells, folder):
    path = folder / "cells.zarr"
    write_elem(zarr.open_group(path, mode="w", zarr_format=2), "/", cells)
    values = zarr.open_group(path, mode="r")["X/data"][:]
    shutil.rmtree(path / "X" / "data")
    parts = zarr.create_array(path / "X" / "data", data=values, chunks=(50,), zarr_format=2)
    parts.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
    (path / "X" / "data" / "3").unlink()
    return path


@FILES.refused("a text named .h5ad", "is not an h5ad file", until="as HDF5 files do")
def text_named_h5ad(_, folder):
    (folder / "cells.h5ad").write_text("gene,a,b\n1,2\n")
    return folder / "cells.h5ad"


@FILES.refused("an empty file named .h5ad", "is not an h5ad file", "(0 bytes)")
def empty_file(_, folder):
    (folder / "cells.h5ad").touch()
    return folder / "cells.h5ad"


@FILES.refused("a 10x file named .h5ad", "it lacks obs and var and has ['matrix']")
def tenx_named_h5ad(cells, folder):
    return write_tenx_v3(folder / "cells.h5ad", cells)


@FILES.refused("an h5ad file named .loom", "not a loom file", "matrix, row_attrs and col_attrs")
def h5ad_named_loom(cells, folder):
    return written(cells, folder / "cells.h5ad").rename(folder / "cells.loom")


@FILES.refused(
    "a network of Keras named .h5", "a network of Keras, not cells", "cellclassifier import "
)
def keras_network(_, folder):
    with h5py.File(folder / "cells.h5", "w") as file:
        file.create_group("model_weights")
    return folder / "cells.h5"


@FILES.refused("an HDF5 file of something else", "not of a kind that is known", "10x files have")
def other_hdf5(_, folder):
    with h5py.File(folder / "cells.h5", "w") as file:
        file["image"] = np.ones((3, 3))
    return folder / "cells.h5"


@FILES.refused("a MATLAB file of an older version", "save('cells.mat', 'data', 'labels', '-v7.3')")
def old_matlab(cells, folder):
    scipy.io.savemat(folder / "cells.mat", {"data": cells.X.toarray()})
    return folder / "cells.mat"


@FILES.refused("an .rds file with a data.frame", "it holds a data.frame", "Seurat")
def rds_of_data_frame(cells, folder):
    frame = frame_of(cells).iloc[:, :3].reset_index(drop=True).astype(float)
    rdata.write_rds(folder / "cells.rds", frame)
    return folder / "cells.rds"


@FILES.refused("an Excel file", "ends in '.xlsx'", "are known")
def excel(_, folder):
    (folder / "cells.xlsx").write_bytes(b"PK\x03\x04")
    return folder / "cells.xlsx"


@FILES.refused("a pickle of Python", "ends in '.pkl'", "are known")
def pickle(_, folder):
    (folder / "cells.pkl").write_bytes(b"\x80\x04N.")
    return folder / "cells.pkl"


@FILES.refused("matrix.mtx alone", "give its folder", "genes.tsv or features.tsv, and barcodes.tsv")
def matrix_alone(cells, folder):
    return write_tenx_folder(folder / "hg19", cells, 2) / "matrix.mtx"


@FILES.refused("a compressed h5ad file", "gunzip 'cells.h5ad.gz'")
def packed_h5ad(cells, folder):
    plain = written(cells, folder / "cells.h5ad")
    packed = folder / "cells.h5ad.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    return packed


@FILES.refused("a folder without matrix.mtx", "0 files named matrix.mtx")
def folder_without_matrix(cells, folder):
    inside = write_tenx_folder(folder / "hg19", cells, 2)
    (inside / "matrix.mtx").unlink()
    return inside


@FILES.refused("a folder without genes.tsv", "none of ['features.tsv'", "one is expected")
def folder_without_genes(cells, folder):
    inside = write_tenx_folder(folder / "hg19", cells, 2)
    (inside / "genes.tsv").unlink()
    return inside


@FILES.refused(
    "a matrix.mtx of more cells than barcodes.tsv names", "but there are 280 genes and 79"
)
def barcode_missing(cells, folder):
    inside = write_tenx_folder(folder / "hg19", cells, 2)
    names = (inside / "barcodes.tsv").read_text().splitlines()
    (inside / "barcodes.tsv").write_text("\n".join(names[:-1]) + "\n")
    return inside


@FILES.refused("a folder of peaks, without genes", "no counts of 'Gene Expression'", "Peaks")
def peaks_alone(cells, folder):
    return write_tenx_folder(folder / "atac", cells, 3, kind="Peaks")


@FILES.refused("an archive of two genomes", "holds 2 folders", "unpack it and give one of them")
def archive_of_two_genomes(cells, folder):
    return write_archive(folder / "cells.tar.gz", cells, "mex/hg19", "mex/mm10")


def table(folder, frame):
    frame.to_csv(folder / "cells.csv")
    return folder / "cells.csv"


@FILES.refused("a CSV with a column of cell types", "'T cell' for 'type'", "counts alone")
def csv_with_types(cells, folder):
    return table(folder, frame_of(cells).assign(type="T cell"))


@FILES.refused("a CSV with empty fields", "', where a number is expected")
def csv_with_empty_fields(cells, folder):
    return table(folder, frame_of(cells).astype(object).where(lambda frame: frame > 0, ""))


@FILES.refused("a CSV with one cell twice", "two of its rows are named 'AAAC0000-1'")
def csv_with_a_cell_twice(cells, folder):
    frame = frame_of(cells)
    return table(folder, frame.iloc[[0, *range(len(frame))]])


@FILES.refused("a CSV without names of cells", "where the name of the row is expected")
def csv_without_cells(cells, folder):
    frame_of(cells).to_csv(folder / "cells.csv", index=False)
    return folder / "cells.csv"
