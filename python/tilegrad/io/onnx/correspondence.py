"""What tilegrad and ONNX call the same: functions of one meaning, reductions, dtypes. For writing and reading alike."""

from __future__ import annotations

__all__ = ["BINARY", "DTYPES", "REDUCTIONS", "UNARY"]

# Native function: ONNX's node type.
UNARY = {
    "absolute": "Abs", "ceil": "Ceil", "cos": "Cos", "erf": "Erf", "exp": "Exp", "floor": "Floor",
    "hard_swish": "HardSwish", "isnan": "IsNaN", "log": "Log", "logical_not": "Not", "negative": "Neg",
    "reciprocal": "Reciprocal", "relu": "Relu", "round": "Round", "sigmoid": "Sigmoid", "sign": "Sign", "sin": "Sin",
    "softplus": "Softplus", "sqrt": "Sqrt", "tanh": "Tanh",
}  # fmt: skip

BINARY = {
    "add": "Add", "divide": "Div", "equal": "Equal", "greater": "Greater", "greater_equal": "GreaterOrEqual",
    "less": "Less", "less_equal": "LessOrEqual", "logical_and": "And", "logical_or": "Or", "logical_xor": "Xor",
    "maximum": "Max", "minimum": "Min", "multiply": "Mul", "power": "Pow", "subtract": "Sub",
}  # fmt: skip

REDUCTIONS = {
    "logsumexp": "ReduceLogSumExp", "max": "ReduceMax", "mean": "ReduceMean", "min": "ReduceMin", "norm2": "ReduceL2",
    "prod": "ReduceProd", "sum": "ReduceSum",
}  # fmt: skip

# Our dtype's name: the number that TensorProto.DataType gives it.
DTYPES = {
    "float32": 1, "uint8": 2, "int32": 6, "int64": 7, "bool": 9, "float16": 10, "float64": 11, "bfloat16": 16,
}  # fmt: skip
