"""The settings of knowledge distillation. As in `settings`, nothing heavy is imported."""

from __future__ import annotations

from dataclasses import dataclass, fields

from edgekit.errors import SpecError, listed
from edgekit.train.field_types import check_each, check_field_types
from edgekit.train.settings import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Distill:
    """The [distill] section of a recipe: a model whose predictions are learned besides the labels, see `teacher`.

    Each field is described by its help text, which `edgekit train --help` prints. Values are checked on construction.

    Raises:
        SpecError: a value has the wrong type or is out of range, or there is no teacher for it.
    """

    teacher: str | tuple[str, ...] = setting(
        (),
        "Knowledge distillation: model file (.onnx) whose predictions are learned besides the labels; of several, "
        "separated by commas, the mean.",
    )
    teacher_plan: str = setting(
        "center",
        "With --teacher: crop plan by which it predicts; flip adds the mirror image, as the augmentation does.",
    )
    teacher_share: float = setting(0.5, "With --teacher: share of the loss that its predictions decide, above 0 to 1.")
    teacher_temperature: float = setting(
        4.0, "With --teacher: temperature at which probabilities are compared; above 1, small ones count more."
    )

    def __post_init__(self) -> None:
        if isinstance(self.teacher, str):
            object.__setattr__(self, "teacher", (self.teacher,))
        check_field_types(self)
        object.__setattr__(self, "teacher", tuple(self.teacher))
        if self.teacher_plan != "center":
            from edgekit.preprocess.crops import plan_named

            plan_named(self.teacher_plan)
        check_each(self, ("teacher_share",), lambda value: 0 < value <= 1, "above 0 to 1")
        check_each(self, ("teacher_temperature",), lambda value: 0 < value < 1000, "above 0 to below 1000")
        changed = [field.name for field in fields(self) if getattr(self, field.name) != field.default]
        if changed and not self.teacher:
            raise SpecError(f"a `teacher` is missing for {listed([f'`{name}`' for name in changed])}; name one")

    @property
    def teachers(self) -> tuple[str, ...]:
        """The model files of `teacher`."""
        return (self.teacher,) if isinstance(self.teacher, str) else self.teacher
