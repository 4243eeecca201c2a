"""What is wrong with a data set: unreadable files, duplicates, suspicious labels, outliers. Needs no torch."""

from typing import TYPE_CHECKING

from edgekit.optional import export_lazily

# The module that defines each public name; they are imported on first use.
_HOMES = {
    "Audit": "data_audit",
    "DuplicateGroup": "duplicates",
    "LabelIssue": "label_issues",
    "Outlier": "outliers",
    "Survey": "survey",
    "audit": "data_audit",
}

__all__ = [*_HOMES]

if TYPE_CHECKING:
    from edgekit.audit.data_audit import Audit as Audit
    from edgekit.audit.data_audit import audit as audit
    from edgekit.audit.duplicates import DuplicateGroup as DuplicateGroup
    from edgekit.audit.label_issues import LabelIssue as LabelIssue
    from edgekit.audit.outliers import Outlier as Outlier
    from edgekit.audit.survey import Survey as Survey
else:
    export_lazily(__name__, _HOMES)
