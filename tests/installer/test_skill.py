"""The skill: linked into the folders of agents, taken out again, and never over what others put there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hookkit.errors import HookkitError, UsageError
from hookkit.installer.skill import SkillInstaller


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which two agents were used."""
    home = tmp_path / "home"
    for name in (".claude", ".codex"):
        (home / name).mkdir(parents=True)
    for key in [key for key in os.environ if key.startswith(("XDG_", "HOOKKIT_", "CLAUDE_", "CODEX_"))]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("HOME", str(home))
    return home


def listing(folder: Path) -> list[str]:
    """All there is but for hookkit's own state."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    return sorted(name for name in found if not name.startswith(".local"))


def test_every_agent_that_is_here_gets_a_link_to_one_copy(home: Path) -> None:
    result = SkillInstaller().install()
    assert result.changed
    assert result.events == ("claude-code", "codex-cli")
    for agent in (".claude", ".codex"):
        link = home / agent / "skills" / "hookkit"
        assert link.is_symlink()
        assert link.resolve() == SkillInstaller().folder.resolve()
        text = (link / "SKILL.md").read_text(encoding="utf-8")
        assert text.startswith("---\nname: hookkit\ndescription: ")
        assert "hookkit blame" in text
    state = SkillInstaller().status()
    assert state["active"]
    assert state["entries_present"] == {"claude-code": True, "codex-cli": True}


def test_a_second_install_changes_nothing(home: Path) -> None:
    SkillInstaller().install()
    assert not SkillInstaller().install().changed


def test_remove_leaves_the_agents_folders_as_they_were(home: Path) -> None:
    (home / ".claude" / "skills").mkdir()
    before = listing(home)
    SkillInstaller().install()
    assert SkillInstaller().remove().changed
    assert listing(home) == before
    assert not SkillInstaller().folder.exists()
    assert not SkillInstaller().remove().changed


def test_a_skill_of_that_name_which_is_not_ours_is_left_and_said(home: Path) -> None:
    own = home / ".claude" / "skills" / "hookkit"
    own.mkdir(parents=True)
    (own / "SKILL.md").write_text("mine", encoding="utf-8")
    result = SkillInstaller().install()
    assert result.events == ("codex-cli",)
    assert [warn.code for warn in result.warnings] == ["SKILL_IN_THE_WAY"]
    SkillInstaller().remove()
    assert (own / "SKILL.md").read_text(encoding="utf-8") == "mine"
    assert listing(home) == [
        ".claude", ".claude/skills", ".claude/skills/hookkit", ".claude/skills/hookkit/SKILL.md", ".codex",
    ]  # fmt: skip


def test_for_a_named_agent_a_foreign_skill_is_an_error_and_nothing_is_written(home: Path) -> None:
    (home / ".claude" / "skills").mkdir()
    (home / ".claude" / "skills" / "hookkit").symlink_to(home)
    before = listing(home)
    with pytest.raises(HookkitError) as refused:
        SkillInstaller(harnesses=("claude-code",)).install()
    assert refused.value.code == "SKILL_IN_THE_WAY"
    assert refused.value.hint
    assert listing(home) == before


def test_a_link_taken_from_one_agent_stays_with_the_other(home: Path) -> None:
    SkillInstaller().install()
    SkillInstaller(harnesses=("codex-cli",)).remove()
    assert not (home / ".codex" / "skills" / "hookkit").is_symlink()
    assert (home / ".claude" / "skills" / "hookkit" / "SKILL.md").is_file()
    SkillInstaller().remove()
    assert listing(home) == [".claude", ".codex"]


def test_an_agent_that_is_named_need_not_be_here(home: Path) -> None:
    assert SkillInstaller(harnesses=("gemini-cli",)).install().events == ("gemini-cli",)
    assert (home / ".gemini" / "skills" / "hookkit" / "SKILL.md").is_file()
    SkillInstaller().remove()
    assert listing(home) == [".claude", ".codex"]


def test_an_older_copy_is_stale_and_renewed(home: Path) -> None:
    SkillInstaller().install()
    (SkillInstaller().folder / "SKILL.md").write_text("older", encoding="utf-8")
    warnings = SkillInstaller().status()["warnings"]
    assert isinstance(warnings, list)
    assert [warn["code"] for warn in warnings] == ["SKILL_STALE"]
    assert SkillInstaller().install().changed
    assert not SkillInstaller().status()["warnings"]


def test_a_preview_changes_nothing(home: Path) -> None:
    preview = SkillInstaller().preview_install()
    assert "+# hookkit: why is this line here?" in preview.diff
    assert listing(home) == [".claude", ".codex"]


def test_where_no_agent_is_found_it_says_how_to_name_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(HookkitError) as refused:
        SkillInstaller(env={"HOME": str(tmp_path)}).install()
    assert refused.value.code == "NO_AGENT_FOUND"
    assert "--harness" in (refused.value.hint or "")


def test_options_that_mean_nothing_for_it_are_refused(home: Path) -> None:
    with pytest.raises(UsageError):
        SkillInstaller(scope="project")
    with pytest.raises(UsageError):
        SkillInstaller(settings_file=home / "x.json")
    with pytest.raises(UsageError):
        SkillInstaller(harnesses=("no-such-agent",))


def test_agents_that_share_a_folder_share_the_link_and_the_last_takes_it_away(home: Path) -> None:
    (home / ".claude" / "skills").mkdir()
    (home / ".codex" / "skills").symlink_to(home / ".claude" / "skills")
    before = listing(home)
    assert SkillInstaller().install().events == ("claude-code", "codex-cli")
    SkillInstaller(harnesses=("codex-cli",)).remove()
    assert (home / ".claude" / "skills" / "hookkit" / "SKILL.md").is_file()
    SkillInstaller(harnesses=("claude-code",)).remove()
    assert listing(home) == before
    SkillInstaller().install()
    SkillInstaller().remove()
    assert listing(home) == before
