"""The order of sums, and reductions, losses and normalisation at their edges."""

from __future__ import annotations

import numpy as np
import pytest

import tilegrad as tg

from .targets import ISAS, running_on


def stated_order(x: np.ndarray) -> np.ndarray:
    """The sum of a float32 sequence as docs/numerics.md states it."""
    total = 0.0
    for begin in range(0, len(x), 1024):
        chunk = x[begin : begin + 1024]
        lanes = np.zeros(16, np.float32)
        for i in range(0, len(chunk), 16):
            part = chunk[i : i + 16]
            lanes[: len(part)] += part
        for half in (8, 4, 2, 1):
            lanes = lanes[:half] + lanes[half : 2 * half]
        total += float(lanes[0])
    return np.float32(total)


@pytest.mark.parametrize("length", [1, 5, 16, 17, 100, 1023, 1024, 1025, 2047, 2048, 4096, 5000, 7169, 20_000, 270_001])
def test_sum_has_the_stated_order(length: int) -> None:
    x = np.random.default_rng(length).normal(size=length).astype(np.float32)
    assert tg.sum(tg.tensor(x)).item() == stated_order(x)


@pytest.mark.parametrize("lines", range(1, 10))
@pytest.mark.parametrize("axis", [1, 2])
def test_running_sums_of_several_lines(lines: int, axis: int) -> None:
    """Along the last axis, and along one whose few neighbours are lines of their own."""
    for length in (1, 5, 37):
        x = np.random.default_rng(length).normal(size=(lines, length, 3)).astype(np.float32)
        x = x if axis == 1 else np.moveaxis(x, 1, 2).copy()
        np.testing.assert_array_equal(
            tg.cumsum(tg.tensor(x), axis=axis).numpy(), np.cumsum(x, axis=axis, dtype=np.float64).astype(np.float32)
        )
        leaf = tg.tensor(x, requires_grad=True)
        tg.cumsum(leaf, axis=axis).backward(tg.tensor(x))
        assert leaf.grad is not None
        expected = np.flip(np.cumsum(np.flip(x, axis), axis=axis, dtype=np.float64), axis).astype(np.float32)
        np.testing.assert_array_equal(leaf.grad.numpy(), expected)


