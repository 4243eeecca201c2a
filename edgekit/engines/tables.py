"""Tables with predictions: the batches of Ray and Spark, in each of the formats that they have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from edgekit.engines.rows import AnyModel, RowPredictor
from edgekit.errors import SpecError, check_types, listed, quote, unknown
from edgekit.image.load import Channels
from edgekit.preprocess.scores import Average
from edgekit.runtime.prediction import Plan

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow

Batch = TypeVar("Batch")


class TablePredictor(RowPredictor):
    """Predicts the images in a column of a table, and adds the columns of the predictions to it.

    Args:
        model: as for `RowPredictor`, and so are top, plan, budget, average, unknown_below and channels.
        column: the column that has the images.
        prefix: what the names of the added columns begin with; they must not be in the table already.
        top: as above.
        plan: as above.
        budget: as above.
        average: as above.
        unknown_below: as above.
        channels: as above.

    Raises:
        ArtifactError: the model is not found, is not an edgekit artifact, or is refused.
        SpecError: an argument is not valid.
    """

    def __init__(
        self,
        model: AnyModel | None = None,
        *,
        column: str,
        prefix: str = "",
        top: int = 5,
        plan: Plan = "center",
        budget: float | None = None,
        average: Average = "probabilities",
        unknown_below: float = 0.0,
        channels: Channels = "RGB",
    ) -> None:
        check_types(str, column=column, prefix=prefix)
        self._column, self._prefix = column, prefix
        super().__init__(
            model,
            top=top,
            plan=plan,
            budget=budget,
            average=average,
            unknown_below=unknown_below,
            channels=channels,
        )

    def added_types(self, columns: Iterable[str]) -> dict[str, pyarrow.DataType]:
        """The names and types of the columns that are added to a table.

        Args:
            columns: the columns that it has.

        Raises:
            SpecError: the column with the images is not among them, or one of the names that are to be added is.
        """
        present = list(columns)
        if self._column not in present:
            raise SpecError(unknown("`column`", self._column, present))
        types = {f"{self._prefix}{name}": kind for name, kind in self.arrow_types().items()}
        taken = [name for name in types if name in present]
        if taken:
            raise SpecError(f"the table has columns that predictions would replace: {listed(taken)}; choose a `prefix`")
        return types

    def extended(self, batch: Batch) -> Batch:
        """The batch with the columns of the predictions.

        Args:
            batch: an Arrow table or record batch, a pandas frame, or NumPy arrays by the names of their columns.

        Raises:
            SpecError: as `added_types`.
        """
        return cast(Batch, self._extended(batch))

    def _extended(self, batch: Any) -> Any:
        if hasattr(batch, "schema"):
            return self._extended_arrow(batch)
        is_mapping = isinstance(batch, Mapping)
        types = self.added_types(batch if is_mapping else batch.columns)
        column = batch[self._column]
        values = self.columns(_array_values(self._column, column) if is_mapping else column).values()
        added = dict(zip(types, map(_object_array, values), strict=True))
        return {**batch, **added} if is_mapping else batch.assign(**added)

    def _extended_arrow(self, batch: Any) -> Any:
        import pyarrow

        types = self.added_types(batch.schema.names)
        columns = self.columns(_arrow_values(batch[self._column])).values()
        for (name, kind), values in zip(types.items(), columns, strict=True):
            batch = batch.append_column(name, pyarrow.array(values, kind))
        return batch


def _array_values(name: str, column: npt.NDArray[Any]) -> Iterable[object]:
    if column.dtype.kind == "S":
        raise SpecError(
            f"column {quote(name)}: NumPy drops zeros at the end of bytes of a fixed width; use dtype=object"
        )
    return column


def _arrow_values(column: Any) -> Iterable[object]:
    """The values of a column as Python has them: text, bytes, lists, structs as dict, arrays of tensor types."""
    for chunk in getattr(column, "chunks", [column]):
        # Of Arrow's own tensors, to_pylist returns flat lists; those of Ray return arrays.
        yield from chunk.to_numpy_ndarray() if hasattr(chunk, "to_numpy_ndarray") else chunk.to_pylist()


def _object_array(values: list[Any]) -> npt.NDArray[Any]:
    """The values as they are: NumPy would make an array with two axes of lists of the same length."""
    array = np.empty(len(values), object)
    array[:] = values
    return array
