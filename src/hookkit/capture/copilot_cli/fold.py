"""Folds the events of a Copilot CLI session into the steps of a trace.

The events of all agents of a session are in one file, those of a subagent with its ``agentId``. Each run of a hook is
an event too: before the calls of an answer it names them all, after a call it says when its payload was made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hookkit.capture.fold.fold import BUCKETS, Fold
from hookkit.capture.values import count, micros, text_of

_QUIET_ROOMS = ("assistant.turn_", "model.", "permission.", "skill.context", "subagent.", "system.")
_QUIET = frozenset(
    {
        "assistant.idle", "assistant.intent", "assistant.reasoning", "session.compaction_start",
        "session.context_changed", "session.context_cleared", "session.handoff", "session.idle", "session.info",
        "session.mode_changed", "session.model_change", "session.permissions_changed", "session.plan_changed",
        "session.shutdown", "session.snapshot_rewind", "session.title_changed", "session.todos_changed",
        "session.truncation", "session.usage_checkpoint", "session.usage_info", "session.warning",
        "session.workspace_file_changed", "tool.execution_partial_result", "tool.execution_progress",
        "tool.user_requested",
    }
)  # fmt: skip
_TALK = frozenset({"user.message", "assistant.message", "tool.execution_complete"})


class CopilotFold(Fold):
    """The session as far as it was read.

    waiting: agent -> [provider, model, *tokens] of the request whose answer is still to come. newest: agent -> cell of
    its newest answer. providers: agent -> who gave that. unkept: agent -> cell of an answer without an event of its
    own.
    kinds: agent -> kind of subagent. rounds: id of a hook's run -> the calls that it was for. began: call id -> when it
    began. pending: agent -> [time, tool, input] of the hook that was run after its call. pre_at, post_at: call id ->
    when its hooks were run. All times are microseconds since 1970.
    """

    KEPT = ("waiting", "newest", "providers", "unkept", "kinds", "rounds", "began", "pending", "pre_at", "post_at")

    def __init__(self, session_id: str) -> None:
        super().__init__(session_id)
        self.waiting: dict[str, list[Any]] = {}
        self.newest: dict[str, int] = {}
        self.providers: dict[str, str] = {}
        self.unkept: dict[str, int] = {}
        self.kinds: dict[str, str] = {}
        self.rounds: dict[str, list[str]] = {}
        self.began: dict[str, int] = {}
        self.pending: dict[str, list[Any]] = {}
        self.pre_at: dict[str, int] = {}
        self.post_at: dict[str, int] = {}
        self._denied = False

    def feed(self, file: str, entry: Mapping[str, Any], line: int) -> None:
        """Take in one event."""
        kind, data = entry.get("type"), entry.get("data")
        if not isinstance(kind, str) or not isinstance(data, Mapping):
            self.no_such_type(kind)
            return
        agent = text_of(entry.get("agentId")) or ""
        number = self.stream("", agent)
        stamp = self.moment(number, entry.get("timestamp"), counts=kind in _TALK)
        if kind in ("session.start", "session.resume"):
            self._read_start(data)
        elif kind == "user.message":
            self._read_prompt(agent, number, data, stamp)
        elif kind == "assistant.message":
            self._read_answer(agent, number, data, text_of(entry.get("id")) or f"line {line}", stamp)
        elif kind == "session.usage_record":
            self._read_usage(agent, data.get("usage"))
        elif kind.startswith("tool.execution_"):
            self._read_call(kind, agent, number, data, stamp, line)
        elif kind.startswith("hook."):
            self._read_hook(kind, agent, number, data, stamp, line)
        elif kind == "subagent.started":
            self._spawn(agent, data)
        elif kind == "session.error":
            told = {"status": data.get("statusCode"), "error": text_of(data.get("errorType"))}
            self.failed(number, "api_error", text_of(data.get("message")) or "", stamp, line, **told)
        elif kind == "abort":
            self.streams[number].last = "interrupted"
        elif kind == "session.compaction_complete":
            self._compact(agent, number, data, stamp, line)
        elif kind == "skill.invoked":
            name, path = text_of(data.get("name")), text_of(data.get("path"))
            if name:
                self.skill(number, name, "copilot_skill", stamp, line, skill_file=path)
        elif kind not in _QUIET and not kind.startswith(_QUIET_ROOMS):
            self.no_such_type(kind)

    def _read_start(self, data: Mapping[str, Any]) -> None:
        self.fact("version", data.get("copilotVersion"))
        context = data.get("context")
        if isinstance(context, Mapping):
            self.folder(context.get("cwd"))
            self.fact("branch", context.get("branch"))

    def _read_prompt(self, agent: str, number: int, data: Mapping[str, Any], stamp: str | None) -> None:
        """What the user typed, or what a subagent was asked: its ``source`` names who asked."""
        text, source = text_of(data.get("content")), data.get("source")
        typed = source in (None, "", "user") and data.get("isAutopilotContinuation") is not True
        asked = bool(agent) and isinstance(source, str) and source.startswith("agent-")
        if text and (typed or asked):
            self.prompt(number, text, stamp)

    # What the model said

    def _read_answer(self, agent: str, number: int, data: Mapping[str, Any], key: str, stamp: str | None) -> None:
        cell = self.message(number, text_of(data.get("messageId")) or key, stamp)
        if cell is None:
            return
        self.newest[agent] = cell
        self.unkept.pop(agent, None)
        model = text_of(data.get("model"))
        self._use(agent, number, cell, model)
        self.say(cell, data.get("content"))
        self.say(cell, data.get("reasoningText"), "reasoning_content")
        asked = data["toolRequests"] if isinstance(data.get("toolRequests"), list) else []
        for request in asked:
            if isinstance(request, Mapping):
                given = as_input(request.get("arguments"))
                self.call(number, cell, request.get("toolCallId"), request.get("name"), given)
            else:
                self.counts["malformed_calls"] += 1
        if not asked:
            self.ended(number)

    def _read_usage(self, agent: str, usage: object) -> None:
        """The tokens of a request come before its answer. If a second record comes before one, the first request's
        answer was not kept: its tokens count with the answer before."""
        if not isinstance(usage, Mapping):
            return
        provider = text_of(usage.get("providerType")) if usage.get("isByok") is True else None
        model = text_of(usage.get("model")) or ""
        tokens = list(_buckets(usage))
        if agent in self.waiting and agent in self.newest:
            self._add(self.newest[agent], self.waiting[agent][2:])
        elif agent in self.waiting:
            tokens = [one + more for one, more in zip(tokens, self.waiting[agent][2:], strict=True)]
        self.waiting[agent] = [provider or "github", model, *tokens]

    def unanswered(self) -> list[tuple[str, list[int]]]:
        """(model, tokens in the order of BUCKETS) of each agent's requests whose answers are still to come."""
        return [(_named(provider, model), tokens) for provider, model, *tokens in self.waiting.values()]

    def _use(self, agent: str, number: int, cell: int, model: str | None) -> None:
        provider, told, *tokens = self.waiting.pop(agent, ["", "", 0, 0, 0, 0])
        model = model or told
        provider = provider or self.providers.get(agent, "github")
        self.providers[agent] = provider
        if model:
            self.model(number, cell, _named(provider, model))
        self._add(cell, tokens)

    def _add(self, cell: int, tokens: list[int]) -> None:
        known = self.cells.open(cell)["token_usage"]
        given, made, read, written = (known[name] + more for name, more in zip(BUCKETS, tokens, strict=True))
        self.used(cell, (given, made, read, written))

    # Calls

    def _read_call(
        self, kind: str, agent: str, number: int, data: Mapping[str, Any], stamp: str | None, line: int
    ) -> None:
        call_id, moment = data.get("toolCallId"), micros(stamp)
        if kind == "tool.execution_complete":
            self._finish(agent, number, call_id, data, stamp, line)
        elif kind == "tool.execution_start":
            if moment is not None and isinstance(call_id, str):
                self.began[call_id] = moment
        elif kind not in _QUIET:
            self.no_such_type(kind)

    def _finish(
        self, agent: str, number: int, call_id: object, data: Mapping[str, Any], stamp: str | None, line: int
    ) -> None:
        result, error, shell = data.get("result"), data.get("error"), data.get("shellExecution")
        code = shell.get("exitCode") if isinstance(shell, Mapping) else None
        failed = data.get("success") is False or (type(code) is int and code != 0)
        told = error.get("message") if isinstance(error, Mapping) else error
        if not isinstance(told, str):
            told = result.get("content") if isinstance(result, Mapping) else None
        heard = self.pending.pop(agent, None)
        ended, began = micros(stamp), None
        if isinstance(call_id, str) and call_id:
            began = self.began.pop(call_id, None)
            if heard is not None:
                ended, tool, given = heard
                self.post_at[call_id] = ended
                if call_id not in self.calls:
                    self._keep(agent, number, call_id, tool, given, stamp, line)
        duration = max(0, ended - began) // 1000 if began is not None and ended is not None else None
        self._denied = isinstance(error, Mapping) and error.get("code") == "denied"
        self.result(number, call_id, told if isinstance(told, str) else "", failed, stamp, duration)

    def is_denial(self, _error: str) -> bool:
        """Copilot says so with a code of its own."""
        return self._denied

    def _read_hook(
        self, kind: str, agent: str, number: int, data: Mapping[str, Any], stamp: str | None, line: int
    ) -> None:
        """When the hooks of a call were run; what is between them is the call itself."""
        event, run, given = data.get("hookType"), text_of(data.get("hookInvocationId")), data.get("input")
        moment = micros(stamp)
        if kind == "hook.end":
            for begun in self.rounds.pop(run or "", []):
                if moment is not None:
                    self.began[begun] = moment
        elif not isinstance(given, Mapping):
            return
        elif event == "preToolUse":
            calls = given["toolCalls"] if isinstance(given.get("toolCalls"), list) else []
            for call in calls:
                call_id = call.get("id") if isinstance(call, Mapping) else None
                if not isinstance(call_id, str) or not call_id or moment is None:
                    continue
                self.pre_at[call_id] = moment
                if run:
                    self.rounds.setdefault(run, []).append(call_id)
                if call_id not in self.calls:
                    self._keep(agent, number, call_id, call.get("name"), call.get("args"), stamp, line)
        elif event in ("postToolUse", "postToolUseFailure") and count(given.get("timestamp")):
            self.pending[agent] = [count(given["timestamp"]) * 1000, given.get("toolName"), given.get("toolArgs")]

    def _keep(
        self, agent: str, number: int, call_id: str, tool: object, given: object, stamp: str | None, line: int
    ) -> None:
        """Add a call of an answer that has no event of its own: Copilot drops it if one of its inputs is an array."""
        cell = self.unkept.get(agent)
        if cell is None:
            found = self.message(number, f"line {line}", stamp)
            if found is None:
                return
            cell = self.unkept[agent] = self.newest[agent] = found
            self._use(agent, number, cell, None)
        self.call(number, cell, call_id, tool, as_input(given))

    # Subagents and compaction

    def _spawn(self, agent: str, data: Mapping[str, Any]) -> None:
        call_id, kind = text_of(data.get("toolCallId")), text_of(data.get("agentName"))
        if agent and call_id:
            self.spawned.setdefault(agent, call_id)
        if agent and kind:
            self.kinds[agent] = kind

    def _compact(self, agent: str, number: int, data: Mapping[str, Any], stamp: str | None, line: int) -> None:
        """The tokens of the request for the summary have no record: they count with the answer before."""
        used = data.get("compactionTokensUsed")
        if isinstance(used, Mapping) and agent in self.newest:
            self._add(self.newest[agent], list(_buckets(used)))
        if data.get("success") is False:
            return
        before, after = count(data.get("preCompactionTokens")), count(data.get("postCompactionTokens"))
        said = {"trigger": text_of(data.get("trigger")), "summary": text_of(data.get("summaryContent"))}
        self.compacted(number, stamp, line, pre_tokens=before, post_tokens=after, **said)


def _named(provider: str, model: str) -> str:
    return model if "/" in model or not model else f"{provider}/{model}"


def as_input(arguments: object) -> dict[str, Any]:
    """A call's input: an object; that of a free-form tool is its text."""
    if isinstance(arguments, str):
        return {"input": arguments}
    return arguments if isinstance(arguments, dict) else {}


def _buckets(usage: Mapping[str, Any]) -> tuple[int, int, int, int]:
    """Input, output, cache read, cache write. Copilot's input holds both caches, its output the reasoning."""
    read, written = count(usage.get("cacheReadTokens")), count(usage.get("cacheWriteTokens"))
    return max(0, count(usage.get("inputTokens")) - read - written), count(usage.get("outputTokens")), read, written
