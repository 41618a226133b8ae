"""tools/check_isa_objects.py: the kernels' objects are clean, and an object that is not is refused."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
COMPILER = shutil.which("c++")
pytestmark = pytest.mark.skipif(not shutil.which("nm") or not shutil.which("readelf"), reason="no binutils here")


def load_tool() -> Any:
    spec = importlib.util.spec_from_file_location("check_isa_objects", ROOT / "tools" / "check_isa_objects.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tool = load_tool()


def test_objects_of_this_build_are_clean() -> None:
    """The objects that pip's build left in the source tree."""
    # A sanitizer's instrumentation is full of weak symbols and initialisers.
    caches = [p for p in ROOT.glob("build/**/CMakeCache.txt") if "TILEGRAD_SANITIZE:STRING=\n" in p.read_text()]
    objects = [found for cache in caches for found in tool.objects(cache.parent / "CMakeFiles")]
    if not objects:
        pytest.skip("the library was not built in this tree")
    assert [f"{path}: {fault}" for path, isa in objects for fault in tool.faults(path, isa)] == []


BAD = {
    "weak": ("inline int twice(int x) { return 2 * x; } int (*volatile f)(int) = twice;", "weak symbol"),
    "initialiser": ("int make(); namespace tilegrad::cpu::avx2 { int x = make(); }", "static initialiser"),
    "constructor": ("__attribute__((constructor)) static void f() {}", "section .init_array"),
    "local static": (
        "namespace tilegrad::cpu::avx2 { int make(); struct S { S() : x(make()) {} int x; };"
        " int f() { static S s; return s.x; } }",
        "function-local static",
    ),
    "libm": (
        'extern "C" float expf(float); namespace tilegrad::cpu::avx2 { float f(float x) { return expf(x); } }',
        "call to expf",
    ),
    "global": ("int exported(int x) { return x; }", "global symbol"),
    "other ISA": ("namespace tilegrad::cpu::avx512 { int f(int x) { return x; } }", "global symbol"),
}


@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler here")
@pytest.mark.parametrize("name", BAD)
def test_bad_object_is_refused(name: str, tmp_path: Path) -> None:
    source, expected = BAD[name]
    build = tmp_path / "CMakeFiles" / "kernels_avx2.dir"
    build.mkdir(parents=True)
    (tmp_path / "bad.cpp").write_text(source)
    subprocess.run([COMPILER, "-std=c++20", "-c", tmp_path / "bad.cpp", "-o", build / "bad.o"], check=True)
    assert any(expected in fault for fault in tool.faults(build / "bad.o", "avx2")), tool.faults(
        build / "bad.o", "avx2"
    )
    assert tool.main([str(tmp_path)]) == 1


@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler here")
def test_good_object_passes(tmp_path: Path) -> None:
    build = tmp_path / "kernels_avx2.dir"
    build.mkdir()
    source = "namespace tilegrad::cpu::avx2 { namespace { int g(int x) { return x; } } int f(int x) { return g(x); } }"
    (tmp_path / "good.cpp").write_text(source)
    subprocess.run([COMPILER, "-std=c++20", "-c", tmp_path / "good.cpp", "-o", build / "good.o"], check=True)
    assert tool.main([str(tmp_path)]) == 0


def test_no_objects_is_a_failure(tmp_path: Path) -> None:
    assert tool.main([str(tmp_path)]) == 1
