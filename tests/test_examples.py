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
from .test_distributed import mpirun, needs_mpi

EXAMPLES = Path(__file__).parents[1] / "examples"
PAGE = (EXAMPLES / "README.md").read_text()


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


@pytest.mark.parametrize("example", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_each_has_what_the_page_says(example: str) -> None:
    """The first lines are its help, it has a line in the list, and --quick runs it on little."""
    text = (EXAMPLES / example).read_text()
    assert "description=__doc__" in text
    assert '"--quick"' in text
    assert f"`{example}`" in PAGE or f"]({example})" in PAGE


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


def test_doctor(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    printed = run(tmp_path, "11_doctor.py", "--quick", "--out", "runs")
    assert printed.startswith("run 1: Choices(scale=255.0, weights=('normal', {'std': 1.0}), rate=0.3, shuffle=False)")
    found = [float(value) for value in re.findall(r"^test accuracy (\d\.\d{4}), training loss", printed, re.MULTILINE)]
    assert found[0] < 0.3
    assert found[-1] > 0.94
    first, *_, last = re.split(r"^run \d", printed, flags=re.MULTILINE)[1:]
    for name in ("wrong input range (error)", "unshuffled data (error)", "exploding gradients (error)"):
        assert name in first
    assert "the doctor found nothing wrong" in last
    for name in ("broken", "mended"):
        assert "what it takes for what" in (tmp_path / "runs" / f"{name}.html").read_text()


def test_perceptron(tmp_path: Path) -> None:
    printed = run(tmp_path, "01_perceptron.py", "--quick")
    assert len(re.findall(r"^(?:AND|OR|NAND) .*, 4 of 4 right$", printed, re.MULTILINE)) == 3
    assert "XOR      never separated by one unit" in printed
    assert "by hand: 4 of 4 right" in printed
    assert "XOR by gradients, two layers: 4 of 4 right for 2 of 2 seeds" in printed


def test_polynomial_regression(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    printed = run(tmp_path, "02_polynomial_regression.py", "--quick", "--plot", "fits.png")
    assert "the L2 fit is closer for 2 of 2 draws" in printed
    assert (tmp_path / "fits.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("way", [[], ["--slow"]], ids=["good", "slow"])
def test_softmax_regression(tmp_path: Path, way: list[str]) -> None:
    data = mnist_folder(tmp_path / "data", count=20)
    assert 0 <= accuracy(run(tmp_path, "03_softmax_regression.py", "--data", str(data), "--quick", *way)) <= 1


def test_mlp(tmp_path: Path) -> None:
    mnist_folder(tmp_path / "data" / "mnist", count=40)
    for network in ("784-50-50-10", "784-256-100-10 decay"):
        printed = run(tmp_path, "04_mlp.py", "--data", "data", "--quick", "--network", network)
        assert re.search(
            rf"^{network}: validation accuracy \d\.\d{{4}}, test accuracy \d\.\d{{4}}$", printed, re.MULTILINE
        )


def test_mlp_on_real_data(tmp_path: Path, data_folder: Path) -> None:
    printed = run(tmp_path, "04_mlp.py", "--data", str(data_folder), "--network", "784-50-50-10")
    found = re.search(r"test accuracy (\d\.\d{4})$", printed, re.MULTILINE)
    assert found
    assert float(found.group(1)) > 0.955


def test_distributed(tmp_path: Path) -> None:
    data = mnist_folder(tmp_path / "data", count=70)
    printed = run(tmp_path, "18_distributed.py", "--data", str(data), "--quick")
    assert printed.splitlines()[-3].startswith("1 process, ")
    assert 0 <= accuracy(printed) <= 1
    assert (tmp_path / "lenet.safetensors").exists()


@needs_mpi
def test_distributed_on_two_ranks(tmp_path: Path) -> None:
    data, model = mnist_folder(tmp_path / "data", count=70), tmp_path / "two.safetensors"
    done = mpirun(2, str(EXAMPLES / "18_distributed.py"), "--data", str(data), "--quick", "--model", str(model))
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["2", "test", "saved"]
    assert model.exists()


def test_searches(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    printed = run(tmp_path, "09_search.py", "--quick")
    assert len(re.findall(r"^    test accuracy \d\.\d{4}$", printed, re.MULTILINE)) == 2


def test_pipelines(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    printed = run(tmp_path, "14_pipelines.py", "--quick")
    assert len(re.findall(r"\d\.\d{4} \+- \d\.\d{4}", printed)) == 4 * 2 + 3


def test_cross_validation(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    printed = run(tmp_path, "15_cross_validation.py", "--quick")
    assert re.search(r"^mean: chosen \d\.\d{4}, nested \d\.\d{4}, on fresh samples \d\.\d{4}$", printed, re.MULTILINE)


def test_optuna(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    pytest.importorskip("sklearn")
    printed = run(tmp_path, "16_optuna.py", "--quick")
    assert "coarse: 6 trials of 2 epochs" in printed
    assert "fine: 4 trials of 3 epochs" in printed


def test_char_lstm(tmp_path: Path) -> None:
    text = "the quick brown fox jumps over the lazy dog. " * 60
    (tmp_path / "text.txt").write_text(text)
    arguments = ["--text", "text.txt", "--epochs", "6", "--steps", "20", "--batch-size", "8", "--hidden", "48"]
    printed = run(tmp_path, "08_text_lstm.py", *arguments, "--temperature", "0.2")
    losses = [float(found) for found in re.findall(r"[ ,]loss[ =](\d+\.\d+)", printed)]
    assert losses[-1] < 0.2 * losses[0]
    assert "quick brown fox jumps over the lazy dog. the quick brown" in printed
    assert "it writes the same" in printed
    model = tg.load(tmp_path / "text_lstm.safetensors")
    assert model.generate("the quick brown f", 20, temperature=0).startswith("ox jumps over")


def test_mnist(tmp_path: Path) -> None:
    data = mnist_folder(tmp_path / "data", count=20)
    printed = run(tmp_path, "05_lenet.py", "--data", str(data), "--epochs", "1", "--batch-size", "8")
    assert 0 <= accuracy(printed) <= 1
    assert re.search(r"^[\d,]+ samples per second$", printed, re.MULTILINE)
    assert (tmp_path / "lenet.safetensors").exists()


def test_regularisation(tmp_path: Path) -> None:
    data = mnist_folder(tmp_path / "data", count=60)
    printed = run(tmp_path, "12_regularisation.py", "--data", str(data), "--quick")
    found = re.findall(r"^([a-z0-9-]+) +(\d\.\d{4}) \+- 0\.0000 ", printed, re.MULTILINE)
    assert [name for name, _ in found] == [
        "nothing", "l1", "l2", "l0", "max-norm", "dropout", "augmentation", "early-stopping",
    ]  # fmt: skip


def test_ensembles(tmp_path: Path) -> None:
    data = mnist_folder(tmp_path / "data", count=60)
    printed = run(tmp_path, "10_ensembles.py", "--data", str(data), "--quick")
    found = re.findall(r"^([a-zA-Z, ]+?) +(\d\.\d{4}) \+- 0\.0000$", printed, re.MULTILINE)
    assert len(found) == 10
    assert {name for name, _ in found} > {"majority vote", "snapshots together", "high rate, SWA"}


def transferred(printed: str) -> dict[str, list[float]]:
    """The accuracies of transfer and from scratch, by case."""
    found = re.findall(
        r"^(\w+-\w+): \d+ images, transfer (\d\.\d{4}), from scratch (\d\.\d{4})$", printed, re.MULTILINE
    )
    return {case: [float(first), float(second)] for case, first, second in found}


def test_transfer(tmp_path: Path) -> None:
    for name in ("mnist", "fashion-mnist"):
        mnist_folder(tmp_path / "data" / name, count=60)
    printed = run(tmp_path, "07_transfer.py", "--data", "data", "--source", "fashion-mnist", "--limit", "20")
    assert list(transferred(printed)) == ["small-similar", "small-different", "large-similar", "large-different"]
    assert tg.load(tmp_path / "transfer.safetensors")(tg.zeros((2, 28, 28, 1))).shape == (2, 5)


def test_transfer_on_real_data(tmp_path: Path, data_folder: Path) -> None:
    """500 digits 5 to 9: features learnt from 0 to 4 tell them, a head alone is trained."""
    printed = run(tmp_path, "07_transfer.py", "--data", str(data_folder), "--case", "small-similar", "--limit", "3000")
    assert transferred(printed)["small-similar"][0] > 0.85


def test_transformer(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    printed = run(tmp_path, "13_transformer.py", "--epochs", "10")
    assert accuracy(printed) > 0.92


def test_transformer_on_mnist(tmp_path: Path) -> None:
    data = mnist_folder(tmp_path / "data", count=20)
    printed = run(tmp_path, "13_transformer.py", "--data", str(data), "--epochs", "1", "--batch-size", "8")
    assert 0 <= accuracy(printed) <= 1


def test_cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    cifar_archive(tmp_path / "cifar-10-binary.tar.gz", "w:gz", MEMBERS)
    monkeypatch.setattr(tg.data.CIFAR10, "file_checksums", {})  # these are not the original files
    monkeypatch.setattr(sys, "argv", ["06_cifar_cnn.py", "--data", str(tmp_path), "--epochs", "1", "--batch-size", "8"])
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(EXAMPLES / "06_cifar_cnn.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert 0 <= accuracy(printed) <= 1
    assert (tmp_path / "cifar_cnn.safetensors").exists()


def test_cifar_resnet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    cifar_archive(tmp_path / "cifar-10-binary.tar.gz", "w:gz", MEMBERS)
    monkeypatch.setattr(tg.data.CIFAR10, "file_checksums", {})
    arguments = ["17_cifar_resnet.py", "--data", str(tmp_path), "--quick", "--device", "cpu"]
    monkeypatch.setattr(sys, "argv", arguments)
    runpy.run_path(str(EXAMPLES / "17_cifar_resnet.py"), run_name="__main__")
    assert 0 <= accuracy(capsys.readouterr().out) <= 1
