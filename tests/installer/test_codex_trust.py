"""Codex runs no hook without its user's trust: what is read of that, and what is told to Codex, and when."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from hookkit.agents import AGENTS
from hookkit.installer import SettingsHookInstaller, codex_receipt, codex_server, codex_state, probes

CONTRACT = AGENTS["codex-cli"]
# A program that does with its files what ``codex app-server`` 0.171.0 does, as far as hookkit asks for it. Its hashes
# are made by code of its own. FAKE_MODE: how it misbehaves.
FAKE = r"""#!{python}
import hashlib, json, os, re, sys, tomllib
home = os.environ.get("CODEX_HOME") or os.environ["HOME"] + "/.codex"
mode = os.environ.get("FAKE_MODE", "")
open(os.environ["HOME"] + "/started", "a").write(" ".join(sys.argv[1:]) + "\n")
if mode == "dies":
    sys.exit(1)
config, hooks_file = home + "/config.toml", home + "/hooks.json"

def read():
    try:
        return open(config, "rb").read().decode("utf-8-sig")
    except FileNotFoundError:
        return ""

def hooks():
    state = tomllib.loads(read()).get("hooks", {{}}).get("state", {{}})
    found = []
    for event, groups in json.load(open(hooks_file))["hooks"].items():
        snake = re.sub("(?<!^)([A-Z])", r"_\1", event).lower()
        for g, group in enumerate(groups):
            for h, one in enumerate(group.get("hooks", [])):
                identity = {{"event_name": snake, "hooks": [{{"async": False, "command": one["command"],
                            "timeout": one["timeout"], "type": "command"}}]}}
                if mode == "newer":
                    identity["version"] = 2
                text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
                key = f"{{hooks_file}}:{{snake}}:{{g}}:{{h}}"
                digest = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
                known = state.get(key, {{}}).get("trusted_hash")
                status = "trusted" if known == digest else "modified" if known else "untrusted"
                found.append({{"key": key, "eventName": event[0].lower() + event[1:], "command": one["command"],
                    "sourcePath": hooks_file, "currentHash": digest, "trustStatus": status, "enabled": True}})
    return found

def write(edits):
    text = read().replace("\r\n", "\n").removeprefix("\ufeff")
    for edit in edits:
        key = re.fullmatch(r'hooks\.state\.(".*")', edit["keyPath"])[1]
        text = re.sub(r"\n?" + re.escape(f"[hooks.state.{{key}}]") + r"\ntrusted_hash = \"[^\"]*\"\n", "", text)
        if edit["value"]:
            if text and not text.endswith("\n"):
                text += "\n"
            text += "\n" if text else ""
            text += f'[hooks.state.{{key}}]\ntrusted_hash = "{{edit["value"]["trusted_hash"]}}"\n'
    if mode != "forgets":
        open(config + ".new", "w", newline="").write(text)
        os.chmod(config + ".new", 0o600)
        os.replace(config + ".new", config)

for line in sys.stdin:
    asked = json.loads(line)
    print(json.dumps({{"method": "configWarning", "params": {{}}, "id": None}}), flush=True)
    print("no JSON", flush=True)
    if "id" not in asked:
        continue
    result = {{}}
    if asked["method"] == "hooks/list":
        result = {{"data": [{{"cwd": "/", "hooks": [] if mode == "blind" else hooks()}}]}}
    elif asked["method"] == "config/batchWrite":
        if mode == "refuses":
            print(json.dumps({{"id": asked["id"], "error": {{"code": -32600, "message": "No."}}}}), flush=True)
            continue
        write(asked["params"]["edits"])
    print(json.dumps({{"id": asked["id"], "result": result}}), flush=True)
