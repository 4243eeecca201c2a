"""The network that a device can afford: a budget of latency, size and memory in, a trained, verified model out.

Needs the extra `export`. `fit` takes the candidates of `space`, predicts what each costs on the `device` (`layers`,
`operators`, `cost_model`) and orders those inside the `budget` by the `accuracy` of published networks (`ranking`). The
best of them are trained in `rungs`; the one that is left is trained to the end, exported, quantized, measured and
verified (`search`). `front_document` and `report_page` write what was found. `scalings` stops before the images,
`explain` shows which operators take a model's time.
"""

from typing import TYPE_CHECKING

from edgekit.optional import export_lazily

# The module that defines each public name; they are imported on first use.
_HOMES = {
    "Budget": "budget",
    "Candidate": "candidate",
    "CompoundPoint": "scaling",
    "Device": "device",
    "Explanation": "explain",
    "ExplanationRow": "explain",
    "Figures": "front",
    "Fitted": "fitted",
    "FrontPoint": "front",
    "Rung": "fitted",
    "Scalings": "scaling",
    "device_named": "device",
    "explain": "explain",
    "fit": "search",
    "scalings": "scaling",
}

__all__ = [*_HOMES]

if TYPE_CHECKING:
    from edgekit.fit.budget import Budget as Budget
    from edgekit.fit.candidate import Candidate as Candidate
    from edgekit.fit.device import Device as Device
    from edgekit.fit.device import device_named as device_named
    from edgekit.fit.explain import Explanation as Explanation
    from edgekit.fit.explain import ExplanationRow as ExplanationRow
    from edgekit.fit.explain import explain as explain
    from edgekit.fit.fitted import Fitted as Fitted
    from edgekit.fit.fitted import Rung as Rung
    from edgekit.fit.front import Figures as Figures
    from edgekit.fit.front import FrontPoint as FrontPoint
    from edgekit.fit.scaling import CompoundPoint as CompoundPoint
    from edgekit.fit.scaling import Scalings as Scalings
    from edgekit.fit.scaling import scalings as scalings
    from edgekit.fit.search import fit as fit
else:
    export_lazily(__name__, _HOMES, extra="export")
