"""HTML reports of an evaluation and of a data set: one self-contained page without scripts or external resources."""

from edgekit.report.data_page import write_data_report as write_data_report
from edgekit.report.page import write_report as write_report
