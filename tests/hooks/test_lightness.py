"""A hook starts fast because it loads almost nothing, and stands alone because it loads nothing of hookkit."""

from __future__ import annotations

import ast
import json
import subprocess
import sys

import pytest

from hookkit.agents.claude_code import CONTRACT

from .rig import INTERPRETER, ROOT, Rig

OURS = {name.removesuffix(".py") for name in CONTRACT.hook_files}
# What the interpreter itself has loaded by then, and what it needs to find the scripts.
START = {
    "_abc", "_codecs", "_collections_abc", "_frozen_importlib", "_frozen_importlib_external", "_imp", "_io", "_stat",
    "_signal", "_thread", "_warnings", "_weakref", "abc", "builtins", "codecs", "encodings", "encodings.aliases",
    "encodings.utf_8", "encodings.ascii", "encodings.latin_1", "genericpath", "io", "marshal", "os", "os.path", "posix",
    "posixpath", "stat", "sys", "time", "winreg", "zipimport", "__main__", "_distutils_hack",
}  # fmt: skip
ALLOWED = {"json", "os", "select", "time", "fcntl"}
CORE = {"_json", "_sha2", "_sha256"}  # the C cores of json and hashlib, which come without what those packages load


def _loaded(rig: Rig, raw: bytes) -> set[str]:
    """The modules that a hook has loaded when it ends."""
    report = rig.base / "modules"
    entry = rig.hooks / CONTRACT.hook_entry
    text = entry.read_text()
    assert text.count("    os._exit(0)") == 1
    said = f"    open({str(report)!r}, 'w').write('\\n'.join(sys.modules))\n    os._exit(0)"
    entry.write_text(text.replace("    os._exit(0)", said))
    rig.send(raw)
    return set(report.read_text().split("\n"))


@pytest.mark.parametrize("event", ["SessionStart", "PostToolUse", "Stop", "SessionEnd"])
def test_a_hook_loads_little_more_than_the_bare_interpreter(rig: Rig, event: str) -> None:
    changes = {"prompt": "long" * 1000, "tool_input": {"command": "x" * 5000}}
    found = _loaded(rig, json.dumps(rig.payload(event, **changes)).encode())
    assert len(rig.lines()) == 1
    assert found - START - OURS - ALLOWED - CORE == set()
    assert "json" not in found


def test_only_calls_of_file_tools_load_what_reads_hunks(rig: Rig) -> None:
    assert "hookkit_hunks" not in _loaded(rig, json.dumps(rig.payload("PostToolUse")).encode())


def test_a_payload_that_is_no_json_loads_no_more(rig: Rig) -> None:
    assert _loaded(rig, b'{"a') - START - OURS - ALLOWED - CORE == set()


@pytest.mark.parametrize("name", CONTRACT.hook_files)
def test_a_script_imports_only_the_standard_library_and_its_neighbours(name: str) -> None:
    tree = ast.parse((ROOT / "hooks" / name).read_text())
    # What stands under `if TYPE_CHECKING:`, which is false, is never imported.
    tree.body = [
        node for node in tree.body if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    ]
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported - OURS <= ALLOWED | CORE | {"sys", "hashlib"}
    assert {found.split(".")[0] for found in imported} - OURS - CORE <= sys.stdlib_module_names


@pytest.mark.parametrize("name", CONTRACT.hook_files)
def test_a_script_is_no_longer_than_four_hundred_lines(name: str) -> None:
    assert len((ROOT / "hooks" / name).read_text().splitlines()) <= 400


def test_where_the_c_core_of_json_is_another_one_the_json_package_takes_over(rig: Rig) -> None:
    rig.patch("hookkit_json.py", "    import _json\n", "    raise ImportError\n")
    rig.begin()
    rig.fire("UserPromptSubmit", prompt="ünï\ud800\x00")
    rig.send(b'{"a": NaN')
    assert [line["event"] for line in rig.lines()] == ["UserPromptSubmit", "Unknown"]


def test_where_there_is_no_c_core_of_sha256_hashlib_takes_over(rig: Rig) -> None:
    whole = rig.fire("UserPromptSubmit", prompt="x" * 2000)["data"]["prompt"]
    text = (rig.hooks / "hookkit_line.py").read_text()
    (rig.hooks / "hookkit_line.py").write_text(text.replace("from _sha2", "from _none2").replace("_sha256 ", "_none "))
    assert rig.fire("UserPromptSubmit", prompt="x" * 2000)["data"]["prompt"] == whole


def test_nothing_beside_the_scripts_can_take_the_place_of_the_standard_library(rig: Rig) -> None:
    for name in ("json", "select", "time", "fcntl", "_json"):
        (rig.hooks / f"{name}.py").write_text("raise SystemExit(2)\n")
    for name in ("json", "select", "time"):
        (rig.project / f"{name}.py").write_text("raise SystemExit(2)\n")
    rig.fire("PreToolUse", env={"PYTHONPATH": str(rig.project), "PYTHONSTARTUP": "/nonexistent", "PYTHONHOME": "/x"})


def test_the_interpreter_is_started_without_site_packages(rig: Rig) -> None:
    done = subprocess.run(
        [INTERPRETER, "-I", "-S", "-c", "import sys; print(*sys.path)"], capture_output=True, check=True
    )
    assert b"site-packages" not in done.stdout
    assert f"{INTERPRETER} -I -S " in rig.command
