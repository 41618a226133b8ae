"""The reference runs: every one names an example that is there, figures are found and judged, results are kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bench import reference_runs
from bench.reference_runs import REFERENCES, Reference


def test_every_run_is_of_an_example() -> None:
    names = [reference.name for reference in REFERENCES]
    assert len(set(names)) == len(names)
    for reference in REFERENCES:
        source = (reference_runs.ROOT / "examples" / reference.example).read_text()
        for argument in reference.arguments:
            assert not argument.startswith("--") or f'"{argument}"' in source, (reference.name, argument)


def test_a_real_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "results.json"
    assert reference_runs.main(["--only", "gates", "xor", "--results", str(path)]) == 0
    assert "gates: 4.0000/4.0000/4.0000 (>= 4, <= 4: met)" in capsys.readouterr().out
    runs = json.loads(path.read_text())["runs"]
    assert [run["name"] for run in runs] == ["gates", "xor"]
    assert runs[1]["command"] == "python examples/01_perceptron.py"
    assert all(run["met"] and run["machine"] and run["started"] for run in runs)
    assert str(tmp_path) not in path.read_text()
    assert str(reference_runs.ROOT) not in path.read_text()


def example(folder: Path, code: str) -> None:
    (folder / "examples").mkdir()
    (folder / "examples" / "fake.py").write_text(code)


def test_each_figure_has_its_bound() -> None:
    pair = Reference("fake", "", "fake.py", least=(0.93, 0.94))
    assert pair.bounds() == ">= 0.93/0.94"
    assert [pair.is_met(means) for means in ([0.93, 0.94], [0.94, 0.93], [0.92, 0.95])] == [True, False, False]
    assert Reference("fake", "", "fake.py", least=4, most=4).bounds() == ">= 4, <= 4"


def test_means_over_seeds_are_judged_and_runs_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    example(tmp_path, "import sys; print('test accuracy 0.%s' % (90 + 2 * int(sys.argv[-1])))")
    monkeypatch.setattr(reference_runs, "ROOT", tmp_path)
    path = tmp_path / "results.json"
    for least, status in ((0.92, 0), (0.93, 1)):
        monkeypatch.setattr(reference_runs, "REFERENCES", [Reference("fake", "", "fake.py", least=least, seeds=3)])
        assert reference_runs.main(["--results", str(path)]) == status
        (run,) = json.loads(path.read_text())["runs"]
        assert (run["figures"], run["mean"], run["met"]) == ([[0.9], [0.92], [0.94]], [0.92], not status)
        assert run["command"] == "python examples/fake.py --seed S, S = 0 to 2"
    assert "fake: 0.9200 (>= 0.93: MISSED); by seed 0.9 0.92 0.94" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("code", "message"),
    [("raise SystemExit('no data')", "fake, seed 0: exit status 1\nno data"), ("print('0.9')", "no figure in what")],
)
def test_a_run_that_fails_is_told(code: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example(tmp_path, code)
    monkeypatch.setattr(reference_runs, "ROOT", tmp_path)
    with pytest.raises(SystemExit, match=message):
        reference_runs.run(Reference("fake", "", "fake.py"), None)
