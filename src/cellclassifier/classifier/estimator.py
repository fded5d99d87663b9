"""The classifier: AnnData in, cell types out."""

import datetime as dt
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import anndata as ad
import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin

from cellclassifier.classifier.account import describe_reference, encode_labels
from cellclassifier.classifier.panel import Genes, choose_panel
from cellclassifier.classifier.recipes import find_recipe
from cellclassifier.data import (
    AlignedCounts,
    GeneMatch,
    GenePanel,
    Normalisation,
    RawCounts,
    align_genes,
    find_counts,
    match_genes,
    read_labels,
    select_genes,
    write_predictions,
)
from cellclassifier.errors import InputError, NotFittedError
from cellclassifier.evaluation import evaluate
from cellclassifier.modelfile import Manifest
from cellclassifier.modelfile.exporting import ExportFormat, export_model
from cellclassifier.modelfile.importing import Names, read_any_model
from cellclassifier.modelfile.model import package_versions, write_model
from cellclassifier.networks import (
    Engine,
    NetworkBuilder,
    check_options,
    choose_predictor,
    configure_network,
    keras,
)
from cellclassifier.predictions import Predictions
from cellclassifier.training import (
    TrainingConfig,
    Watcher,
    check_seed,
    train_network,
    watch_nothing,
)


class CellTypeClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Names the cell type of each cell of an AnnData.

    Parameters
    ----------
    network
        ``"linear"``, ``"mlp"``, ``"cnn"``, ``"original-mlp"``, ``"original-cnn"``, or a function
        ``(n_genes, n_types, *, seed) -> keras.Model`` whose last dense layer is named ``logits``.
    network_options
        Other arguments for the builder of a network given by name, such as
        ``{"hidden": [256], "dropout": 0.3}`` for ``"mlp"``: see `build_mlp`, `build_cnn`,
        `build_linear`. A function of your own takes its options by ``functools.partial``.
    genes
        How many of the most divergent genes to look at, ``"all"``, or their names. None takes what
        goes with the network: 4,000 for all but the two originals.
    normalisation
        From counts to expression; None takes what goes with the network.
    training
        How to train; None takes what goes with the network.
    engine
        What runs the network: ``"keras"``, or ``"lowlevel"``, its twin in raw TensorFlow
        operations, faster for convolutional networks on a processor; it needs TensorFlow.
    seed
        Of weights, splits, dropout and the order of cells. The same seed gives the same bits on
        the same machine.

    Attributes
    ----------
    classes_ : numpy.ndarray
        The types, in the order of the columns of `predict_proba`; shape (n_types,).
    model_ : keras.Model
        From expression to probabilities.
    manifest_ : Manifest
        Genes, types, normalisation, training, calibration.

    Examples
    --------
    >>> import anndata, numpy, pandas
    >>> counts = numpy.random.default_rng(0).poisson([[6, 1, 3]] * 20 + [[1, 6, 3]] * 20)
    >>> reference = anndata.AnnData(
    ...     counts.astype("float32"),
    ...     obs=pandas.DataFrame({"cell_type": ["B"] * 20 + ["T"] * 20}, index=map(str, range(40))),
    ...     var=pandas.DataFrame(index=["MS4A1", "CD3D", "ACTB"]),
    ... )
    >>> classifier = CellTypeClassifier().fit(reference, labels_key="cell_type")
    >>> classifier.predict(reference)[[0, -1]].tolist()
    ['B', 'T']
    """

    model_: keras.Model
    manifest_: Manifest

    def __init__(
        self,
        network: str | NetworkBuilder = "linear",
        *,
        network_options: Mapping[str, Any] | None = None,
        genes: Genes | None = None,
        normalisation: Normalisation | None = None,
        training: TrainingConfig | None = None,
        engine: Engine = "keras",
        seed: int = 0,
    ) -> None:
        self.network = network
        self.network_options = network_options
        self.genes = genes
        self.normalisation = normalisation
        self.training = training
        self.engine = engine
        self.seed = seed

    def fit(
        self,
        reference: ad.AnnData,
        *,
        labels_key: str,
        layer: str | None = None,
        library_size_key: str | None = None,
        gene_ids: str | None = None,
        watch: Watcher = watch_nothing,
    ) -> Self:
        """Learn the types of a labelled reference.

        Parameters
        ----------
        reference
            Labelled cells with raw counts, or values that provably come from counts; not changed.
        labels_key
            The column of ``obs`` with the types.
        layer, library_size_key, gene_ids
            Where counts, library sizes and gene names are, as in `find_counts`.
        watch
            Called after each epoch with its scores.

        Raises
        ------
        InputError
            There is no such network, or it does not take these options.
        LabelError
            Labels are missing, or too few.
        CountsError
            No raw counts can be found or proved.
        """
        seed = check_seed(self.seed)
        recipe = find_recipe(self.network)
        build, options = self._builder()
        genes = recipe.genes if self.genes is None else self.genes
        normalisation = self.normalisation or recipe.normalisation
        config = self.training or recipe.training

        label_space, codes = encode_labels(reference, labels_key)
        raw = find_counts(
            reference, layer=layer, library_size_key=library_size_key, gene_ids=gene_ids
        )
        panel = choose_panel(raw, codes, genes)
        expression = normalisation.apply(align_genes(raw, panel))

        model = build(len(panel), len(label_space), seed=seed)
        record = train_network(
            model, expression, codes, config, seed=seed, engine=self.engine, watch=watch
        )

        self.model_, size = model, int(model.count_params())
        self.manifest_ = Manifest(
            network={"name": _name(self.network), "options": options, "n_parameters": size},
            panel=panel,
            label_space=label_space,
            normalisation=normalisation,
            calibration=record.calibration(),
            training={
                "labels_key": labels_key,
                **describe_reference(raw, codes, label_space),
                "seed": seed,
                "engine": self.engine,
                "config": config.to_json(),
                **record.to_json(),
            },
            versions=package_versions(),
            created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        )
        return self

    @property
    def classes_(self) -> npt.NDArray[np.object_]:
        """The types, in the order of the columns of `predict_proba`."""
        return np.array(self._fitted().label_space.labels, dtype=object)

    def classify(
        self,
        cells: ad.AnnData,
        *,
        layer: str | None = None,
        library_size_key: str | None = None,
        gene_ids: str | None = None,
    ) -> Predictions:
        """Return labels and probabilities of `cells` as one value; `cells` are not changed.

        Raises
        ------
        CountsError
            No raw counts can be found or proved.
        GeneOverlapError
            Less than a fifth of the model's genes were measured.
        """
        manifest = self._fitted()
        raw = find_counts(cells, layer=layer, library_size_key=library_size_key, gene_ids=gene_ids)
        match = match_genes(raw.genes, manifest.panel)
        predict = choose_predictor(self.model_, self.engine)
        logits = [predict(self._expression(block, match)) for block in raw.blocks()]
        probabilities = softmax(np.concatenate(logits), axis=1)
        return Predictions(
            manifest.label_space, probabilities, cells.obs_names, match.gene_coverage
        )

    def expression(
        self,
        cells: ad.AnnData,
        *,
        layer: str | None = None,
        library_size_key: str | None = None,
        gene_ids: str | None = None,
    ) -> sparse.csr_matrix:
        """Return what the network sees of `cells`: (n_cells, n_genes), CSR, float32.

        For use with plain Keras: ``keras.models.load_model(path).predict(expression.toarray())``.
        """
        raw = find_counts(cells, layer=layer, library_size_key=library_size_key, gene_ids=gene_ids)
        return self._expression(raw, match_genes(raw.genes, self._fitted().panel))

    def predict(self, cells: ad.AnnData) -> npt.NDArray[np.object_]:
        """Return the most probable type of each cell, shape (n_cells,)."""
        return self.classify(cells).labels

    def predict_proba(self, cells: ad.AnnData) -> npt.NDArray[np.float32]:
        """Return the probability of each type, shape (n_cells, n_types), float32."""
        return self.classify(cells).probabilities

    def annotate(
        self,
        cells: ad.AnnData,
        *,
        layer: str | None = None,
        library_size_key: str | None = None,
        gene_ids: str | None = None,
    ) -> ad.AnnData:
        """Write the predictions into `cells`, and return them.

        Keys written, in place: ``obs["predicted_cell_type"]``,
        ``obs["predicted_cell_type_confidence"]``, ``obsm["cell_type_probabilities"]``,
        ``uns["cellclassifier"]``. Nothing else is changed; pass ``cells.copy()`` to keep the
        original as it is.
        """
        predictions = self.classify(
            cells, layer=layer, library_size_key=library_size_key, gene_ids=gene_ids
        )
        write_predictions(cells, predictions, self._provenance())
        return cells

    def score(self, cells: ad.AnnData, labels_key: str) -> float:
        """Return the accuracy on labelled cells."""
        return evaluate(read_labels(cells, labels_key), self.classify(cells)).accuracy

    def save(self, path: str | Path) -> None:
        """Write the classifier to one ``.keras`` file, whole or not at all."""
        manifest = self._fitted()
        self.manifest_ = write_model(path, self.model_, manifest)

    def export(self, path: str | Path, *, format: ExportFormat) -> None:  # noqa: A002
        """Write the network for other programs: ``"onnx"``, ``"h5"`` or ``"saved-model"``.

        docs/reference/model-format.md says what each holds.

        Raises
        ------
        InputError
            The name does not fit the format, or ONNX has no word for one of the layers.
        MissingExtraError
            The package that the format needs, onnx or tensorflow, is not installed.
        OutputError
            `path` cannot be written.
        """
        manifest = self._fitted()
        export_model(path, self.model_, manifest, format)

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        genes: GenePanel | Names | None = None,
        labels: Names | None = None,
        normalisation: Normalisation | None = None,
        engine: Engine = "keras",
    ) -> Self:
        """Read a classifier from a ``.keras`` file, in Keras's safe mode, hashes checked.

        Parameters
        ----------
        path
            The ``.keras`` file, or a whole-model ``.h5`` file of Keras 2, for which the rest is.
        genes
            In the order of the network's input: names, a `GenePanel`, or the path of a file such
            as `train --genes` takes: a CSV of ``cellclassifier panel``, or one name a line.
        labels
            The types in the order of the network's output: names, or the path of such a file.
        normalisation
            What the network was trained on; None is the original study's log(1 + counts).
        engine
            What runs the network from now on.

        Raises
        ------
        ModelFileError
            The file is missing, broken, unsafe, changed, of a newer format, or not one of ours.
        InputError
            Genes or labels do not fit an ``.h5`` file, are missing, or come with a ``.keras`` file.
        """
        model, manifest = read_any_model(
            path, genes=genes, labels=labels, normalisation=normalisation
        )
        classifier = cls(
            manifest.network["name"],
            network_options=manifest.network.get("options") or None,
            normalisation=manifest.normalisation,
            engine=engine,
            seed=manifest.training.get("seed", 0),
        )
        classifier.model_, classifier.manifest_ = model, manifest
        return classifier

    def _fitted(self) -> Manifest:
        if not hasattr(self, "manifest_"):
            raise NotFittedError(
                "this classifier knows no types yet: call fit(reference, labels_key=…), "
                "or CellTypeClassifier.load(path)"
            )
        return self.manifest_

    def _builder(self) -> tuple[NetworkBuilder, dict[str, Any]]:
        """Return the builder and its options as the model file keeps them."""
        options = self.network_options or {}
        if isinstance(self.network, str):
            return configure_network(self.network, options), check_options(self.network, options)
        if options:
            raise InputError(
                "network_options are for a network given by name; give a function of your own its "
                "options by functools.partial"
            )
        return self.network, {}

    def _expression(self, block: RawCounts, match: GeneMatch) -> sparse.csr_matrix:
        aligned = AlignedCounts(
            select_genes(block.counts, match), block.library_size, match.gene_coverage
        )
        return self.manifest_.normalisation.apply(aligned)

    def _provenance(self) -> dict[str, Any]:
        manifest = self._fitted()
        return {
            "model_sha256": manifest.sha256 or "not saved",
            "network": manifest.network["name"],
            "version": version("cellclassifier"),
            "normalisation": manifest.normalisation.method,
            "counts_per_cell": manifest.normalisation.counts_per_cell,
            "n_genes": len(manifest.panel),
        }


def _name(network: str | NetworkBuilder) -> str:
    return network if isinstance(network, str) else getattr(network, "__name__", "custom")