"""


class Codex:
    """A home with Codex in it, and hookkit's installer for it."""

    def __init__(self, base: Path) -> None:
        self.home = base / "home"
        self.codex = self.home / ".codex"
        self.codex.mkdir(parents=True)
        self.config = self.codex / "config.toml"
        self.program = base / "bin" / "codex"
        self.program.parent.mkdir()
        self.program.write_text(FAKE.format(python=sys.executable))
        self.program.chmod(0o755)
        self.project = base / "project"
        self.project.mkdir()

    def installer(self, **env: str) -> SettingsHookInstaller:
        given = {"HOME": str(self.home), "PATH": str(self.program.parent), **env}
        return SettingsHookInstaller(CONTRACT, env=given, project=self.project)

    def started(self) -> int:
        """How often Codex was started."""
        log = self.home / "started"
        return len(log.read_text().splitlines()) if log.exists() else 0

    def codes(self, **env: str) -> list[str]:
        warnings: Any = self.installer(**env).status()["warnings"]
        return [warn["code"] for warn in warnings]


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKKIT_HOME", str(tmp_path / "hookkit"))
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@pytest.fixture
def codex(tmp_path: Path) -> Codex:
    return Codex(tmp_path)


def test_plain_install_status_and_remove_never_start_codex(codex: Codex) -> None:
    result = codex.installer().install()
    assert (result.active, [warn.code for warn in result.warnings]) == (False, ["UNTRUSTED"])
    assert "hookkit install codex-cli --trust" in result.notes[-1]
    assert codex.codes() == ["UNTRUSTED"]
    codex.installer().remove()
    assert codex.started() == 0
    assert not codex.config.exists()
    assert sorted(path.name for path in codex.codex.iterdir()) == []


def test_doctor_asks_codex_itself(codex: Codex) -> None:
    codex.installer().install()
    (check,) = probes.ask(codex.installer().target)
    assert (check.name, check.status) == ("codex", "failed")
    assert "--trust" in check.hint
    assert codex.started() == 1
    codex.installer().install(trust=True)
    (check,) = probes.ask(codex.installer().target)
    assert (check.status, check.hint) == ("ok", "")
    assert "11 hooks" in check.message
    codex.program.unlink()
    assert probes.ask(codex.installer().target) == ()


def test_install_with_trust_makes_codex_trust_our_hooks_and_no_other(codex: Codex) -> None:
    mine = {"type": "command", "command": "mine", "timeout": 5}
    (codex.codex / "hooks.json").write_text(json.dumps({"hooks": {"Stop": [{"hooks": [mine]}]}}))
    result = codex.installer().install(trust=True)
    assert (result.active, result.notes) == (True, ("Codex registered your trust in 11 hooks.",))
    assert codex.codes() == []
    assert ":stop:0:0" not in codex.config.read_text()
    assert ":stop:1:0" in codex.config.read_text()
    started = codex.started()
    assert codex.installer().install().notes == ()
    assert codex.started() == started == 1
    assert codex.installer().install(trust=True).notes == ("Codex trusts the hooks already.",)


@pytest.mark.parametrize(
    "before",
    [
        None, b"", b'model = "x"\n', b'model = "x"\n[tui]\nx = 1', b'model = "x"\r\n\r\n[tui]\r\nx = 1\r\n',
        b'\xef\xbb\xbfmodel = "x"\n', b'[hooks.state."/other:stop:0:0"]\ntrusted_hash = "sha256:1"\n',
    ],
)  # fmt: skip
def test_remove_gives_the_configuration_back_to_the_byte_without_codex(codex: Codex, before: bytes | None) -> None:
    if before is not None:
        codex.config.write_bytes(before)
        codex.config.chmod(0o644)
    codex.installer().install(trust=True)
    assert codex.config.read_bytes() != before
    codex.program.unlink()
    result = codex.installer().remove()
    assert (result.notes, result.warnings) == (("Codex's trust in 11 hooks is taken back.",), ())
    assert (codex.config.read_bytes() if codex.config.exists() else None) == before
    if before is not None:
        assert stat.S_IMODE(codex.config.stat().st_mode) == 0o644
    assert list((codex.home.parent / "hookkit").rglob("*.trust")) == []


def test_what_was_written_beside_the_trust_stays(codex: Codex) -> None:
    codex.config.write_text('model = "x"\n')
    codex.installer().install(trust=True)
    with codex.config.open("a") as config:
        config.write('\n[projects."/p"]\ntrust_level = "trusted"\n')
    codex.installer().remove()
    assert codex.config.read_text() == 'model = "x"\n\n[projects."/p"]\ntrust_level = "trusted"\n'
    assert codex.started() == 1


