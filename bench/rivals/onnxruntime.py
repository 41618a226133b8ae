"""onnxruntime: the networks of bench/nets.py as ONNX graphs, with all of its graph optimisations."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime

from bench import probes
from bench.case import Arrays, Builder, Run, Spec
from bench.nets import EPSILON, NETS, Net, flatten_sizes

threads = 1


def versions() -> dict[str, str]:
    return {"onnxruntime": onnxruntime.__version__}


def set_threads(count: int) -> None:
    global threads
    threads = count


class Graph:
    """Nodes in the order in which they compute, and their weights. Images are [N, C, H, W] here."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def constant(self, array: np.ndarray) -> str:
        from onnx import numpy_helper

        name = f"weight{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        from onnx import helper

        name = f"value{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def conv(self, x: str, w: np.ndarray, b: np.ndarray | None, padding: int, stride: int = 1) -> str:
        inputs = [x, self.constant(w.transpose(3, 2, 0, 1))] + ([] if b is None else [self.constant(b)])
        return self.add("Conv", *inputs, pads=[padding] * 4, strides=[stride] * 2, kernel_shape=list(w.shape[:2]))

    def batch_norm(self, x: str, W: Arrays, name: str) -> str:
        parts = [self.constant(W[f"{name}.{part}"]) for part in ("gamma", "beta", "mean", "var")]
        return self.add("BatchNormalization", x, *parts, epsilon=EPSILON)

    def shortcut(self, x: str, before: int, channels: int, stride: int) -> str:
        if stride == 1:
            return x
        numbers = [self.constant(np.array(v)) for v in ([0, 0], [2**31, 2**31], [2, 3], [stride, stride])]
        margin = (channels - before) // 2
        pads = self.constant(np.array([0, margin, 0, 0, 0, margin, 0, 0]))
        return self.add("Pad", self.add("Slice", x, *numbers), pads)

    def step(self, net: Net, kind: str, step: list[Any], x: str, W: Arrays) -> str:
        name = step[0] if step else ""
        if kind == "dense":
            w, flat = W[f"{name}.w"], flatten_sizes(net)
            if name in flat:  # the image is flattened as C, H, W here
                w = w.reshape(*flat[name], -1).transpose(2, 0, 1, 3).reshape(w.shape)
            y = self.add("Gemm", x, self.constant(w), self.constant(W[f"{name}.b"]))
            return self.add("Relu", y) if step[3] else y
        if kind == "conv":
            return self.add("Relu", self.conv(x, W[f"{name}.w"], W[f"{name}.b"], step[4]))
        if kind == "convbn":
            return self.add("Relu", self.batch_norm(self.conv(x, W[f"{name}.w"], None, 1), W, f"{name}.bn"))
        if kind == "block":
            inner = self.batch_norm(self.conv(x, W[f"{name}.conv1.w"], None, 1, step[3]), W, f"{name}.bn1")
            inner = self.conv(self.add("Relu", inner), W[f"{name}.conv2.w"], None, 1)
            inner = self.batch_norm(inner, W, f"{name}.bn2")
            return self.add("Relu", self.add("Add", inner, self.shortcut(x, *step[1:])))
        if kind == "pool":
            return self.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
        if kind == "mean":
            return self.add("Flatten", self.add("GlobalAveragePool", x))
        return {"flatten": lambda: self.add("Flatten", x)}[kind]()


def session(net: Net, weights: Arrays, shape: tuple[int, ...]) -> Any:
    from onnx import TensorProto, helper

    graph, x = Graph(), "x"
    for kind, *step in net.steps:
        x = graph.step(net, kind, step, x, weights)
    made = helper.make_graph(
        graph.nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, None)],
        graph.weights,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def infer(spec: Spec, arrays: Arrays) -> list[Run]:
    x = arrays["x"]
    if x.ndim == 4:
        x = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    made = session(NETS[spec["net"]], {name: a for name, a in arrays.items() if name != "x"}, x.shape)
    feed = {"x": x}
    return [Run("session", lambda: made.run(None, feed), lambda: {"logits": made.run(None, feed)[0]}, "compiled")]


BUILDERS: dict[str, Builder] = {
    "infer": infer,
    "import": lambda spec, arrays: [probes.import_time("onnxruntime")],
}
