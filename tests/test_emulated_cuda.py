"""The kernels for GPUs as C++: how their language is translated for TILEGRAD_CUDA=EMULATED."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "emulated_cuda"


@pytest.fixture(scope="module")
def translate():
    spec = importlib.util.spec_from_file_location("translate_cuda", FOLDER / "translate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.translate


@pytest.mark.parametrize(
    ("cuda", "expected"),
    [
        (
            "  scale<<<blocks_for(n, 4), kThreads, 0, stream.handle>>>(n, x);",
            "  ::emulated::Launch{blocks_for(n, 4), kThreads, 0, stream.handle}"
            "([=](const auto&... given) { scale(given...); }, n, x);",
        ),
        (
            "fold<T, Sum<A<T>>>\n    <<<1, dim3(8, 8), bytes, s>>>(f(a, b),\n  T{});",
            "::emulated::Launch{1, dim3(8, 8), bytes, s}"
            "([=](const auto&... given) { fold<T, Sum<A<T>>>\n    (given...); }, f(a, b),\n  T{});",
        ),
        (
            "ns::empty<<<1, 1, 0, s>>>();",
            "::emulated::Launch{1, 1, 0, s}([=](const auto&... given) { ns::empty(given...); });",
        ),
        ("// as in k<<<1, 2>>>(x)", "// as in k< < <1, 2>>>(x)"),
        (
            "  extern __shared__ __align__(128) char memory[];",
            "  static char* const memory = ::emulated::dynamic_shared_of<char>();",
        ),
    ],
)  # fmt: skip
def test_launches_and_shared_memory_become_cpp(translate, cuda: str, expected: str) -> None:
    assert translate(cuda) == expected


def test_lines_keep_their_numbers(translate) -> None:
    for path in sorted((FOLDER.parents[1] / "csrc/cuda").rglob("*.cu*")):
        source = path.read_text()
        made = translate(source)
        assert "<<<" not in made
        assert "extern __shared__" not in made
        assert made.count("\n") == source.count("\n"), path
