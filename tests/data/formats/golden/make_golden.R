# Makes the .rds files of this folder: Rscript make_golden.R
# R 4.2.2, Matrix 1.5-3, SeuratObject 4.1.3, SingleCellExperiment 1.20.0. The classes of SeuratObject
# 5 are defined here with the slots that it gives them, as no Debian has it.
suppressMessages({
  library(Matrix)
  library(SeuratObject)
  library(SingleCellExperiment)
})
genes <- c("CD3D", "CD3E", "MS4A1", "CD79A", "NKG7", "GNLY", "LYZ", "CD14")
counts <- matrix(c(0, 1, 1, 2, 0, 2, 3, 1, 1, 0, 0, 0, 1, 1, 2, 1, 1, 4, 1, 2, 3, 0, 1, 0,
                   0, 1, 0, 1, 2, 0, 1, 1, 1, 0, 2, 1, 2, 0, 1, 1),
                 8, 5, dimnames = list(genes, paste0("cell", 1:5)))
sparse <- as(counts, "dgCMatrix")
about <- data.frame(cell_type = factor(c("T", "B", "NK", "T", "B")), score = c(.5, NA, 1, 2, 3),
                    donor = c("d1", "d2", NA, "d1", "d2"), n = 1:5, row.names = colnames(counts))
integers <- counts
storage.mode(integers) <- "integer"

saveRDS(sparse, "dgcmatrix.rds")
saveRDS(integers, "matrix.rds", compress = "xz")
saveRDS(about, "data_frame.rds")
unnamed <- sparse
dimnames(unnamed) <- NULL
saveRDS(unnamed, "unnamed.rds")
saveRDS(quote(system("touch it_ran")), "call.rds")

seurat <- CreateSeuratObject(sparse, meta.data = about)
seurat[["ADT"]] <- CreateAssayObject(sparse[1:2, ])
DefaultAssay(seurat) <- "ADT"
saveRDS(seurat, "seurat4.rds")

experiment <- SingleCellExperiment(
  assays = list(logcounts = log1p(sparse), counts = sparse), colData = DataFrame(about),
  rowData = DataFrame(ID = sprintf("ENSG%011d", 1:8)))
saveRDS(experiment, "experiment.rds")
saveRDS(SummarizedExperiment(assays = list(counts = integers), colData = DataFrame(about)),
        "summarized.rds")

setClass("LogMap", contains = "matrix")
setClass("Assay5", representation(
  layers = "list", cells = "LogMap", features = "LogMap", default = "integer",
  assay.orig = "character", meta.data = "data.frame", misc = "list", key = "character"))
log_map <- function(names, layers) new("LogMap", sapply(layers, function(own) names %in% own) |>
  `dimnames<-`(list(names, names(layers))))
cells <- list(counts.a = colnames(counts)[1:3], counts.b = colnames(counts)[4:5])
features <- list(counts.a = genes, counts.b = genes[-1])
layer <- function(name) unname(sparse[features[[name]], cells[[name]]])
seurat5 <- seurat
seurat5@assays <- list(RNA = new("Assay5",
  layers = sapply(names(cells), layer), cells = log_map(colnames(counts), cells),
  features = log_map(genes, features), default = 1L, key = "rna_"))
seurat5@active.assay <- "RNA"
saveRDS(seurat5, "seurat5.rds")
