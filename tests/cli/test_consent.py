"""`hookkit exclude` and `include` switch capture off and on, and leave no trace in git."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from hookkit.cli.exclude import exclude, include
from hookkit.errors import HookkitError


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path.resolve() / "repository"
    (root / "below").mkdir(parents=True)
    subprocess.run(["git", "-C", str(root), "init", "-q"], check=True)
    monkeypatch.chdir(root / "below")
    return root


def _status(root: Path) -> str:
    done = subprocess.run(["git", "-C", str(root), "status", "--porcelain"], capture_output=True, text=True, check=True)
    return done.stdout


def test_without_a_path_the_whole_worktree_is_excluded(repository: Path) -> None:
    done = CliRunner().invoke(exclude, ["--json"])
    assert json.loads(done.output) == {"path": str(repository), "excluded": True}
    assert (repository / ".opentraces" / "excluded").is_file()
    assert _status(repository) == ""


def test_include_takes_it_back(repository: Path) -> None:
    CliRunner().invoke(exclude, [], catch_exceptions=False)
    done = CliRunner().invoke(include, [], catch_exceptions=False)
    assert done.exit_code == 0
    assert "capture is on" in done.output
    assert not (repository / ".opentraces").exists()


def test_including_what_was_never_excluded_changes_nothing(repository: Path) -> None:
    assert CliRunner().invoke(include, []).exit_code == 0
    assert not (repository / ".opentraces").exists()


def test_below_an_excluded_folder_include_says_where_it_is_excluded(repository: Path) -> None:
    CliRunner().invoke(exclude, [str(repository)], catch_exceptions=False)
    with pytest.raises(HookkitError) as caught:
        CliRunner().invoke(include, [str(repository / "below")], catch_exceptions=False)
    assert caught.value.code == "EXCLUDED_ABOVE"
    assert str(repository) in caught.value.hint


def test_a_path_that_does_not_exist_is_a_usage_error(repository: Path) -> None:
    assert CliRunner().invoke(exclude, [str(repository / "missing")]).exit_code == 2


def test_a_folder_that_cannot_be_written_is_named(repository: Path) -> None:
    (repository / ".opentraces").write_text("a file is in the way")
    with pytest.raises(HookkitError) as caught:
        CliRunner().invoke(exclude, [], catch_exceptions=False)
    assert caught.value.code == "NOT_WRITABLE"
