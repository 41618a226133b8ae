"""Holds the rules of csrc/cpu over its compiled objects: check_isa_objects.py BUILD_FOLDER

Refused, because each would let code of one ISA run on a machine without it (csrc/cpu/isa.h gives the reasons):

- weak and unique symbols: the linker keeps one copy for the whole library, perhaps the AVX-512 one;
- global symbols outside the ISA's own namespace;
- static initialisers and function-local statics: they run before the CPU was asked what it can do;
- calls out of the kernels, to libm (whose results differ between machines), the C++ library or anything else.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

# What compilers call of their own accord, and the one function of the core that a kernel may call.
ALLOWED_CALLS = {
    "_GLOBAL_OFFSET_TABLE_",
    "__stack_chk_fail",
    "_ZNK8tilegrad4Team4waitEv",
    "memcmp",
    "memcpy",
    "memmove",
    "memset",
}
# Of the portable kernels also the C library's fma, which is exact: the emulation's last resort (formulas/fma.h).
ALLOWED_GENERIC_CALLS = ALLOWED_CALLS | {"fma"}
INITIALISER_SECTIONS = (".init_array", ".ctors", ".preinit_array")
OBJECT_FOLDER = re.compile(r"kernels_(\w+)\.dir$")


def tool(*command: str) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def symbols(path: Path) -> Iterable[tuple[str, str]]:
    """Name and nm's letter of every symbol."""
    for line in tool("nm", "--format=posix", str(path)):
        name, kind = line.split()[:2]
        yield name, kind


def sections(path: Path) -> Iterable[str]:
    for line in tool("readelf", "--section-headers", "--wide", str(path)):
        found = re.match(r"\s*\[\s*\d+\]\s+(\.\S+)", line)
        if found:
            yield found[1]


def faults(path: Path, isa: str) -> list[str]:
    """What is wrong with one object, one line each."""
    namespace = f"_ZN8tilegrad3cpu{len(isa)}{isa}"
    allowed = ALLOWED_GENERIC_CALLS if isa == "generic" else ALLOWED_CALLS
    found = []
    for name, kind in symbols(path):
        if kind in "wWvVu":
            found.append(f"weak symbol {name}: put it into an unnamed namespace or make it TILEGRAD_INLINE")
        elif name.startswith(("_GLOBAL__sub_I", "__cxx_global_var_init")):
            found.append(f"static initialiser {name}: make the object constexpr or constinit")
        elif name.startswith("_ZGV") and not name.startswith(("_ZGVb", "_ZGVc", "_ZGVd", "_ZGVe", "_ZGVn")):
            found.append(f"function-local static {name}")
        elif kind == "U" and name not in allowed and not name.startswith(namespace):
            found.append(f"call to {name}: kernels call nothing outside their namespace")
        elif kind.isupper() and kind != "U" and not name.startswith(namespace):
            found.append(f"global symbol {name}: put it into the namespace tilegrad::cpu::{isa}")
    found += [
        f"static initialiser in section {section}"
        for section in sections(path)
        if section.startswith(INITIALISER_SECTIONS)
    ]
    return found


def objects(build: Path) -> list[tuple[Path, str]]:
    """Every kernel object under a build folder, with its ISA."""
    found = []
    for folder in sorted(build.rglob("kernels_*.dir")):
        match = OBJECT_FOLDER.search(folder.name)
        if match:
            found += [(path, match[1]) for path in sorted(folder.rglob("*.o"))]
    return found


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    checked = objects(Path(arguments[0]))
    if not checked:
        print(f"check_isa_objects: no kernel objects under {arguments[0]}", file=sys.stderr)
        return 1
    wrong = [f"{path}: {fault}" for path, isa in checked for fault in faults(path, isa)]
    print(
        "\n".join(wrong) or f"{len(checked)} kernel objects of {', '.join(sorted({isa for _, isa in checked}))}: clean"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
