"""EMA and SWA against the formulas in NumPy, and the statistics of batch normalisation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn
from tilegrad.train import EMA, SWA, LambdaCallback, Trainer, update_batch_norm

RNG = np.random.default_rng(9)
X = RNG.normal(size=(48, 5)).astype(np.float32) * 2 + 1
Y = RNG.integers(0, 3, 48)

Arrays = dict[str, Any]


def trainer(norm: bool = True, capture: bool = True, accumulate: int = 1) -> Trainer:
    tg.manual_seed(4)
    middle = [nn.BatchNorm1d(8), nn.Dropout(0.3)] if norm else []
    model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), *middle, nn.Linear(8, 3))
    optimizer = tg.optim.Adam(model.parameters(), lr=0.05)
    return Trainer(model, nn.CrossEntropyLoss(), optimizer, capture=capture, accumulate=accumulate)


def arrays(model: nn.Module) -> Arrays:
    return {path: tensor.numpy().astype(np.float64) for path, tensor in model.state_dict().items()}


def close(found: Any, expected: Arrays, rounds: int) -> None:
    """Each update rounds three times, relative to the numbers that are blended."""
    assert set(found) == set(expected)
    for path, value in expected.items():
        scale = max(np.abs(value).max(), 1.0)
        np.testing.assert_allclose(np.asarray(found[path].numpy()), value, rtol=0, atol=3 * rounds * 2**-23 * scale)


@pytest.mark.parametrize("warmup", [False, True])
@pytest.mark.parametrize("every", [1, 3])
def test_ema(warmup: bool, every: int) -> None:
    t, seen = trainer(), []
    ema = EMA(decay=0.8, warmup=warmup, every=every, apply_at_end=False)
    look = LambdaCallback(on_step_end=lambda trainer, step, results: seen.append(arrays(trainer.model)))
    begin = arrays(t.model)
    t.fit((X, Y), 2, 8, callbacks=[ema, look], verbose=0)
    expected, used = begin, seen[every - 1 :: every]
    for count, weights in enumerate(used):
        decay = min(0.8, (1 + count) / (10 + count)) if warmup else 0.8
        expected = {path: decay * expected[path] + (1 - decay) * weights[path] for path in expected}
    assert ema.count == len(used) == 12 // every
    close(ema.averages(), expected, ema.count)
    own = arrays(t.model)
    with ema.swapped() as model:
        close(model.state_dict(), expected, ema.count)
    assert all(np.array_equal(own[path], value) for path, value in arrays(t.model).items())
    ema.apply()
    close(t.model.state_dict(), expected, ema.count)


def test_swa() -> None:
    t, seen = trainer(norm=False), []
    swa = SWA(start=1, every=2)
    look = LambdaCallback(on_epoch_end=lambda trainer, epoch, results: seen.append(arrays(trainer.model)))
    t.fit((X, Y), 6, 8, callbacks=[look, swa], verbose=0)
    expected = {path: np.mean([seen[i][path] for i in (1, 3, 5)], axis=0) for path in seen[0]}
    assert swa.count == 3
    close(t.model.state_dict(), expected, 3)


def test_the_averages_of_a_captured_fit_are_those_of_another() -> None:
    found = []
    for capture in (True, False):
        t, ema, swa = trainer(capture=capture), EMA(decay=0.9), SWA(apply_at_end=False)
        t.fit((X, Y), 3, 8, callbacks=[ema, swa], verbose=0)
        found.append([tensor.numpy().tobytes() for a in (ema, swa) for tensor in a.averages().values()])
        found[-1] += [tensor.numpy().tobytes() for tensor in t.model.state_dict().values()]
    assert found[0] == found[1]


def test_only_updates_count() -> None:
    t, ema = trainer(accumulate=3), EMA()
    t.fit((X, Y), 2, 8, callbacks=[ema], verbose=0)
    assert ema.count == t.optimizer.steps == 4


def test_the_update_of_what_an_epoch_leaves_over_counts_in_that_epoch(tmp_path: Path) -> None:
    def fitted(epochs: int, **options: Any) -> tuple[Trainer, EMA]:
        t, ema = trainer(accumulate=4), EMA(decay=0.5)
        t.fit((X, Y), epochs, 8, callbacks=[ema], verbose=0, **options)  # 6 batches: updates after 4, and of 2
        return t, ema

    whole, ema = fitted(2)
    assert whole.optimizer.steps == ema.count == 4
    fitted(1, checkpoint=tmp_path)
    resumed, again = fitted(2, checkpoint=tmp_path, resume=True)
    assert again.count == 4
    assert all(np.array_equal(arrays(whole.model)[path], value) for path, value in arrays(resumed.model).items())


@pytest.mark.parametrize("kind", [EMA, SWA])
def test_validation_of_the_averages(kind: Any) -> None:
    t = trainer()
    average = kind(validate=True, apply_at_end=False)
    history = t.fit((X, Y), 3, 8, validation_data=(X, Y), callbacks=[average], verbose=0)
    if kind is SWA:  # the first epoch's validation was of the weights; later ones are of the means before them
        assert average.count == 3
        return
    with average.swapped():
        assert t.evaluate((X, Y), 8)["loss"] == history["val_loss"][-1]
    assert t.evaluate((X, Y), 8)["loss"] != history["val_loss"][-1]


def test_validating_changes_nothing_of_training() -> None:
    def run(*callbacks: Any) -> Any:
        t = trainer()
        t.fit((X, Y), 4, 8, validation_data=(X, Y), callbacks=callbacks, verbose=0)
        return [tensor.numpy().tobytes() for tensor in t.model.state_dict().values()]

    plain = run()
    assert run(EMA(validate=True, apply_at_end=False)) == plain
    assert run(SWA(validate=True, apply_at_end=False)) == plain


def expected_statistics(model: Any, batches: list[Any]) -> tuple[Any, Any]:
    weight, bias = (p.detach().numpy().astype(np.float64) for p in (model[0].weight, model[0].bias))
    hidden = [np.maximum(batch @ weight + bias, 0) for batch in batches]
    return np.mean([h.mean(0) for h in hidden], axis=0), np.mean([h.var(0, ddof=1) for h in hidden], axis=0)


@pytest.mark.parametrize("momentum", [0.1, None])
def test_statistics_are_means_over_the_data(momentum: Any) -> None:
    t = trainer()
    tg.manual_seed(4)
    model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.BatchNorm1d(8, momentum=momentum), nn.Dropout(0.3))
    model[2].running_mean.fill_(7.0)
    before = tg.random.default_generator.state()
    update_batch_norm(model, (X, Y), batch_size=16)
    mean, variance = expected_statistics(model, [X[:16], X[16:32], X[32:]])
    np.testing.assert_allclose(model[2].running_mean.numpy(), mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model[2].running_var.numpy(), variance, rtol=1e-5)
    assert model[2].momentum == momentum
    assert model.training
    assert model[2].training
    assert tg.random.default_generator.state() == before  # dropout drew nothing
    # SWA does it at the end of a fit, in the order and the batches of the training data.
    swa = SWA()
    loader = tg.data.DataLoader((X, Y), 16)
    t.fit(loader, 2, callbacks=[swa], verbose=0)
    mean, _ = expected_statistics(t.model, [X[:16], X[16:32], X[32:]])
    np.testing.assert_allclose(t.model[2].running_mean.numpy(), mean, rtol=1e-5, atol=1e-6)  # type: ignore[index]
    update_batch_norm(nn.Sequential(nn.Linear(5, 2)), (X, Y))  # nothing to do


def test_frozen_statistics_stay() -> None:
    t = trainer()
    t.model[2].freeze(statistics=True)  # type: ignore[index]
    kept = arrays(t.model)
    update_batch_norm(t.model, (X, Y))
    assert all(np.array_equal(kept[path], value) for path, value in arrays(t.model).items())


STOPPING, UNDONE = tg.train.EarlyStopping, "weights at the end, and what the first writes would be lost"


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        (
            lambda: [STOPPING("loss"), EMA()],
            rf"fit: callbacks\[0\] \(EarlyStopping\) and callbacks\[1\] \(EMA\) both write the model's {UNDONE}; "
            r"make callbacks\[0\] with restore_best=False, or callbacks\[1\] with apply_at_end=False",
        ),
        (
            lambda: [SWA(), tg.train.TerminateOnNaN(), STOPPING("loss")],
            rf"fit: callbacks\[0\] \(SWA\) and callbacks\[2\] \(EarlyStopping\) both write the model's {UNDONE}; "
            r"make callbacks\[0\] with apply_at_end=False, or callbacks\[2\] with restore_best=False",
        ),
        (lambda: [EMA(), EMA(decay=0.9), SWA()], r"callbacks\[0\] \(EMA\) and callbacks\[1\] \(EMA\)"),
    ],
)
def test_two_that_write_weights_at_the_end_are_refused(callbacks: Any, message: str) -> None:
    t = trainer()
    before = arrays(t.model)
    with pytest.raises(tg.ArgumentError, match=message):
        t.fit((X, Y), 1, callbacks=callbacks(), verbose=0)
    assert all(np.array_equal(before[path], value) for path, value in arrays(t.model).items())


def test_one_of_several_callbacks_writes_weights_at_the_end() -> None:
    def run(*callbacks: Any) -> tuple[Arrays, list[Arrays]]:
        t, epochs = trainer(norm=False), []
        seen = LambdaCallback(on_epoch_end=lambda trainer, epoch, results: epochs.append(arrays(trainer.model)))
        t.fit((X, Y), 3, callbacks=[*callbacks, seen], verbose=0)
        return arrays(t.model), epochs

    ema, swa, stopping = EMA(), SWA(), STOPPING("loss")
    for callbacks, average in (
        ([STOPPING("loss", restore_best=False), ema, SWA(apply_at_end=False)], ema),
        ([EMA(apply_at_end=False), swa, STOPPING("loss", restore_best=False)], swa),
    ):
        found, _ = run(*callbacks)
        assert all(np.array_equal(found[path], tensor.numpy()) for path, tensor in average.averages().items())
    found, epochs = run(EMA(apply_at_end=False), stopping, SWA(apply_at_end=False))
    assert stopping.best_epoch is not None
    assert all(np.array_equal(found[path], value) for path, value in epochs[stopping.best_epoch].items())


def test_exact_resume(tmp_path: Path) -> None:
    def run(folder: Path, epochs: int = 4, **options: Any) -> Any:
        t = trainer()
        callbacks = [EMA(decay=0.9, apply_at_end=False), SWA(start=1)]
        t.fit((X, Y), epochs, 8, callbacks=callbacks, verbose=0, checkpoint=folder, resume=True, **options)
        averages = [tensor.numpy().tobytes() for a in callbacks for tensor in a.averages().values()]
        return averages, [tensor.numpy().tobytes() for tensor in t.model.state_dict().values()]

    whole = run(tmp_path / "whole")
    run(tmp_path / "parts", epochs=2)
    assert run(tmp_path / "parts") == whole


def test_float64() -> None:
    model = nn.Sequential(nn.Linear(2, 2)).to("float64")
    ema = EMA(model, decay=0.5, warmup=False)
    expected = arrays(model)
    with tg.no_grad():
        model[0].weight.add_(1.0)
    ema.update()
    found = ema.averages()["0.weight"]
    assert found.dtype == tg.float64
    np.testing.assert_allclose(found.numpy(), expected["0.weight"] + 0.5, rtol=1e-15)


def test_bad_arguments() -> None:
    for make, message in (
        (lambda: EMA(decay=1.0), "EMA: decay must be from 0 to below 1, found 1.0"),
        (lambda: EMA(every=0), "EMA: every must be a positive integer"),
        (lambda: SWA(start=-1), "SWA: start must be an integer from 0"),
        (lambda: SWA(every=0), "SWA: every must be an integer from 1"),
        (lambda: EMA().update(), "EMA: there is no model yet"),
        (lambda: SWA().apply(), "SWA: there is no model yet"),
    ):
        with pytest.raises(tg.ArgumentError, match=message):
            make()
