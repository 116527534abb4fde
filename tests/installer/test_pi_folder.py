"""What lies beside our extension can keep Pi from loading it; status and doctor say so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hookkit.agents.pi import CONTRACT
from hookkit.installer.extension_installer import ExtensionInstaller


@pytest.fixture
def installer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ExtensionInstaller:
    """Installed."""
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "hookkit"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    installer = ExtensionInstaller(CONTRACT, env={"HOME": str(tmp_path / "home")})
    assert installer.install().active
    return installer


def hidden_by(installer: ExtensionInstaller) -> list[str]:
    target = installer.target.as_recorded()
    warnings, folder = installer.ask(target, False)[1], target.link.parent
    assert all(warn.blocks and warn.code == "EXTENSION_HIDDEN" for warn in warnings)
    return [str(Path(warn.file).relative_to(folder)) for warn in warnings]


@pytest.mark.parametrize(
    ("name", "text", "hides"),
    [
        ("index.ts", "", True),
        ("index.js", "", True),
        ("package.json", json.dumps({"pi": {"extensions": ["./x.ts"]}}), True),
        ("package.json", json.dumps({"name": "x"}), False),
        ("package.json", "{", False),
        ("package.json", "[]", False),
        (".gitignore", "hook*\n", True),
        (".ignore", "# all\n*.ts\n", True),
        (".fdignore", "/hookkit.ts\n", True),
        (".gitignore", "*\n!hookkit.ts\n", False),
        (".gitignore", "#hookkit.ts\n\nnode_modules\n", False),
        ("other.ts", "", False),
    ],
)
def test_what_hides_the_extension_is_named(installer: ExtensionInstaller, name: str, text: str, hides: bool) -> None:
    assert hidden_by(installer) == []
    (installer.target.link.parent / name).write_text(text)
    assert hidden_by(installer) == ([name] if hides else [])
    installer.remove()
    assert hidden_by(installer) == []
