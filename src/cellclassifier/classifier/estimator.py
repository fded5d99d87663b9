"""The classifier: AnnData in, cell types out."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, Unpack

import anndata as ad
import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin

from cellclassifier.classifier.account import ReferenceFacts, describe_fit, describe_model
from cellclassifier.classifier.advising import advice_on
from cellclassifier.classifier.comparison import QueryComparison
from cellclassifier.classifier.explaining import ExplainArguments, explain
from cellclassifier.classifier.fitting import fit_network
from cellclassifier.classifier.learned import Learned
from cellclassifier.classifier.naming import judge_cells, name_cells, settle
from cellclassifier.classifier.panel import Genes
from cellclassifier.classifier.plan import FitPlan
from cellclassifier.classifier.recipes import DEFAULT_NETWORK
from cellclassifier.classifier.trusting import TrustSettings
from cellclassifier.classifier.view import ModelView
from cellclassifier.classifier.voters import annotate_votes
from cellclassifier.classifier.voting import VoteSettings
from cellclassifier.data import (
    CountsArguments,
    GeneOrder,
    GenePanel,
    LabelledCounts,
    Normalisation,
    find_counts,
    read_labels,
    write_predictions,
)
from cellclassifier.data.counts.cells import n_cores
from cellclassifier.evaluation import Explanation, evaluate
from cellclassifier.modelfile.exporting import ExportFormat, export_model
from cellclassifier.modelfile.importing import Names, read_any_model
from cellclassifier.modelfile.model import write_model
from cellclassifier.networks import Engine, NetworkBuilder
from cellclassifier.predictions import Predictions
from cellclassifier.training import TrainingConfig, Watcher, watch_nothing


class CellTypeClassifier(Learned, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Names the cell type of each cell of an AnnData.

    Parameters
    ----------
    network
        ``"wide-deep"``, ``"linear"``, ``"mlp"``, ``"cnn"``, ``"original-mlp"``,
        ``"original-cnn"``, or a function
        ``(n_genes, n_types, *, seed) -> keras.Model`` whose last dense layer is named ``logits``.
    network_options
        Other arguments for the builder of a network given by name, such as
        ``{"hidden": [256], "dropout": 0.3}`` for ``"mlp"``: see `build_mlp`, `build_cnn`,
        `build_linear`. A function of your own takes its options by ``functools.partial``.
    genes
        How many of the most divergent genes to look at, ``"all"``, or their names. None takes what
        goes with the network: 4,000 for all but the two originals.
    gene_order
        In which order a convolutional network gets them: ``"native"`` as the reference has them,
        ``"divergence"`` best first, ``"spread"`` the best far apart. None leaves a number of genes
        best first, but for ``"cnn"``, where they are spread; and all others as they are.
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

    def __init__(
        self,
        network: str | NetworkBuilder = DEFAULT_NETWORK,
        *,
        network_options: Mapping[str, Any] | None = None,
        genes: Genes | None = None,
        gene_order: GeneOrder | None = None,
        normalisation: Normalisation | None = None,
        training: TrainingConfig | None = None,
        engine: Engine = "keras",
        seed: int = 0,
    ) -> None:
        self.network = network
        self.network_options = network_options
        self.genes = genes
        self.gene_order = gene_order
        self.normalisation = normalisation
        self.training = training
        self.engine = engine
        self.seed = seed

    def fit(
        self,
        reference: ad.AnnData,
        *,
        labels_key: str,
        batch_key: str | None = None,
        strict: bool = False,
        watch: Watcher = watch_nothing,
        **counts: Unpack[CountsArguments],
    ) -> Self:
        """Learn the types of a labelled reference.

        Parameters
        ----------
        reference
            Labelled cells with raw counts, or values that provably come from counts; not changed.
        labels_key
            The column of ``obs`` with the types.
        batch_key
            The column with donors, studies or lanes: whole ones are set apart then, so that what
            the model says of its answers is said of a new one. Networks other than the default are
            trained on all cells again, whatever ``training.refit`` says.
        strict
            Whether to refuse cells without a label, instead of leaving them out.
        watch
            Called after each epoch with its scores.
        **counts
            The keywords of `find_counts`: ``layer``, ``library_size_key``, ``gene_ids``,
            ``allow_non_integer``.

        Raises
        ------
        InputError
            There is no such network, or it does not take these options; or batches are missing, or
            nothing can be told of them.
        LabelError
            Labels are missing, or too few.
        CountsError
            No raw counts can be found or proved.
        """
        plan = FitPlan.of(self, labels_key, batch_key)
        cells = LabelledCounts.of(
            reference, labels_key, strict=strict, batch_key=batch_key, **counts
        )
        fitted = fit_network(
            plan.build, plan.design, cells, seed=self.seed, engine=self.engine, watch=watch
        )
        self.model_ = fitted.model
        facts = ReferenceFacts.of(cells)
        self.manifest_ = describe_fit(plan.origin, plan.design, facts, fitted)
        return self

    def classify(
        self,
        cells: ad.AnnData,
        *,
        map_orthologs: bool = False,
        shift: float | None = None,
        depth: float | None = None,
        trust: TrustSettings | None = None,
        **counts: Unpack[CountsArguments],
    ) -> Predictions:
        """Return labels and probabilities of `cells` as one value; `cells` are not changed.

        Parameters
        ----------
        cells
            To be named.
        map_orthologs
            Whether to name mouse cells by a model of human ones, or the reverse, through the genes
            that have one orthologue each.
        shift
            How far the cells are from the training cells: 0 names each cell for itself; None
            measures it on the cells as a whole, by `profile_shift`, and says it in the result. The
            default network adapts to it; others name alike whatever it is, and it says of them,
            too, whether novel cells are to be called unknown.
        depth
            For networks that adapt, the depth of the cells as a share of that of the training
            cells, for which scores are calibrated; None measures it, unless the shift is given, on
            20 cells or more.
        trust
            The coverage of prediction sets, and how many known cells may be called unknown.
        **counts
            The keywords of `find_counts`: ``layer``, ``library_size_key``, ``gene_ids``,
            ``allow_non_integer``.

        Raises
        ------
        InputError
            `shift` is negative or not a number, `depth` is not above zero, or unknown cells are to
            be labelled so and a type has that name.
        CountsError
            No raw counts can be found or proved.
        GeneOverlapError
            Less than a fifth of the model's genes were measured, or those of another species.
        """
        view = self._view(cells, map_orthologs=map_orthologs, **counts)
        return judge_cells(view, self.predictor(), shift, depth, trust)

    def expression(
        self,
        cells: ad.AnnData,
        *,
        map_orthologs: bool = False,
        **counts: Unpack[CountsArguments],
    ) -> sparse.csr_matrix:
        """Return what the network sees of `cells`: (n_cells, n_genes), CSR, float32.

        For use with plain Keras: ``keras.models.load_model(path).predict(expression.toarray())``.
        Genes that were not measured have the mean that the training cells lead to expect, given
        the measured ones; `classify` does the same for each view of the default network, which is
        slightly better. Parameters and errors are those of `classify`.
        """
        return self._view(cells, map_orthologs=map_orthologs, **counts).expression()

    def predict(
        self, cells: ad.AnnData, **counts: Unpack[CountsArguments]
    ) -> npt.NDArray[np.object_]:
        """Return the most probable type of each cell, shape (n_cells,), as `classify` does.

        In about half the time: sets, novelty and status are left out, here and in `predict_proba`.
        """
        return name_cells(self._view(cells, **counts), self.predictor()).labels

    def predict_proba(
        self, cells: ad.AnnData, **counts: Unpack[CountsArguments]
    ) -> npt.NDArray[np.float32]:
        """Return the probability of each type, shape (n_cells, n_types), float32."""
        return name_cells(self._view(cells, **counts), self.predictor()).probabilities

    def annotate(
        self,
        cells: ad.AnnData,
        *,
        map_orthologs: bool = False,
        shift: float | None = None,
        depth: float | None = None,
        trust: TrustSettings | None = None,
        vote: VoteSettings | None = None,
        **counts: Unpack[CountsArguments],
    ) -> ad.AnnData:
        """Write the predictions into `cells`, and return them.

        Keys written, in place: those of `write_predictions`, and of `write_vote` where clusters are
        to `vote`. Other parameters and errors are those of `classify`.
        """
        view = self._view(cells, map_orthologs=map_orthologs, **counts)
        shifted, judge = settle(view, self.predictor(), shift, depth, trust)
        predictions = judge(view.raw, shifted.predict(view.raw, n_cores()))
        advice = advice_on(QueryComparison.of_sample(shifted, judge, predictions))
        model = describe_model(self.manifest_)
        write_predictions(cells, predictions, {**model, "advice": advice})
        annotate_votes(cells, predictions, view, vote)
        return cells

    def explain(
        self, cells: ad.AnnData | None = None, **asked: Unpack[ExplainArguments]
    ) -> Explanation:
        """Return the genes that speak for each type; all else as for the function `explain`."""
        return explain(self, cells, **asked)

    def score(self, cells: ad.AnnData, labels_key: str, **counts: Unpack[CountsArguments]) -> float:
        """Return the accuracy on labelled cells."""
        return evaluate(read_labels(cells, labels_key), self.classify(cells, **counts)).accuracy

    def save(self, path: str | Path, *, keep_cells: bool = True) -> None:
        """Write the classifier to one ``.keras`` file, whole or not at all.

        With `keep_cells` it holds some hundred cells that training set apart, for `check`; leave
        them out where counts of single cells must not be passed on.
        """
        manifest = self.check_fitted()
        if not keep_cells:
            manifest = replace(manifest, sample=None)
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
        manifest = self.check_fitted()
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
        network, manifest = read_any_model(
            path, genes=genes, labels=labels, normalisation=normalisation
        )
        classifier = cls(
            manifest.network["name"],
            network_options=manifest.network.get("options") or None,
            normalisation=manifest.normalisation,
            engine=engine,
            seed=manifest.training.get("seed", 0),
        )
        classifier.network_, classifier.manifest_ = network, manifest
        return classifier

    def _view(
        self, cells: ad.AnnData, *, map_orthologs: bool = False, **counts: Unpack[CountsArguments]
    ) -> ModelView:
        manifest = self.check_fitted()
        raw = find_counts(cells, **counts)
        return ModelView.of(manifest, raw, map_orthologs=map_orthologs)
