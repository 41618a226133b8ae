"""PyTorch's words for the ops of the table, with layouts converted: a second witness beside NumPy."""

# mypy: ignore-errors

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

__all__ = ["TWINS", "WITHOUT_TWIN"]

ACTIVATIONS = {"relu": torch.relu, "sigmoid": torch.sigmoid, "tanh": torch.tanh, "gelu": F.gelu, None: lambda x: x}


def axes(x, axis):
    return tuple(range(x.ndim)) if axis is None else tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)


def over(reduce):
    return lambda x, axis=None, keepdims=False: reduce(x, dim=axes(x, axis), keepdim=keepdims) if x.ndim else x * 1


def prod(x, axis=None, keepdims=False):
    for one in sorted((a % x.ndim for a in axes(x, axis)), reverse=True):
        x = torch.prod(x, dim=one, keepdim=keepdims)
    return x


def found(search):
    def run(x, axis=None, keepdims=False):
        searched = sorted(a % x.ndim for a in axes(x, axis))
        others = [a for a in range(x.ndim) if a not in searched]
        flat = x.permute((*others, *searched)).reshape(
            (*(x.shape[a] for a in others), math.prod(x.shape[a] for a in searched))
        )
        shape = [1 if a in searched else x.shape[a] for a in range(x.ndim) if keepdims or a not in searched]
        return search(flat, dim=-1).reshape(shape)

    return run


def tensors(function):
    """A number takes the dtype of the tensor beside it."""

    def run(a, b):
        a = a if isinstance(a, torch.Tensor) else torch.tensor(a, dtype=b.dtype)
        b = b if isinstance(b, torch.Tensor) else torch.tensor(b, dtype=a.dtype)
        return function(a, b)

    return run


def floor_divide(a, b):
    return torch.floor_divide(a.detach(), b.detach())


def remainder(a, b):
    """PyTorch's value; the gradient that it lacks is that of a - b * floor(a / b)."""
    path = a - b * floor_divide(a, b)
    return torch.remainder(a.detach(), b.detach()) + (path - path.detach())


def spread(reduce):
    return lambda x, axis=None, correction=0, keepdims=False: reduce(
        x, dim=axes(x, axis), correction=correction, keepdim=keepdims
    )


def pair(value):
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value)


