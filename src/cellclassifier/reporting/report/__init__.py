"""Reports for people: one HTML file each, which holds all that it shows and asks no network."""

from cellclassifier.reporting.report.annotation import write_annotation_report
from cellclassifier.reporting.report.evaluation import write_evaluation_report
from cellclassifier.reporting.report.page import check_report_path
from cellclassifier.reporting.report.training import write_training_report

__all__ = [
    "check_report_path",
    "write_annotation_report",
    "write_evaluation_report",
    "write_training_report",
]