def test_codex_takes_the_trust_back_where_the_file_was_edited_in_between(codex: Codex) -> None:
    codex.config.write_text('model = "x"\n')
    codex.installer().install(trust=True)
    text = codex.config.read_text().replace("[hooks.state", "# mine\n[hooks.state", 3)
    codex.config.write_text(text)
    result = codex.installer().remove()
    assert (result.notes, codex.started()) == (("Codex's trust in 11 hooks is taken back.",), 2)
    assert "trusted_hash" not in codex.config.read_text()
    assert codex.config.read_text().count("# mine") == 3


def test_trust_that_cannot_be_taken_back_is_said_and_does_not_stop_the_removal(codex: Codex) -> None:
    codex.installer().install(trust=True)
    codex.config.write_text(codex.config.read_text().replace("[hooks.state", "# mine\n[hooks.state"))
    codex.program.unlink()
    result = codex.installer().remove()
    assert [warn.code for warn in result.warnings] == ["TRUST_LEFT"]
    assert "is not on PATH" in result.warnings[0].message
    assert not (codex.codex / "hooks.json").exists()
    assert "trusted_hash" in codex.config.read_text()


def test_what_the_user_told_codex_in_codex_stays(codex: Codex) -> None:
    codex.installer().install()
    with codex_server.serve(codex.installer().target) as server:
        server.set_trust({hook.key: hook.hash for hook in server.hooks()})
    assert codex.codes() == []
    before = codex.config.read_bytes()
    assert codex.installer().remove().notes == ()
    assert (codex.config.read_bytes(), codex.started()) == (before, 1)


def test_a_key_that_the_user_trusted_again_is_the_user_s(codex: Codex) -> None:
    codex.installer().install(trust=True)
    text = codex.config.read_text()
    first = text.split('trusted_hash = "')[1].split('"')[0]
    codex.config.write_text(text.replace(first, "sha256:of-the-user"))
    assert codex.codes() == ["UNTRUSTED"]
    codex.installer().remove()
    assert codex.config.read_text().count("trusted_hash") == 1
    assert "sha256:of-the-user" in codex.config.read_text()


def test_a_trust_that_was_renewed_is_taken_back_as_a_whole(codex: Codex) -> None:
    codex.config.write_text('model = "x"\n')
    codex.installer().install(trust=True)
    settings = codex.codex / "hooks.json"
    settings.write_text(settings.read_text().replace('"timeout": 3', '"timeout": 2'))
    assert "UNTRUSTED" in codex.codes()
    target = codex.installer().target
    with codex_server.serve(target) as server:
        assert {hook.event for hook in server.hooks() if hook.status == "modified"} == {"SessionEnd", "Interrupt"}
    hooks = codex_state.hooks(target, codex_state.config(target), {})
    assert {hook.event for hook in hooks if hook.status == "modified"} == {"SessionEnd", "Interrupt"}
    text = codex.config.read_text()
    codex.config.write_text(text.replace(text.split('trusted_hash = "')[1].split('"')[0], "sha256:older"))
    codex.installer().install(trust=True)
    assert codex.codes() == []
    codex.installer().remove()
    assert codex.config.read_text() == 'model = "x"\n'


def test_a_newer_codex_that_hashes_otherwise_is_believed(codex: Codex) -> None:
    result = codex.installer(FAKE_MODE="newer").install(trust=True)
    assert (result.active, result.warnings) == (True, ())
    assert codex.codes() == []


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("dies", "ended without an answer"), ("refuses", "No."), ("blind", "does not see them"),
        ("forgets", "still does not trust"),
    ],
)  # fmt: skip
def test_a_trust_that_codex_does_not_take_is_an_error(codex: Codex, mode: str, said: str) -> None:
    result = codex.installer(FAKE_MODE=mode).install(trust=True)
    assert [warn.code for warn in result.warnings] == ["TRUST_FAILED", "UNTRUSTED"]
    assert said in result.warnings[0].message
    assert codex.installer().remove().warnings == ()


def test_codex_that_never_answers_is_not_waited_for_long(codex: Codex, monkeypatch: pytest.MonkeyPatch) -> None:
    codex.program.write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(codex_server, "PATIENCE", 0.2)
    monkeypatch.setattr(codex_server, "FAREWELL", 0.2)
    result = codex.installer(PATH=f"{codex.program.parent}:/usr/bin:/bin").install(trust=True)
    assert "no answer within 0.2 s" in result.warnings[0].message


