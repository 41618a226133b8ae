"""The GPU: what there is without one, and with one memory, copies, errors, capture and training."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn

from .processes import run_python
from .targets import NEEDS_GPU


def test_why_not_tells_or_there_is_one() -> None:
    assert tg.cuda.is_available() == (tg.cuda.why_not() == "")
    assert (tg.cuda.device_count() > 0) == tg.cuda.is_available()
    if not tg.cuda.is_built():
        assert "has no CUDA" in tg.cuda.why_not()
    if not tg.cuda.is_available():
        with pytest.raises(tg.DeviceError, match=r"device 'cuda' is not available: \w+"):
            tg.zeros(2, device="cuda")
        with pytest.raises(tg.DeviceError, match="is not available"):
            tg.ones(2).to("cuda")
        with pytest.raises(tg.DeviceError, match="is not available"):
            nn.Linear(2, 2).to("cuda:0")
        with pytest.raises(tg.DeviceError):
            tg.cuda.synchronize()
        with pytest.raises(tg.DeviceError, match="is not available"):
            tg.cuda.properties()
        assert tg.cuda.memory_stats()["bytes_in_use"] == 0


@pytest.mark.parametrize("name", ["cuda:16", "cuda:-1", "cuda:", "cuda:1x", "gpu", "CUDA", "", "cpu:0"])
def test_names_of_devices(name: str) -> None:
    with pytest.raises(tg.DeviceError, match="is none of 'cpu', 'cuda' and 'cuda:0' to 'cuda:15'"):
        tg.zeros(2, device=name)


def test_to_device_on_the_cpu_is_the_tensor_itself() -> None:
    x = tg.ones(3)
    assert tg.to_device(x, "cpu") is x
    assert x.to("cpu") is x
    assert x.cpu() is x


# With a GPU.

DTYPES = ["float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8", "bool"]


@NEEDS_GPU
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 5), (257, 129)])
def test_round_trip(dtype: str, shape: tuple[int, ...]) -> None:
    x = tg.tensor(np.random.default_rng(0).integers(0, 2, shape), dtype=dtype)
    y = x.to("cuda")
    assert (y.device, y.shape, y.dtype) == ("cuda", x.shape, x.dtype)
    assert y.to("cuda:0") is y
    assert y.cpu().tolist() == x.tolist() == y.tolist()


@NEEDS_GPU
def test_values_are_read_and_shown() -> None:
    x = tg.tensor([1.5, -2.0], device="cuda")
    assert x[1].item() == -2.0
    assert "[ 1.5, -2. ]" in repr(x)
    with pytest.raises(tg.DeviceError, match=r"numpy: the tensor is on cuda.*\.cpu\(\)"):
        x.numpy()
    with pytest.raises(tg.DeviceError, match="buffer: the tensor is on cuda"):
        memoryview(x)


@NEEDS_GPU
def test_devices_do_not_mix() -> None:
    a, b = tg.ones(3), tg.ones(3, device="cuda")
    with pytest.raises(tg.DeviceError, match="add: operands are on cpu and cuda"):
        a + b
    with pytest.raises(tg.DeviceError, match="matmul"):
        tg.ones((2, 3)) @ tg.ones((3, 2), device="cuda")


@NEEDS_GPU
def test_gradient_goes_back_to_the_device() -> None:
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    (x.to("cuda") * 3.0).sum().backward()
    assert x.grad is not None
    assert x.grad.device == "cpu"
    assert x.grad.tolist() == [3.0, 3.0]


@NEEDS_GPU
def test_memory_is_kept_and_given_back() -> None:
    tg.cuda.empty_cache()
    before = tg.cuda.memory_stats()
    x = tg.zeros((1024, 1024), device="cuda")
    assert tg.cuda.memory_stats()["bytes_in_use"] - before["bytes_in_use"] == 4 << 20
    del x
    assert tg.cuda.memory_stats()["bytes_in_use"] == before["bytes_in_use"]
    assert tg.cuda.memory_stats()["bytes_cached"] >= 4 << 20
    hits = tg.cuda.memory_stats()["cache_hits"]
    tg.zeros((1024, 1024), device="cuda")
    assert tg.cuda.memory_stats()["cache_hits"] > hits
    tg.cuda.empty_cache()
    assert tg.cuda.memory_stats()["bytes_cached"] == 0


@NEEDS_GPU
def test_copies_from_the_host_keep_their_order() -> None:
    # Small ones, staged ones and ones that are too large to be; the source is written again at once, and the memory
    # that is copied to was somebody else's until a moment ago.
    total, expected = tg.zeros(5, device="cuda"), np.zeros(5, np.float32)
    for turn, size in enumerate(
        [5, 20_000, 300_000, 20_000, 16_001, 70_000, 5, 9_000_000, 300_000, 40_000, 20_000] * 3
    ):
        values = np.full(size, turn, np.float32)
        source = tg.tensor(values)
        there = source.to("cuda")
        source[...] = -1.0
        total = total + there[size - 5 :] + (there * 0.0)[:5]
        expected += values[:5]
    assert total.cpu().tolist() == expected.tolist()


@NEEDS_GPU
def test_page_locked_memory_has_been_read_when_a_copy_returns() -> None:
    program = """
    import sys, numpy as np, tilegrad as tg
    for size in (5, 16_000, 20_000, 9_000_000):
        if len(sys.argv) > 1:
            import torch
            source = torch.empty(size, pin_memory=True).numpy()
        else:
            source = np.empty(size, np.float32)  # locked as all memory is, in the emulation
        source[:] = np.arange(size) % 2
        there = tg.tensor(source).to("cuda")
        direct = tg.tensor(source, device="cuda")
        source[:] = -1
        assert there.sum().item() == direct.sum().item() == (np.arange(size) % 2).sum()
    """
    run_python(program, environment={"TILEGRAD_EMULATED_LOCKED": "1"})
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        run_python(program, "pinned by PyTorch")


@NEEDS_GPU
def test_batches_are_copied_while_steps_run() -> None:
    def step(x: tg.Tensor, w: tg.Tensor) -> tg.Tensor:
        return (x @ w).sum()

    batches = np.random.default_rng(0).integers(-4, 5, (20, 64, 300)).astype(np.float32)
    w = tg.ones((300, 3))
    captured, on_device = tg.capture(step), w.to("cuda")
    found = [captured(tg.tensor(batch).to("cuda"), on_device) for batch in batches]
    assert [one.item() for one in found] == [3.0 * batch.sum() for batch in batches]


@NEEDS_GPU
def test_out_of_memory_leaves_everything_usable() -> None:
    with pytest.raises(MemoryError, match=r"could not allocate \d+ bytes on cuda:0"):
        tg.empty(1 << 45, dtype="uint8", device="cuda")
    assert tg.ones(3, device="cuda").sum().item() == 3.0


@NEEDS_GPU
def test_bad_label_is_raised_when_the_gpu_is_waited_for() -> None:
    model = nn.Linear(4, 3).to("cuda")
    optimizer = tg.optim.SGD(model.parameters(), lr=0.1)
    x, y = tg.ones((2, 4), device="cuda"), tg.tensor([1, 7], device="cuda")
    before = model.weight.tolist()
    tg.cross_entropy(model(x), y).backward()
    optimizer.step()
    with pytest.raises(IndexError, match=r"cross_entropy: target\[1\] is 7, expected 0 to 2"):
        tg.cuda.synchronize()
    assert model.weight.tolist() == before  # the step was left out
    optimizer.zero_grad()
    tg.cross_entropy(model(x), tg.tensor([1, 2], device="cuda")).backward()
    optimizer.step()
    assert model.weight.tolist() != before


@NEEDS_GPU
def test_bad_index_touches_nothing() -> None:
    x = tg.arange(6, device="cuda")
    picked = x[tg.tensor([1, 9], device="cuda")]
    with pytest.raises(IndexError, match="index 9 at position"):
        picked.tolist()
    assert x.tolist() == [0, 1, 2, 3, 4, 5]


@NEEDS_GPU
def test_dlpack_shares_with_pytorch() -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("this PyTorch sees no GPU")
    ours = tg.arange(6, device="cuda").astype("float32")
    theirs = torch.from_dlpack(ours)
    assert theirs.device.type == "cuda"
    theirs[0] = 7
    torch.cuda.synchronize()
    assert ours.tolist()[0] == 7.0
    back = tg.from_dlpack(torch.ones(3, device="cuda"))
    assert (back.device, back.tolist()) == ("cuda", [1.0, 1.0, 1.0])


@NEEDS_GPU
def test_draws_do_not_depend_on_the_device() -> None:
    def draws(device: str) -> list[Any]:
        tg.manual_seed(7)
        x = tg.ones((50, 30), device=device)
        found = [tg.dropout(x, 0.4, training=True).tolist()]
        y = tg.empty((77,), device=device)
        y.uniform_()
        found += [y.tolist(), tg.rand(3).tolist()]  # the last one on the CPU, from the same generator
        for draw in (tg.rand, tg.randn, partial(tg.uniform, -1, 2), partial(tg.normal, 1, 2)):
            found.append(draw((5, 7), device=device).tolist())
        found.append(tg.truncated_normal(0.5, (9,), device=device).tolist())
        found.append(tg.randint(-3, 90, (9,), "int32", device=device).tolist())
        return [*found, tg.bernoulli(0.3, (40,), device=device).tolist()]

    assert draws("cuda") == draws("cpu")


def trained(device: str, capture: bool, steps: int = 25) -> list[float]:
    tg.manual_seed(3)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding="same"), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Dropout(0.2), nn.Linear(8 * 16, 10),
    ).to(device)  # fmt: skip
    optimizer = tg.optim.AdamW(model.parameters(), lr=tg.optim.schedules.Cosine(0.01, steps), clip_norm=1.0)
    rng = np.random.default_rng(5)
    x = tg.tensor(rng.normal(size=(64, 8, 8, 1)), dtype="float32", device=device)
    y = tg.tensor(rng.integers(0, 10, 64), device=device)

    def step(x: tg.Tensor, y: tg.Tensor) -> tg.Tensor:
        optimizer.zero_grad()
        loss = tg.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    run = tg.capture(step) if capture else step
    return [run(x, y).item() for _ in range(steps)]


@NEEDS_GPU
def test_training_step_replayed_as_a_graph_has_the_bits_of_the_eager_one() -> None:
    before = tg.get_float32_precision()
    try:
        for precision in ("highest", "high"):
            tg.set_float32_precision(precision)
            eager = trained("cuda", capture=False)
            assert trained("cuda", capture=True) == eager
            assert trained("cuda", capture=False) == eager  # from run to run
            assert eager[-1] < 0.5 * eager[0]
            if precision == "highest":
                np.testing.assert_allclose(eager, trained("cpu", capture=False), rtol=2e-3)
    finally:
        tg.set_float32_precision(before)


@NEEDS_GPU
def test_outputs_of_a_replay_are_not_changed_by_the_next() -> None:
    double = tg.capture(lambda x: x * 2.0)
    first = [double(tg.full((4,), value, device="cuda")) for value in (1.0, 2.0, 3.0, 4.0)]
    assert [x.tolist() for x in first] == [[2.0] * 4, [4.0] * 4, [6.0] * 4, [8.0] * 4]
    assert double.programs == 1


@NEEDS_GPU
def test_bad_label_in_a_replay() -> None:
    loss = tg.capture(lambda x, y: tg.cross_entropy(x, y))
    x = tg.zeros((2, 3), device="cuda")
    for labels in ([0, 1], [1, 2], [2, 0]):
        assert loss(x, tg.tensor(labels, device="cuda")).item() == pytest.approx(np.log(3), rel=1e-6)
    loss(x, tg.tensor([0, 5], device="cuda"))
    with pytest.raises(IndexError, match=r"target\[1\] is 5"):
        tg.cuda.synchronize()
    assert loss(x, tg.tensor([0, 1], device="cuda")).item() == pytest.approx(np.log(3), rel=1e-6)


@NEEDS_GPU
def test_layers_whose_sizes_are_inferred_are_made_where_the_input_is() -> None:
    model = nn.Sequential(nn.Linear(None, 4), nn.ReLU(), nn.Linear(None, 2))
    assert model(tg.ones((3, 5), device="cuda")).device == "cuda"
    assert {p.device for p in model.parameters()} == {"cuda"}


@NEEDS_GPU
def test_saved_on_the_gpu_loads_anywhere(tmp_path: Any) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).to("cuda")
    tg.save(model, tmp_path / "model.safetensors")
    loaded = tg.load(tmp_path / "model.safetensors")
    assert {p.device for p in loaded.parameters()} == {"cpu"}
    for a, b in zip(model.parameters(), loaded.parameters(), strict=True):
        assert a.tolist() == b.tolist()
    model.load_state_dict(loaded.state_dict())
    assert {p.device for p in model.parameters()} == {"cuda"}


@NEEDS_GPU
def test_several_threads_use_the_gpu() -> None:
    found: dict[int, float] = {}

    def work(number: int) -> None:
        x = tg.full((1000,), float(number), device="cuda")
        for _ in range(50):
            x = x * 1.0 + 0.0
        found[number] = x.sum().item()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: 1000.0 * n for n in range(4)}


@NEEDS_GPU
def test_tf32_is_what_high_allows() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(256, 256)).astype(np.float32) for _ in range(2))
    exact = a.astype(np.float64) @ b.astype(np.float64)
    errors = {}
    before = tg.get_float32_precision()
    for precision in ("highest", "high"):
        tg.set_float32_precision(precision)
        found = (tg.tensor(a, device="cuda") @ tg.tensor(b, device="cuda")).cpu().numpy()
        errors[precision] = np.linalg.norm(found - exact) / np.linalg.norm(exact)
    tg.set_float32_precision(before)
    assert errors["highest"] < 1e-6
    assert 1e-5 < errors["high"] < 1e-3


@pytest.mark.skipif(tg.cuda.is_available(), reason="there is a GPU")
def test_import_does_not_need_a_driver() -> None:
    assert run_python("import tilegrad as tg; print(tg.cuda.is_available())").stdout.strip() == "False"


# Mixed precision.


def test_autocast_leaves_the_cpu_alone_and_checks_its_dtype() -> None:
    with tg.autocast("bfloat16"):
        assert nn.Linear(4, 2)(tg.ones((3, 4))).dtype == "float32"
        assert tg.var(tg.ones(3).astype("bfloat16")).dtype == "float32"
    with pytest.raises(tg.DTypeError, match="autocast: dtype must be bfloat16 or float16, found float64"):
        tg.autocast("float64")
    with tg.autocast("float16"), tg.autocast(enabled=False), pytest.raises(tg.DTypeError):
        tg.var(tg.ones(3).astype("bfloat16"))


@NEEDS_GPU
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_autocast_computes_products_in_16_bits(dtype: str) -> None:
    tg.manual_seed(3)  # no channel lives by a few pixels that rounding switches off
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, activation="relu"), nn.BatchNorm2d(8), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(128, 5),
    ).to("cuda")  # fmt: skip
    x, y = tg.rand((16, 8, 8, 3)).to("cuda"), tg.tensor([0, 1, 2, 3] * 4, device="cuda")
    exact = tg.cross_entropy(model(x), y)
    exact.backward()
    expected = [p.grad.cpu().numpy() for p in model.parameters()]
    for p in model.parameters():
        p.grad = None
    with tg.autocast(dtype):
        logits = model(x)
        loss = tg.cross_entropy(logits, y)
    assert (logits.dtype, loss.dtype) == (dtype, "float32")
    loss.backward()
    assert loss.item() == pytest.approx(exact.item(), rel=0.03)
    for p, want in zip(model.parameters(), expected, strict=True):
        assert p.grad.dtype == "float32"
        found = p.grad.cpu().numpy()
        assert np.linalg.norm(found - want) <= (0.15 if dtype == "bfloat16" else 0.03) * np.linalg.norm(want) + 1e-4


@NEEDS_GPU
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
@pytest.mark.parametrize("layout", ["NN", "NT", "TN", "TT"])
@pytest.mark.parametrize(("M", "N", "K"), [(2056, 2064, 328), (1000, 1000, 1000), (136, 264, 4096)])
def test_large_products(M: int, N: int, K: int, layout: str, dtype: str) -> None:
    """Tiles of every kind, with ends that fill none; each element within what its own rounding and its sum's allow."""
    rng = np.random.default_rng(0)
    epsilon = {"bfloat16": 2.0**-8, "float16": 2.0**-11, "float32": 2.0**-11}[dtype]  # float32: TF32 operands
    a, b = (tg.tensor(rng.normal(size=s), dtype="float32").astype(dtype) for s in ((M, K), (K, N)))
    bias = tg.tensor(rng.normal(size=N), dtype="float32").astype(dtype)
    exact_a, exact_b, exact_bias = (t.astype("float64").numpy() for t in (a, b, bias))
    x = a.to("cuda") if layout[0] == "N" else a.T.contiguous().to("cuda").T
    w = b.to("cuda") if layout[1] == "N" else b.T.contiguous().to("cuda").T
    found = tg.linear(x, w, bias.to("cuda"), activation="relu").astype("float64").cpu().numpy()
    expected = np.maximum(exact_a @ exact_b + exact_bias, 0)
    sums = np.abs(exact_a) @ np.abs(exact_b)
    rounding = epsilon * (sums / np.sqrt(K) * 8 if dtype == "float32" else expected) + 2.0**-22 * sums + 1e-30
    assert (np.abs(found - expected) <= rounding).all()
    assert np.array_equal(found, tg.linear(x, w, bias.to("cuda"), activation="relu").astype("float64").cpu().numpy())


