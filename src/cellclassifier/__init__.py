"""Cell-type classification of single-cell RNA-seq counts.

The public names are imported on first use, so that ``import cellclassifier`` costs nothing:

>>> import cellclassifier as cc
>>> classifier = cc.CellTypeClassifier(network="linear", genes=4000)
>>> classifier
CellTypeClassifier(genes=4000, network='linear')
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cellclassifier import errors as errors
    from cellclassifier.classifier import CellTypeClassifier as CellTypeClassifier
    from cellclassifier.classifier import ClassifierSettings as ClassifierSettings
    from cellclassifier.classifier import ExplainSettings as ExplainSettings
    from cellclassifier.classifier import PanelCurve as PanelCurve
    from cellclassifier.classifier import TrustSettings as TrustSettings
    from cellclassifier.classifier import Votes as Votes
    from cellclassifier.classifier import VoteSettings as VoteSettings
    from cellclassifier.classifier import check as check
    from cellclassifier.classifier import explain as explain
    from cellclassifier.classifier import panel_curve as panel_curve
    from cellclassifier.classifier import vote as vote
    from cellclassifier.classifier.clustering import find_clusters as find_clusters
    from cellclassifier.classifier.from_disk import fit_file as fit_file
    from cellclassifier.classifier.reference_files import ReferenceFiles as ReferenceFiles
    from cellclassifier.classifier.streaming import Streaming as Streaming
    from cellclassifier.classifier.streaming import annotate_file as annotate_file
    from cellclassifier.classifier.surveying import survey_annotation as survey_annotation
    from cellclassifier.data import AlignedCounts as AlignedCounts
    from cellclassifier.data import GeneChoice as GeneChoice
    from cellclassifier.data import GenePanel as GenePanel
    from cellclassifier.data import GeneRanking as GeneRanking
    from cellclassifier.data import Normalisation as Normalisation
    from cellclassifier.data import RawCounts as RawCounts
    from cellclassifier.data import align_genes as align_genes
    from cellclassifier.data import choose_genes as choose_genes
    from cellclassifier.data import find_counts as find_counts
    from cellclassifier.data import rank_genes as rank_genes
    from cellclassifier.data import read_cells as read_cells
    from cellclassifier.data import write_cells as write_cells
    from cellclassifier.demo import demo_cells as demo_cells
    from cellclassifier.demo import run_demo as run_demo
    from cellclassifier.evaluation import Evaluation as Evaluation
    from cellclassifier.evaluation import Explanation as Explanation
    from cellclassifier.evaluation import InputReport as InputReport
    from cellclassifier.evaluation import evaluate as evaluate
    from cellclassifier.evaluation.survey import AnnotationSurvey as AnnotationSurvey
    from cellclassifier.fetching import Downloads as Downloads
    from cellclassifier.fetching import fetch_cells as fetch_cells
    from cellclassifier.labels import LabelSpace as LabelSpace
    from cellclassifier.networks import build_cnn as build_cnn
    from cellclassifier.networks import build_linear as build_linear
    from cellclassifier.networks import build_mlp as build_mlp
    from cellclassifier.predictions import Predictions as Predictions
    from cellclassifier.reporting import plots as plots
    from cellclassifier.reporting.report import write_annotation_report as write_annotation_report
    from cellclassifier.reporting.report import write_evaluation_report as write_evaluation_report
    from cellclassifier.reporting.report import write_training_report as write_training_report
    from cellclassifier.training import TrainingConfig as TrainingConfig
    from cellclassifier.tuning.search import Tuning as Tuning
    from cellclassifier.tuning.search import TuningPlan as TuningPlan
    from cellclassifier.tuning.search import tune as tune

# public name -> the module it lives in; a module of our own stands for itself
_HOMES = {
    "AlignedCounts": "data",
    "AnnotationSurvey": "evaluation.survey",
    "CellTypeClassifier": "classifier",
    "ClassifierSettings": "classifier",
    "Downloads": "fetching",
    "Evaluation": "evaluation",
    "ExplainSettings": "classifier",
    "Explanation": "evaluation",
    "GeneChoice": "data",
    "GenePanel": "data",
    "GeneRanking": "data",
    "InputReport": "evaluation",
    "LabelSpace": "labels",
    "Normalisation": "data",
    "PanelCurve": "classifier",
    "Predictions": "predictions",
    "RawCounts": "data",
    "ReferenceFiles": "classifier.reference_files",
    "Streaming": "classifier.streaming",
    "TrainingConfig": "training",
    "TrustSettings": "classifier",
    "Tuning": "tuning.search",
    "TuningPlan": "tuning.search",
    "VoteSettings": "classifier",
    "Votes": "classifier",
    "align_genes": "data",
    "annotate_file": "classifier.streaming",
    "build_cnn": "networks",
    "build_linear": "networks",
    "build_mlp": "networks",
    "check": "classifier",
    "choose_genes": "data",
    "demo_cells": "demo",
    "errors": "errors",
    "evaluate": "evaluation",
    "explain": "classifier",
    "fetch_cells": "fetching",
    "find_clusters": "classifier.clustering",
    "find_counts": "data",
    "fit_file": "classifier.from_disk",
    "panel_curve": "classifier",
    "plots": "reporting",
    "rank_genes": "data",
    "read_cells": "data",
    "run_demo": "demo",
    "survey_annotation": "classifier.surveying",
    "tune": "tuning.search",
    "vote": "classifier",
    "write_annotation_report": "reporting.report",
    "write_cells": "data",
    "write_evaluation_report": "reporting.report",
    "write_training_report": "reporting.report",
}

__all__ = sorted([*_HOMES, "__version__"])  # noqa: PLE0605  (a test compares it with the block above)


def __getattr__(name: str) -> object:
    if name == "__version__":
        return version("cellclassifier")
    if name not in _HOMES:
        raise AttributeError(f"module 'cellclassifier' has no attribute {name!r}")
    home = import_module(f"cellclassifier.{_HOMES[name]}")
    return home if _HOMES[name] == name else getattr(home, name)


def __dir__() -> list[str]:
    return __all__