@pytest.mark.parametrize(
    ("config", "codes"),
    [
        ("[features]\nhooks = false\n", ["HOOKS_DISABLED", "UNTRUSTED"]),
        ("model = [\n", ["TRUST_UNKNOWN"]),
        ("hooks = 3\nfeatures = 7\n", ["UNTRUSTED"]),
        ("[hooks]\nstate = [1]\n", ["UNTRUSTED"]),
        ("[hooks.state]\n", ["UNTRUSTED"]),
    ],
)
def test_what_the_configuration_says_is_told(codex: Codex, config: str, codes: list[str]) -> None:
    codex.installer().install()
    codex.config.write_text(config)
    assert codex.codes() == codes
    assert codex.config.read_text() == config


def test_a_hook_that_was_switched_off_is_told(codex: Codex) -> None:
    codex.installer().install(trust=True)
    text = codex.config.read_text()
    codex.config.write_text(text.replace("trusted_hash", "enabled = false\ntrusted_hash", 1))
    assert codex.codes() == ["HOOKS_DISABLED"]


def test_hooks_of_a_project_need_its_folder_trusted(codex: Codex) -> None:
    def installer() -> SettingsHookInstaller:
        env = {"HOME": str(codex.home), "PATH": str(codex.program.parent)}
        return SettingsHookInstaller(CONTRACT, scope="project", env=env, project=codex.project)

    assert [warn.code for warn in installer().install().warnings] == ["HOOKS_DISABLED", "UNTRUSTED"]
    codex.config.write_text(f'[projects."{codex.project}"]\ntrust_level = "trusted"\n')
    warnings: Any = installer().status()["warnings"]
    assert [warn["code"] for warn in warnings] == ["UNTRUSTED"]


def test_the_hash_is_that_of_codex() -> None:
    """As ``hooks/list`` of 0.171.0 gave them."""
    handler = {"type": "command", "command": "/usr/bin/true >/dev/null 2>&1 || : 0", "timeout": 5}
    known = "sha256:17cd92b72933bc7a36cecaeaef0d152c0b02648fe672d102c96a9d5831c4e066"
    other = "sha256:839d51a18d7ed3c8c8fe0b741e942319c2f404e06dec7e34391e003e5b39f8c7"
    assert codex_state.hash_of("PreToolUse", handler, None) in (known, other)
    same = {**handler, "timeout": 600, "async": False, "unknown": 1}
    assert codex_state.hash_of("Stop", same, None) == codex_state.hash_of("Stop", {**handler, "timeout": None}, None)
    short = {**handler, "timeout": 60}
    assert codex_state.hash_of("SessionEnd", short, None) == codex_state.hash_of(
        "SessionEnd", {**handler, "timeout": 3}, None
    )


def test_a_key_is_quoted_as_codex_reads_it() -> None:
    assert codex_server.quoted('/ü "x\\y') == '"/ü \\"x\\\\y"'


def test_a_receipt_that_cannot_be_read_is_none(codex: Codex) -> None:
    codex.installer().install(trust=True)
    target = codex.installer().target
    for text in ("", "{", "[]", '{"version": 9}', '{"version": 1, "config": 7}'):
        codex_receipt.location(target).write_text(text)
        assert codex_receipt.load(target) is None
    assert codex.installer().remove().warnings == ()


def test_a_home_elsewhere_is_named_as_codex_names_it(codex: Codex, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(codex.codex)
    env = {"CODEX_HOME": str(tmp_path / "link")}
    codex.installer(**env).install()
    handler = json.loads((codex.codex / "hooks.json").read_text())["hooks"]["Stop"][0]["hooks"][0]
    hook = codex_state.hash_of("Stop", handler, None)
    codex.config.write_text(f'[hooks.state."{codex.codex}/hooks.json:stop:0:0"]\ntrusted_hash = "{hook}"\n')
    target = codex.installer(**env).target
    found = {each.event: each.status for each in codex_state.hooks(target, codex_state.config(target), {})}
    assert (found["Stop"], found["PreToolUse"]) == ("trusted", "untrusted")
