"""Git hooks: where they are put, what they start, and that git and everybody else's hooks never notice."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hookkit import paths
from hookkit.capture.base import HookInstaller
from hookkit.errors import HookInstallError, UsageError
from hookkit.installer import GitHookInstaller, checkup, get_hook_installers, git_script
from tests.installer.conftest import Unprivileged
from tests.installer.repositories import Spy, commit, git, listing, make, put


def hooks(root: Path) -> Path:
    return root / ".git" / "hooks"


def real(root: Path) -> str:
    return str(root.resolve())


def test_a_commit_starts_one_run_in_the_background_with_the_root_of_the_worktree(repository: Path, spy: Spy) -> None:
    result = GitHookInstaller(project=repository).install()
    assert (result.changed, result.active, result.events) == (True, True, ("post-commit", "post-rewrite"))
    below = repository / "below"
    below.mkdir()
    (below / "new").write_text("new\n")
    git(below, "add", "new")
    done = git(below, "commit", "-q", "-m", "from below")
    assert done.stdout + done.stderr == ""
    (call,) = spy.calls(1)
    assert call == [f"cwd={real(repository)}", "_commit", "--project", real(repository)]


def test_an_amended_commit_is_noted_as_a_pair_of_ids(repository: Path, spy: Spy) -> None:
    GitHookInstaller(project=repository).install()
    old = git(repository, "rev-parse", "HEAD").stdout.strip()
    assert commit(repository, "--amend") == ""
    new = git(repository, "rev-parse", "HEAD").stdout.strip()
    assert (repository / ".git" / "hookkit" / "rewritten").read_text() == f"{old} {new}\n"
    assert 1 <= len(spy.calls(1)) <= 2  # post-commit and post-rewrite


def test_a_rebase_starts_one_run_at_its_end_and_notes_every_pair(repository: Path, spy: Spy) -> None:
    for _ in range(3):
        commit(repository)
    GitHookInstaller(project=repository).install()
    for number, how in enumerate(("--merge", "--apply")):
        old = git(repository, "rev-list", "--reverse", "HEAD~3..HEAD").stdout.split()
        git(repository, "rebase", "-q", how, "--force-rebase", "HEAD~3", GIT_COMMITTER_DATE=f"200000000{number} +0000")
        new = git(repository, "rev-list", "--reverse", "HEAD~3..HEAD").stdout.split()
        assert old != new
        rewritten = repository / ".git" / "hookkit" / "rewritten"
        assert rewritten.read_text() == "".join(f"{a} {b}\n" for a, b in zip(old, new, strict=True))
        assert len(spy.calls(1)) == 1
        spy.forget()
        rewritten.unlink()


def test_a_commit_made_while_a_rebase_stops_is_told_of_at_its_end(repository: Path, spy: Spy) -> None:
    for _ in range(2):
        commit(repository)
    GitHookInstaller(project=repository).install()
    git(repository, "rebase", "-q", "-i", "HEAD~2", GIT_SEQUENCE_EDITOR="sed -i.bak s/^pick/edit/")
    (repository / "other").write_text("mine\n")
    git(repository, "add", "other")
    git(repository, "commit", "-qm", "in between")
    assert spy.calls(0) == []
    git(repository, "rebase", "--continue", GIT_EDITOR="true")
    git(repository, "rebase", "--continue", GIT_EDITOR="true")
    assert len(spy.calls(1)) == 1


def test_what_git_sets_for_its_hooks_does_not_reach_the_run(repository: Path, spy: Spy, tmp_path: Path) -> None:
    GitHookInstaller(project=repository).install()
    linked = tmp_path / "linked 'tree'"
    git(repository, "worktree", "add", "-q", str(linked), "-b", "side")
    git_dir = git(linked, "rev-parse", "--absolute-git-dir").stdout.strip()
    (linked / "x").write_text("x")
    git(linked, "add", "x", GIT_DIR=git_dir, GIT_WORK_TREE=str(linked))
    git(
        linked,
        "commit",
        "-qm",
        "by variables",
        GIT_DIR=git_dir,
        GIT_WORK_TREE=str(linked),
        GIT_INDEX_FILE=f"{git_dir}/index",
    )
    (call,) = spy.calls(1)
    assert call == [f"cwd={real(linked)}", "_commit", "--project", real(linked)]


def test_linked_worktrees_share_the_hooks_and_the_note_of_rewrites(repository: Path, spy: Spy, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    git(repository, "worktree", "add", "-q", str(linked), "-b", "side")
    result = GitHookInstaller(project=linked).install()
    assert result.hooks_dir == hooks(repository).resolve()
    commit(linked)
    assert len(spy.calls(1)) == 1
    commit(linked, "--amend")
    assert len((repository / ".git" / "hookkit" / "rewritten").read_text().splitlines()) == 1
    assert {call[-1] for call in spy.calls(2)} == {real(linked)}
    assert GitHookInstaller(project=repository).status()["active"]
    GitHookInstaller(project=repository).remove()
    assert not GitHookInstaller(project=linked).status()["installed"]


def test_a_submodule_has_hooks_of_its_own(repository: Path, spy: Spy, tmp_path: Path) -> None:
    library = make(tmp_path / "library")
    git(repository, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library), "lib")
    inner = repository / "lib"
    result = GitHookInstaller(project=inner).install()
    assert result.hooks_dir == (repository / ".git" / "modules" / "lib" / "hooks").resolve()
    (repository / ".git" / "modules" / "lib" / "hookkit").mkdir()
    commit(inner)
    (call,) = spy.calls(1)
    assert call[-1] == real(inner)


def test_a_bare_repository_serves_its_worktrees(tmp_path: Path, spy: Spy) -> None:
    bare = tmp_path / "bare.git"
    git(tmp_path, "clone", "-q", "--bare", str(make(tmp_path / "source")), str(bare))
    tree = tmp_path / "tree"
    git(bare, "worktree", "add", "-q", str(tree), "main")
    result = GitHookInstaller(project=bare).install()
    assert (result.active, result.hooks_dir) == (True, (bare / "hooks").resolve())
    (bare / "hookkit").mkdir()
    commit(tree)
    (call,) = spy.calls(1)
    assert call[-1] == real(tree)


def test_commits_in_a_row_share_a_run_and_one_that_never_came_is_asked_for_again(repository: Path, spy: Spy) -> None:
    GitHookInstaller(project=repository).install()
    asked = repository / ".git" / "hookkit" / "commit.request"
    asked.touch()
    commit(repository)
    assert spy.calls(0) == []
    os.utime(asked, (time.time() - 130,) * 2)
    commit(repository)
    assert len(spy.calls(1)) == 1
    assert not asked.exists()


def test_a_folder_of_ours_that_cannot_be_written_changes_nothing_for_git(repository: Path, spy: Spy) -> None:
    put(hooks(repository) / "post-commit", "#!/bin/sh\nexit 3\n")
    GitHookInstaller(project=repository).install()
    for name in ("commit.request", "rewritten"):
        (repository / ".git" / "hookkit" / name).symlink_to("/no/such/folder/file")
    assert commit(repository) == ""
    assert commit(repository, "--amend") == ""
    assert subprocess.run([".git/hooks/post-commit"], cwd=repository, check=False).returncode == 3


def test_nothing_is_started_where_nothing_was_recorded_or_recording_is_off(
    tmp_path: Path, spy: Spy, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make(tmp_path / "root", recorded=False)
    GitHookInstaller(project=root).install()
    commit(root)
    commit(root, "--amend")
    (root / ".git" / "hookkit").mkdir()
    monkeypatch.setenv("HOOKKIT_DISABLE", "1")
    commit(root, "--amend")
    assert spy.calls(0) == []
    assert list((root / ".git" / "hookkit").iterdir()) == []


@pytest.mark.parametrize("gone", ["program", "state", "hookkit"])
def test_a_commit_is_unharmed_and_silent_whatever_is_missing(gone: str, repository: Path, spy: Spy) -> None:
    GitHookInstaller(project=repository).install()
    if gone == "program":
        spy.program.unlink()
    elif gone == "state":
        shutil.rmtree(paths.state())
    else:
        (repository / ".git" / "hookkit").rmdir()
        (repository / ".git" / "hookkit").write_text("a file")
    assert commit(repository) == ""
    assert commit(repository, "--amend") == ""


def test_the_whole_environment_may_be_gone(repository: Path) -> None:
    installer = GitHookInstaller(project=repository)
    installer.install()
    for name in ("post-commit", "post-rewrite"):
        path = hooks(repository) / name
        path.write_bytes(path.read_bytes().replace(sys.executable.encode(), b"/no/such/python"))
    assert commit(repository) == ""
    assert commit(repository, "--amend") == ""


def test_the_run_in_the_background_holds_no_pipe_of_git(repository: Path, spy: Spy) -> None:
    spy.program.write_text("#!/bin/sh\nexec sleep 60\n")
    GitHookInstaller(project=repository).install()
    (repository / "file").write_text("changed")
    read, write = os.pipe()
    # Whoever waits for the end of git's output, or of what it inherited, must not wait for ours.
    done = subprocess.run(
        ["git", "-C", str(repository), "commit", "-qam", "x"],
        capture_output=True, timeout=30, check=True, pass_fds=(7,), preexec_fn=lambda: os.dup2(write, 7),
    )  # fmt: skip
    os.close(write)
    assert (done.stdout, done.stderr) == (b"", b"")
    assert os.read(read, 1) == b""
    os.close(read)


@pytest.mark.parametrize("value", ["{root}/.hk it", ".hk it", "~/hooks of mine", "sub/../.hk it"])
def test_core_hooks_path_is_where_git_says(value: str, repository: Path, spy: Spy, isolated_home: Path) -> None:
    git(repository, "config", "core.hooksPath", value.format(root=repository))
    (repository / ".git" / "info" / "exclude").write_text(".hk it\n")
    folder = isolated_home / "hooks of mine" if value[0] == "~" else repository / ".hk it"
    (repository / "sub").mkdir()
    before = git(repository, "status", "--porcelain").stdout
    result = GitHookInstaller(project=repository / "sub").install()
    assert result.hooks_dir == folder.resolve()
    assert [warn.code for warn in result.warnings] == (["SHARED_HOOKS"] if value[0] == "~" else [])
    assert git(repository, "status", "--porcelain").stdout == before
    commit(repository)
    (call,) = spy.calls(1)
    assert call[-1] == real(repository)
    assert not (hooks(repository) / "post-commit").exists()
    GitHookInstaller(project=repository).remove()
    assert not folder.exists()


def test_a_global_hooks_path_counts_too_and_config_is_never_written(
    repository: Path, spy: Spy, isolated_home: Path
) -> None:
    git(repository, "config", "--global", "core.hooksPath", str(isolated_home / "global"))
    config = {path: path.read_bytes() for path in (isolated_home / ".gitconfig", repository / ".git" / "config")}
    result = GitHookInstaller(project=repository).install()
    assert result.hooks_dir == (isolated_home / "global").resolve()
    assert {path: path.read_bytes() for path in config} == config
    commit(repository)
    assert len(spy.calls(1)) == 1


def test_hooks_switched_off_and_folders_that_are_none_are_refused(repository: Path, tmp_path: Path) -> None:
    git(repository, "config", "core.hooksPath", "/dev/null")
    with pytest.raises(HookInstallError) as caught:
        GitHookInstaller(project=repository).install()
    assert caught.value.code == "HOOKS_OFF"
    (repository / "plain").write_text("")
    git(repository, "config", "core.hooksPath", "plain/hooks")
    with pytest.raises(HookInstallError) as caught:
        GitHookInstaller(project=repository).install()
    assert caught.value.code == "NOT_A_FOLDER"
    git(repository, "config", "--unset", "core.hooksPath")
    (hooks(repository) / "post-commit").mkdir(parents=True)
    with pytest.raises(HookInstallError) as caught:
        GitHookInstaller(project=repository).install()
    assert caught.value.code == "NOT_A_FILE"
    with pytest.raises(HookInstallError) as caught:
        GitHookInstaller(project=tmp_path).install()
    assert caught.value.code == "NOT_A_REPOSITORY"
    assert not paths.state().exists()


def test_a_hooks_folder_that_git_tracks_is_written_only_when_asked_to(repository: Path, spy: Spy) -> None:
    git(repository, "config", "core.hooksPath", ".githooks")
    put(repository / ".githooks" / "pre-commit", "#!/bin/sh\n")
    git(repository, "add", ".githooks")
    git(repository, "commit", "-qm", "hooks")
    with pytest.raises(HookInstallError) as caught:
        GitHookInstaller(project=repository).install()
    assert caught.value.code == "TRACKED_HOOKS"
    assert caught.value.hint.endswith("--scope project")
    assert git(repository, "status", "--porcelain").stdout == ""
    GitHookInstaller(project=repository, scope="project").install()
    GitHookInstaller(project=repository).install()  # it was agreed to
    commit(repository)
    assert len(spy.calls(1)) == 1
    GitHookInstaller(project=repository).remove()
    assert git(repository, "status", "--porcelain").stdout == ""


def test_a_link_into_the_worktree_in_the_place_of_the_hooks_folder_is_seen_through(repository: Path) -> None:
    shutil.rmtree(hooks(repository), ignore_errors=True)
    put(repository / "scripts" / "post-commit", "#!/bin/sh\n")
    git(repository, "add", "scripts")
    hooks(repository).symlink_to("../scripts")
    with pytest.raises(HookInstallError) as caught:
        GitHookInstaller(project=repository).install()
    assert caught.value.code == "TRACKED_HOOKS"


def test_a_missing_hooks_folder_is_made_and_taken_away_again(repository: Path, spy: Spy) -> None:
    shutil.rmtree(hooks(repository), ignore_errors=True)
    before = listing(repository / ".git")
    GitHookInstaller(project=repository).install()
    assert GitHookInstaller(project=repository).status()["active"]
    GitHookInstaller(project=repository).remove()
    assert listing(repository / ".git") == before


def test_install_is_idempotent_and_remove_is_safe_where_nothing_is(repository: Path, spy: Spy) -> None:
    before = listing(hooks(repository))
    assert not GitHookInstaller(project=repository).remove().changed
    GitHookInstaller(project=repository).install()
    once = listing(hooks(repository))
    again = GitHookInstaller(project=repository).install()
    assert not again.changed
    assert {action.action for action in again.actions} == {"keep"}
    assert listing(hooks(repository)) == once
    assert GitHookInstaller(project=repository).remove().changed
    assert listing(hooks(repository)) == before
    assert not list((paths.state() / "installs").iterdir())


def test_the_plan_lists_every_action_and_changes_nothing(repository: Path, spy: Spy) -> None:
    put(hooks(repository) / "post-commit", "#!/bin/sh\nexit 0\n")
    before = listing(repository / ".git")
    plan = GitHookInstaller(project=repository).plan()
    assert [(step["action"], step["event"]) for step in plan] == [
        ("write", "record"), ("move", "post-commit"), ("replace", "post-commit"), ("add", "post-rewrite"),
    ]  # fmt: skip
    assert all({"event", "source", "dest"} <= step.keys() for step in plan)
    assert listing(repository / ".git") == before
    assert not paths.state().exists()


def test_a_read_only_hooks_folder_is_refused_with_nothing_half_done(unprivileged: Unprivileged) -> None:
    home = unprivileged.home
    root = home / "repo"
    git(home, "init", "-q", str(root))
    put(root / ".git" / "hooks" / "post-commit", "#!/bin/sh\n")
    before = listing(root / ".git")
    unprivileged.own()
    (root / ".git" / "hooks").chmod(0o555)
    code = (
        "from pathlib import Path\nfrom hookkit.installer import GitHookInstaller\n"
        "from hookkit.errors import HookInstallError\n"
        "try: GitHookInstaller(project=Path(sys.argv[1])).install()\n"
        "except HookInstallError as error: print(error.code, error.hint)\n"
    )
    said = unprivileged.run(code, str(root))
    (root / ".git" / "hooks").chmod(0o755)
    assert said.startswith("FILE_UNUSABLE Give yourself write access")
    assert listing(root / ".git") == before
    assert not list((home / "hookkit" / "state" / "installs").iterdir())


def test_the_state_has_the_contracts_keys_and_is_never_cached(repository: Path, spy: Spy) -> None:
    installer = GitHookInstaller(project=repository)
    keys = {"installed", "agent_dir_exists", "script_paths", "settings_path", "entries_present"}
    assert keys <= installer.status().keys()
    assert (installer.status()["installed"], installer.status()["recorded"]) == (False, False)
    installer.install()
    assert installer.status()["installed"]
    (hooks(repository) / "post-rewrite").chmod(0o644)
    state = installer.status()
    assert (state["installed"], [w["code"] for w in state["warnings"]]) == (False, ["NOT_EXECUTABLE"])
    (hooks(repository) / "post-rewrite").unlink()
    state = installer.status()
    assert state["entries_present"] == {"post-commit": True, "post-rewrite": False}
    spy.program.unlink()
    assert "INTERPRETER_GONE" in [warn["code"] for warn in installer.status()["warnings"]]
    git(repository, "config", "core.hooksPath", "elsewhere")
    recorded = GitHookInstaller(project=repository, folder=hooks(repository).resolve())
    assert "HOOKS_ELSEWHERE" in [warn["code"] for warn in recorded.status()["warnings"]]


def test_hooks_of_another_hookkit_are_put_right(
    repository: Path, spy: Spy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = listing(hooks(repository))
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "one"))
    with monkeypatch.context() as context:
        context.setattr(GitHookInstaller, "starts", lambda self: git_script.Command(("/old/python",), None))
        GitHookInstaller(project=repository).install()
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "two"))
    assert GitHookInstaller(project=repository).status()["stale"] == ["post-commit", "post-rewrite"]
    assert GitHookInstaller(project=repository).install().active
    commit(repository)
    assert len(spy.calls(1)) == 1
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "one"))
    GitHookInstaller(project=repository).remove()
    assert listing(hooks(repository)) == before


def test_a_home_that_was_chosen_goes_with_the_hook(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = str(tmp_path / "ho'me")
    monkeypatch.setenv("HOOKKIT_HOME", home)
    assert GitHookInstaller(project=repository).starts().home == home
    monkeypatch.delenv("HOOKKIT_HOME")
    assert GitHookInstaller(project=repository).starts().home is None


def test_options_of_agents_are_refused_for_git(repository: Path, tmp_path: Path) -> None:
    for wrong in ({"settings_file": tmp_path}, {"hooks_dir": tmp_path}, {"scope": "local"}):
        with pytest.raises(UsageError):
            GitHookInstaller(project=repository, **wrong)  # type: ignore[arg-type]


def test_the_registry_holds_git() -> None:
    installer = get_hook_installers()["git"]()
    assert installer.installer_name == "git"
    assert isinstance(installer, HookInstaller)


def test_the_real_run_anchors_without_a_word(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hook, the real Python, the real command: no failure in the log, and the run has an end."""
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "home"))
    installer = GitHookInstaller(project=repository)
    installer.install()
    checks = {check.name: check for check in checkup.examine(installer, repository)}
    assert {name: check.status for name, check in checks.items()} == {
        "git": "ok", "hooks": "ok", "silence": "ok", "post-rewrite": "ok", "post-commit": "ok",
    }, json.dumps([check.to_dict() for check in checks.values()], indent=1)  # fmt: skip
