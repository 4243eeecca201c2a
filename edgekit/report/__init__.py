"""One self-contained HTML page of an evaluation: no script, nothing fetched, every label escaped."""

from edgekit.report.page import write_report as write_report
