"""The benchmarks' report: every row of the goals is there, ratios are right, results survive their file. No timing."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from bench import cases, goals, nets, report, results, tables
from bench.case import Case, Run, compare
from bench.goals import GOALS, ROWS, AtMost, Ratio, StreamShare, Verdict
from bench.processes import without_paths
from bench.results import Record, Timing
from bench.rivals import SIDES
from bench.session import Pace, Session


def record(name: str, ours: float | None, rivals: dict[str, float], **named: object) -> Record:
    timings = [Timing("ours", "eager", "eager", ours)] if ours is not None else []
    timings += [Timing(side, "best", "eager", figure) for side, figure in rivals.items()]
    return Record("gemm", "large", name, timings=timings, **named)  # type: ignore[arg-type]


def test_all_rows_are_there_with_nothing_measured() -> None:
    found = goals.verdicts([], {}, 2)
    assert {verdict.row for verdict in found} == set(ROWS)
    assert {verdict.status for verdict in found} == {"unmeasured"}
    assert all(verdict.reason for verdict in found)
    assert goals.absent_rows(found) == []


@pytest.mark.parametrize("row", ROWS)
def test_a_missing_row_is_noticed(row: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = [verdict for verdict in goals.verdicts([], {}, 2) if verdict.row != row]
    assert goals.absent_rows(found) == [row]
    assert report.conclude(found, [], None) == 1
    assert f"ABSENT from this report: {row}" in capsys.readouterr().err


def test_a_whole_report_passes_though_nothing_is_met(capsys: pytest.CaptureFixture[str]) -> None:
    assert report.conclude(goals.verdicts([], {}, 2), [], None) == 0
    printed = capsys.readouterr().out
    assert all(row in printed for row in ROWS)


def test_a_failed_case_of_ours_is_fatal() -> None:
    failing = record("x", None, {})
    failing.problems = {"ours eager": "wrong values: y is off by 1", "torch": "not there"}
    run = results.Run("now", "machine", "system", "rev", 2, records=[failing])
    assert report.failures([run]) == ["gemm: x: ours eager: wrong values: y is off by 1"]
    assert report.conclude(goals.verdicts([], {}, 2), report.failures([run]), None) == 1
    failing.problems = {"ours": "NotImplementedError: nn.LSTM is not there yet"}
    assert report.failures([run]) == []


def test_every_goal_has_cases() -> None:
    """By name: a group that no case belongs to would never be measured."""
    families = [family for family in cases.FAMILIES if family != "ops"]
    every = [case for family in families for case in cases.of_family(family)]
    assert goals.goals_without_cases((case.family, case.group) for case in every) == []
    assert len({case.key for case in every}) == len(every)
    assert all(side in SIDES for case in every for side in case.sides or ())
    assert {case.family for case in every if case.quick} == set(families)


RATIO = Ratio(ROWS[0], "all", "gemm", "large", 1.5, 1.0, ("numpy",))


def test_ratio_is_a_geometric_mean() -> None:
    found = RATIO.judge([record("x", 1.0, {"numpy": 1.0}), record("y", 1.0, {"numpy": 4.0})], {}, 2)
    assert found.ratio == pytest.approx(2.0)
    assert found.status == "met"
    assert "2.00 x, least 1.00 x (x)" in found.found


def test_best_rival_counts_and_only_those_named() -> None:
    timed = record("x", 2.0, {"numpy": 8.0, "torch": 5.0, "jax": 3.0})
    assert timed.ratio() == pytest.approx(1.5)
    assert timed.ratio(("numpy", "torch")) == pytest.approx(2.5)
    assert timed.ratio(("sklearn",)) is None
    assert timed.ratio(modes=("compiled",)) is None


def test_floor_is_for_each_case() -> None:
    found = RATIO.judge([record("x", 1.0, {"numpy": 0.9}), record("y", 1.0, {"numpy": 9.0})], {}, 2)
    assert found.ratio == pytest.approx(math.sqrt(8.1))
    assert found.status == "under the floor"


def test_a_goal_is_met_by_all_of_its_cases() -> None:
    found = RATIO.judge([record("x", 1.0, {"numpy": 9.0}), record("y", 1.0, {})], {}, 2)
    assert found.status == "under the goal"
    assert found.reason == "without 1 of 2 cases: y"


def test_share_of_the_measured_peak() -> None:
    goal = dataclasses.replace(RATIO, share=0.8)
    timed = record("x", 1.0, {"numpy": 2.0}, flops=90.0)
    assert goal.judge([timed], {"flops": 100.0}, 2).status == "met"
    assert goal.judge([timed], {"flops": 120.0}, 2).status == "under the goal"
    assert "75 % of peak" in goal.judge([timed], {"flops": 120.0}, 2).found


def test_stream_share() -> None:
    goal = StreamShare(ROWS[11], "all", "gemm", "large")
    timed = [record("x", 1.0, {}, bytes=81.0), record("y", 1.0, {}, bytes=100.0)]
    found = goal.judge(timed, {"copy": 100.0}, 2)
    assert found.ratio == pytest.approx(0.9)
    assert found.status == "met"
    assert goal.judge(timed, {}, 2).status == "unmeasured"


def test_at_most() -> None:
    goal = AtMost(ROWS[15], "tiny op", "gemm", "large", 0.6, scale=1e6, unit="us", floor_text="PyTorch's figure")
    for ours, status in ((0.5e-6, "met"), (0.9e-6, "under the goal"), (2e-6, "under the floor")):
        assert goal.judge([record("x", ours, {"torch": 1e-6})], {}, 1).status == status
    assert goal.judge([record("x", 0.5e-6, {})], {}, 1).status == "unmeasured"
    third = AtMost(ROWS[16], "all", "gemm", "large", 1 / 3, 1 / 2, fraction=True, unit="MB", floor_text="half")
    for ours, status in ((160.0, "met"), (240.0, "under the goal"), (260.0, "under the floor")):
        assert third.judge([record("x", ours, {"torch-plain": 500.0})], {}, 1).status == status


def test_captured_and_eager_are_judged_apart() -> None:
    timed = Record("training", "step a", "a", timings=[Timing("ours", "eager", "eager", 2.0)])
    timed.timings += [Timing("torch", "contiguous", "eager", 3.0), Timing("jax", "jit", "compiled", 1.0)]
    found = {(v.row, v.what): v for v in goals.verdicts([timed], {}, 2) if v.status != "unmeasured"}
    assert list(found) == [(ROWS[13], "a")]
    assert found[ROWS[13], "a"].ratio == pytest.approx(1.5)
    timed.timings.append(Timing("ours", "captured", "captured", 0.5))
    (captured,) = [v for v in goals.verdicts([timed], {}, 2) if (v.row, v.what) == (ROWS[12], "a")]
    assert captured.ratio == pytest.approx(2.0)
    assert captured.status == "met"


def test_results_survive_their_file(tmp_path: Path) -> None:
    timed = record("x", 1.5, {"numpy": 2.0}, flops=3.0, threads=2)
    timed.timings[0].rounds, timed.timings[0].extra = [1.5, 1.75], {"step": 1.0}
    timed.problems = {"jax": "no answer within 60 s"}
    run = results.Run("now", "CPU", "Linux", "abc", 2, {"numpy": {"numpy": "2"}}, {"jax": "not installed"})
    run.peaks, run.records = {"flops": 1.0}, [timed]
    path = tmp_path / "results.json"
    results.save(path, [run])
    assert results.load(path) == [run]
    assert results.load(tmp_path / "none.json") == []
    later = dataclasses.replace(run, peaks={"flops": 0.5}, records=[record("x", 1.0, {}, threads=2)])
    assert results.peaks_by_family(results.latest([run, later]).values()) == {"gemm": {"flops": 0.5}}
    assert results.latest([run, later])[2, "gemm", "x"][0].timings[0].figure == 1.0
    assert report.main(["--from", str(path)]) == 0
    assert report.main(["--from", str(tmp_path / "none.json")]) == 1


def test_results_name_no_path() -> None:
    text = without_paths("FileNotFoundError: '/opt/somebody/lib/x.py', and 3/4 of https://x.org/y")
    assert "somebody" not in text
    assert "3/4" in text
    name = results.file_name("AMD EPYC (family 25, model 17), 2 CPUs", "2030-01-02")
    assert name == "amd-epyc-family-25-model-17-2-cpus-2030-01-02.json"


def test_tables_show_rivals_and_problems() -> None:
    timed = record("x", 1e-3, {"numpy": 2e-3, "torch": 4e-6}, flops=1e9, bound="flops")
    timed.problems = {"jax": "its process ended"}
    lines = tables.family_table("gemm", [timed], {"flops": 2e12}).splitlines()
    assert lines[2].split() == ["x", "1", "ms", "1000", "GF/s", "50", "%", "2", "ms", "4", "us", "0.00"]
    assert lines[3] == "  x: jax: its process ended"
    assert "unmeasured" in tables.goals_table(
        [Verdict(ROWS[0], "all", "1 x", "1 x", 2, "unmeasured", reason="not run")]
    )


def test_compare() -> None:
    case = Case("f", "g", "n", "k", tolerance=1e-3)
    want = {"y": np.array([1.0, -2.0, np.nan])}
    assert compare(case, {"y": np.array([1.0, -2.001, 5.0])}, want) == ""
    assert "off by" in compare(case, {"y": np.array([1.0, -2.01, 5.0])}, want)
    assert "off by" in compare(case, {"y": np.array([np.nan, -2.0, 5.0])}, want)
    assert "shape" in compare(case, {"y": np.zeros((3, 1))}, want)
    assert compare(case, {}, want) == "gave no y"
    assert compare(case, {"y": np.array([1.0, -2.0, 0.0, 9.0])}, want) == ""  # only the start is known


@pytest.mark.parametrize("letter", "abcd")
def test_networks_are_the_same_in_numpy_and_ours(letter: str) -> None:
    """The reference of the inference cases against the network that is timed."""
    from bench.ours.networks import BUILDERS

    (case,) = [c for c in cases.of_family("inference") if c.spec == {"net": letter, "batch": 1}]
    arrays = case.draw()
    runs = BUILDERS["infer"](case.spec, arrays)
    assert case.reference is not None
    for run in runs:
        assert isinstance(run, Run)
        assert compare(case, run.value(), case.reference(case.spec, arrays)) == ""


def test_lstm_is_the_same_in_numpy_and_ours() -> None:
    """The network that is trained, with random biases."""
    from bench.ours.networks import model

    import tilegrad as tg

    net, rng = nets.NETS["e"], np.random.default_rng(0)
    weights = nets.initial_weights(net, rng)
    weights["lstm.b"] = rng.normal(size=weights["lstm.b"].shape).astype(np.float32)
    x = rng.normal(size=(2, 5, net.sample[1]))
    found = model(net, weights, "float64")(tg.tensor(x)).detach().numpy()
    np.testing.assert_allclose(found, nets.forward(net, weights, x), rtol=1e-10, atol=1e-12)


def test_lstm_of_numpy_forgets_and_remembers() -> None:
    """With no input and no recurrence the cell halves its state; an open gate keeps it."""
    zeros = np.zeros((1, 1, 1))
    b = np.array([100.0, -100.0, 100.0, 100.0])  # input and output open, forget shut, candidate 1
    assert nets.lstm(zeros, np.zeros((1, 4)), np.zeros((1, 4)), b)[0, 0] == pytest.approx(np.tanh(1.0))
    b = np.array([100.0, 100.0, 100.0, 100.0])
    twice = nets.lstm(np.zeros((1, 2, 1)), np.zeros((1, 4)), np.zeros((1, 4)), b)
    assert twice[0, 0] == pytest.approx(np.tanh(2.0))


def test_figure_shows_every_goal(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from bench.figure import draw, label

    found = RATIO.judge([record("x", 1.0, {"numpy": 2.0})], {}, 2)
    every = [found, *goals.verdicts([], {}, 2)]
    draw(every, tmp_path / "goals.svg")
    drawn = (tmp_path / "goals.svg").read_text()
    assert all(label(verdict).replace("'", "&#x27;") in drawn or label(verdict) in drawn for verdict in every)
    assert "2.00 x" in drawn
    assert len({label(verdict) for verdict in every[1:]}) == len(GOALS)


def test_json_has_no_nan(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    results.save(path, [results.Run("now", "m", "s", "r", 1, records=[record("x", 1.0, {})])])
    assert "NaN" not in path.read_text()
    assert list(json.loads(path.read_text())) == ["runs"]
    assert {goal.row for goal in GOALS} == set(ROWS)


@pytest.fixture
def session() -> Iterator[Session]:
    with Session(1, ["ours", "numpy"], Pace(seconds=0.0, rounds=1)) as made:
        yield made


(SMALL_PRODUCT,) = [case for case in cases.of_family("gemm") if case.name == "NN 64x64x64"]


def test_a_case_is_run_by_all_sides(session: Session) -> None:
    found = session.run(SMALL_PRODUCT)
    assert [timing.side for timing in found.timings] == ["ours", "numpy"]
    assert found.problems == {}
    assert found.checked == "NumPy float64"


def test_who_is_wrong_is_not_timed(session: Session) -> None:
    found = session.run(dataclasses.replace(SMALL_PRODUCT, tolerance=1e-12))
    assert found.timings == []
    assert all("wrong values: product is off by" in text for text in found.problems.values())
    assert len(found.problems) == 2


def test_a_lost_process_is_reported_and_started_anew(session: Session) -> None:
    session.run(SMALL_PRODUCT)
    session.processes["numpy"].process.kill()
    found = session.run(SMALL_PRODUCT)
    assert [timing.side for timing in found.timings] == ["ours"]
    assert "its process ended with code -9" in found.problems["numpy"]
    assert [timing.side for timing in session.run(SMALL_PRODUCT).timings] == ["ours", "numpy"]


def test_an_answer_that_does_not_come(session: Session) -> None:
    found = session.run(dataclasses.replace(SMALL_PRODUCT, limit=0.0))
    assert "no answer within 0 s" in found.problems["ours"]
    assert session.processes.get("ours") is None


def test_a_side_that_does_not_start(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.processes.START", 0.0)
    found = session.run(SMALL_PRODUCT)
    assert found.problems["ours"].startswith("does not start")
    assert session.broken["ours"] == found.problems["ours"]
