"""Profiles: every launch is there, with its layer, bytes and FLOPs; eager and replayed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tilegrad as tg
from tilegrad import nn

from .captured_step import mean_square_step


class Block(nn.Module):
    """A layer in a list in a layer: paths go through both."""

    def __init__(self) -> None:
        self.layers = nn.ModuleList([nn.Linear(6, 6), nn.Linear(6, 6)])

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


def setup() -> tuple[nn.Sequential, tg.optim.Adam, tg.Tensor]:
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 6), Block())
    return model, tg.optim.Adam(model.parameters(), lr=1e-3), tg.ones((5, 6, 6, 2))


def test_kernels_and_layers_of_an_eager_step() -> None:
    model, optimizer, x = setup()
    with tg.profile() as measured:
        loss = tg.mean(model(x) ** 2.0)
        loss.backward()
        optimizer.step()
    kernels = {row.name: row for row in measured.rows()}
    assert kernels["conv2d_forward"].calls == 1
    # Multiplications and additions of the definition: N P Q K R S C, and N in out of the three dense layers.
    assert kernels["conv2d_forward"].flops == 2 * 5 * 4 * 4 * 4 * 3 * 3 * 2
    assert kernels["conv2d_forward"].bytes == 4 * (5 * 36 * 2 + 9 * 2 * 4 + 4 + 5 * 16 * 4)
    forward = [launch for launch in measured.launches if launch.kernel == "gemm" and not launch.backward]
    assert [launch.flops for launch in forward] == [2 * 5 * 64 * 6, 2 * 5 * 6 * 6, 2 * 5 * 6 * 6]
    assert [launch.layer for launch in forward] == [
        "Sequential.3 (Linear)", "Sequential.4.layers.0 (Linear)", "Sequential.4.layers.1 (Linear)",
    ]  # fmt: skip
    backward = [launch for launch in measured.launches if launch.kernel == "conv2d_backward_weights"]
    assert [(launch.layer, launch.backward) for launch in backward] == [("Sequential.0 (Conv2d)", True)]
    assert {launch.layer for launch in measured.launches if launch.kernel == "adam"} == {"Adam"}
    assert all(launch.end >= launch.start and not launch.replayed for launch in measured.launches)
    assert abs(sum(row.share for row in measured.rows("layer")) - 1) < 1e-9
    assert sum(row.calls for row in measured.rows("layer and kernel")) == len(measured.launches)
    text = str(measured)
    assert "conv2d_forward" in text
    assert "Sequential.0 (Conv2d) backward" in text


def test_a_replay_is_measured_like_the_function() -> None:
    model, optimizer, x = setup()
    step = tg.capture(mean_square_step(model, optimizer))
    for _ in range(3):
        step(x)
    with tg.profile() as eager:
        step._function(x)
    with tg.profile() as replayed:
        step(x)

    def told(measured: tg.profile) -> list[tuple[object, ...]]:
        return [
            (launch.kernel, launch.layer, launch.backward, launch.bytes, launch.flops)
            for launch in measured.launches
            if launch.kernel != "host call"
        ]

    assert told(replayed) == told(eager)
    assert all(launch.replayed for launch in replayed.launches)
    with tg.profile() as nothing:
        pass
    assert nothing.launches == []
    assert nothing.rows() == []


def test_the_chrome_trace_holds_every_launch(tmp_path: Path) -> None:
    model, _, x = setup()
    with tg.profile() as measured:
        model(x)
    measured.save_chrome_trace(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    kernels = [event for event in events if event["ph"] == "X" and event["tid"] == 0]
    assert [event["name"] for event in kernels] == [launch.kernel for launch in measured.launches]
    assert all(event["dur"] >= 0 and event["ts"] >= 0 for event in kernels)
    assert {event["args"]["layer"] for event in kernels} >= {"Sequential.0 (Conv2d)", "Sequential.3 (Linear)"}


def test_bad_use() -> None:
    with tg.profile() as measured:
        with pytest.raises(tg.CaptureError, match="another profile is being made"), tg.profile():
            pass
        tg.ones(2) + tg.ones(2)
    assert [launch.kernel for launch in measured.launches][-1] == "add"
    with pytest.raises(tg.ArgumentError, match="by must be one of 'kernel', 'layer', 'layer and kernel', found 'op'"):
        measured.rows("op")
