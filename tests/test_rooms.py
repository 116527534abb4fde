"""The house keeps its shape: imports go one way, nothing goes in circles, no module grows without end."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = {"hookkit": ROOT / "src" / "hookkit", "hookkit.installer": ROOT / "installer"}
# A room may import from its own level only itself, and from every level below.
LEVELS = (
    {"hookkit.__main__"},
    {"hookkit.cli", "hookkit.adk"},
    {"hookkit.dashboard"},
    {"hookkit.exporters"},
    {"hookkit.views", "hookkit.installer"},
    {"hookkit.capture"},
    {"hookkit.trails", "hookkit.phases", "hookkit.telemetry"},
    {"hookkit.store", "hookkit.git", "hookkit.agents"},
    {"hookkit.runlog"},
    {"hookkit.config"},
    {"hookkit.paths", "hookkit.errors", "hookkit.redaction"},
    {"hookkit"},
)


def _modules() -> dict[str, Path]:
    found = {}
    for package, folder in ROOMS.items():
        for path in folder.rglob("*.py"):
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join([package, *(part for part in parts if part != "__init__")])] = path
    return found


MODULES = _modules()


def _imports(module: str) -> set[str]:
    """The modules of hookkit that ``module`` names in an import, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names & MODULES.keys() or {node.module}
    return {name for name in found if name in MODULES} - {module}


def _level(module: str) -> tuple[int, str]:
    room = next(
        room
        for rooms in LEVELS
        for room in rooms
        if module == room or (room != "hookkit" and module.startswith(f"{room}."))
    )
    return next(number for number, rooms in enumerate(LEVELS) if room in rooms), room


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_lead_down_the_house(module: str) -> None:
    level, room = _level(module)
    for imported in _imports(module):
        below, other = _level(imported)
        assert below > level or other == room, f"{module} imports {imported}"


def test_no_import_leads_back_to_where_it_came_from() -> None:
    graph = {module: _imports(module) for module in MODULES}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path[path.index(module) :], module))
        if module not in done:
            for imported in graph[module]:
                visit(imported, (*path, module))
            done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize("folder", ["hooks", "installer", "src", "bench"])
def test_no_module_is_longer_than_400_lines(folder: str) -> None:
    for path in (ROOT / folder).rglob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path
