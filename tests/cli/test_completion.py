"""Completion: what click's protocol gives, and what real shells make of the scripts."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hookkit import config
from hookkit.agents import AGENTS
from hookkit.cli import complete, run
from hookkit.store.index import index_path

from .recorded import Session


@pytest.fixture
def hookkit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `hookkit` on the PATH."""
    program = tmp_path / "bin" / "hookkit"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m hookkit "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return program


def offered(*words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What is offered for the last of the words, by the protocol that the script for bash speaks."""
    monkeypatch.setenv("_HOOKKIT_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", shlex.join(["hookkit", *words]))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    with pytest.raises(SystemExit) as stop:
        run([])
    said = capsys.readouterr()
    assert (stop.value.code, said.err) == (0, "")
    return [line.partition(",")[2] for line in said.out.splitlines() if line]


def test_values_are_offered(
    inside: Session, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def offer(*words: str) -> list[str]:
        return offered(*words, monkeypatch=monkeypatch, capsys=capsys)

    trace = inside.trace_id
    assert run(["list"]) == 0
    capsys.readouterr()
    assert offer("sh") == ["show"]
    assert offer("show", "") == ["last", trace[:8]]
    assert offer("diff", trace[:3]) == [trace[:8]]
    assert offer("resume", trace[:12]) == [trace]
    assert offer("trail", "show", inside.session_id[:6]) == [inside.session_id]
    assert offer("show", "--tool", "") == ["Bash", "Edit", "Read", "Write"]
    assert offer("show", "--times", "") == ["absolute", "relative", "delta"]
    assert offer("list", "--agent", "c") == [name for name in AGENTS if name.startswith("c")]
    assert offer("list", "--model", "") == ["anthropic/claude-opus-4-8"]
    assert offer("install", "git", "") == [*AGENTS, "watcher", "skill"]
    assert set(offer("install", "skill", "--harness", "")) == {name for name, one in AGENTS.items() if one.skills}
    assert offer("config", "get", "li") == ["list.limit"]
    assert offer("config", "set", "icons", "") == ["auto", "unicode", "ascii"]
    assert offer("config", "set", "adk.sanitize_args", "t") == ["true"]
    assert offer("completion", "") == ["bash", "zsh", "fish"]
    assert offer("tail", "") == ["last", trace[:8]]
    assert offer("tail", "--agent", "c") == [name for name in AGENTS if name.startswith("c")]
    assert offer("export", "") == ["last", trace[:8], "agent-trace", "git-ai"]
    assert offer("export", trace[:3]) == [trace[:8]]
    assert offer("export", "git") == ["git-ai"]
    assert offer("export", "--no-r") == ["--no-redact"]
    assert offer("export", "last", "--format", "at") == ["atif"]
    assert offer("blame", "ap") == ["ap"]  # the shell's own files


@pytest.mark.parametrize("damage", ["no store", "no index", "index", "settings", "home"])
def test_whatever_is_broken_nothing_disturbs_the_line(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "hookkit"
    monkeypatch.setenv("HOOKKIT_HOME", str(home))
    if damage == "home":
        home.write_text("")
    elif damage != "no store":
        (home / "traces").mkdir(parents=True)
        (home / "traces" / "8aa45309.json").write_text("{")
    if damage == "index":
        index_path().write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    if damage == "settings":
        config.path().write_text("[")
    for words in (("show", ""), ("list", "--tool", ""), ("config", "set", "nonsense", ""), ("config", "get", "pag")):
        found = offered(*words, monkeypatch=monkeypatch, capsys=capsys)
        assert found == (["pager"] if words[-1] == "pag" else [])


def test_a_failure_of_ours_is_no_offer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("hookkit.store.index.Index.rows", lambda *_, **__: 1 / 0)
    assert offered("show", "", monkeypatch=monkeypatch, capsys=capsys) == []
    monkeypatch.setattr("hookkit.cli.Commands.get_command", lambda *_: 1 / 0)
    assert run([]) == 1
    assert capsys.readouterr() == ("", "")


def test_the_shell_is_guessed_and_an_unknown_one_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert run(["completion"]) == 0
    assert "complete --no-files --command hookkit" in capsys.readouterr().out
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    assert run(["completion"]) == 2
    assert "tcsh" in capsys.readouterr().err
    assert complete.agents.__doc__


IN_BASH = """
set -u
eval "$(hookkit completion bash)"
complete -p hookkit
COMP_WORDS=(hookkit show {start}); COMP_CWORD=2
_hookkit_completion hookkit
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
IN_FISH = "hookkit completion fish | source; complete --do-complete 'hookkit show {start}'"
# Its completion wants its line editor, and so a terminal of its own.
IN_ZSH = """
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'PS1=; autoload -Uz compinit; compinit -u -D; eval "$(hookkit completion zsh)"; print READY'
zpty -r -m shell line '*READY*READY*' || exit 1
zpty -w -n shell $'hookkit show {start}\\t'
zpty -r -m shell line '*{whole}*' && print -r -- {whole}
"""


@pytest.mark.parametrize(("shell", "script"), [("bash", IN_BASH), ("fish", IN_FISH), ("zsh", IN_ZSH)])
@pytest.mark.usefixtures("hookkit")
def test_in_a_real_shell(inside: Session, shell: str, script: str, capsys: pytest.CaptureFixture[str]) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not here")
    assert run(["list"]) == 0
    capsys.readouterr()
    whole = inside.trace_id[:8]
    options = ["--norc"] if shell == "bash" else ["-f"] if shell == "zsh" else ["--no-config"]
    done = subprocess.run(
        [program, *options, "-c", script.format(start=whole[:5], whole=whole)],
        capture_output=True, text=True, check=False, timeout=60, env=dict(os.environ) | {"TERM": "xterm"},
    )  # fmt: skip
    assert whole in done.stdout, done
