"""Every op of the table: values, layouts, bits, gradients and errors."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import _C

from .opdb import OPS, Op, Sample
from .targets import AVAILABLE, NEEDS_GPU, TARGETS, THREADS, device, running_on

CASES = [pytest.param(op, dtype, id=f"{op.name}-{dtype}") for op in OPS for dtype in op.dtypes]
EPSILON = {"float32": 2.0**-23, "float64": 2.0**-52, "bfloat16": 2.0**-7, "float16": 2.0**-10}

# How many cases were compared, by (op, dtype, isa, threads): printed at the end of the run, held by conftest.py.
compared: Counter[tuple[str, str, str, int]] = Counter()


def is_tensor_argument(value: Any) -> bool:
    return isinstance(value, np.ndarray)


def tree_map(function: Any, value: Any) -> Any:
    """Applies a function to the arrays in (lists and tuples of) arguments."""
    if isinstance(value, (list, tuple)) and any(is_tensor_argument(v) or isinstance(v, (list, tuple)) for v in value):
        return type(value)(tree_map(function, v) for v in value)
    return function(value) if is_tensor_argument(value) else value


def cast(value: np.ndarray, dtype: str) -> tg.Tensor:
    """A tensor of the dtype under test; integer arrays (indices, labels, masks) keep theirs."""
    if value.dtype != np.float64:
        return tg.tensor(value, device=device())
    made = tg.tensor(value, dtype=dtype) if dtype == "bfloat16" else tg.tensor(value.astype(dtype))
    return made.to(device())


def call(op: Op, sample: Sample, make: Any) -> Any:
    args = tuple(tree_map(make, a) for a in sample.args)
    kwargs = {name: tree_map(make, v) for name, v in sample.kwargs.items()}
    return op(*args, **kwargs)


def as_reference(tensor: tg.Tensor) -> np.ndarray:
    array = (tensor.astype("float64") if tensor.dtype == "bfloat16" else tensor).detach().cpu().numpy()
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def outputs(result: Any) -> list[tg.Tensor]:
    return list(result) if isinstance(result, (tuple, list)) else [result]


def bits(tensor: tg.Tensor) -> bytes:
    """The exact content; NaNs compare as one, because their sign and payload are not part of the contract."""
    array = (tensor.astype("float32") if tensor.dtype == "bfloat16" else tensor).detach().cpu().numpy()
    if array.dtype.kind == "f":
        array = np.where(np.isnan(array), np.array(np.nan, array.dtype), array)
    return np.ascontiguousarray(array).tobytes()


# The layouts in which every sample is repeated: each must give what the contiguous one gives, to the bit.
def strided(tensor: tg.Tensor) -> tg.Tensor:
    """The same values with gaps between them."""
    if tensor.ndim == 0:
        return tensor
    wide = tg.zeros([size * 2 for size in tensor.shape], tensor.dtype, tensor.device)
    return written(tensor, wide[tuple(slice(None, None, 2) for _ in tensor.shape)])


def transposed(tensor: tg.Tensor) -> tg.Tensor:
    """The same values with the axes in memory in reverse order."""
    axes = tuple(range(tensor.ndim))[::-1]
    return tg.copy(tg.permute(tensor, axes)).permute(axes)


def misaligned(tensor: tg.Tensor) -> tg.Tensor:
    """The same values one element off every vector boundary."""
    memory = tg.zeros(tensor.size + 1, tensor.dtype, tensor.device)
    return written(tensor, memory[1:].view(tensor.shape))


def backwards(tensor: tg.Tensor) -> tg.Tensor:
    """The same values with a negative stride along the last axis."""
    if tensor.ndim == 0:
        return tensor
    return written(tensor, tg.empty_like(tensor)[..., ::-1])


def written(values: tg.Tensor, view: tg.Tensor) -> tg.Tensor:
    """The view, with these values."""
    _C.copy_into(values, view)
    return view


LAYOUTS = [strided, transposed, misaligned, backwards]


@pytest.mark.parametrize(("op", "dtype"), CASES)
@pytest.mark.parametrize("isa", TARGETS)
def test_value(op: Op, dtype: str, isa: str) -> None:
    """The value is the reference's within the derived tolerance."""
    with running_on(isa):
        for sample in op.draw():
            results = outputs(call(op, sample, lambda a: cast(a, dtype)))
            expected = call_reference(op, sample, dtype)
            for got, want in zip(results, expected, strict=True):
                if want is None:
                    continue
                found = as_reference(got)
                assert found.shape == want.shape, (sample, found.shape, want.shape)
                allowed = op.tolerance(sample, want, EPSILON.get(dtype, 0.0))
                with np.errstate(invalid="ignore"):
                    wrong = ~(
                        (np.abs(found.astype(np.float64) - want) <= allowed) | (found == want) | both_nan(found, want)
                    )
                assert not wrong.any(), (sample, dtype, isa, found[wrong][:3], want[wrong][:3])
            compared[op.name, dtype, isa, tg.get_num_threads()] += 1