def borders(padding, sizes, kernel, stride, dilation=(1, 1)):
    """((top, bottom), (left, right)); "same" is TensorFlow's, whose odd pixel goes to the bottom and right."""
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "same":
        both = []
        for size, k, s, d in zip(sizes, kernel, stride, dilation, strict=True):
            total = max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0)
            both.append((total // 2, total - total // 2))
        return tuple(both)
    return tuple(pair(p) for p in pair(padding))


def padded(x, padding, kernel, stride, dilation=(1, 1), value=0.0):
    (top, bottom), (left, right) = borders(padding, x.shape[1:3], kernel, stride, dilation)
    return F.pad(x.permute(0, 3, 1, 2), (left, right, top, bottom), value=value)


def conv2d(x, w, b=None, stride=1, padding="valid", dilation=1, groups=1, activation=None):
    stride, dilation = pair(stride), pair(dilation)
    y = padded(x, padding, w.shape[:2], stride, dilation)
    y = F.conv2d(y, w.permute(3, 2, 0, 1), b, stride, 0, dilation, groups)
    return ACTIVATIONS[activation](y).permute(0, 2, 3, 1)


def max_pool2d(x, kernel_size, stride=None, padding="valid"):
    kernel = pair(kernel_size)
    stride = kernel if stride is None else pair(stride)
    return F.max_pool2d(padded(x, padding, kernel, stride, value=float("-inf")), kernel, stride).permute(0, 2, 3, 1)


def avg_pool2d(x, kernel_size, stride=None, padding="valid"):
    kernel = pair(kernel_size)
    stride = kernel if stride is None else pair(stride)
    sums, counts = (
        F.avg_pool2d(padded(t, padding, kernel, stride), kernel, stride) for t in (x, torch.ones_like(x.detach()))
    )
    return (sums / counts).permute(0, 2, 3, 1)


def batch_norm(x, gamma=None, beta=None, training=True, activation=None):
    mean, var = (torch.linspace(*ends, x.shape[-1], dtype=x.dtype) for ends in ((-1, 1), (0.5, 2)))
    flat = x.reshape(-1, x.shape[-1])
    return ACTIVATIONS[activation](F.batch_norm(flat, mean, var, gamma, beta, training)).reshape(x.shape)


def cross_entropy(logits, target, weight=None, ignore_index=-100, label_smoothing=0.0, reduction="mean", soft=False):
    C = logits.shape[-1]
    flat = target.reshape(-1, C) if soft else target.reshape(-1).long()
    weight = None if weight is None else weight.to(logits.dtype) / 4
    options = {"label_smoothing": label_smoothing, "reduction": reduction}
    if not soft:
        options["ignore_index"] = ignore_index
    loss = F.cross_entropy(logits.reshape(-1, C), flat, weight, **options)
    return loss.reshape(logits.shape[:-1]) if reduction == "none" else loss


def layer_norm(x, gamma=None, beta=None, normalized_shape=None):
    if normalized_shape is None:
        normalized_shape = next((t.shape for t in (gamma, beta) if t is not None), x.shape[-1:])
    return F.layer_norm(
        x, pair(normalized_shape)[:1] if isinstance(normalized_shape, int) else normalized_shape, gamma, beta
    )


def linear(x, w, b=None, activation=None):
    y = x @ w
    return ACTIVATIONS[activation](y if b is None else y + b)


def take(x, indices, axis=None):
    if axis is None:
        x, axis = x.reshape(-1), 0
    axis %= x.ndim
    rows = indices.long().reshape(-1)
    rows = torch.where(rows < 0, rows + x.shape[axis], rows)
    return x.index_select(axis, rows).reshape((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))


def scatter_add(x, indices, values, axis=0):
    axis %= x.ndim
    rows = indices.long().reshape(-1)
    values = values.broadcast_to((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))
    values = values.reshape((*x.shape[:axis], rows.numel(), *x.shape[axis + 1 :]))
    return x.index_add(axis, torch.where(rows < 0, rows + x.shape[axis], rows), values)


def take_along_axis(x, indices, axis):
    rows = indices.long()
    return torch.take_along_dim(x, torch.where(rows < 0, rows + x.shape[axis], rows), axis)


def split(x, sizes, axis=0):
    return torch.split(x, x.shape[axis] // sizes if isinstance(sizes, int) else list(sizes), axis)


def norm(x, axis=None, ord=2, keepdims=False):
    return torch.linalg.vector_norm(x, ord, axes(x, axis), keepdim=keepdims)


def sort(x, axis=-1, descending=False):
    return torch.sort(x, dim=axis, descending=descending, stable=True).values


TWINS = {
    "absolute": torch.abs,
    "add": tensors(torch.add),
    "add_relu": lambda a, b: torch.relu(a + b),
    "all": lambda x, axis=None, keepdims=False: torch.all(x, dim=axes(x, axis), keepdim=keepdims),
    "any": lambda x, axis=None, keepdims=False: torch.any(x, dim=axes(x, axis), keepdim=keepdims),
    "arange": lambda *given, dtype=None: torch.arange(*given, dtype=None if dtype is None else getattr(torch, dtype)),
    "argmax": found(torch.argmax),
    "argmin": found(torch.argmin),
    "argsort": lambda x, axis=-1, descending=False: torch.argsort(x, dim=axis, descending=descending, stable=True),
    "astype": lambda x, dtype: x.to(getattr(torch, dtype)),
    "avg_pool2d": avg_pool2d,
    "batch_norm": batch_norm,
    "binary_cross_entropy_with_logits": F.binary_cross_entropy_with_logits,
    "broadcast_to": torch.broadcast_to,
    "ceil": torch.ceil,
    "chunk": lambda x, chunks, axis=0: torch.chunk(x, chunks, axis),
    "clip": torch.clamp,
    "concat": lambda tensors, axis=0: torch.cat(list(tensors), axis),
    "contiguous": lambda x: x.contiguous() * 1,
    "conv2d": conv2d,
    "copy": torch.clone,
    "cos": torch.cos,
    "cross_entropy": cross_entropy,
    "cumsum": lambda x, axis=-1: torch.cumsum(x, axis),
    "diagonal": lambda x, offset=0, axis1=0, axis2=1: torch.diagonal(x, offset, axis1, axis2),
    "divide": tensors(torch.div),
    "einsum": torch.einsum,
    "embedding": lambda weight, indices, padding_idx=None: F.embedding(
        indices.long() % len(weight), weight, padding_idx
    ),
    "equal": tensors(torch.eq),
    "erf": torch.erf,
    "exp": torch.exp,
    "expand_dims": torch.unsqueeze,
    "expm1": torch.expm1,
    "flip": lambda x, axis=None: torch.flip(x, axes(x, axis)),
    "floor": torch.floor,
    "floor_divide": tensors(floor_divide),
    "full_like": torch.full_like,
    "gelu": F.gelu,
    "getitem": lambda x, key: x[key],
    "global_avg_pool2d": lambda x: x.mean((1, 2)),
    "global_max_pool2d": lambda x: x.amax((1, 2)),
    "greater": tensors(torch.gt),
    "greater_equal": tensors(torch.ge),
    "huber_loss": F.huber_loss,
    "isfinite": torch.isfinite,
    "isnan": torch.isnan,
    "l1_loss": F.l1_loss,
    "layer_norm": layer_norm,
    "less": tensors(torch.lt),
    "less_equal": tensors(torch.le),
    "linear": linear,
    "linspace": torch.linspace,
    "log": torch.log,
    "log1p": torch.log1p,
    "log_softmax": lambda x, axis=-1: torch.log_softmax(x, axis),
    "logical_and": tensors(torch.logical_and),
    "logical_not": torch.logical_not,
    "logical_or": tensors(torch.logical_or),
    "logical_xor": tensors(torch.logical_xor),
    "logsumexp": over(torch.logsumexp),
    "masked_fill": torch.masked_fill,
    "masked_select": torch.masked_select,
    "matmul": torch.matmul,
    "max": over(torch.amax),
    "max_pool2d": max_pool2d,
    "maximum": tensors(torch.maximum),
    "mean": over(torch.mean),
    "meshgrid": lambda *given, indexing="ij": torch.meshgrid(*given, indexing=indexing),
    "min": over(torch.amin),
    "minimum": tensors(torch.minimum),
    "moveaxis": torch.moveaxis,
    "mse_loss": F.mse_loss,
    "multiply": tensors(torch.mul),
    "negative": torch.neg,
    "nonzero": lambda x: torch.nonzero(x, as_tuple=True),
    "norm": norm,
    "not_equal": tensors(torch.ne),
    "ones_like": torch.ones_like,
    "outer": torch.outer,
    "permute": lambda x, order: torch.permute(x, tuple(order)),
    "power": tensors(torch.pow),
    "prod": prod,
    "reciprocal": torch.reciprocal,
    "relu": torch.relu,
    "remainder": tensors(remainder),
    "repeat": lambda x, repeats, axis=None: torch.repeat_interleave(x, repeats, axis),
    "reshape": lambda x, shape: torch.reshape(x, tuple(shape)),
    "roll": lambda x, shift, axis=0: torch.roll(x, shift, axis),
    "round": torch.round,
    "rsqrt": torch.rsqrt,
    "scatter_add": scatter_add,
    "sigmoid": torch.sigmoid,
    "sign": torch.sign,
    "silu": F.silu,
    "sin": torch.sin,
    "softmax": lambda x, axis=-1: torch.softmax(x, axis),
    "softplus": lambda x: F.softplus(x, threshold=40),
    "sort": sort,
    "split": split,
    "sqrt": torch.sqrt,
    "square": torch.square,
    "squeeze": torch.squeeze,
    "stack": lambda tensors, axis=0: torch.stack(list(tensors), axis),
    "std": spread(torch.std),
    "subtract": tensors(torch.sub),
    "sum": over(torch.sum),
    "swapaxes": torch.swapaxes,
    "take": take,
    "take_along_axis": take_along_axis,
    "tanh": torch.tanh,
    "tile": lambda x, reps: torch.tile(x, reps if isinstance(reps, tuple) else (reps,)),
    "topk": lambda x, k, axis=-1, largest=True: tuple(torch.topk(x, k, axis, largest)),
    "trace": torch.trace,
    "transpose": lambda x: x.permute(tuple(reversed(range(x.ndim)))),
    "tril": torch.tril,
    "triu": torch.triu,
    "unbind": lambda x, axis=0: torch.unbind(x, axis),
    "var": spread(torch.var),
    "where": torch.where,
    "zeros_like": torch.zeros_like,
}

WITHOUT_TWIN = {
    "gru": "compared in test_recurrent.py",
    "lstm": "compared in test_recurrent.py",
    "rnn": "compared in test_recurrent.py",
    "scaled_dot_product_attention": "compared in test_attention.py",
    "step": "exact; PyTorch's takes its value at zero as a tensor",
    "binary_cross_entropy": "compared in test_against_torch.py",
    "cosine_embedding_loss": "compared in test_against_torch.py",
    "cosine_similarity": "compared in test_against_torch.py",
    "elu": "compared in test_against_torch.py",
    "group_norm": "compared in test_against_torch.py",
    "hard_sigmoid": "compared in test_against_torch.py",
    "hard_swish": "compared in test_against_torch.py",
    "instance_norm": "compared in test_against_torch.py",
    "kl_div": "compared in test_against_torch.py",
    "leaky_relu": "compared in test_against_torch.py",
    "local_response_norm": "compared in test_against_torch.py",
    "log_sigmoid": "compared in test_against_torch.py",
    "mish": "compared in test_against_torch.py",
    "multi_margin_loss": "compared in test_against_torch.py",
    "nll_loss": "compared in test_against_torch.py",
    "prelu": "compared in test_against_torch.py",
    "relu6": "compared in test_against_torch.py",
    "rms_norm": "compared in test_against_torch.py",
    "selu": "compared in test_against_torch.py",
    "smooth_l1_loss": "compared in test_against_torch.py",
    "triplet_margin_loss": "compared in test_against_torch.py",
    "adaptive_avg_pool2d": "compared in test_nn_spatial.py",
    "adaptive_max_pool2d": "compared in test_nn_spatial.py",
    "avg_pool1d": "compared in test_nn_spatial.py",
    "conv1d": "compared in test_nn_spatial.py",
    "conv_transpose1d": "compared in test_nn_spatial.py",
    "interpolate": "compared in test_nn_spatial.py",
    "max_pool1d": "compared in test_nn_spatial.py",
    "conv_transpose2d": "compared in test_conv_transpose.py",
    "alpha_dropout": "as dropout",
    "contrastive_loss": "PyTorch has none",
    "hinge_loss": "PyTorch's hinge is another: of distances",
    "maxout": "PyTorch has none",
    "crop": "PyTorch pads by negative widths, with other words for the axes",
    "dropout": "its masks are its generator's own; the layer's statistics are compared below",
    "eye": "PyTorch has no other diagonals",
    "one_hot": "PyTorch's is int64 alone and counts from no end",
    "pad": "PyTorch's modes take other ranks; its zeros are compared with conv2d's and pooling's borders",
    "setitem": "compared through getitem and the tests of in-place writes",
    "spatial_dropout": "as dropout",
}
