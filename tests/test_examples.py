"""The examples, run as a user runs them, on little data."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import tilegrad as tg

from .test_data import MEMBERS, cifar_archive, mnist_folder

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(folder: Path, name: str, *arguments: str) -> str:
    """What an example prints, run in a folder of its own."""
    package = str(Path(tg.__file__).parents[1])  # the package under test, wherever it is
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([package, os.environ.get("PYTHONPATH", "")])}
    result = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout


def accuracy(printed: str) -> float:
    found = re.search(r"^test accuracy (\d\.\d{4})$", printed, re.MULTILINE)
    assert found, printed
    return float(found.group(1))


def test_digits(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    printed = run(tmp_path, "digits.py", "--epochs", "8", "--plot", "wrong.png", "--model", "m.safetensors")
    assert accuracy(printed) > 0.95
    assert "the same predictions" in printed
    assert (tmp_path / "wrong.png").read_bytes().startswith(b"\x89PNG")
    model = tg.load(tmp_path / "m.safetensors")
    assert model(tg.zeros((2, 8, 8, 1))).shape == (2, 10)


def test_char_lstm(tmp_path: Path) -> None:
    text = "the quick brown fox jumps over the lazy dog. " * 60
    (tmp_path / "text.txt").write_text(text)
    arguments = ["--text", "text.txt", "--epochs", "6", "--steps", "20", "--batch-size", "8", "--hidden", "48"]
    printed = run(tmp_path, "char_lstm.py", *arguments, "--temperature", "0.2")
    losses = [float(found) for found in re.findall(r"[ ,]loss[ =](\d+\.\d+)", printed)]
    assert losses[-1] < 0.2 * losses[0]
    assert "quick brown fox jumps over the lazy dog. the quick brown" in printed
    assert "it writes the same" in printed
    model = tg.load(tmp_path / "char_lstm.safetensors")
    assert model.generate("the quick brown f", 20, temperature=0).startswith("ox jumps over")


def test_mnist(tmp_path: Path) -> None:
    data = mnist_folder(tmp_path / "data", count=20)
    printed = run(tmp_path, "mnist.py", "--data", str(data), "--epochs", "1", "--batch-size", "8")
    assert 0 <= accuracy(printed) <= 1
    assert re.search(r"^[\d,]+ samples per second$", printed, re.MULTILINE)
    assert (tmp_path / "mnist.safetensors").exists()


def transferred(printed: str) -> dict[str, list[float]]:
    """The accuracies of transfer and from scratch, by case."""
    found = re.findall(
        r"^(\w+-\w+): \d+ images, transfer (\d\.\d{4}), from scratch (\d\.\d{4})$", printed, re.MULTILINE
    )
    return {case: [float(first), float(second)] for case, first, second in found}


def test_transfer(tmp_path: Path) -> None:
    for name in ("mnist", "fashion-mnist"):
        mnist_folder(tmp_path / "data" / name, count=60)
    printed = run(tmp_path, "transfer.py", "--data", "data", "--source", "fashion-mnist", "--limit", "20")
    assert list(transferred(printed)) == ["small-similar", "small-different", "large-similar", "large-different"]
    assert tg.load(tmp_path / "transfer.safetensors")(tg.zeros((2, 28, 28, 1))).shape == (2, 5)


def test_transfer_on_real_data(tmp_path: Path, data_folder: Path) -> None:
    """500 digits 5 to 9: features learnt from 0 to 4 tell them, a head alone is trained."""
    printed = run(tmp_path, "transfer.py", "--data", str(data_folder), "--case", "small-similar", "--limit", "3000")
    assert transferred(printed)["small-similar"][0] > 0.85


def test_transformer(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    printed = run(tmp_path, "transformer.py", "--epochs", "10")
    assert accuracy(printed) > 0.92


def test_transformer_on_mnist(tmp_path: Path) -> None:
    data = mnist_folder(tmp_path / "data", count=20)
    printed = run(tmp_path, "transformer.py", "--data", str(data), "--epochs", "1", "--batch-size", "8")
    assert 0 <= accuracy(printed) <= 1


def test_cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    cifar_archive(tmp_path / "cifar-10-binary.tar.gz", "w:gz", MEMBERS)
    monkeypatch.setattr(tg.data.CIFAR10, "file_checksums", {})  # these are not the original files
    monkeypatch.setattr(sys, "argv", ["cifar10.py", "--data", str(tmp_path), "--epochs", "1", "--batch-size", "8"])
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(EXAMPLES / "cifar10.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert 0 <= accuracy(printed) <= 1
    assert (tmp_path / "cifar10.safetensors").exists()
