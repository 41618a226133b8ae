"""Losses: known values, limits, and what their layers keep. Values and gradients in general are in tests/opdb."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn

from .targets import AVAILABLE, running_on


def test_hinge_of_the_scores_of_four_classes() -> None:
    scores = tg.tensor([[8.0, 14.0, 9.5, 10.0]], requires_grad=True)
    loss = nn.MultiMarginLoss()(scores, tg.tensor([3]))
    assert loss.item() == 5.5  # (14 - 10 + 1) + (9.5 - 10 + 1)
    loss.backward()
    assert scores.grad is not None
    assert scores.grad.tolist() == [[0.0, 1.0, 1.0, -2.0]]
    assert nn.MultiMarginLoss(p=2)(scores, tg.tensor([3])).item() == 25.25
    assert nn.MultiMarginLoss(margin=0.0)(scores, tg.tensor([3])).item() == 4.0


def test_kl_divergence_is_cross_entropy_minus_entropy() -> None:
    rng = np.random.default_rng(0)
    logits, target = rng.normal(size=(5, 4)), rng.dirichlet(np.ones(4), size=5)
    x, t = tg.tensor(logits), tg.tensor(target)
    entropy = -(target * np.log(target)).sum(-1).mean()
    divergence = tg.kl_div(tg.log_softmax(x), t).item()
    assert abs(divergence - (tg.cross_entropy(x, t).item() - entropy)) < 1e-14
    assert abs(tg.kl_div(tg.log(t), t).item()) < 1e-15
    # What has no probability adds nothing, even where the prediction gives it none.
    certain = tg.tensor([[0.0, -np.inf]])
    assert tg.kl_div(certain, tg.tensor([[1.0, 0.0]])).item() == 0.0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_binary_cross_entropy_of_extreme_logits(dtype: str) -> None:
    logits = tg.tensor([1e4, -1e4, 1e4, -1e4], dtype=dtype, requires_grad=True)
    target = tg.tensor([1.0, 0.0, 0.0, 1.0], dtype=dtype)
    weights = tg.tensor([3.0], dtype=dtype).reshape(())
    losses = tg.binary_cross_entropy_with_logits(logits, target, reduction="none")
    assert losses.tolist() == [0.0, 0.0, 1e4, 1e4]
    losses = tg.binary_cross_entropy_with_logits(logits, target, reduction="none", pos_weight=weights)
    assert losses.tolist() == [0.0, 0.0, 1e4, 3e4]
    losses.backward(tg.ones(4, dtype))
    assert logits.grad is not None
    assert logits.grad.tolist() == [0.0, 0.0, 1.0, -3.0]


def test_binary_cross_entropy_ends_at_100() -> None:
    x = tg.tensor([0.0, 1.0, 0.0, 1.0], requires_grad=True)
    losses = tg.binary_cross_entropy(x, tg.tensor([0.0, 1.0, 1.0, 0.0]), reduction="none")
    assert losses.tolist() == [0.0, 0.0, 100.0, 100.0]
    losses.backward(tg.ones(4))
    assert x.grad is not None
    assert np.isfinite(x.grad.numpy()).all()


def test_ignored_rows_count_nothing() -> None:
    x = tg.tensor(np.random.default_rng(0).normal(size=(4, 3)), requires_grad=True)
    target = tg.tensor([0, -100, 2, -100])
    loss = tg.nll_loss(x, target, ignore_index=-100)
    values = x.detach().numpy()
    assert loss.item() == -(values[0, 0] + values[2, 2]) / 2
    loss.backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[-0.5, 0, 0], [0, 0, 0], [0, 0, -0.5], [0, 0, 0]]
    assert np.isnan(tg.nll_loss(x, tg.tensor([-100] * 4), ignore_index=-100).item())


@pytest.mark.parametrize("factor", [1.0, 0.5, -2.0, 0.0])
@pytest.mark.parametrize("C", [10, 1000])
def test_gradient_is_scaled_where_it_lies(C: int, factor: float) -> None:
    """By 1, which is left out, and by other powers of two, which round nothing."""
    rng = np.random.default_rng(0)
    x, labels = tg.tensor(rng.normal(size=(64, C)), dtype="float32"), tg.tensor(rng.integers(0, C, 64))
    by = tg.tensor(1.0)

    def step() -> tg.Tensor:
        logits = tg.tensor(x.numpy(), requires_grad=True)
        tg.cross_entropy(logits, labels).backward(by)
        assert logits.grad is not None
        return logits.grad

    plain = step().numpy()
    by.fill_(factor)
    np.testing.assert_array_equal(step().numpy(), plain * np.float32(factor))


@pytest.mark.parametrize("target", [1.0, [0, 1], np.zeros(2, np.int64), None])
@pytest.mark.parametrize(
    "loss",
    [
        tg.cross_entropy, tg.nll_loss, tg.multi_margin_loss, tg.kl_div, tg.mse_loss, tg.l1_loss, tg.huber_loss,
        tg.smooth_l1_loss, tg.hinge_loss, tg.binary_cross_entropy, tg.binary_cross_entropy_with_logits,
        lambda x, target: tg.cosine_embedding_loss(x, x, target),
        lambda x, target: tg.contrastive_loss(x, x, target),
        lambda x, target: tg.triplet_margin_loss(x, x, target),
    ],
)  # fmt: skip
def test_a_target_that_is_no_tensor_is_told(loss: Any, target: Any) -> None:
    x = tg.tensor([[0.5, 0.5], [0.25, 0.75]])
    told = f"(target|negative) must be a tensor, found (numpy\\.)?{type(target).__name__}; tg.tensor"
    with pytest.raises(tg.DTypeError, match=told):
        loss(x, target)


def test_nan_is_not_hidden() -> None:
    nan = tg.tensor([[1.0, np.nan, 2.0]])
    assert np.isnan(tg.multi_margin_loss(nan, tg.tensor([0])).item())
    assert np.isnan(tg.hinge_loss(nan, tg.ones((1, 3))).item())
    assert np.isnan(tg.smooth_l1_loss(nan, tg.zeros((1, 3))).item())
    assert np.isnan(tg.kl_div(nan, tg.ones((1, 3))).item())


def test_a_row_of_labels_out_of_range_is_named_by_every_loss() -> None:
    for loss in (nn.CrossEntropyLoss(), nn.NLLLoss(), nn.MultiMarginLoss()):
        with pytest.raises(tg.OutOfRangeError, match=r"target\[1\] is 7, expected 0 to 2"):
            loss(tg.zeros((2, 3)), tg.tensor([0, 7]))


LAYERS: list[tuple[nn.Module, Any]] = [
    (nn.CrossEntropyLoss([1.0, 2.0, 0.5], 0, 0.1, "sum"), (tg.zeros((2, 3)), tg.tensor([0, 2]))),
    (nn.NLLLoss([1.0, 2.0, 0.5]), (tg.zeros((2, 3)), tg.tensor([0, 2]))),
    (nn.MultiMarginLoss(2, 0.5, weight=[1.0, 2.0, 0.5]), (tg.zeros((2, 3)), tg.tensor([0, 2]))),
    (nn.KLDivLoss("batchmean", log_target=True), (tg.zeros((2, 3)), tg.ones((2, 3)))),
    (nn.MSELoss("sum"), (tg.zeros((2, 3)), tg.ones((2, 3)))),
    (nn.L1Loss("none"), (tg.zeros((2, 3)), tg.ones((2, 3)))),
    (nn.HuberLoss(delta=0.5), (tg.zeros((2, 3)), tg.ones((2, 3)))),
    (nn.SmoothL1Loss(beta=0.5), (tg.zeros((2, 3)), tg.ones((2, 3)))),
    (nn.HingeLoss(p=2), (tg.zeros((2, 3)), tg.ones((2, 3)))),
    (nn.BCELoss([1.0, 2.0, 0.5]), (tg.ones((2, 3)), tg.zeros((2, 3)))),
    (nn.CosineEmbeddingLoss(0.2), (tg.ones((2, 3)), -tg.ones((2, 3)), tg.tensor([1, -1]))),
    (nn.ContrastiveLoss(margin=9.0), (tg.ones((2, 3)), -tg.ones((2, 3)), tg.tensor([1, 0]))),
    (nn.TripletMarginLoss(p=1, swap=True), (tg.zeros((2, 3)), tg.ones((2, 3)), -tg.ones((2, 3)))),
    (nn.BCEWithLogitsLoss(pos_weight=[1.0, 2.0, 0.5]), (tg.zeros((2, 3)), tg.ones((2, 3)))),
]


@pytest.mark.parametrize(("layer", "inputs"), LAYERS, ids=lambda v: repr(v) if isinstance(v, nn.Module) else "")
def test_layers_are_saved_and_follow_the_dtype(layer: nn.Module, inputs: Any, tmp_path: Path) -> None:
    expected = layer(*inputs)
    tg.save(layer, tmp_path / "loss.safetensors")
    loaded = tg.load(tmp_path / "loss.safetensors")
    assert repr(loaded) == repr(layer)
    assert np.array_equal(loaded(*inputs).numpy(), expected.numpy())
    wide = [x.astype("float64") if x.dtype.is_floating else x for x in inputs]
    np.testing.assert_allclose(loaded.to("float64")(*wide).numpy(), expected.numpy(), 1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.CrossEntropyLoss(reduction="avg"), "CrossEntropyLoss: reduction must be .* found 'avg'"),
        (lambda: nn.BCELoss(reduction="batchmean"), "BCELoss: reduction must be .* found 'batchmean'"),
        (lambda: nn.MultiMarginLoss(p=3), "MultiMarginLoss: p must be 1 or 2, found 3"),
        (lambda: nn.HingeLoss(p=0), "HingeLoss: p must be 1 or 2, found 0"),
        (lambda: nn.HuberLoss(delta=0.0), "HuberLoss: delta must be positive, found 0.0"),
        (lambda: nn.SmoothL1Loss(beta=-1.0), "SmoothL1Loss: beta must not be negative, found -1.0"),
    ],
)
def test_bad_arguments(make: Any, message: str) -> None:
    with pytest.raises(tg.ArgumentError, match=message):
        make()


@pytest.mark.parametrize("C", [3, 17, 56, 57, 63, 64, 65, 72, 80, 105, 127, 256, 257, 1000, 1024, 1025, 5000])
def test_exponentials_of_rows_have_the_same_bits_on_every_isa(C: int) -> None:
    """From 1 down to subnormal numbers and zero, with infinities and NaN, in rows of any length."""
    rng = np.random.default_rng(C)
    logits = rng.uniform(-150, 20, size=(19, C)).astype(np.float32)
    logits[2] /= 100
    logits[3, 1], logits[4, 2], logits[5, :] = -np.inf, np.nan, -104.0
    labels = rng.integers(0, C, size=19)

    def results() -> list[bytes]:
        x = tg.tensor(logits, requires_grad=True)
        losses = tg.cross_entropy(x, tg.tensor(labels), reduction="none")
        losses.backward(tg.ones((19,)))
        assert x.grad is not None
        plain = tg.tensor(logits)
        found = [losses.detach(), x.grad, tg.softmax(plain), tg.log_softmax(plain), tg.logsumexp(plain, axis=1)]
        return [np.where(np.isnan(a.numpy()), np.float32(0.5), a.numpy()).tobytes() for a in found]

    with running_on(AVAILABLE[0], 1):
        expected = results()
    for isa in AVAILABLE[1:]:
        with running_on(isa, 2):
            assert results() == expected, isa
