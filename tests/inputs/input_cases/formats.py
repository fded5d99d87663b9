"""Files of every kind that is read."""

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from cellclassifier import write_cells
from input_cases.case import Theme
from input_cases.clean import ids
from input_cases.writers import (
    GENE,
    frame_of,
    write_archive,
    write_loom,
    write_mat,
    write_packed,
    write_rds,
    write_tenx_folder,
    write_tenx_v2,
    write_tenx_v3,
)

FORMATS = Theme("Kinds of files", shows="file")


@FORMATS.accepted("an h5ad file", "raw counts in X")
def h5ad(cells, _):
    return cells


@FORMATS.accepted("a zarr store", "raw counts in X")
def zarr(cells, folder):
    write_cells(cells, folder / "cells.zarr")
    return folder / "cells.zarr"


@FORMATS.accepted("an .h5 file of Cell Ranger 3", "10x h5, Cell Ranger 3")
def tenx_h5_v3(cells, folder):
    return write_tenx_v3(folder / "cells.h5", cells)


@FORMATS.accepted("an .h5 file of Cell Ranger 2", "10x h5, Cell Ranger 2")
def tenx_h5_v2(cells, folder):
    return write_tenx_v2(folder / "cells.h5", cells)


@FORMATS.converted("an .h5 file of Cell Ranger 2 with two genomes", "genomes", "hg19_and_more")
def two_genomes(cells, folder):
    return write_tenx_v2(folder / "cells.h5", cells, cuts=[200])


@FORMATS.converted(
    "an .h5 file with antibodies beside genes", "Antibody Capture", "n_dropped_features: [3]"
)
def antibodies(cells, folder):
    more = sparse.csr_matrix(np.full((cells.n_obs, 3), 50, dtype="float32"))
    both = ad.AnnData(sparse.hstack([cells.X, more], format="csr"), obs=cells.obs)
    kinds = [GENE] * len(ids()) + ["Antibody Capture"] * 3
    return write_tenx_v3(folder / "cells.h5", both, kinds)


@FORMATS.accepted("a folder of Cell Ranger 2", "10x folder, Cell Ranger 2")
def tenx_folder_v2(cells, folder):
    return write_tenx_folder(folder / "hg19", cells, 2)


@FORMATS.accepted("a folder of Cell Ranger 3, compressed", "10x folder, Cell Ranger 3")
def tenx_folder_v3(cells, folder):
    return write_tenx_folder(folder / "filtered", cells, 3)


@FORMATS.accepted("a folder of GEO, with a prefix in front of the names", "10x folder")
def tenx_folder_of_geo(cells, folder):
    return write_tenx_folder(folder / "geo", cells, 3, prefix="GSM1234567_")


@FORMATS.accepted("an archive of such a folder", "10x folder")
def tenx_archive(cells, folder):
    return write_archive(folder / "cells.tar.gz", cells, "filtered/hg19")


@FORMATS.accepted("a loom file", "loom")
def loom(cells, folder):
    return write_loom(folder / "cells.loom", cells)


@FORMATS.accepted("a MATLAB file of version 7.3", "MATLAB 7.3")
def matlab(cells, folder):
    return write_mat(folder / "cells.mat", cells)


@FORMATS.converted("an .rds file of R with a matrix of genes x cells", "R matrix", "genes_in: rows")
def rds(cells, folder):
    return write_rds(folder / "cells.rds", cells)


@FORMATS.accepted("a CSV of cells x genes", "genes_in: columns", "names of genes")
def csv(cells, folder):
    frame_of(cells).to_csv(folder / "cells.csv")
    return folder / "cells.csv"


@FORMATS.converted("a compressed CSV of genes x cells", "genes_in: rows", "names of genes")
def csv_of_genes_in_rows(cells, folder):
    return write_packed(folder / "cells.csv.gz", frame_of(cells).T.to_csv())


@FORMATS.accepted("a CSV with semicolons", "genes_in: columns")
def semicolons(cells, folder):
    frame_of(cells).to_csv(folder / "cells.csv", sep=";")
    return folder / "cells.csv"


@FORMATS.converted("a table of R, whose first line lacks a field", "genes_in: rows")
def table_of_r(cells, folder):
    text = frame_of(cells).T.to_csv(sep=" ", quoting=2)
    (folder / "cells.txt").write_text(text.removeprefix('"" '))
    return folder / "cells.txt"


@FORMATS.accepted(
    "a CSV with many names that no table of genes knows",
    "proof: told",
    option="--genes-in columns",
)
@FORMATS.refused(
    "a CSV with many names that no table of genes knows",
    "nothing proves where its genes are", "--genes-in",
)  # fmt: skip
def csv_undecidable(cells, folder):
    frame = frame_of(cells)
    names = [f"novel_{number}" for number in range(2 * cells.n_vars)]
    frame.join(pd.DataFrame(0, frame.index, names)).to_csv(folder / "cells.csv")
    return folder / "cells.csv"


@FORMATS.refused(
    "a 10x file and an option that says where its genes are",
    "itself says where its genes are",
    option="--genes-in rows",
)
def needless_word(cells, folder):
    return write_tenx_v3(folder / "cells.h5", cells)
