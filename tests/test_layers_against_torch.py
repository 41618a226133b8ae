"""Activations, losses and normalisation beside PyTorch's, where it is installed: values and gradients in float64.

The table of ops compares each function with its formula; here the other library says that the formula, the defaults and
the meaning of every option are the ones that people know.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn

torch = pytest.importorskip("torch")
F = torch.nn.functional

Array = np.ndarray[Any, Any]
# Values of order 1 and sums of at most some hundred terms: 1e-11 is 50,000 units in the last place.
TOLERANCE = 1e-11


def both(arrays: list[Array], ours: Callable[..., tg.Tensor], theirs: Callable[..., Any], rng: Any) -> None:
    """The same value and the same gradients for every floating argument, from one random direction."""
    left = [tg.tensor(a, requires_grad=a.dtype == np.float64) for a in arrays]
    right = [torch.tensor(a, requires_grad=a.dtype == np.float64) for a in arrays]
    found, expected = ours(*left), theirs(*right)
    assert found.shape == tuple(expected.shape)
    np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy(), TOLERANCE, TOLERANCE)
    seed = np.asarray(rng.normal(size=found.shape))
    found.backward(tg.tensor(seed))
    expected.backward(torch.tensor(seed))
    for mine, other in zip(left, right, strict=True):
        if other.requires_grad and other.grad is not None:
            assert mine.grad is not None
            np.testing.assert_allclose(mine.grad.numpy(), other.grad.numpy(), TOLERANCE, TOLERANCE)


ACTIVATIONS: dict[str, tuple[nn.Module, Any]] = {
    "relu6": (nn.ReLU6(), F.relu6),
    "leaky_relu": (nn.LeakyReLU(), F.leaky_relu),
    "leaky_relu negative": (nn.LeakyReLU(-0.3), lambda x: F.leaky_relu(x, -0.3)),
    "elu": (nn.ELU(), F.elu),
    "elu 0.7": (nn.ELU(0.7), lambda x: F.elu(x, 0.7)),
    "selu": (nn.SELU(), F.selu),
    "hard_sigmoid": (
        nn.HardSigmoid(),
        lambda x: F.relu6(x + 3) / 6,
    ),  # the gradient of theirs has the digits of a float32 sixth
    "hard_swish": (nn.Hardswish(), F.hardswish),
    "mish": (nn.Mish(), F.mish),
    "log_sigmoid": (nn.LogSigmoid(), F.logsigmoid),
    "gelu": (nn.GELU(), F.gelu),
    "gelu tanh": (nn.GELU(approximate="tanh"), lambda x: F.gelu(x, approximate="tanh")),
    "silu": (nn.SiLU(), F.silu),
    "softplus": (nn.Softplus(), F.softplus),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str) -> None:
    ours, theirs = ACTIVATIONS[name]
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=200) * 3, [0.0, -0.0, 3.0, -3.0, 6.0, 18.0, -18.0]])
    if name in ("hard_swish", "softplus"):  # PyTorch takes another side of a corner, and a line from 20 on
        x = x[np.abs(np.abs(x) - 3) > 1e-9]
    both([x], ours, theirs, rng)


def test_prelu() -> None:
    rng = np.random.default_rng(0)
    for slopes in (1, 5):
        # PyTorch's channels are the second axis.
        x, slope = rng.normal(size=(4, 3, 5)), rng.normal(size=slopes)
        both([x, slope], tg.prelu, lambda a, s: F.prelu(a.permute(0, 2, 1), s).permute(0, 2, 1), rng)


def choices(rng: np.random.Generator, **options: Any) -> dict[str, Any]:
    return {name: values[rng.integers(len(values))] for name, values in options.items()}


REDUCTIONS = ("mean", "sum", "none")


def test_losses_of_labels() -> None:
    rng = np.random.default_rng(1)
    for _ in range(60):
        N, C = rng.integers(1, 9), rng.integers(2, 12)
        options = choices(rng, reduction=REDUCTIONS, ignore=(False, True), weighted=(False, True))
        target = rng.integers(0, C, size=N)
        ignored = int(target[0]) if options["ignore"] and N > 1 and len(set(target)) > 1 else -100
        weight = rng.uniform(0.2, 2, size=C) if options["weighted"] else None
        w = (None if weight is None else tg.tensor(weight), None if weight is None else torch.tensor(weight))
        reduction, smoothing = options["reduction"], (0.0, 0.2)[rng.integers(2)]
        x, label = rng.normal(size=(N, C)) * 3, (tg.tensor(target), torch.tensor(target))
        both(
            [x],
            lambda a: tg.cross_entropy(a, label[0], w[0], ignored, smoothing, reduction),
            lambda a: F.cross_entropy(
                a, label[1], w[1], ignore_index=ignored, label_smoothing=smoothing, reduction=reduction
            ),
            rng,
        )
        both(
            [x],
            lambda a: tg.nll_loss(a, label[0], w[0], ignored, reduction),
            lambda a: F.nll_loss(a, label[1], w[1], ignore_index=ignored, reduction=reduction),
            rng,
        )
        p, margin = int(rng.integers(1, 3)), float(rng.uniform(0.2, 2))
        both(
            [x],
            lambda a: tg.multi_margin_loss(a, label[0], p, margin, w[0], reduction) / C,  # theirs divides by C
            lambda a: F.multi_margin_loss(a, label[1], p, margin, w[1], reduction=reduction),
            rng,
        )


def test_soft_targets_have_gradients() -> None:
    rng = np.random.default_rng(2)
    for reduction in REDUCTIONS:
        for smoothing in (0.0, 0.3):
            for weight in (None, rng.uniform(0.2, 2, size=7)):
                w = (None if weight is None else tg.tensor(weight), None if weight is None else torch.tensor(weight))
                both(
                    [rng.normal(size=(5, 7)), rng.dirichlet(np.ones(7), size=5)],
                    lambda a, t: tg.cross_entropy(a, t, w[0], None, smoothing, reduction),
                    lambda a, t: F.cross_entropy(a, t, w[1], label_smoothing=smoothing, reduction=reduction),
                    rng,
                )


def test_kl_div() -> None:
    rng = np.random.default_rng(3)
    for N, C in ((1, 2), (4, 3), (7, 20)):
        x, target = (np.log(rng.dirichlet(np.ones(C), size=N)) for _ in range(2))
        for log_target in (False, True):
            given = [x, target if log_target else np.exp(target)]
            for reduction, theirs in (("mean", "batchmean"), ("batchmean", "batchmean"), ("sum", "sum")):
                both(
                    given,
                    lambda a, t: tg.kl_div(a, t, reduction, log_target),
                    lambda a, t: F.kl_div(a, t, reduction=theirs, log_target=log_target),
                    rng,
                )
            both(
                given,
                lambda a, t: tg.kl_div(a, t, "none", log_target),
                lambda a, t: F.kl_div(a, t, reduction="none", log_target=log_target).sum(-1),
                rng,
            )


def test_losses_of_pairs() -> None:
    rng = np.random.default_rng(4)
    for number in range(30):
        shape = ((7,), (3, 5), (2, 3, 4))[number % 3]
        reduction, width = REDUCTIONS[number % 3], float(rng.uniform(0.3, 2))
        pair = [rng.normal(size=shape), rng.normal(size=shape)]
        both(pair, lambda a, t: tg.mse_loss(a, t, reduction), lambda a, t: F.mse_loss(a, t, reduction=reduction), rng)
        both(pair, lambda a, t: tg.l1_loss(a, t, reduction), lambda a, t: F.l1_loss(a, t, reduction=reduction), rng)
        both(
            pair,
            lambda a, t: tg.huber_loss(a, t, width, reduction),
            lambda a, t: F.huber_loss(a, t, reduction=reduction, delta=width),
            rng,
        )
        for beta in (width, 0.0):
            both(
                pair,
                lambda a, t: tg.smooth_l1_loss(a, t, reduction, beta),
                lambda a, t: F.smooth_l1_loss(a, t, reduction=reduction, beta=beta),
                rng,
            )
        weight, positive = (rng.uniform(0.2, 2, size=(shape, shape[-1:])[number // 3 % 2]) for _ in range(2))
        probability, target = rng.uniform(0.01, 0.99, size=shape), rng.uniform(size=shape)
        both(
            [probability, target],
            lambda a, t: tg.binary_cross_entropy(a, t, tg.tensor(weight), reduction),
            lambda a, t: F.binary_cross_entropy(a, t, torch.tensor(weight), reduction=reduction),
            rng,
        )
        both(
            [pair[0] * 4, target],
            lambda a, t: tg.binary_cross_entropy_with_logits(a, t, tg.tensor(weight), reduction, tg.tensor(positive)),
            lambda a, t: F.binary_cross_entropy_with_logits(
                a, t, torch.tensor(weight), reduction=reduction, pos_weight=torch.tensor(positive)
            ),
            rng,
        )


def test_losses_of_vectors() -> None:
    rng = np.random.default_rng(7)
    for number in range(12):
        a, b, c = (rng.normal(size=(4, 6)) for _ in range(3))
        reduction, margin = REDUCTIONS[number % 3], float(rng.uniform(-0.5, 0.5))
        target = np.where(rng.random(size=4) < 0.5, 1, -1)
        both([a, b], tg.cosine_similarity, F.cosine_similarity, rng)
        both(
            [a, b],
            lambda x, y: tg.cosine_embedding_loss(x, y, tg.tensor(target), margin, reduction),
            lambda x, y: F.cosine_embedding_loss(x, y, torch.tensor(target), margin, reduction=reduction),
            rng,
        )
        p, swap = (1, 2)[number % 2], number % 4 > 1
        both(
            [a, b, c],
            lambda x, y, z: tg.triplet_margin_loss(x, y, z, 0.7, p, swap=swap, reduction=reduction),
            lambda x, y, z: F.triplet_margin_loss(x, y, z, 0.7, p, swap=swap, reduction=reduction),
            rng,
        )


def channels_first(x: Any) -> Any:
    return x.movedim(-1, 1)


def channels_last(x: Any) -> Any:
    return x.movedim(1, -1)


def test_normalisation() -> None:
    rng = np.random.default_rng(5)
    for shape, groups in (((2, 3, 4, 6), 2), ((3, 5, 5, 4), 4), ((4, 7, 6), 3), ((2, 3, 3, 70), 7)):
        C = shape[-1]
        arrays = [rng.normal(size=shape) * 2 + 1, rng.normal(size=C), rng.normal(size=C)]
        both(
            arrays,
            lambda x, g, b: tg.group_norm(x, groups, g, b),
            lambda x, g, b: channels_last(F.group_norm(channels_first(x), groups, g, b)),
            rng,
        )
        both(
            arrays,
            tg.instance_norm,
            lambda x, g, b: channels_last(F.instance_norm(channels_first(x), weight=g, bias=b)),
            rng,
        )
        for size in (1, 2, 5, 8):
            both(
                arrays[:1],
                lambda x: tg.local_response_norm(x, size, 0.3, 0.75, 2.0),
                lambda x: channels_last(F.local_response_norm(channels_first(x), size, 0.3, 0.75, 2.0)),
                rng,
            )
        row = shape[-2:]
        arrays = [arrays[0], rng.normal(size=row), rng.normal(size=row)]
        both(arrays, tg.layer_norm, lambda x, g, b: F.layer_norm(x, row, g, b), rng)
        both(
            arrays[:1],
            lambda x: tg.layer_norm(x, normalized_shape=row),
            lambda x: F.layer_norm(x, row),
            rng,
        )
        both(arrays[:2], tg.rms_norm, lambda x, g: F.rms_norm(x, row, g), rng)


@pytest.mark.parametrize("momentum", [0.1, 0.0, 1.0, None])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("track", [True, False])
def test_batch_norm_over_several_batches(momentum: float | None, affine: bool, track: bool) -> None:
    rng = np.random.default_rng(6)
    ours = nn.BatchNorm1d(4, momentum, affine=affine, track_running_stats=track).to("float64")
    theirs = torch.nn.BatchNorm1d(4, momentum=momentum, affine=affine, track_running_stats=track).double()
    for step in range(4):
        if step == 3:
            ours.eval()
            theirs.eval()
        both([rng.normal(size=(5 + step, 4)) * (step + 1)], ours, theirs, rng)
        for mine, other in ((ours.running_mean, theirs.running_mean), (ours.running_var, theirs.running_var)):
            assert (mine is None) == (other is None) == (not track)
            if mine is not None:
                np.testing.assert_allclose(mine.numpy(), other.numpy(), TOLERANCE, TOLERANCE)
    for model in (ours, theirs):
        model.train()
    x = [rng.normal(size=(3, 5, 4))]
    both(x, ours, lambda x: channels_last(theirs(channels_first(x))), rng)
    if track and momentum is None:
        assert ours.num_batches_tracked is not None
        assert ours.num_batches_tracked.item() == theirs.num_batches_tracked.item() == 4
