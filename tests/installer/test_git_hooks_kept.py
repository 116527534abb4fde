"""Hooks that were there before: of any interpreter they run as they did, and `remove` gives them back to the byte."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hookkit.errors import HookInstallError
from hookkit.installer import GitHookInstaller, git_script
from tests.installer.repositories import Spy, commit, git, listing, put

# Each writes what it is called, its arguments, its folder and its stdin into the file $OUT, and has an exit code.
SHELL = 'echo "${0##*/} $* $PWD $(cat)" >>"$OUT"\n'
HOOKS: dict[str, tuple[str | bytes, int]] = {
    "sh that ends in exit 0": (f"#!/bin/sh\n{SHELL}exit 0\n", 0),
    "sh that fails": (f"#!/bin/sh\n{SHELL}exit 7\n", 7),
    "sh without a last newline": (f"#!/bin/sh\n{SHELL}exit 3", 3),
    "no first line": (SHELL + "exit 5\n", 5),
    "bash that stops at the first error": (f"#!/bin/bash -eu\n{SHELL}false\necho never >>$OUT\n", 1),
    "env bash": (f"#!/usr/bin/env bash\n{SHELL}[[ a == a ]] && exit 4\n", 4),
    "sh that is replaced by another program": (f"#!/bin/sh\n{SHELL}exec sh -c 'exit 6'\n", 6),
    "sh that finds its neighbour": ('#!/bin/sh\n. "$(dirname "$0")/neighbour"\n' + SHELL + "exit 9\n", 9),
    "sh with set -e that finds its neighbour": (
        '#!/bin/sh -e\n. "$(dirname -- "$0")/neighbour"\n' + SHELL + "false\necho never >>$OUT\n", 1,
    ),
    "sh that reads itself": (f"#!/bin/sh\n{SHELL}tail -n 1 \"$0\" >>$OUT\nexit 0\n# the last line\n", 0),
    "bash that asks whether it is read": (
        f"#!/bin/bash\n{SHELL}[ \"${{BASH_SOURCE[0]}}\" = \"$0\" ] && exit 8\n", 8,
    ),
    "python": (
        f"#!{sys.executable} -S\nimport os, sys\nopen(os.environ['OUT'], 'a').write(repr((sys.argv[1:], os.getcwd(),"
        " sys.stdin.read())))\nsys.exit(11)\n", 11,
    ),
    "python that asks for its name": (
        f"#!{sys.executable} -S\nimport os, sys\nopen(os.environ['OUT'], 'a').write(os.path.basename(sys.argv[0]))", 0,
    ),
    "python with a module beside it": (
        f"#!{sys.executable} -S\nimport os, sys\nimport helper\n"
        "open(os.environ['OUT'], 'a').write(helper.NAME + os.path.basename(sys.argv[0]))\n", 0,
    ),
    "perl": (
        "#!/usr/bin/env perl\nuse File::Basename;\nopen(F, '>>', $ENV{OUT}); print F basename($0), @ARGV, <STDIN>;\n"
        "exit 12;\n", 12,
    ),
    "a first line that names nothing": ("#!/no/such/interpreter\n", 127),
}  # fmt: skip


SAMPLES = {"post-update.sample"}


@pytest.fixture(autouse=True)
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "out"
    monkeypatch.setenv("OUT", str(path))
    return path


def hooks(root: Path) -> Path:
    return root / ".git" / "hooks"


def run(root: Path, name: str, stdin: str) -> int:
    """Run a hook as git does; its exit code."""
    command = ["/bin/sh", "-c", '"$0" "$@"; exit $?', f".git/hooks/{name}", "an arg", "'"]
    return subprocess.run(command, cwd=root, input=stdin, text=True, check=False).returncode


def taken(out: Path) -> str:
    """What the hooks wrote since."""
    text = out.read_text() if out.exists() else ""
    out.unlink(missing_ok=True)
    return text


@pytest.mark.parametrize("name", ["post-commit", "post-rewrite"])
@pytest.mark.parametrize("kind", HOOKS)
def test_a_hook_runs_as_it_did_and_comes_back_to_the_byte(
    kind: str, name: str, repository: Path, spy: Spy, out: Path
) -> None:
    content, code = HOOKS[kind]
    put(hooks(repository) / name, content, 0o751)
    put(hooks(repository) / "neighbour", 'echo "neighbour $0" >>"$OUT"\n', 0o644)
    put(hooks(repository) / "helper.py", "NAME = 'helper'\n", 0o644)
    stdin = "1111 2222\n3333 4444\n"
    before = listing(hooks(repository))
    seen_before, code_before = run(repository, name, stdin), taken(out)
    GitHookInstaller(project=repository).install()
    again = GitHookInstaller(project=repository).install()
    assert not again.changed
    seen_after, code_after = run(repository, name, stdin), taken(out)
    assert (seen_after, code_after) == (seen_before, code_before)
    assert seen_before == code
    assert len(spy.calls(1)) == 1
    GitHookInstaller(project=repository).remove()
    shutil.rmtree(hooks(repository) / "__pycache__", ignore_errors=True)
    assert listing(hooks(repository)) == before


@pytest.mark.parametrize("how", ["binary", "link", "link to a program", "dangling link", "not executable", "empty"])
def test_programs_links_and_what_git_ignores(how: str, repository: Path, spy: Spy, out: Path, tmp_path: Path) -> None:
    path = hooks(repository) / "post-commit"
    path.parent.mkdir(exist_ok=True)
    script = put(repository / "scripts" / "it's a hook", f"#!/bin/sh\n{SHELL}exit 21\n")
    if how == "binary":
        shutil.copy(shutil.which("false") or "/bin/false", path)
    elif how == "link":
        path.symlink_to("../../scripts/it's a hook")
    elif how == "link to a program":
        path.symlink_to(shutil.which("false") or "/bin/false")
    elif how == "dangling link":
        path.symlink_to("nowhere")
    elif how == "not executable":
        put(path, script.read_bytes(), 0o640)
    else:
        put(path, "")
    runs = how not in ("dangling link", "not executable")
    before = listing(hooks(repository))
    expected = (run(repository, "post-commit", ""), taken(out)) if runs else (0, "")
    GitHookInstaller(project=repository).install()
    assert GitHookInstaller(project=repository).status()["active"]
    assert (run(repository, "post-commit", ""), taken(out)) == expected
    assert len(spy.calls(1)) == 1
    GitHookInstaller(project=repository).remove()
    assert listing(hooks(repository)) == before


def test_theirs_runs_first_and_git_shows_what_it_says(repository: Path, spy: Spy) -> None:
    put(
        hooks(repository) / "post-commit",
        f'#!/bin/sh\nls "{spy.program.parent}" | grep -c seen\necho hello >&2\nexit 1\n',
    )
    GitHookInstaller(project=repository).install()
    assert commit(repository).splitlines() == ["0", "hello"]
    assert len(spy.calls(1)) == 1


def test_a_hook_that_hangs_on_its_stdin_or_ignores_it_is_served(repository: Path, spy: Spy, out: Path) -> None:
    put(hooks(repository) / "post-rewrite", "#!/bin/sh\nexec 0<&-\nexit 13\n")
    GitHookInstaller(project=repository).install()
    assert run(repository, "post-rewrite", "a b\n" * 100_000) == 13
    noted = (repository / ".git" / "hookkit" / "rewritten").read_text()
    assert noted == "a b\n" * 100_000


def test_husky_of_today_is_chained_in_its_own_ignored_folder(repository: Path, spy: Spy, out: Path) -> None:
    """husky 9: core.hooksPath is .husky/_, every hook there reads a common script that goes by $0."""
    stub = '#!/usr/bin/env sh\n. "$(dirname "$0")/h"\n'
    common = (
        '#!/usr/bin/env sh\nn=$(basename "$0")\ns=$(dirname "$(dirname "$0")")/$n\n'
        '[ ! -f "$s" ] && exit 0\nexport PATH="node_modules/.bin:$PATH"\nsh -e "$s" "$@"\nc=$?\nexit $c\n'
    )
    folder = repository / ".husky" / "_"
    put(folder / ".gitignore", "*", 0o644)
    put(folder / "h", common, 0o644)
    for name in ("post-commit", "post-rewrite"):
        put(folder / name, stub)
        put(repository / ".husky" / name, f"{SHELL}false\necho never >>$OUT\n", 0o644)
    git(repository, "config", "core.hooksPath", ".husky/_")
    git(repository, "add", ".husky")
    git(repository, "-c", "core.hooksPath=/dev/null", "commit", "-qm", "husky")
    before = listing(folder)
    GitHookInstaller(project=repository).install()
    assert git(repository, "status", "--porcelain").stdout == ""
    commit(repository)
    assert taken(out) == f"post-commit  {repository.resolve()} \n"
    assert len(spy.calls(1)) == 1
    # `npm install` runs husky again, which writes its own files anew.
    put(folder / "post-commit", stub)
    state = GitHookInstaller(project=repository).status()
    assert (state["installed"], [w["code"] for w in state["warnings"]][-1]) == (False, "ENTRY_MISSING")
    GitHookInstaller(project=repository).install()
    commit(repository)
    assert len(spy.calls(2)) == 2
    GitHookInstaller(project=repository).remove()
    assert listing(folder) == before


PRE_COMMIT = """#!/usr/bin/env bash
# File generated by pre-commit: https://pre-commit.com
# ID: 138fd403232d2ddd5efb44317e38bf03
ARGS=(hook-impl --config=.pre-commit-config.yaml --hook-type=post-commit)
HERE="$(cd "$(dirname "$0")" && pwd)"
ARGS+=(--hook-dir "$HERE" -- "$@")
echo "pre-commit ${ARGS[*]}" >>"$OUT"
[ -z "$PRE_COMMIT_RUNNING_LEGACY" ] || exit 99
[ ! -x "$HERE/post-commit.legacy" ] || PRE_COMMIT_RUNNING_LEGACY=1 "$HERE/post-commit.legacy"
"""


def test_a_hook_of_pre_commit_is_chained_with_the_folder_it_asks_for(repository: Path, spy: Spy, out: Path) -> None:
    put(hooks(repository) / "post-commit", PRE_COMMIT)
    run(repository, "post-commit", "")
    before = taken(out)
    GitHookInstaller(project=repository).install()
    run(repository, "post-commit", "")
    assert taken(out) == before
    assert len(spy.calls(1)) == 1


def test_pre_commit_that_moves_ours_aside_still_runs_it_once(repository: Path, spy: Spy, out: Path) -> None:
    """`pre-commit install` makes post-commit.legacy of what is there, and runs it from its own hook."""
    folder = hooks(repository)
    mine = put(folder / "post-commit", f"#!/bin/sh\n{SHELL}").read_bytes()
    GitHookInstaller(project=repository).install()
    (folder / "post-commit").rename(folder / "post-commit.legacy")
    put(folder / "post-commit", PRE_COMMIT)
    assert run(repository, "post-commit", "") == 0
    assert len(taken(out).splitlines()) == 2
    assert len(spy.calls(1)) == 1
    assert GitHookInstaller(project=repository).status()["active"]
    assert not GitHookInstaller(project=repository).install().changed
    GitHookInstaller(project=repository).remove()
    # As it would be had hookkit never been here.
    assert (folder / "post-commit.legacy").read_bytes() == mine
    assert (folder / "post-commit").read_text() == PRE_COMMIT
    assert not (folder / "post-commit.before-hookkit").exists()


def test_pre_commit_that_is_installed_twice_is_not_run_in_a_circle(repository: Path, spy: Spy, out: Path) -> None:
    folder = hooks(repository)
    put(folder / "post-commit", PRE_COMMIT)
    GitHookInstaller(project=repository).install()
    (folder / "post-commit").rename(folder / "post-commit.legacy")
    put(folder / "post-commit", PRE_COMMIT)
    assert run(repository, "post-commit", "") == 0
    assert len(taken(out).splitlines()) == 1
    assert len(spy.calls(1)) == 1
    (folder / "post-commit").write_text(PRE_COMMIT.replace("HERE", "OTHER"))  # as with another Python
    GitHookInstaller(project=repository).remove()
    assert {path.name for path in folder.glob("post-*")} - SAMPLES == {"post-commit"}
    assert run(repository, "post-commit", "") == 0


def test_lefthook_that_moves_ours_away_is_put_behind_ours_again(repository: Path, spy: Spy, out: Path) -> None:
    """`lefthook install` makes post-commit.old of what it does not know, and runs it no more."""
    folder = hooks(repository)
    theirs = f"#!/bin/sh\n{SHELL}# lefthook\n"
    put(folder / "post-commit", theirs)
    before = listing(folder)
    GitHookInstaller(project=repository).install()
    (folder / "post-commit").rename(folder / "post-commit.old")
    put(folder / "post-commit", theirs)
    state = GitHookInstaller(project=repository).status()
    assert (state["installed"], [warn["code"] for warn in state["warnings"]]) == (False, ["ENTRY_MISSING"])
    GitHookInstaller(project=repository).install()
    assert run(repository, "post-commit", "") == 0
    assert len(taken(out).splitlines()) == 1
    assert len(spy.calls(1)) == 1
    GitHookInstaller(project=repository).remove()
    assert listing(folder) == before


def test_a_tool_that_overwrites_ours_is_chained_anew_and_nothing_is_lost(repository: Path, spy: Spy, out: Path) -> None:
    folder = hooks(repository)
    put(folder / "post-commit", f"#!/bin/sh\n{SHELL}exit 1\n")
    GitHookInstaller(project=repository).install()
    put(folder / "post-commit", f"#!/bin/sh\n{SHELL}exit 2\n")
    assert "KEPT_LEFT" in [warn["code"] for warn in GitHookInstaller(project=repository).status()["warnings"]]
    GitHookInstaller(project=repository).install()
    assert run(repository, "post-commit", "") == 2
    result = GitHookInstaller(project=repository).remove()
    assert (folder / "post-commit").read_text().endswith("exit 2\n")
    assert (folder / "post-commit.before-hookkit").read_text().endswith("exit 1\n")
    assert [warn.code for warn in result.warnings] == ["KEPT_LEFT"]


def test_lines_that_others_add_run_and_stay(repository: Path, spy: Spy, out: Path) -> None:
    path = hooks(repository) / "post-commit"
    GitHookInstaller(project=repository).install()
    with path.open("a") as file:
        file.write('echo mine >>"$OUT"\n')
    assert not GitHookInstaller(project=repository).install().changed
    commit(repository)
    assert (taken(out), len(spy.calls(1))) == ("mine\n", 1)
    GitHookInstaller(project=repository).remove()
    assert path.read_text() == '#!/bin/sh\necho mine >>"$OUT"\n'


def test_lines_that_others_add_keep_the_chain_to_the_hook_from_before(repository: Path, spy: Spy, out: Path) -> None:
    path = hooks(repository) / "post-commit"
    put(path, '#!/bin/sh\necho before >>"$OUT"\n')
    GitHookInstaller(project=repository).install()
    with path.open("a") as file:
        file.write('echo mine >>"$OUT"\n')
    result = GitHookInstaller(project=repository).remove()
    assert [warn.code for warn in result.warnings] == ["HOOK_LEFT"]
    assert b"_commit" not in path.read_bytes()
    commit(repository)
    assert (taken(out), spy.calls(0)) == ("before\nmine\n", [])
    assert not GitHookInstaller(project=repository).remove().changed


def test_lines_of_ours_that_somebody_changed_are_not_touched(repository: Path, spy: Spy) -> None:
    path = hooks(repository) / "post-commit"
    GitHookInstaller(project=repository).install()
    path.write_bytes(path.read_bytes().replace(b"hookkit_code=0", b"hookkit_code=1"))
    changed = path.read_bytes()
    with pytest.raises(HookInstallError) as caught:
        GitHookInstaller(project=repository).install()
    assert caught.value.code == "HOOK_EDITED"
    assert "HOOK_EDITED" in [warn["code"] for warn in GitHookInstaller(project=repository).status()["warnings"]]
    result = GitHookInstaller(project=repository).remove()
    assert [warn.code for warn in result.warnings] == ["HOOK_EDITED"]
    assert path.read_bytes() == changed


def test_remove_needs_no_record(repository: Path, spy: Spy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    put(hooks(repository) / "post-commit", "#!/bin/sh\nexit 3\n", 0o750)
    before = listing(hooks(repository))
    GitHookInstaller(project=repository).install()
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "another home"))
    GitHookInstaller(project=repository).remove()
    assert listing(hooks(repository)) == before


def test_a_hook_that_was_deleted_together_with_ours_comes_back(repository: Path, spy: Spy) -> None:
    put(hooks(repository) / "post-commit", "#!/bin/sh\nexit 3\n")
    before = listing(hooks(repository))
    GitHookInstaller(project=repository).install()
    (hooks(repository) / "post-commit").unlink()
    GitHookInstaller(project=repository).remove()
    assert listing(hooks(repository)) == before


def test_a_repository_that_moved_runs_its_hooks_and_gives_them_back(
    repository: Path, spy: Spy, out: Path, tmp_path: Path
) -> None:
    put(
        hooks(repository) / "post-commit",
        f"#!{sys.executable} -S\nimport os\n# basename\nopen(os.environ['OUT'], 'w')\n",
    )
    before = listing(hooks(repository))
    GitHookInstaller(project=repository).install()
    moved = repository.rename(tmp_path / "moved")
    commit(moved)
    assert out.exists()
    assert spy.calls(1)[0][-1] == str(moved.resolve())
    GitHookInstaller(project=moved).remove()
    assert listing(hooks(moved)) == before


@pytest.mark.parametrize(
    ("text", "manner"),
    [
        (b'#!/bin/sh\n. "$(dirname "$0")/h"\n', "read"),
        (b'#!/usr/bin/env bash\nHERE="$(cd "$(dirname "$0")" && pwd)"\n', "read"),
        (b"#!/bin/sh\ncase ${0##*/} in esac\n", "read"),
        (b"#!/usr/bin/env -S bash -e\nbasename $0\n", "read"),
        (b"#!/bin/zsh\nbasename $0\n", "link"),
        (b'#!/bin/bash\ndirname "$0"; cat "$0"\n', "run"),
        (b"#!/bin/bash\necho ${0##*/}; cat $0\n", "link"),
        (b'#!/bin/bash\ncd "$(dirname "${BASH_SOURCE[0]}")"; basename "$0"\n', "run"),
        (b"#!/bin/sh\nexit 0\n", "run"),
        (b"#!/usr/bin/env ruby\nhook_type = File.basename($0)\n", "link"),
        (b"\x7fELF\0\0", "link"),
        (b"", "run"),
    ],
)
def test_how_a_kept_hook_is_run_follows_from_what_it_asks(text: bytes, manner: str) -> None:
    assert git_script.manner(text) == manner


def test_a_hook_on_another_file_system_or_of_another_user_is_copied(
    repository: Path, spy: Spy, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(hooks(repository) / "post-commit", "#!/bin/sh\nexit 3\n", 0o755)
    before = listing(hooks(repository))

    def refused(*arguments: object, **options: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    GitHookInstaller(project=repository).install()
    assert run(repository, "post-commit", "") == 3
    GitHookInstaller(project=repository).remove()
    assert listing(hooks(repository)) == before
