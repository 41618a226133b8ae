"""Attention beside PyTorch's, and what the table of ops does not say: masks that are trained, batches, special rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn

from .opdb.attention import attention as reference
from .targets import AVAILABLE, running_on

RNG = np.random.default_rng(3)


def gradients(y: tg.Tensor, seed: np.ndarray, tensors: list[tg.Tensor]) -> list[np.ndarray]:
    y.backward(tg.tensor(seed))
    found = []
    for tensor in tensors:
        assert tensor.grad is not None
        found.append(tensor.grad.numpy())
    return found


@pytest.mark.parametrize("seed", range(16))
def test_values_and_gradients_are_those_of_pytorch(seed: int) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    N, H, T, S = (int(n) for n in (*rng.integers(1, 4, 2), *rng.integers(1, 150, 2)))
    D, E = (int(n) for n in rng.integers(1, 40, 2))
    arrays = [rng.normal(size=shape) for shape in ((N, H, T, D), (N, H, S, D), (N, H, S, E))]
    causal, mask = bool(seed % 4 == 1), None
    if seed % 4 == 2:
        mask = rng.random((N, 1, T, S)) > 0.3
        mask[..., 0] = True  # PyTorch gives NaN to a query that sees no key
    if seed % 4 == 3:
        mask = rng.normal(size=(T, S))
    ours = [tg.tensor(a, requires_grad=True) for a in arrays]
    y = tg.scaled_dot_product_attention(*ours, mask=None if mask is None else tg.tensor(mask), is_causal=causal)
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    expected = torch.nn.functional.scaled_dot_product_attention(
        *theirs, attn_mask=None if mask is None else torch.tensor(mask), is_causal=causal
    )
    np.testing.assert_allclose(y.detach().numpy(), expected.detach().numpy(), rtol=1e-11, atol=1e-12)
    direction = rng.normal(size=y.shape)
    expected.backward(torch.tensor(direction))
    for found, wanted in zip(gradients(y, direction, ours), theirs, strict=True):
        np.testing.assert_allclose(found, wanted.grad.numpy(), rtol=1e-10, atol=1e-11)


def test_a_mask_that_is_trained() -> None:
    """The gradients by q, k and v are those of the fused kernel, and the mask has one, too."""
    arrays = [RNG.normal(size=shape) for shape in ((2, 3, 5, 4), (2, 3, 70, 4), (2, 3, 70, 6))]
    mask, direction = RNG.normal(size=(3, 5, 70)), RNG.normal(size=(2, 3, 5, 6))
    mask[1, 2] = -np.inf
    found = []
    for trained in (False, True):
        tensors = [tg.tensor(a, requires_grad=True) for a in arrays]
        bias = tg.tensor(mask, requires_grad=trained)
        y = tg.scaled_dot_product_attention(*tensors, mask=bias)
        np.testing.assert_allclose(y.detach().numpy(), reference(*arrays, mask), rtol=1e-12, atol=1e-13)
        found.append(gradients(y, direction, tensors))
    for fused, composed in zip(*found, strict=True):
        np.testing.assert_allclose(fused, composed, rtol=1e-11, atol=1e-12)
    finite = np.where(np.isinf(mask), 0, mask)
    assert tg.gradcheck(
        lambda m: tg.scaled_dot_product_attention(*(tg.tensor(a) for a in arrays), mask=m, is_causal=True),
        [tg.tensor(finite, requires_grad=True)],
    )


def test_a_query_that_sees_no_key_gives_zeros_and_no_gradient() -> None:
    q, k, v = (tg.tensor(RNG.normal(size=(1, 4, 3)), requires_grad=True) for _ in range(3))
    visible = np.ones((4, 4), bool)
    visible[2] = False
    y = tg.scaled_dot_product_attention(q, k, v, mask=tg.tensor(visible))
    assert not y.detach().numpy()[0, 2].any()
    dq, dk, dv = gradients(y, np.ones((1, 4, 3)), [q, k, v])
    assert not dq[0, 2].any()
    assert np.isfinite([dq, dk, dv]).all()


def test_a_future_value_does_not_count() -> None:
    q, k, v = (RNG.normal(size=(1, 2, 100, 8)).astype(np.float32) for _ in range(3))
    whole = tg.scaled_dot_product_attention(*(tg.tensor(a) for a in (q, k, v)), is_causal=True).numpy()
    k[:, :, 50:], v[:, :, 50:] = 9, -9
    changed = tg.scaled_dot_product_attention(*(tg.tensor(a) for a in (q, k, v)), is_causal=True).numpy()
    assert whole[:, :, :50].tobytes() == changed[:, :, :50].tobytes()
    assert not np.array_equal(whole[:, :, 50:], changed[:, :, 50:])


@pytest.mark.parametrize("isa", AVAILABLE)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_causal_attention_has_the_bits_of_a_mask_of_the_future(dtype: str, isa: str) -> None:
    """Which leaves out vectors of queries on the diagonal: lengths around a vector's and a block's."""
    rng = np.random.default_rng(8)
    for T in (1, 2, 7, 8, 9, 16, 17, 31, 33, 63, 64, 65, 130):
        q, k, v, dy = (rng.normal(size=(2, 2, T, 5)).astype(dtype) for _ in range(4))
        found = []
        for mask in (None, tg.tensor(np.tril(np.ones((T, T), bool)))):
            with running_on(isa):
                ours = [tg.tensor(a, requires_grad=True) for a in (q, k, v)]
                y = tg.scaled_dot_product_attention(*ours, mask=mask, is_causal=mask is None)
                found.append([y.numpy(), *gradients(y, dy, ours)])
        for causal, masked in zip(*found, strict=True):
            assert causal.tobytes() == masked.tobytes(), T


@pytest.mark.parametrize("isa", AVAILABLE)
def test_a_query_does_not_see_its_batch(isa: str) -> None:
    """One sample, one head or one query alone has the bits that it has among others."""
    q, k, v = (RNG.normal(size=(3, 2, 90, 20)).astype(np.float32) for _ in range(3))
    with running_on(isa, 3):
        whole = tg.scaled_dot_product_attention(*(tg.tensor(a) for a in (q, k, v))).numpy()
    with running_on(isa, 1):
        alone = tg.scaled_dot_product_attention(*(tg.tensor(a[1:2, 1:]) for a in (q, k, v))).numpy()
        query = tg.scaled_dot_product_attention(tg.tensor(q[2:, :, 77:78]), *(tg.tensor(a[2:]) for a in (k, v))).numpy()
    assert alone.tobytes() == whole[1:2, 1:].tobytes()
    assert query.tobytes() == whole[2:, :, 77:78].tobytes()


def test_special_values() -> None:
    """A NaN reaches the queries that see it; infinite scores give NaN, as a softmax of them does."""
    q, k, v = np.ones((1, 2, 2)), np.ones((1, 2, 2)), np.array([[[1.0, np.nan], [2.0, 3.0]]])
    y = tg.scaled_dot_product_attention(*(tg.tensor(a) for a in (q, k, v))).numpy()
    assert y[0, :, 0].tolist() == [1.5, 1.5]
    assert np.isnan(y[0, :, 1]).all()
    k[0, 1, 0] = np.inf
    assert np.isnan(tg.scaled_dot_product_attention(*(tg.tensor(a) for a in (q, k, np.ones((1, 2, 1))))).numpy()).all()


def test_dropout_keeps_the_expected_value_and_draws_anew() -> None:
    q, k, v = tg.zeros((1, 2000, 4)), tg.zeros((1, 64, 4)), tg.ones((1, 64, 1))
    tg.manual_seed(1)
    first, second = (tg.scaled_dot_product_attention(q, k, v, dropout_p=0.25).numpy() for _ in range(2))
    # 64 weights of 1 / 64, kept with probability 3/4 and divided by it: variance 1 / (3 · 64) a row.
    for y in (first, second):
        assert abs(y.mean() - 1) < 5 * np.sqrt(1 / (3 * 64) / 2000)
        assert abs(y.var() / (1 / (3 * 64)) - 1) < 0.2
    assert not np.array_equal(first, second)
    tg.manual_seed(1)
    assert np.array_equal(tg.scaled_dot_product_attention(q, k, v, dropout_p=0.25).numpy(), first)


def heads_first(x: np.ndarray, heads: int) -> np.ndarray:
    return x.reshape(*x.shape[:2], heads, -1).transpose(0, 2, 1, 3)


def torch_layer(torch: Any, layer: nn.MultiheadAttention, **sizes: int) -> Any:
    theirs = torch.nn.MultiheadAttention(
        layer.embed_dim, layer.num_heads, batch_first=True, dtype=torch.float32, **sizes
    )
    state = {name: torch.tensor(t.numpy().copy()) for name, t in layer.state_dict().items()}
    theirs.load_state_dict({name: t.T if t.ndim == 2 else t for name, t in state.items()})
    return theirs


@pytest.mark.parametrize("case", ["self", "causal", "padded", "cross", "sizes", "mask"])
def test_multihead_attention_is_that_of_pytorch(case: str) -> None:
    torch = pytest.importorskip("torch")
    sizes = {"kdim": 5, "vdim": 6} if case == "sizes" else {}
    layer = nn.MultiheadAttention(12, 3, **sizes)
    assert layer.in_proj_bias is not None
    layer.in_proj_bias.detach().numpy()[:] = RNG.normal(size=36)
    theirs = torch_layer(torch, layer, **sizes)
    query = RNG.normal(size=(2, 7, 12)).astype(np.float32)
    others = [] if case in ("self", "causal", "padded", "mask") else [
        RNG.normal(size=(2, 9, sizes.get("kdim", 12))).astype(np.float32),
        RNG.normal(size=(2, 9, sizes.get("vdim", 12))).astype(np.float32),
    ]  # fmt: skip
    options: dict[str, Any] = {}
    their_options: dict[str, Any] = {}
    if case == "causal":
        options = {"is_causal": True}
        their_options = {"attn_mask": torch.ones(7, 7, dtype=torch.bool).triu(1)}  # true where a key is hidden
    if case == "padded":
        padding = np.zeros((2, 7), bool)
        padding[1, 4:] = True
        options, their_options = {"key_padding_mask": tg.tensor(padding)}, {"key_padding_mask": torch.tensor(padding)}
    if case == "mask":
        mask = RNG.normal(size=(7, 7)).astype(np.float32)
        options, their_options = {"mask": tg.tensor(mask)}, {"attn_mask": torch.tensor(mask)}
    inputs = [tg.tensor(a, requires_grad=True) for a in (query, *others)]
    y, weights = layer(*inputs, need_weights=True, **options)
    given = [torch.tensor(a, requires_grad=True) for a in (query, *others)]
    expected, expected_weights = theirs(*(given if others else given * 3), **their_options)
    np.testing.assert_allclose(y.detach().numpy(), expected.detach().numpy(), rtol=1e-4, atol=3e-6)
    np.testing.assert_allclose(weights.detach().numpy(), expected_weights.detach().numpy(), rtol=1e-4, atol=1e-6)
    direction = RNG.normal(size=y.shape).astype(np.float32)
    expected.backward(torch.tensor(direction))
    for found, wanted in zip(gradients(y, direction, inputs), given, strict=True):
        np.testing.assert_allclose(found, wanted.grad.numpy(), rtol=1e-3, atol=1e-5)
    for name, parameter in layer.named_parameters():
        wanted = theirs.get_parameter(name).grad.numpy()
        assert parameter.grad is not None
        np.testing.assert_allclose(
            parameter.grad.numpy(), wanted.T if wanted.ndim == 2 else wanted, rtol=1e-3, atol=2e-5
        )


def test_multihead_attention_takes_masks_of_all_ranks() -> None:
    layer, x = nn.MultiheadAttention(8, 2).eval(), tg.tensor(RNG.normal(size=(3, 5, 8)).astype(np.float32))
    seen = RNG.random((5, 5)) > 0.3
    plain = layer(x, mask=tg.tensor(seen)).detach().numpy()
    for shape in ((1, 5, 5), (1, 1, 5, 5)):
        assert np.array_equal(layer(x, mask=tg.tensor(seen.reshape(shape))).detach().numpy(), plain)
    padding = np.zeros((3, 5), bool)
    padding[0, 3:] = True
    both = layer(x, mask=tg.tensor(seen), key_padding_mask=tg.tensor(padding)).detach().numpy()
    every = layer(x, mask=tg.tensor(seen & ~padding[:, None])).detach().numpy()
    added = layer(x, mask=tg.tensor(np.where(seen, 0, -np.inf).astype(np.float32)), key_padding_mask=tg.tensor(padding))
    assert np.array_equal(both, every)
    np.testing.assert_allclose(added.detach().numpy(), every, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: nn.MultiheadAttention(8, 3),
            tg.ArgumentError,
            "MultiheadAttention: num_heads=3 must divide embed_dim=8",
        ),
        (lambda: nn.MultiheadAttention(8, 2, dropout=1.0), tg.ArgumentError, "dropout must be at least 0 and below 1"),
        (lambda: nn.MultiheadAttention(8, 2)(tg.zeros((5, 8))), tg.ShapeError, r"query must be \[N, length, 8\]"),
        (
            lambda: nn.MultiheadAttention(8, 2)(tg.zeros((2, 5, 8)), key_padding_mask=tg.zeros((2, 5))),
            tg.ShapeError,
            r"key_padding_mask must be bool \[2, 5\], found float32 \[2, 5\]",
        ),
        (
            lambda: nn.TransformerEncoderLayer(8, 2, activation="tanh"),
            tg.ArgumentError,
            "activation must be one of relu",
        ),
        (lambda: nn.PositionalEncoding(8, 4)(tg.zeros((1, 5, 8))), tg.ShapeError, "at most 4 positions"),
    ],
)
def test_layers_refuse(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_encoder_layer_is_that_of_pytorch(norm_first: bool, activation: str) -> None:
    torch = pytest.importorskip("torch")
    layer = nn.TransformerEncoderLayer(12, 3, 20, 0.0, activation, norm_first)
    theirs = torch.nn.TransformerEncoderLayer(12, 3, 20, 0.0, activation, norm_first=norm_first, batch_first=True)
    state = {name: torch.tensor(t.numpy().copy()) for name, t in layer.state_dict().items()}
    theirs.load_state_dict({name: t.T if t.ndim == 2 else t for name, t in state.items()})
    x, padding = RNG.normal(size=(2, 7, 12)).astype(np.float32), np.zeros((2, 7), bool)
    padding[1, 5:] = True
    found = layer(tg.tensor(x), key_padding_mask=tg.tensor(padding), is_causal=True).detach().numpy()
    expected = theirs(
        torch.tensor(x), src_mask=torch.ones(7, 7, dtype=torch.bool).triu(1), src_key_padding_mask=torch.tensor(padding)
    )
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-4, atol=5e-6)


def test_positions() -> None:
    """The formula of the paper, number by number."""
    table = nn.sinusoidal_encoding(50, 7).numpy()
    for position, feature in ((0, 0), (3, 1), (49, 6), (17, 4), (20, 5)):
        angle = position / 10000 ** (2 * (feature // 2) / 7)
        assert abs(table[position, feature] - (np.cos if feature % 2 else np.sin)(angle)) < 1e-7
    x = RNG.normal(size=(2, 5, 7)).astype(np.float32)
    assert np.array_equal(nn.PositionalEncoding(7)(tg.tensor(x)).numpy(), x + table[:5])


def test_a_captured_step_with_dropout_draws_like_the_steps() -> None:
    def run(captured: bool) -> list[bytes]:
        tg.manual_seed(5)
        model = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.2, norm_first=True)
        x = tg.tensor(np.random.default_rng(0).normal(size=(3, 6, 8)).astype(np.float32))
        optimizer = tg.optim.SGD(model.parameters(), lr=0.1)

        def step(batch: tg.Tensor) -> tg.Tensor:
            optimizer.zero_grad()
            loss = tg.mean(tg.multiply(model(batch), model(batch)))
            loss.backward()
            optimizer.step()
            return loss

        function = tg.capture(step) if captured else step
        for _ in range(4):
            function(x)
        return [p.detach().numpy().tobytes() for p in model.parameters()]

    assert run(False) == run(True)


def test_saved_and_loaded(tmp_path: Any) -> None:
    model = nn.Sequential(
        nn.PositionalEncoding(8, 20), nn.TransformerEncoderLayer(8, 2, 16, norm_first=True), nn.MultiheadAttention(8, 4)
    ).eval()
    x = tg.tensor(RNG.normal(size=(2, 6, 8)).astype(np.float32))
    tg.save(model, tmp_path / "m.safetensors")
    loaded = tg.load(tmp_path / "m.safetensors").eval()
    assert np.array_equal(loaded(x).detach().numpy(), model(x).detach().numpy())
