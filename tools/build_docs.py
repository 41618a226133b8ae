"""Writes the API reference from the docstrings, as HTML, with pdoc: tools/dev.sh python tools/build_docs.py docs/api

Documents what users import: the packages with what their ``__all__`` (or, for tilegrad itself, its namespace) names,
and the modules of MODULES. Fails on a public name without a docstring and on every warning. Needs the extra "docs".
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
import warnings
from functools import cached_property
from pathlib import Path
from types import ModuleType

import pdoc
import pdoc.doc
import pdoc.render

import tilegrad

MODULES = ("tilegrad.autograd", "tilegrad.nn.init", "tilegrad.nn.graph", "tilegrad.optim.schedules")
SPECIAL = ("__init__", "__call__")  # documented by their class


def documented_modules() -> list[ModuleType]:
    packages = [info.name for info in pkgutil.walk_packages(tilegrad.__path__, "tilegrad.") if info.ispkg]
    names = dict.fromkeys(["tilegrad", *packages, *MODULES])
    return [importlib.import_module(name) for name in names if name != "tilegrad.ops"]  # tilegrad has all of its names


def public_names(module: ModuleType) -> list[str]:
    """Those that ``from module import *`` gives, or for a namespace without ``__all__`` all that is no module."""
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return [name for name in listed if not inspect.ismodule(getattr(module, name))]
    found = {name for name, value in vars(module).items() if not name.startswith("_") and not inspect.ismodule(value)}
    return sorted(found - {"annotations", "TYPE_CHECKING", "Any"})


def undocumented(module: pdoc.doc.Module) -> list[str]:
    """The functions, classes and methods of ours that say nothing."""
    found = []
    for member in module.members.values():
        inside = list(member.members.values()) if isinstance(member, pdoc.doc.Class) else []
        for thing in [member, *inside]:
            ours = isinstance(thing, (pdoc.doc.Function, pdoc.doc.Class)) and not thing.name.startswith("_")
            if ours and thing.name not in SPECIAL and not thing.docstring.strip():
                found.append(thing.fullname)
    return found


def show_bases(modules: list[ModuleType]) -> None:
    """Have what comes from a base that is not documented shown where users find it: in the class that has it first."""
    values = (getattr(module, name) for module in modules for name in module.__all__)
    documented = {value for value in values if isinstance(value, type)}
    declarations = pdoc.doc.Class._declarations.func

    def shown(self: pdoc.doc.Class) -> dict[str, tuple[str, str]]:
        classes = inspect.getmro(self.obj)
        homes = {}
        for base in classes:
            home = next((kind for kind in reversed(classes) if kind in documented and issubclass(kind, base)), base)
            ours = base.__module__.startswith("tilegrad")
            homes[base.__module__, base.__qualname__] = home if ours else base
        found = {}
        for name, (module, qualname) in declarations(self).items():
            home = homes.get((module, qualname.rpartition(".")[0]))
            found[name] = (home.__module__, f"{home.__qualname__}.{name}") if home else (module, qualname)
        return found

    pdoc.doc.Class._declarations = cached_property(shown)  # type: ignore[assignment]
    pdoc.doc.Class._declarations.__set_name__(pdoc.doc.Class, "_declarations")


def main(folder: str) -> int:
    warnings.simplefilter("error")
    # pdoc looks for the types of a NamedTuple's fields, and of what is inherited, in another module than their own, and
    # shows them as they are written.
    warnings.filterwarnings("ignore", "Error parsing type annotation")
    modules = documented_modules()
    for module in modules:
        module.__all__ = public_names(module)  # type: ignore[attr-defined]
    show_bases(modules)
    missing = [name for module in modules for name in undocumented(pdoc.doc.Module(module))]
    if missing:
        print("without a docstring:", *missing, sep="\n    ", file=sys.stderr)
        return 1
    pdoc.render.configure(docformat="numpy", show_source=False)
    pdoc.pdoc(*(module.__name__ for module in modules), output_directory=Path(folder))
    print(
        f"{sum(len(module.__all__) for module in modules)} names of {len(modules)} modules are in {folder}/index.html"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "build/api"))
