from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hookkit.installer.command import command_for, own_command, stable_interpreter, without_cellar

ENTRY = "hookkit_claude_code.py"

OURS = [
    f"/usr/bin/python3 -I -S /h/{ENTRY} >/dev/null 2>&1 || :",
    f"'/opt/my python/bin/python3.12' -I -S '/h o/{ENTRY}' >/dev/null 2>&1 || :",
    f"python3 /h/{ENTRY}",
    f"python /h/{ENTRY} PreToolUse",
    f"/usr/bin/python3 ~/.local/share/hookkit/hooks/{ENTRY} || true",
    f'"$HOME/.venv/bin/python" -I "$HOME/hooks/{ENTRY}" > /dev/null 2>&1',
    f"/usr/bin/python3 -IS /h/{ENTRY} >/dev/null 2>/dev/null || :",
    f"/Library/Frameworks/Python.app/Contents/MacOS/Python -I -S /h/{ENTRY} >/dev/null 2>&1 || :",
    f"/gone/pypy3.11 /h/{ENTRY}",
]
THEIRS = [
    "/me/hookkit_mine.sh",
    f"echo {ENTRY}",
    f"echo python3 /h/{ENTRY}",
    f"timeout 5 python3 /h/{ENTRY}",
    f"python3 -c 'print(1)' /h/{ENTRY}",
    f"python3 -m pdb /h/{ENTRY}",
    f"python3 /h/my_{ENTRY}",
    f"python3 /h/{ENTRY}.bak",
    f"python3 /h/{ENTRY}/run.py",
    f"python3 /h/{ENTRY} | tee /tmp/log",
    f"python3 /h/{ENTRY} ; rm -rf /tmp/x",
    f"python3 /h/{ENTRY}; true",
    f"python3 /h/{ENTRY} && echo done",
    f"python3 /h/{ENTRY} > /tmp/log",
    f"python3 /h/{ENTRY} || echo failed",
    f"python3 /h/{ENTRY}\nrm x",
    f"python3 /h/{ENTRY} $(rm x)",
    f"FOO=1 python3 /h/{ENTRY}",
    f"/h/{ENTRY}",
    f"python3 '/h/{ENTRY}",
    f"python3 lint.py /h/{ENTRY}",
    f"# python3 /h/{ENTRY}",
    "",
]


@pytest.mark.parametrize("command", OURS)
def test_every_way_ours_was_ever_spelled_is_recognised(command: str) -> None:
    assert own_command(command, ENTRY) is not None


@pytest.mark.parametrize("command", [*THEIRS, 5, None, ["python3"], {"x": 1}])
def test_a_command_that_only_looks_like_ours_is_not_taken(command: object) -> None:
    assert own_command(command, ENTRY) is None


def test_the_exec_form_is_recognised_by_its_arguments() -> None:
    assert own_command("python3", ENTRY, ["-I", f"/h/{ENTRY}"]) is not None
    assert own_command("python3", ENTRY, ["-I", "/h/other.py"]) is None
    assert own_command("python3", ENTRY, [1]) is None


@pytest.mark.parametrize(
    "folder", ["plain", "with space", "quo'te", 'dou"ble', "do$HOME`id`llar", "semi;colon", "é\\n"]
)
def test_the_command_runs_from_any_folder_and_is_recognised(folder: str, tmp_path: Path) -> None:
    script = tmp_path / folder / ENTRY
    script.parent.mkdir()
    script.write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close(); print('noise'); raise SystemExit(2)")
    command = command_for(sys.executable, script)
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (tmp_path / "ran").exists()
    own = own_command(command, ENTRY)
    assert own is not None
    assert (own.interpreter, own.script) == (sys.executable, str(script))


@pytest.mark.parametrize("interpreter", [sys.executable, "/nowhere/python3"])
def test_the_command_is_silent_and_succeeds_where_script_or_interpreter_is_gone(
    interpreter: str, tmp_path: Path
) -> None:
    command = command_for(interpreter, tmp_path / "gone" / ENTRY)
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_interpreter_is_the_base_one_and_works() -> None:
    found = stable_interpreter()
    script = "import sys; print(sys.version_info[:2], sys.prefix == sys.base_prefix)"
    said = subprocess.run([found, "-I", "-S", "-c", script], capture_output=True, text=True, check=True).stdout
    assert said.strip() == f"{sys.version_info[:2]} True"
    assert os.path.isabs(found)
    assert not Path(found).parent.parent.joinpath("pyvenv.cfg").exists()


def test_a_homebrew_release_path_becomes_the_stable_link() -> None:
    path = "/opt/homebrew/Cellar/python@3.12/3.12.4/bin/python3.12"
    stable = "/opt/homebrew/opt/python@3.12/bin/python3.12"
    assert without_cellar(path, lambda p: p == stable) == stable
    assert without_cellar(path, lambda p: False) == path
    assert without_cellar("/usr/bin/python3", lambda p: True) == "/usr/bin/python3"