# A view as NumPy makes it, and as we do.
VIEWS = {
    "whole": (lambda x: x,) * 2,
    "reversed": (lambda x: x[::-1, ::-1],) * 2,
    "every other": (lambda x: x[:, ::2],) * 2,
    "window": (lambda x: x[x.shape[0] // 2 :, 1:-1],) * 2,
    "turned": (lambda x: np.moveaxis(x, -1, 0), lambda t: tg.moveaxis(t, -1, 0)),
    "stretched": (lambda x: np.broadcast_to(x[:, :1], x.shape), lambda t: tg.broadcast_to(t[:, :1], t.shape)),
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("shape", [(1, 3), (7, 18), (21, 3, 5), (3, 37, 29), (2, 1500, 3), (3, 5, 1100), (2, 3, 2050)])
def test_sums_and_extrema_of_views(shape: tuple[int, ...], view: str) -> None:
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    numpy_view, our_view = VIEWS[view]
    seen, tensor = numpy_view(x), our_view(tg.tensor(x))
    for kept in range(seen.ndim):
        gone = tuple(d for d in range(seen.ndim) if d != kept)
        sequences = np.moveaxis(seen, kept, 0).reshape(seen.shape[kept], -1)
        expected = [stated_order(sequence) for sequence in sequences]
        np.testing.assert_array_equal(tg.sum(tensor, axis=gone).numpy(), expected)
        np.testing.assert_array_equal(tg.max(tensor, axis=gone).numpy(), sequences.max(1))
        np.testing.assert_array_equal(tg.min(tensor, axis=gone).numpy(), sequences.min(1))
        for axis in gone:
            np.testing.assert_array_equal(tg.argmax(tensor, axis=axis).numpy(), seen.argmax(axis))


@pytest.mark.parametrize("length", [*range(1, 20), 31, 33, 63, 64, 65, 100, 1030])
def test_softmax_of_rows_of_any_length(length: int) -> None:
    x = np.random.default_rng(length).normal(size=(21, length)).astype(np.float32) * 10
    x[3, 0], x[4, -1] = -np.inf, np.nan
    with np.errstate(invalid="ignore"):
        shifted = (x - x.max(1, keepdims=True)).astype(np.float64)
        exps = np.exp(shifted)
        total = exps.sum(1, keepdims=True)
        np.testing.assert_allclose(tg.softmax(tg.tensor(x)).numpy(), exps / total, rtol=1e-6, atol=1e-37)
        np.testing.assert_allclose(tg.log_softmax(tg.tensor(x)).numpy(), shifted - np.log(total), rtol=1e-6, atol=1e-6)
    # A row's bits do not depend on the rows beside it.
    np.testing.assert_array_equal(tg.softmax(tg.tensor(x[7:8])).numpy()[0], tg.softmax(tg.tensor(x)).numpy()[7])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("length", [1, 2, 7, 16, 40, 200, 1500])
def test_nan_wins_wherever_it_is(length: int, dtype: str) -> None:
    x = np.random.default_rng(0).normal(size=(length, length)).astype(dtype)
    np.fill_diagonal(x, np.nan)
    for axis in (0, 1):
        for op in (tg.max, tg.min):
            assert np.isnan(op(tg.tensor(x), axis=axis).numpy()).all()
        np.testing.assert_array_equal(tg.argmax(tg.tensor(x), axis=axis).numpy(), np.arange(length))


@pytest.mark.parametrize("shape", [(3, 5), (100, 70), (1030, 65), (5000, 3), (2, 2000)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_and_columns_have_the_same_bits(shape: tuple[int, int], dtype: str) -> None:
    x = tg.tensor(np.random.default_rng(0).normal(size=shape).astype(dtype))
    other = tg.copy(tg.permute(x, (1, 0)))
    for op in (tg.sum, tg.mean, tg.var, tg.norm, tg.prod):
        np.testing.assert_array_equal(op(x, axis=0).numpy(), op(other, axis=1).numpy())


def test_sum_of_a_million_is_accurate() -> None:
    rng = np.random.default_rng(0)
    # Equal numbers are the worst case: all 64 additions of a lane round the same way.
    cases = (
        (rng.uniform(size=1_000_000), 1e-7),
        (rng.exponential(size=1_000_000), 1e-7),
        (np.full(1_000_000, 0.1), 2e-6),
    )
    for x, bound in cases:
        single = x.astype(np.float32)
        exact = float(np.sum(single, dtype=np.float64))
        assert abs(tg.sum(tg.tensor(single)).item() - exact) <= bound * abs(exact)


def test_float64_sums_are_compensated() -> None:
    x = np.zeros(4096)
    x[0], x[1024], x[3072] = 1e16, 1.0, -1e16
    assert tg.sum(tg.tensor(x)).item() == 1.0
    x[1024] = np.inf
    assert tg.sum(tg.tensor(x)).item() == np.inf


def test_softmax_of_extreme_logits() -> None:
    x = tg.tensor([[1e4, -1e4, 0.0], [-np.inf, 0.0, 0.0], [1e4, 1e4, -np.inf]])
    np.testing.assert_array_equal(tg.softmax(x).numpy(), [[1, 0, 0], [0, 0.5, 0.5], [0.5, 0.5, 0]])
    logs = tg.log_softmax(x).numpy()
    np.testing.assert_allclose(logs[0], [0, -2e4, -1e4])
    assert logs[1, 0] == -np.inf
    assert np.isnan(tg.softmax(tg.tensor([np.inf, 0.0])).numpy()).all()


@pytest.mark.parametrize("classes", [3, 100])
def test_cross_entropy_of_extreme_logits(classes: int) -> None:
    values = np.zeros((3, classes), np.float32)
    values[0, 0], values[0, 1:], values[1, 1] = 1e4, -1e4, -1e4
    values[2, 1] = -np.inf
    logits = tg.tensor(values, requires_grad=True)
    loss = tg.cross_entropy(logits, tg.tensor([0, 1, 0]), reduction="none")
    found = loss.detach().numpy()
    assert found[0] == 0
    np.testing.assert_allclose(found[1:], [1e4 + np.log(classes - 1), np.log(classes - 1)], rtol=1e-6)
    tg.sum(loss).backward()
    gradient = logits.grad.numpy()
    assert np.isfinite(gradient).all()
    np.testing.assert_allclose(gradient[0], 0)
    np.testing.assert_allclose(gradient[1, 1], -1)
    np.testing.assert_allclose(gradient.sum(1), 0, atol=1e-6)


def test_binary_cross_entropy_of_extreme_logits() -> None:
    x = tg.tensor([1e4, -1e4, 1e4, -1e4], requires_grad=True)
    loss = tg.binary_cross_entropy_with_logits(x, tg.tensor([1.0, 0.0, 0.0, 1.0]), reduction="none")
    np.testing.assert_array_equal(loss.detach().numpy(), [0, 0, 1e4, 1e4])
    tg.sum(loss).backward()
    np.testing.assert_array_equal(x.grad.numpy(), [0, 0, 1, -1])


def test_bad_labels_leave_everything_as_it_was() -> None:
    logits = tg.tensor(np.ones((4, 3), np.float32), requires_grad=True)
    with pytest.raises(IndexError, match=r"target\[2\] is 9, expected 0 to 2"):
        tg.cross_entropy(logits, tg.tensor([0, 1, 9, 1]))
    assert logits.grad is None
    np.testing.assert_array_equal(logits.detach().numpy(), 1)


def test_rows_that_are_all_ignored() -> None:
    logits = tg.tensor(np.ones((2, 3), np.float32), requires_grad=True)
    labels = tg.tensor([-1, -1])
    assert np.isnan(tg.cross_entropy(logits, labels, ignore_index=-1).item())
    loss = tg.cross_entropy(logits, labels, ignore_index=-1, reduction="sum")
    assert loss.item() == 0
    loss.backward()
    np.testing.assert_array_equal(logits.grad.numpy(), 0)


@pytest.mark.parametrize("shape", [(5, 3), (1500, 70), (2, 4, 4, 8)])
def test_running_statistics(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    C = shape[-1]
    mean, var = tg.zeros(C, dtype="float64"), tg.ones(C, dtype="float64")
    kept, kept_var = np.zeros(C), np.ones(C)
    for _ in range(3):
        x = rng.normal(size=shape) * 3 + 5
        tg.batch_norm(tg.tensor(x), tg.ones(C, "float64"), tg.zeros(C, "float64"), mean, var, True, momentum=0.2)
        rows = x.reshape(-1, C)
        kept = 0.8 * kept + 0.2 * rows.mean(0)
        kept_var = 0.8 * kept_var + 0.2 * rows.var(0, ddof=1)
    np.testing.assert_allclose(mean.numpy(), kept, rtol=1e-12)
    np.testing.assert_allclose(var.numpy(), kept_var, rtol=1e-12)


def test_batch_statistics_of_a_large_mean() -> None:
    x = (np.random.default_rng(0).normal(size=(5000, 5)) + 1000).astype(np.float32)
    mean, var = tg.zeros(5), tg.ones(5)
    tg.batch_norm(tg.tensor(x), tg.ones(5), tg.zeros(5), mean, var, True, momentum=1.0)
    np.testing.assert_allclose(mean.numpy(), x.mean(0, dtype=np.float64), rtol=1e-7)
    np.testing.assert_allclose(var.numpy(), x.var(0, dtype=np.float64, ddof=1), rtol=1e-5)


def test_a_failed_batch_norm_changes_no_statistics() -> None:
    mean, var = tg.zeros(3), tg.ones(3)
    with pytest.raises(tg.ShapeError):
        tg.batch_norm(tg.ones((1, 3)), tg.ones(3), tg.zeros(3), mean, var, True)
    with pytest.raises(tg.ShapeError):
        tg.batch_norm(tg.ones((4, 3)), tg.ones(2), tg.zeros(3), mean, var, True)
    np.testing.assert_array_equal(mean.numpy(), 0)
    np.testing.assert_array_equal(var.numpy(), 1)


@pytest.mark.parametrize("classes", [10, 64, 65, 1030])
def test_a_sample_has_the_same_bits_in_any_batch(classes: int) -> None:
    """Alone, in a batch of 7 and in one of 256."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, classes)).astype(np.float32)
    one, zero = tg.ones(classes), tg.zeros(classes)
    ops = {
        "softmax": tg.softmax,
        "log_softmax": tg.log_softmax,
        "logsumexp": lambda t: tg.logsumexp(t, axis=-1),
        "layer_norm": lambda t: tg.layer_norm(t, one, zero),
        "batch_norm": lambda t: tg.batch_norm(t, one, zero, zero, one, False, activation="relu"),
        "loss": lambda t: tg.cross_entropy(t, tg.tensor(np.full(t.shape[0], 3)), reduction="none"),
    }
    for name, op in ops.items():
        whole = op(tg.tensor(x)).numpy()
        for size in (1, 7):
            for start in (0, 5, 100):
                part = op(tg.tensor(x[start : start + size])).numpy()
                np.testing.assert_array_equal(part, whole[start : start + size], err_msg=name)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_logsumexp_of_infinities(isa: str, dtype: str) -> None:
    inf, nan = np.inf, np.nan
    rows = [[1, inf, 2], [inf, -inf, inf], [-inf, -inf, -inf], [inf, nan, 0], [-inf, 0, -inf], [nan, -inf, 1]]
    with running_on(isa):
        found = tg.logsumexp(tg.tensor(np.array(rows, dtype)), axis=1).numpy()
        long = tg.logsumexp(tg.tensor(np.tile(np.array(rows, dtype), 70)), axis=1).numpy()
    np.testing.assert_array_equal(found, np.array([inf, inf, -inf, nan, 0, nan], dtype))
    np.testing.assert_array_equal(long[[0, 1, 2, 3, 5]], found[[0, 1, 2, 3, 5]])


def test_one_hot_targets_are_labels() -> None:
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(9, 5)).astype(np.float32), rng.integers(0, 5, size=9)
    one_hot = tg.tensor(np.eye(5, dtype=np.float32)[labels])
    by_label = tg.cross_entropy(tg.tensor(x), tg.tensor(labels), label_smoothing=0.1).item()
    assert abs(tg.cross_entropy(tg.tensor(x), one_hot, label_smoothing=0.1).item() - by_label) < 1e-6


def test_targets_of_paired_losses_get_gradients() -> None:
    x, target = tg.tensor([1.0, -2.0, 0.5]), tg.tensor([0.0, 1.0, 0.5], requires_grad=True)
    for loss, expected in (
        (tg.mse_loss, [-2.0, 6.0, 0.0]),
        (tg.l1_loss, [-1.0, 1.0, 0.0]),
        (tg.huber_loss, [-1.0, 1.0, 0.0]),
        (tg.binary_cross_entropy_with_logits, [-1.0, 2.0, -0.5]),
    ):
        target.grad = None
        loss(x, target, reduction="sum").backward()
        np.testing.assert_allclose(target.grad.numpy(), expected, err_msg=loss.__name__)


def test_argmax_takes_the_first_nan() -> None:
    x = np.array([[1.0, np.nan, np.nan], [np.nan, 5.0, 7.0]], np.float32)
    for op, reference in ((tg.argmax, np.argmax), (tg.argmin, np.argmin)):
        for axis in (0, 1, None):
            np.testing.assert_array_equal(op(tg.tensor(x), axis=axis).numpy(), reference(x, axis=axis))


def test_gradient_of_max_goes_to_the_first() -> None:
    x = tg.tensor([[2.0, 7.0, 7.0], [7.0, 1.0, 7.0]], requires_grad=True)
    tg.sum(tg.max(x, axis=1)).backward()
    np.testing.assert_array_equal(x.grad.numpy(), [[0, 1, 0], [1, 0, 0]])


def test_gradient_of_prod_with_zeros() -> None:
    for values in ([2.0, 0.0, 3.0], [0.0, 0.0, 3.0], [2.0, 5.0, 3.0]):
        x = tg.tensor(values, requires_grad=True)
        tg.prod(x).backward()
        expected = [np.prod(values[:i] + values[i + 1 :]) for i in range(3)]
        np.testing.assert_allclose(x.grad.numpy(), expected)


def test_gradient_of_std_where_nothing_varies() -> None:
    """0, as in PyTorch, and not 0 / 0: a pixel that is black in a whole batch spoils nothing."""
    x = tg.tensor([[1.0, 0.0], [1.0, 2.0], [1.0, 4.0]], dtype="float64", requires_grad=True)
    x.std(axis=0).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [[0.0, -(1.5**0.5) / 3], [0.0, 0.0], [0.0, 1.5**0.5 / 3]], rtol=1e-15)


def test_mean_and_variance_of_nothing() -> None:
    nothing = tg.zeros((0, 3))
    assert np.isnan(tg.mean(nothing, axis=0).numpy()).all()
    assert np.isnan(tg.var(nothing, axis=0).numpy()).all()
    assert np.isnan(tg.var(tg.ones((1, 3)), axis=0, correction=1).numpy()).all()
    assert tg.sum(nothing).item() == 0
    assert tg.prod(nothing).item() == 1


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extrema_of_rows_of_any_length(dtype: str, isa: str) -> None:
    """Vectors that are met twice, NaN in each place of a row, zeros of both signs, rows that are not neighbours."""
    rng = np.random.default_rng(0)
    for length in (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 129, 1000, 4096, 4097):
        rows = min(length, 70) + 21
        x = rng.normal(size=(rows, length)).astype(dtype)
        x[np.arange(min(length, 70)), np.arange(min(length, 70)) * length // min(length, 70)] = np.nan
        x[-1], x[-2], x[-3], x[-4] = -np.inf, np.inf, -0.0, -np.abs(x[-4])
        x[-4, length // 2] = -0.0
        wide = np.repeat(x, 2, 0)
        for threads in (1, 3):
            with running_on(isa, threads):
                for found, expected in (
                    (tg.max(tg.tensor(x), 1), x.max(1)),
                    (tg.min(tg.tensor(x), 1), x.min(1)),
                    (tg.max(tg.tensor(wide)[::-2], 1), wide[::-2].max(1)),
                ):
                    np.testing.assert_array_equal(found.numpy(), expected)
                    assert not np.signbit(found.numpy()[found.numpy() == 0]).any()
                places = np.where(np.isnan(x).any(1), np.isnan(x).argmax(1), x.argmax(1))
                np.testing.assert_array_equal(tg.argmax(tg.tensor(x), 1).numpy(), places)
