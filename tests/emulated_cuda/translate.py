"""Writes the sources of csrc/cuda as C++ without CUDA's syntax: translate.py FROM TO.

Two things are not C++: ``kernel<<<...>>>(...)`` becomes a call of ``emulated::Launch``, and an
``extern __shared__ T name[]`` a pointer. Lines keep their numbers. Files that did not change are left alone.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

OPENING, CLOSING = "([{", ")]}"


def closing_bracket(text: str, start: int) -> int:
    """Where the bracket that opens at ``start`` closes."""
    depth = 0
    for position in range(start, len(text)):
        depth += (text[position] in OPENING) - (text[position] in CLOSING)
        if depth == 0:
            return position
    raise ValueError(f"no closing bracket for {text[start : start + 40]!r}")


def start_of_callee(text: str, end: int) -> int:
    """Where the name, with template arguments, that ends at ``end`` begins."""
    start = len(text[:end].rstrip())
    if text[start - 1] == ">":
        depth = 0
        while True:
            start -= 1
            depth += (text[start] == ">") - (text[start] == "<")
            if depth == 0:
                break
    while re.match(r"[\w:]", text[start - 1]):
        start -= 1
    return start


def translate(text: str) -> str:
    while (opening := re.search(r"<<<", text)) is not None:
        line = text[text.rfind("\n", 0, opening.start()) + 1 : opening.start()]
        if line.lstrip().startswith("//"):
            text = text[: opening.start()] + "< < <" + text[opening.end() :]
            continue
        configured = text.index(">>>", opening.end())
        start = start_of_callee(text, opening.start())
        callee, configuration = text[start : opening.start()], text[opening.end() : configured]
        call = text.index("(", configured)
        arguments = text[call + 1 : closing_bracket(text, call)]
        made = f"::emulated::Launch{{{configuration}}}([=](const auto&... given) {{ {callee}(given...); }}" + (
            f", {arguments}" if arguments.strip() else ""
        )
        text = text[:start] + made + text[closing_bracket(text, call) :]
    text = text.replace("__noinline__", "__attribute__((noinline))")  # a macro would break the standard library's own
    return re.sub(
        r"extern __shared__ (?:__align__\(\d+\) )?(\w+) (\w+)\[\];",
        r"static \1* const \2 = ::emulated::dynamic_shared_of<\1>();",
        text,
    )


def main() -> None:
    source, target = map(Path, sys.argv[1:])
    for path in sorted(source.rglob("*")):
        if path.suffix not in {".cu", ".cuh"}:
            continue
        made = target / path.relative_to(source)
        made.parent.mkdir(parents=True, exist_ok=True)
        text = f'#line 1 "{path}"\n' + translate(path.read_text())
        if not made.exists() or made.read_text() != text:
            made.write_text(text)


if __name__ == "__main__":
    main()