@NEEDS_GPU
@pytest.mark.parametrize(
    ("layout", "shared"), [("NN", ""), ("NT", ""), ("TN", ""), ("NT", "a"), ("TN", "b"), ("NN", "a"), ("NN", "heads")]
)
def test_batches_of_large_products(layout: str, shared: str) -> None:
    rng = np.random.default_rng(0)
    shapes = {"a": (31, 136, 264), "b": (31, 264, 264)}
    exact, operands = [], []
    for name, turned in zip("ab", layout, strict=True):
        x = rng.integers(-3, 4, shapes[name]).astype(np.float32)
        if name == shared:
            x = x[:1]
        axes = (1, 0, 2) if shared == "heads" else (0, 2, 1) if turned == "T" else (0, 1, 2)
        there = tg.tensor(np.ascontiguousarray(x.transpose(axes)), device="cuda").astype("bfloat16")
        exact.append(x)
        operands.append(there.transpose(*axes))
    if shared == "":  # operands that begin elsewhere
        exact[0], operands[0] = exact[0][1:], operands[0][1:]
        exact[1], operands[1] = exact[1][:-1], operands[1][:-1]
    found = tg.matmul(*operands).astype("float32").cpu().numpy()
    expected = tg.tensor(np.matmul(*exact)).astype("bfloat16").astype("float32").numpy()
    assert np.array_equal(found, expected)


@NEEDS_GPU
@pytest.mark.parametrize("side", ["a", "b"])
@pytest.mark.parametrize("lines", ["reversed", "repeated"])
def test_large_products_of_lines_that_bulk_copies_cannot_take(side: str, lines: str) -> None:
    rng = np.random.default_rng(0)
    a, b = (tg.tensor(rng.normal(size=s), dtype="float32").astype("bfloat16") for s in ((2056, 328), (328, 2064)))
    view = (lambda t: t[::-1]) if lines == "reversed" else (lambda t: tg.broadcast_to(t[:1], t.shape))
    x, w = (view(t.to("cuda")) if name == side else t.to("cuda") for name, t in (("a", a), ("b", b)))
    expected = tg.matmul(x.contiguous(), w.contiguous()).astype("float32").cpu().numpy()
    found = tg.matmul(x, w).astype("float32").cpu().numpy()
    assert np.allclose(found, expected, rtol=2.0**-7, atol=1e-3)
