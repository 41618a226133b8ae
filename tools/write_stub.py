"""Writes the type stub of the compiled extension: write_stub.py build/_C.cpython-311-x86_64-linux-gnu.so _C.pyi

pybind11-stubgen reads the signatures that pybind11 knows. The types that are written against CPython's own interface
have none: theirs stand in csrc/tensor/native_types.pyi, checked here against the compiled types in both directions.
Runs with the standard library and pybind11-stubgen alone: a wheel's build environment has neither NumPy nor tilegrad.
"""

from __future__ import annotations

import ast
import builtins
import importlib.util
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

NATIVE_TYPES = Path(__file__).parents[1] / "csrc" / "tensor" / "native_types.pyi"
KNOWN_MODULES = {"typing", "collections", "builtins", "numpy"}
# What pybind11 writes for a number that it converts, and what a caller should pass.
CONVERSIONS = {
    "typing.SupportsInt | typing.SupportsIndex": "int",
    "typing.SupportsFloat | typing.SupportsIndex": "float",
}
# Methods and attributes that every Python class has, unless the type defines its own.
IMPLICIT = {"__new__", "__doc__", "__module__", "__getattribute__", "__repr__", "__release_buffer__"}


class StubError(Exception):
    """The stub would be wrong or useless."""


def load(path: Path) -> ModuleType:
    """The extension alone, without its package."""
    spec = importlib.util.spec_from_file_location("_C", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def generated_stub(path: Path) -> ast.Module:
    """What pybind11-stubgen says of the module."""
    with tempfile.TemporaryDirectory() as folder:
        program = (
            f"import sys; sys.path.insert(0, {str(path.parent)!r}); import pybind11_stubgen; pybind11_stubgen.main()"
        )
        command = [sys.executable, "-c", program, "_C", "-o", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        stub = Path(folder) / "_C.pyi"
        if done.returncode or not stub.exists():
            raise StubError(f"pybind11-stubgen failed:\n{done.stdout}{done.stderr}")
        return ast.parse(stub.read_text())


class Annotations(ast.NodeTransformer):
    """Makes every annotation of a generated function mean what it says in the finished stub."""

    def __init__(self, names: set[str], classes: set[str]) -> None:
        self.names = names  # of the module, some of which hide builtins: bool, slice, sum, ...
        self.classes = classes  # that pybind11 made
        self.function = ""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.function = node.name
        arguments = node.args
        if arguments.vararg is not None and arguments.vararg.annotation is None:
            arguments.vararg.annotation = ast.Name("object")
        for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]:
            if argument.arg == "self":
                continue
            if argument.annotation is None:
                raise StubError(f"{node.name}: argument {argument.arg} has no type; give it one in {NATIVE_TYPES.name}")
            argument.annotation = self.fixed(argument.annotation, of_argument=True)
        if node.returns is None:
            raise StubError(f"{node.name} returns no type; give it one in {NATIVE_TYPES.name}")
        node.returns = self.fixed(node.returns, of_argument=False)
        return node

    def fixed(self, annotation: ast.expr, of_argument: bool) -> ast.expr:
        text = ast.unparse(annotation)
        for written, meant in CONVERSIONS.items():
            text = text.replace(written, meant)
        bare = {
            "dict": "dict[str, typing.Any]",
            "list": "list[typing.Any]",
            "tuple": "tuple[typing.Any, ...]",
            "collections.abc.Callable": "collections.abc.Callable[[], object]",
        }
        text = bare.get(text, text)
        if of_argument:  # what is accepted is wider than what is returned
            text = re.sub(r"\bDType\b", "DTypeLike", text)
            text = re.sub(r"\bTensor\b", "TensorBase", text)
        tree = ast.parse(text, mode="eval").body
        for part in ast.walk(tree):
            if isinstance(part, ast.Constant) and part.value is ...:
                inside_tuple = text.startswith("tuple[") or "tuple[" in text
                if not inside_tuple:
                    raise StubError(f"{self.function}: pybind11-stubgen could not read a type; does it name a C++ one?")
            if isinstance(part, ast.Name):
                hides_builtin = part.id in self.names and hasattr(builtins, part.id)
                known = part.id in KNOWN_MODULES | self.classes | {"Tensor", "TensorBase", "DType", "DTypeLike"}
                if hides_builtin:
                    part.id = f"builtins.{part.id}"
                elif not known and not hasattr(builtins, part.id):
                    raise StubError(f"{self.function}: the type {part.id} is not known to the stub")
        return ast.parse(ast.unparse(tree), mode="eval").body


def exception_class(name: str, error: type[BaseException]) -> ast.ClassDef:
    bases = ", ".join(base.__name__ for base in error.__bases__)
    return ast.parse(f"class {name}({bases}):\n    {error.__doc__!r}").body[0]  # type: ignore[return-value]


def check_class(declared: ast.ClassDef, actual: type) -> None:
    """Every attribute of the compiled type is declared, and the other way round."""
    written = {part.name for part in declared.body if isinstance(part, ast.FunctionDef)}
    compiled = {name for name in vars(actual) if name not in IMPLICIT}
    comparisons = {"__lt__", "__le__", "__gt__", "__ge__", "__ne__"}  # come with __eq__, one slot of the type
    missing = compiled - written - comparisons
    invented = {
        name for name in written - compiled - IMPLICIT if not (name == "__buffer__" and sys.version_info < (3, 12))
    }
    if missing or invented:
        raise StubError(
            f"{NATIVE_TYPES.name}: class {declared.name} lacks {sorted(missing) or 'nothing'} and declares "
            f"{sorted(invented) or 'nothing'} that the compiled type does not have"
        )


def finished_stub(path: Path) -> str:
    module = load(path)
    fragment = ast.parse(NATIVE_TYPES.read_text())
    declared = {part.name: part for part in fragment.body if isinstance(part, (ast.ClassDef, ast.FunctionDef))}
    for name, part in declared.items():
        if not hasattr(module, name):
            raise StubError(f"{NATIVE_TYPES.name}: the extension has no {name}")
        if isinstance(part, ast.ClassDef):
            check_class(part, getattr(module, name))
    names = {name for name in vars(module) if not name.startswith("__")}
    generated = generated_stub(path).body
    classes = {part.name for part in generated if isinstance(part, ast.ClassDef)} - set(declared)
    fix = Annotations(names, classes)
    body: list[ast.stmt] = list(fragment.body)
    members = vars(module)
    # Base classes first: an exception's own base is one of them.
    errors = [n for n in names if isinstance(members[n], type) and issubclass(members[n], BaseException)]
    for name in sorted(errors, key=lambda n: (len(members[n].__mro__), n)):
        body.append(exception_class(name, members[name]))
    covered = set(declared) | set(errors)
    for part in generated:
        is_class = isinstance(part, ast.ClassDef) and part.name in classes - set(errors)
        if is_class or (isinstance(part, ast.FunctionDef) and part.name not in declared):
            body.append(fix.visit(part))
            covered.add(part.name)
    for name in sorted(names - covered):
        kind = type(members[name]).__name__
        if kind not in ("DType", "int", "float", "str", "bool"):
            raise StubError(f"{name} is a {kind}: the stub has no type for it")
        body.append(ast.parse(f"{name}: {'builtins.bool' if kind == 'bool' else kind}").body[0])
    header = '"""The native core of tilegrad. Its functions take and return tensors and know no gradients."""\n\n'
    return header + ast.unparse(ast.fix_missing_locations(ast.Module(body, []))) + "\n"


def main() -> int:
    path, out = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    try:
        text = finished_stub(path)
    except StubError as error:
        print(f"write_stub: {error}", file=sys.stderr)
        return 1
    out.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
