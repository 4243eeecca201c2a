"""The fields of onnx.proto (ONNX 1.23) that validation reads, by number. All other fields are skipped."""

from __future__ import annotations

MODEL = {7: "graph", 14: "metadata", 20: "training_info", 25: "functions"}
GRAPH = {1: "node", 5: "initializer", 11: "value", 15: "sparse"}
VALUE = {1: "name", 2: "message"}
# From the type of an input to its extents: TypeProto, TypeProto.Tensor, TensorShapeProto, its Dimension.
TYPE_PATH = ({1: "message"}, {2: "message"}, {1: "message"})
DIMENSION = {1: "i", 2: "message"}
NODE = {1: "input", 2: "output", 4: "op_type", 5: "attribute", 7: "domain"}
ATTRIBUTE = {
    1: "name",
    2: "f",
    3: "i",
    4: "s",
    5: "t",
    6: "graph",
    7: "floats",
    8: "ints",
    9: "strings",
    10: "tensors",
    11: "graph",
    14: "tp",
    15: "type_protos",
    20: "type",
    21: "ref_attr_name",
    22: "sparse",
    23: "sparse",
}
TENSOR = {
    1: "dims",
    2: "data_type",
    4: "float_data",
    5: "int32_data",
    6: "string_data",
    7: "int64_data",
    8: "name",
    9: "raw_data",
    10: "double_data",
    11: "uint64_data",
    13: "external_data",
    14: "data_location",
}
# Fields that are not lists. protobuf keeps the last value of a repeated one, or merges them, so repeating is refused.
SINGULAR = frozenset(
    {
        *("op_type", "domain", "name", "type", "f", "i", "s", "t", "tp", "ref_attr_name"),
        *("data_type", "raw_data", "data_location"),
    }
)
# By AttributeProto.AttributeType: the field whose value counts, whatever else an attribute contains.
ATTRIBUTE_VALUE_FIELDS = {
    1: "f",
    2: "i",
    3: "s",
    4: "t",
    6: "floats",
    7: "ints",
    8: "strings",
    9: "tensors",
    13: "tp",
    14: "type_protos",
}
