"""The probe of Codex CLI: whether Codex trusts our hooks, and the registering of that trust where the user asks for it.

``status`` and a plain ``install`` read Codex's files (codex_state): started, Codex would write databases to its folder.
``doctor`` asks Codex itself (codex_server), and so does ``install --trust``, and a remove that has to take such a trust
out of a file that was edited since. A hash that hookkit computes is only compared, never registered.
"""

from __future__ import annotations

import shlex
import shutil

from hookkit.errors import HookInstallError
from hookkit.installer import codex_receipt, codex_server, codex_state, files
from hookkit.installer.codex_receipt import Receipt
from hookkit.installer.codex_state import TRUSTED, Hook, NoAnswerError
from hookkit.installer.envelope import Warn
from hookkit.installer.probes import Probe
from hookkit.installer.protocol import Check
from hookkit.installer.target import Target


class CodexTrust(Probe):
    """The probe of Codex CLI; see installer.probes."""

    def warnings(self, target: Target) -> tuple[Warn, ...]:
        """What keeps Codex from running our hooks: missing trust, or switched off."""
        if not target.registered():
            return ()
        file = str(target.link)
        try:
            config = codex_state.config(target)
            hooks = self._hooks(target)
        except NoAnswerError as error:
            message = f"It cannot be told whether Codex trusts the hooks: {error}"
            hint = f"Start {target.contract.program}, type /hooks, and look there."
            return (Warn("TRUST_UNKNOWN", file, "$.hooks", message, hint, blocks=False),)
        found: list[Warn] = []
        off = codex_state.switched_off(target, config)
        if off:
            found.append(Warn("HOOKS_DISABLED", file, "$.hooks", *off, blocks=True))
        waiting = [hook for hook in hooks if hook.status not in TRUSTED]
        if waiting:
            found.append(Warn("UNTRUSTED", file, "$.hooks", _untrusted(waiting, hooks), _hint(target), blocks=True))
        disabled = [hook.event for hook in hooks if not hook.enabled]
        if disabled:
            message = f"Switched off in Codex: {', '.join(disabled)}."
            hint = f"Start {target.contract.program}, type /hooks, and enable them with the space key."
            found.append(Warn("HOOKS_DISABLED", file, "$.hooks", message, hint, blocks=True))
        return tuple(found)

    def ask(self, target: Target) -> tuple[Check, ...]:
        """Let Codex say itself what it trusts: its files are read as 0.171.0 writes them, another one may differ."""
        if shutil.which(target.contract.program, path=target.env.get("PATH")) is None:
            return ()
        try:
            with codex_server.serve(target) as server:
                hooks = server.hooks()
        except NoAnswerError as error:
            hint = f"Start {target.contract.program}, type /hooks, and look there."
            return (Check("codex", "warning", f"Codex did not say whether it trusts the hooks: {error}", hint),)
        waiting = [hook for hook in hooks if hook.status not in TRUSTED]
        off = [hook.event for hook in hooks if not hook.enabled]
        if waiting:
            return (Check("codex", "failed", _untrusted(waiting, hooks), _hint(target)),)
        if off or not hooks:
            told = f"Switched off in Codex: {', '.join(off)}." if off else "Codex does not see the hooks."
            return (Check("codex", "failed", told, f"Start {target.contract.program}, type /hooks, and look there."),)
        return (Check("codex", "ok", f"Codex itself says that it trusts all {len(hooks)} hooks and runs them."),)

    def after_install(self, target: Target) -> tuple[str, ...]:
        """What to press, and exactly what would be trusted; nothing where all of it is trusted already."""
        try:
            commands = [hook.command for hook in self._hooks(target) if hook.status not in TRUSTED]
        except NoAnswerError:
            commands = [str(line) for line in target.registered().values()]
        if not commands:
            return ()
        lines = [f"Codex asks for your trust before it runs these {len(commands)} hooks, all with the same command:"]
        lines += [f"    {line}" for line in dict.fromkeys(commands)]
        program = target.contract.program
        lines.append(f'Start `{program}`: choose "Review hooks" when it asks, or type /hooks, and press t on each;')
        lines.append(f"or let Codex register your trust now: {target.command('install')} --trust")
        return tuple(lines)

    def trust(self, target: Target) -> tuple[str, ...]:
        """Register the user's trust in our hooks through Codex. HookInstallError where Codex does not take it."""
        before = files.read(codex_state.config_file(target))
        receipt = codex_receipt.begin(target, before)
        try:
            with codex_server.serve(target) as server:
                hooks = server.hooks()
                if not hooks:
                    raise NoAnswerError("it does not see them.")
                waiting = {hook.key: hook.hash for hook in hooks if hook.status not in TRUSTED}
                if not waiting:
                    return ("Codex trusts the hooks already.",)
                try:
                    server.set_trust(dict(waiting))
                    left = [hook.event for hook in server.hooks() if hook.status not in TRUSTED]
                finally:  # also where it wrote and then died: a remove must know what to take back
                    computed = _computed(target)
                    hashes = {key: (trusted, computed.get(key, "")) for key, trusted in waiting.items()}
                    after = files.read(before.path).data or b""
                    if after != (before.data or b""):
                        codex_receipt.save(target, receipt.with_change(hashes, before.data or b"", after))
        except NoAnswerError as error:
            raise HookInstallError(
                "TRUST_FAILED", f"Codex did not register the trust: {error}", _by_hand(target)
            ) from error
        if left:
            raise HookInstallError("TRUST_FAILED", f"Codex still does not trust: {', '.join(left)}.", _by_hand(target))
        return (f"Codex registered your trust in {len(waiting)} hooks.",)

    def untrust(self, target: Target) -> tuple[str, ...]:
        """Take back what ``trust`` registered. What the user told Codex in Codex stays: it is harmless.

        HookInstallError where it stays against that.
        """
        receipt = codex_receipt.load(target)
        if receipt is None:
            return ()
        found = files.read(receipt.config)
        if found.data is not None and not receipt.take_back(found):
            try:
                self._forget(target, receipt)
            except NoAnswerError as error:
                raise HookInstallError(
                    "TRUST_LEFT",
                    f"{receipt.config} still says that these hooks are trusted: {error}",
                    f'It does no harm. Delete the tables [hooks.state."{target.link}:…"] there if you like.',
                ) from error
        codex_receipt.drop(target)
        return (f"Codex's trust in {len(receipt.hashes)} hooks is taken back.",)

    def _hooks(self, target: Target) -> list[Hook]:
        receipt = codex_receipt.load(target)
        return codex_state.hooks(target, codex_state.config(target), receipt.hashes if receipt else {})

    @staticmethod
    def _forget(target: Target, receipt: Receipt) -> None:
        """Let Codex take out the keys that still say what we made it say."""
        state = codex_state.config(target).get("hooks", {}).get("state", {})
        keys = [key for key, (trusted, _) in receipt.hashes.items() if state.get(key) == {"trusted_hash": trusted}]
        if keys:
            with codex_server.serve(target) as server:
                server.set_trust(dict.fromkeys(keys))
        receipt.tidy()


probe = CodexTrust()


def _computed(target: Target) -> dict[str, str]:
    try:
        return {hook.key: hook.hash for hook in codex_state.hooks(target, codex_state.config(target), {})}
    except NoAnswerError:
        return {}


def _untrusted(waiting: list[Hook], hooks: list[Hook]) -> str:
    changed = [hook.event for hook in waiting if hook.status == "modified"]
    if changed:
        return f"Codex trusted another form of these hooks, so it does not run them: {', '.join(changed)}."
    if len(waiting) == len(hooks):
        return "Codex trusts none of the hooks, so it does not run them."
    return f"Codex does not trust these hooks, so it does not run them: {', '.join(hook.event for hook in waiting)}."


def _hint(target: Target) -> str:
    return f"{target.command('install')} --trust, or in {target.contract.program}: /hooks, then t on each."


def _by_hand(target: Target) -> str:
    return f"Start `{shlex.quote(target.contract.program)}`, type /hooks, and press t on each hook of hookkit."
