"""The doctor: every diagnosis is found where it was provoked, and nothing where all is well."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn
from tilegrad.inspect.diagnosis.twin import as_new, twin

from . import doctors_patients as patients
from .doctors_patients import Run, adam, circle, mlp, sgd, trained

pytest.importorskip("sklearn")

ILL = [(name, number) for name, runs in patients.ill().items() for number in range(len(runs))]


def test_all_diagnoses_are_provoked_in_two_networks() -> None:
    assert tuple(patients.ill()) == tg.inspect.DIAGNOSES
    assert len(tg.inspect.DIAGNOSES) == 12
    assert all(len(runs) >= 2 for runs in patients.ill().values())


@pytest.mark.parametrize(("diagnosis", "number"), ILL)
def test_what_was_provoked_is_found(diagnosis: str, number: int) -> None:
    tg.manual_seed(0)
    findings = patients.ill()[diagnosis][number]().examined()
    assert diagnosis in findings.diagnoses, str(findings)
    found = findings[findings.diagnoses.index(diagnosis)]
    assert found.severity in ("error", "warning")
    assert any(letter.isdigit() for letter in found.evidence) or "detached" in found.evidence, "no numbers"
    assert str(found) in str(findings)


# 30 runs; each is examined after training as it was trained, without its optimizer, and before training.
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", patients.HEALTHY)
def test_nothing_is_found_in_healthy_runs(name: str, seed: int) -> None:
    run = patients.healthy(name, seed)
    assert str(run.examined()) == "the doctor found nothing wrong"
    assert str(run.examined(optimizer=None)) == "the doctor found nothing wrong"
    new = as_new(run.model)
    assert new is not None
    assert str(Run(new, run.data, None, {"loss": run.options["loss"]}).examined()) == "the doctor found nothing wrong"


def test_the_causes_come_first() -> None:
    tg.manual_seed(0)
    findings = patients.ill()["learning rate too high"][0]().examined()
    assert findings.diagnoses[0] == "learning rate too high"
    places = [tg.inspect.DIAGNOSES.index(name) for name in findings.diagnoses]
    assert places == sorted(places)


def test_the_evidence_is_true() -> None:
    tg.manual_seed(0)
    x, y = patients.flat_digits()[0]
    found = {f.diagnosis: f for f in Run(mlp(), (x * 255, y)).examined()}
    size = np.sqrt((x.astype(np.float64) ** 2).mean()) * 255
    assert f"root mean square {size:.3g}" in found["wrong input range"].evidence
    assert "from 0 to 255" in found["wrong input range"].evidence
    assert "divide by 255" in found["wrong input range"].advice
    tg.manual_seed(0)
    model = mlp("relu", (64, 32))
    with tg.no_grad():
        model[1].bias.fill_(-99.0)
        model[1].bias[:8].fill_(0.0)
    (found_units,) = [f for f in Run(model, (x, y)).examined() if f.diagnosis == "dead units"]
    with tg.no_grad():
        outputs = model[1](model[0](tg.tensor(x))).numpy()
    assert f"{(outputs.max(0) <= 0).sum()} of 32 units of 1" in found_units.evidence


def test_not_finite_inputs() -> None:
    x, y = patients.flat_digits()[0]
    x = x.copy()
    x[17, 3] = np.nan
    (found,) = [f for f in Run(mlp(), (x, y)).examined() if f.diagnosis == "wrong input range"]
    assert f"1 of {x.size} values of the inputs are NaN or infinite, the first in sample 17" in found.evidence
    assert found.severity == "error"


def test_columns_in_units_of_their_own() -> None:
    x, y = circle(0)
    x = np.concatenate([x, x[:, :1] * 300], axis=1).astype(np.float32)
    assert "wrong input range" in Run(mlp(inputs=3, outputs=2), (x, y)).examined().diagnoses
    x[:, 2] = x[:, 0]
    x *= np.float32([0.01, 0.01, 3.0])
    (found,) = [f for f in Run(mlp(inputs=3, outputs=2), (x, y)).examined() if f.diagnosis == "wrong input range"]
    assert "column 2 of the inputs has deviation" in found.evidence


def test_a_normalising_first_layer_takes_any_range() -> None:
    x, y = patients.flat_digits()[0]
    model = nn.Sequential(nn.BatchNorm1d(64), nn.Linear(64, 32, activation="relu"), nn.Linear(32, 10))
    assert str(Run(model, (x * 255, y)).examined()) == "the doctor found nothing wrong"


def test_sorted_arrays_are_a_note() -> None:
    x, y = patients.flat_digits()[0]
    order = np.argsort(y, kind="stable")
    (found,) = Run(mlp(), (x[order], y[order])).examined()
    assert (found.diagnosis, found.severity) == ("unshuffled data", "note")
    (found,) = Run(mlp(), tg.data.ArrayDataset(x[order], y[order])).examined()
    assert found.severity == "note"
    (found,) = Run(mlp(), [(x[order[k : k + 50]], y[order[k : k + 50]]) for k in range(0, 1200, 50)]).examined()
    assert found.severity == "error"
    shuffled = tg.data.DataLoader((x[order], y[order]), batch_size=32, shuffle=True)
    assert Run(mlp(), shuffled).examined() == []
    targets = np.sort(patients.waves(0)[0][:, 0])[:, None]
    loader = tg.data.DataLoader((targets, np.sin(targets)), batch_size=32)
    assert Run(mlp(inputs=1, outputs=1), loader).examined().diagnoses == ["unshuffled data"]
    one = tg.data.DataLoader((x[y == 3], y[y == 3]), batch_size=32)
    (found,) = [f for f in Run(mlp(), one).examined() if f.diagnosis == "unshuffled data"]
    assert "all have label 3, of 10 classes" in found.evidence


def test_over_fitting_without_a_validation_in_the_history() -> None:
    tg.manual_seed(0)
    data, more = patients.flat_digits()
    run = trained(mlp(hidden=(256, 256)), patients._noisy(data, 100), adam(3e-3), 40)
    assert "over-fitting" not in run.examined().diagnoses
    assert "over-fitting" in run.examined(validation_data=more).diagnoses


def test_schedules_count_with_their_largest_rate() -> None:
    tg.manual_seed(0)
    data = patients.flat_digits()[0]
    cycle = tg.optim.schedules.OneCycle(1.0, steps=300)  # begins with a 25th of it
    findings = trained(mlp(), data, adam(cycle), 6).examined()
    assert findings.diagnoses[0] == "learning rate too high"


def test_a_rate_is_not_blamed_for_labels_that_nothing_tells() -> None:
    tg.manual_seed(0)
    (x, y), _ = patients.flat_digits()
    by_chance = np.random.default_rng(0).integers(0, 10, len(y))
    model = patients._with_last(mlp(), 0.01)
    assert "learning rate too low" not in patients._with(model, (x, by_chance), sgd(0.01)).examined().diagnoses


def test_a_monitor_is_read() -> None:
    tg.manual_seed(0)
    data = patients.flat_digits()[0]
    model, monitor = mlp(), tg.inspect.Monitor(every=10, budget=None)
    optimizer = tg.optim.SGD(model.parameters(), lr=1e-5)
    trainer = tg.train.Trainer(model, nn.CrossEntropyLoss(), optimizer)
    trainer.fit(data, epochs=4, verbose=0, callbacks=[monitor])
    (found,) = tg.inspect.doctor(trainer, data, monitor=monitor)
    ratios = [value for _, values in monitor.series("update_ratio").values() for value in values]
    assert f"updates are {np.median(ratios):.0e} of the weights" in found.evidence


def test_nothing_of_the_users_is_changed() -> None:
    tg.manual_seed(3)
    model = patients.normed_cnn()
    model[2].eval()
    calls: list[Any] = []
    model[0].register_forward_hook(lambda *given: calls.append(given))
    images = patients.digits()[0]
    optimizer = tg.optim.Adam(model.parameters(), lr=1e-3)
    loader = tg.data.DataLoader(images, batch_size=32, shuffle=True)
    trainer = tg.train.Trainer(model, nn.CrossEntropyLoss(), optimizer)
    trainer.fit(loader, epochs=1, verbose=0)
    model[2].eval()
    with tg.no_grad():
        calls.clear()

    def everything() -> Any:
        tensors = {**model.state_dict(), **{f"{k}.grad": p.grad for k, p in model.named_parameters()}}
        return (
            {name: tensor.numpy().tobytes() for name, tensor in tensors.items() if tensor is not None},
            {name: tensor.numpy().tobytes() for name, tensor in optimizer.state_dict()["state"].items()},
            (optimizer.steps, optimizer.lr, tg.random.default_generator.state(), random.getstate(), loader.epoch),
            [layer.training for layer in model.modules()],
            np.random.get_state()[1].tobytes(),
            len(model[0]._hooks),
        )

    before = everything()
    first = tg.inspect.doctor(trainer, loader)
    assert everything() == before
    assert calls == []  # hooks are the user's
    batches = [y.tolist() for _, y in loader]
    loader.set_epoch(before[2][4])
    assert [y.tolist() for _, y in loader] == batches
    assert str(tg.inspect.doctor(trainer, loader)) == str(first)  # the same again


def test_copies() -> None:
    tg.manual_seed(0)
    shared = nn.Linear(4, 4)
    model = nn.Sequential(shared, nn.ReLU(), shared, nn.Linear(4, 2))
    copied, new = twin(model), as_new(model)
    assert new is not None
    for other in (copied, new):
        assert other[0] is other[2]
        assert other[0] is not shared
    assert np.array_equal(copied[0].weight.numpy(), shared.weight.detach().numpy())
    assert not np.array_equal(new[0].weight.detach().numpy(), shared.weight.detach().numpy())
    changed = copy.deepcopy(model)
    changed.set_submodule("3", nn.Linear(4, 3))
    assert as_new(changed[3]) is not None
    shared.freeze()
    assert as_new(model) is None  # what is frozen was learnt elsewhere

    class Odd(nn.Module):
        count = 0

        def __init__(self) -> None:
            Odd.count += 1
            if Odd.count > 1:
                raise RuntimeError("once")
            self.layer = nn.Linear(2, 2)

    assert as_new(Odd()) is None


def test_what_it_is_given(tmp_path: Path) -> None:
    data = circle(0)
    lazy = nn.Sequential(nn.Linear(None, 8, activation="relu"), nn.Linear(None, 2))
    assert tg.inspect.doctor(lazy, data) == []
    assert lazy[0].weight is None  # built in a copy alone
    two = nn.Sequential(nn.Linear(2, 8, activation="tanh"), nn.Linear(8, 1))
    binary = (data[0], data[1].astype(np.float32)[:, None])
    assert tg.inspect.doctor(two, binary, loss=nn.BCEWithLogitsLoss()) == []
    assert tg.inspect.doctor(mlp(inputs=2, outputs=2), [(data[0][:50], data[1][:50])] * 3) == []
    for arguments, message in (
        ((3, data), "doctor: expected a Module or a Trainer, found int"),
        ((lazy, data, [1.0]), "doctor: history must map names to lists, found list"),
        ((lazy, data, None), "doctor: the optimizer has no parameter of this model"),
        ((lazy, (data[0], {"a": data[1], "b": data[1]})), "doctor: these targets need a loss: give loss="),
    ):
        with pytest.raises(tg.ArgumentError, match=message):
            tg.inspect.doctor(*arguments, optimizer=sgd(0.1)(two.parameters()) if "optimizer" in message else None)
    with pytest.raises(tg.ArgumentError, match="steps must be an integer from 10 up, found 3"):
        tg.inspect.doctor(lazy, data, steps=3)
    with pytest.raises(tg.ShapeError, match=r"0 \(Linear\): linear"):
        tg.inspect.doctor(mlp(), data)


def test_findings_as_files(tmp_path: Path) -> None:
    found = tg.inspect.Findings(
        [
            tg.inspect.Finding("under-fitting", "a <b> 1", "c", "note"),
            tg.inspect.Finding("wrong input range", "d", "e", "error"),
        ]
    )
    assert found.diagnoses == ["wrong input range", "under-fitting"]
    found.save(tmp_path)
    assert tg.inspect.Findings.load(tmp_path / "doctor.json") == found
    for text in ("", "[]", '{"findings": [{"diagnosis": "x"}]}', '{"findings": 3}', "\xff"):
        (tmp_path / "doctor.json").write_text(text, "latin-1")
        with pytest.raises(tg.DataError, match="not the findings of a doctor"):
            tg.inspect.Findings.load(tmp_path / "doctor.json")
    with pytest.raises(tg.ArgumentError, match="diagnosis must be one of"):
        tg.inspect.Finding("flu", "", "")
    with pytest.raises(tg.ArgumentError, match="severity must be one of"):
        tg.inspect.Finding("under-fitting", "", "", "fatal")


def test_a_model_that_cannot_be_captured() -> None:
    class Looks(nn.Module):
        def __init__(self) -> None:
            self.body = mlp(inputs=2, outputs=2)

        def forward(self, x: tg.Tensor) -> tg.Tensor:
            return self.body(x) * (1.0 if x.sum().item() > -1e9 else 2.0)

    tg.manual_seed(0)
    model = Looks()
    optimizer = sgd(0.1)(model.parameters())
    assert tg.inspect.doctor(model, circle(0), optimizer=optimizer) == []
