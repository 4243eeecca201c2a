"""The HTML report of an evaluation: one self-contained page without scripts or external resources."""

from edgekit.report.page import write_report as write_report