def both_nan(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if a.dtype.kind != "f" or b.dtype.kind != "f":
        return np.zeros(a.shape, bool)
    return np.isnan(a) & np.isnan(b)


def call_reference(op: Op, sample: Sample, dtype: str) -> list[Any]:
    """The reference on the values that the op sees."""

    def make(array: np.ndarray) -> np.ndarray:
        return as_reference(cast(array, dtype))

    args = tuple(tree_map(make, a) for a in sample.args)
    kwargs = {name: tree_map(make, v) for name, v in sample.kwargs.items()}
    with np.errstate(all="ignore"):
        result = op.reference(*args, **kwargs)
    results = list(result) if isinstance(result, (tuple, list)) else [result]
    return [None if r is None else np.asarray(r) for r in results]


@pytest.mark.parametrize(("op", "dtype"), CASES)
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
@pytest.mark.parametrize("target", ["cpu", pytest.param("cuda", marks=NEEDS_GPU)])
def test_layout(op: Op, dtype: str, layout: Any, target: str) -> None:
    """Any layout of the inputs gives the bits of contiguous ones."""
    with running_on(_C.isa() if target == "cpu" else target):
        for sample in op.draw():
            plain = outputs(call(op, sample, lambda a: cast(a, dtype)))
            other = outputs(call(op, sample, lambda a: layout(cast(a, dtype))))
            for a, b in zip(plain, other, strict=True):
                assert bits(a) == bits(b), sample


def with_backward(op: Op, sample: Sample, dtype: str) -> list[tg.Tensor]:
    """The outputs, and the gradients of all of them."""
    leaves: list[tg.Tensor] = []

    def make(array: np.ndarray) -> tg.Tensor:
        tensor = cast(array, dtype)
        if op.gradient and tensor.dtype in ("float32", "float64"):
            tensor.requires_grad = True
            leaves.append(tensor)
        return tensor

    results = outputs(call(op, sample, make))
    for result in results:
        if result.requires_grad:
            seed = np.random.default_rng(0).normal(size=result.shape)
            result.backward(tg.tensor(seed.astype(dtype), device=device()), retain_graph=True)
    return [*results, *(leaf.grad for leaf in leaves if leaf.grad is not None)]


def run_with_gradients(op: Op, sample: Sample, dtype: str) -> list[bytes]:
    """The bits of the outputs and of all gradients."""
    return [bits(tensor) for tensor in with_backward(op, sample, dtype)]


def gradients_of(op: Op, sample: Sample, dtype: str) -> list[np.ndarray]:
    """The values of both."""
    return [as_reference(tensor).astype(np.float64) for tensor in with_backward(op, sample, dtype)]


@pytest.mark.parametrize(("op", "dtype"), CASES)
def test_bits(op: Op, dtype: str) -> None:
    """Outputs and gradients have the same bits on every ISA and with any number of threads."""
    for sample in op.draw():
        expected: list[bytes] | None = None
        for isa in AVAILABLE:
            for threads in THREADS:
                with running_on(isa, threads):
                    found = run_with_gradients(op, sample, dtype)
                expected = expected or found
                assert found == expected, (sample, isa, threads)
                compared[op.name, dtype, isa, threads] += 1


@NEEDS_GPU
@pytest.mark.parametrize(("op", "dtype"), CASES)
def test_gpu_bits_and_gradients(op: Op, dtype: str) -> None:
    """On the GPU every run has the same bits, and the gradients are those of the CPU but for rounding."""
    for sample in op.draw():
        state = tg.random.default_generator.state()
        expected = gradients_of(op, sample, dtype)
        with running_on("cuda"):
            tg.random.default_generator.set_state(state)
            first = run_with_gradients(op, sample, dtype)
            tg.random.default_generator.set_state(state)
            assert run_with_gradients(op, sample, dtype) == first, sample
            tg.random.default_generator.set_state(state)
            found = gradients_of(op, sample, dtype)
        for got, want in zip(found, expected, strict=True):
            assert got.shape == want.shape, sample
            with np.errstate(invalid="ignore"):
                scale = float(np.max(np.abs(np.where(np.isfinite(want), want, 0)), initial=1.0))
                close = np.abs(got - want) <= 512 * EPSILON.get(dtype, 0.0) * scale
                assert (close | (got == want) | both_nan(got, want)).all(), (sample, got, want)


@pytest.mark.parametrize("op", [pytest.param(op, id=op.name) for op in OPS if op.gradient])
def test_gradient(op: Op) -> None:
    """The gradient agrees with central differences in float64, along random directions."""
    rng = np.random.default_rng(1)
    for sample in op.draw():
        arrays: list[np.ndarray] = []
        tree_map(lambda a: arrays.append(a) or a, list(sample.args) + list(sample.kwargs.values()))
        directions = {id(a): rng.normal(size=a.shape) for a in arrays if a.dtype == np.float64}
        leaves: list[tuple[tg.Tensor, np.ndarray]] = []

        def leaf(a: np.ndarray) -> tg.Tensor:
            tensor = cast(a, "float64")
            if a.dtype == np.float64:
                tensor.requires_grad = True
                leaves.append((tensor, directions[id(a)]))
            return tensor

        results = [r for r in outputs(call(op, sample, leaf)) if r.requires_grad]
        seeds = [rng.normal(size=r.shape) for r in results]
        if not results or all(r.size == 0 for r in results):
            continue
        for result, seed in zip(results, seeds, strict=True):
            result.backward(tg.tensor(seed), retain_graph=True)
        analytic = sum(float((t.grad.numpy() * d).sum()) for t, d in leaves if t.grad is not None)

        def along(step: float) -> float:
            def shifted(a: np.ndarray) -> tg.Tensor:
                return cast(a + step * directions[id(a)] if id(a) in directions else a, "float64")

            moved = [r for r in outputs(call(op, sample, shifted)) if r.dtype == "float64"]
            return sum(float((r.numpy() * s).sum()) for r, s in zip(moved, seeds, strict=True))

        step = 1e-6
        numeric = (along(step) - along(-step)) / (2 * step)
        scale = abs(analytic) + abs(numeric)
        # Differences lose half the digits: the values' own size times epsilon / step.
        noise = 1e-9 * (1 + abs(along(0)))
        assert abs(analytic - numeric) <= 1e-6 * scale + noise, (sample, analytic, numeric)


@pytest.mark.parametrize("target", ["cpu", pytest.param("cuda", marks=NEEDS_GPU)])
@pytest.mark.parametrize(
    ("op", "bad"), [pytest.param(op, bad, id=f"{op.name}-{i}") for op in OPS for i, bad in enumerate(op.bad)]
)
def test_bad_input(op: Op, bad: Any, target: str) -> None:
    """Bad input raises exactly the error that the table gives; on the GPU when it is waited for."""

    def make(value: Any) -> tg.Tensor:
        if target == "cuda" and value.dtype == np.float16:
            pytest.skip("GPUs compute with 16-bit types")
        return tg.tensor(value, device=target)

    args = tuple(tree_map(make, a) for a in bad.args)
    kwargs = {name: tree_map(make, v) for name, v in bad.kwargs.items()}
    with pytest.raises(bad.error) as caught:
        finished(op(*args, **kwargs), target)
    message = str(caught.value)
    if target == "cuda":
        message = message.replace("bfloat16, float16, ", "").replace(", bfloat16, float16", "")  # it has these as well
        with suppress(tg.TilegradError):  # what was launched before the error
            tg.cuda.synchronize()
    assert re.fullmatch(bad.message, message, re.DOTALL), message


WITHOUT_TENSOR = {"arange", "linspace", "eye", "concat", "stack"}  # or with a list of them


@pytest.mark.parametrize(
    "op", [pytest.param(op, id=op.name) for op in OPS if op.function is None and op.name not in WITHOUT_TENSOR]
)
def test_array_for_a_tensor(op: Op) -> None:
    """A NumPy array in place of the first tensor is taken as one, or refused in words, not by a native signature."""
    sample = next(s for s in op.draw() if any(map(is_tensor_argument, s.args)))
    first = next(i for i, value in enumerate(sample.args) if is_tensor_argument(value))
    make = lambda a: cast(a, op.dtypes[0])  # noqa: E731
    args = [value if i == first else tree_map(make, value) for i, value in enumerate(sample.args)]
    raised: Exception | None = None
    try:
        op(*args, **{name: tree_map(make, value) for name, value in sample.kwargs.items()})
    except Exception as error:
        raised = error
    assert raised is None or isinstance(raised, tg.DTypeError), raised
    assert raised is None or re.match(rf"{op.name}: .*(ndarray|tensor)", str(raised)), raised


# One of each kind of thing that no op takes everywhere.
STRANGE = [None, "strange", 1.5, object(), {"a": 1}, b"strange", (None,), 10**30]


@pytest.mark.parametrize("op", [pytest.param(op, id=op.name) for op in OPS if op.function is None])
@pytest.mark.parametrize("strange", STRANGE, ids=lambda value: type(value).__name__)
def test_strange_arguments(op: Op, strange: Any) -> None:
    """Any argument may be of a wrong type: the op takes it, or its error begins with its name."""
    sample = next(s for s in op.draw() if s.args)
    make = lambda a: cast(a, op.dtypes[0])  # noqa: E731
    args = [tree_map(make, a) for a in sample.args]
    kwargs = {name: tree_map(make, value) for name, value in sample.kwargs.items()}
    parameters = list(inspect.signature(getattr(tg, op.name)).parameters.values())[len(args) :]
    calls = [([*args[:i], strange, *args[i + 1 :]], kwargs) for i in range(len(args))]
    calls += [(args, {**kwargs, p.name: strange}) for p in parameters if p.kind is not p.VAR_POSITIONAL]
    for positional, named in calls:
        refusal = f"{op.name}: none"
        try:
            op(*positional, **named)
        except (tg.TilegradError, MemoryError) as error:
            refusal = str(error)
        assert re.match(rf"{op.name}\b.*:", refusal), (positional, named, refusal)


def finished(result: Any, target: str) -> Any:
    """The result when everything launched has run."""
    if target == "cuda":
        tg.cuda.synchronize()
    return result


def test_every_op_has_a_record() -> None:
    """Every public function of tg.ops is in the table, and has enough samples and bad inputs."""
    recorded = {op.name for op in OPS}
    public = {name for name in dir(tg.ops) if not name.startswith("_") and callable(getattr(tg.ops, name))}
    assert public - recorded - WITHOUT_RECORD == set()
    for op in OPS:
        shapes = {str([getattr(a, "shape", a) for a in s.args]) + str(s.kwargs) for s in op.draw()}
        assert len(shapes) >= 20, f"{op.name} has only {len(shapes)} different samples"
    bad = Counter(op.name for op in OPS for _ in op.bad)
    assert {name: bad[name] for name in recorded if bad[name] < 3} == {}


# Tested in files of their own, because they take no tensors or are not functions of their arguments alone.
WITHOUT_RECORD = {
    "tensor",
    "empty_like",
    "from_numpy",
    "from_dlpack",
    "to_device",
    "empty",
    "full",
    "zeros",
    "ones",
    "parse_dtype",
} | {
    "abs",  # other names of absolute and power
    "pow",
}


def test_isas_of_this_machine_are_listed() -> None:
    assert _C.isa() in AVAILABLE


def with_gradients(op: Op, sample: Sample) -> Any:
    """A function of the sample's tensors: the op's outputs, and its gradients where it has some."""
    tensors: list[np.ndarray] = []
    call(op, sample, lambda a: (tensors.append(a), cast(a, "float64"))[1])

    def run(*given: tg.Tensor) -> list[Any]:
        inputs = [tg.Tensor(t, requires_grad=op.gradient and t.dtype in ("float32", "float64")) for t in given]
        left = iter(inputs)
        results = outputs(call(op, sample, lambda _: next(left)))
        for result in results:
            if isinstance(result, _C.TensorBase) and result.requires_grad:
                result.backward(tg.ones(result.shape, result.dtype, result.device), retain_graph=True)
        return [*results, *[t.grad for t in inputs]]

    return tensors, run


@pytest.mark.filterwarnings("ignore:capture")
@pytest.mark.parametrize("target", ["cpu", pytest.param("cuda", marks=NEEDS_GPU)])
@pytest.mark.parametrize(("op", "dtype"), CASES)
def test_replay_has_the_bits_of_the_call(op: Op, dtype: str, target: str) -> None:
    """A captured call, its recording and its replays on other memory give what the op gives, to the bit."""
    with running_on(_C.isa() if target == "cpu" else target):
        compare_replays(op, dtype)


def compare_replays(op: Op, dtype: str) -> None:
    for sample in op.draw():
        arrays, run = with_gradients(op, sample)
        state = tg.random.default_generator.state()
        expected = [None if t is None else bits(t) for t in run(*[cast(a, dtype) for a in arrays])]
        captured, checked = tg.capture(run), tg.capture(run, check=True)
        for repetition in range(5):
            tg.random.default_generator.set_state(state)
            for function in (captured, checked):
                tg.random.default_generator.set_state(state)
                found = [None if t is None else bits(t) for t in function(*[cast(a, dtype) for a in arrays])]
                assert found == expected, (sample, repetition, function)


@pytest.mark.parametrize("isa", AVAILABLE)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_clip_is_nan_where_a_bound_is(isa: str, dtype: str) -> None:
    x, low, high = np.meshgrid(*[np.array([-1.0, 0.0, 2.0, np.nan], dtype)] * 3)
    with running_on(isa):
        found = tg.clip(tg.tensor(x), tg.tensor(low), tg.tensor(high)).numpy()
        numbers = [tg.clip(tg.tensor(x), *bounds) for bounds in ((np.nan, 1.0), (0.0, np.nan), (np.nan,))]
    np.testing.assert_array_equal(found, np.clip(x, low, high))
    assert all(np.isnan(y.numpy()).all() for y in numbers)
