"""The plugin: what ADK calls, and which run each call belongs to."""

from __future__ import annotations

import asyncio
import atexit
import functools
import inspect
import logging
import os
import threading
import time
import uuid
import weakref
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from google.adk.agents.base_agent import BaseAgent
from google.adk.agents.callback_context import CallbackContext
from google.adk.agents.invocation_context import InvocationContext
from google.adk.events.event import Event
from google.adk.models.llm_request import LlmRequest
from google.adk.models.llm_response import LlmResponse
from google.adk.plugins.base_plugin import BasePlugin
from google.adk.tools.base_tool import BaseTool
from google.adk.tools.tool_context import ToolContext
from google.genai import types

from hookkit import __version__
from hookkit.adk.reply import parts_of, reply_of, text_of
from hookkit.runlog import settings
from hookkit.runlog.ingester import Ingester
from hookkit.runlog.log import RunLog, remove_old
from hookkit.runlog.plain import text
from hookkit.runlog.run import Run, Status

_LOG = logging.getLogger("hookkit.adk")
_MOST_CONVERSATIONS = 1000  # whose log is remembered
# The call of a tool that is under way in this context: a run that starts inside of it is its child.
_open_call: ContextVar[tuple[Run, str] | None] = ContextVar("hookkit_open_call", default=None)
_plugins: weakref.WeakSet[AgentTracePlugin] = weakref.WeakSet()


def _quiet(callback: Callable[..., None]) -> Callable[..., Awaitable[None]]:
    """The callback as ADK awaits it: one at a time, never an error, never an answer.

    A parameter that another version of ADK adds or leaves out disturbs nothing.
    """
    names = [name for name in inspect.signature(callback).parameters if name != "self"]

    @functools.wraps(callback)
    async def wrapped(self: AgentTracePlugin, **given: Any) -> None:
        if self.settings.disabled:
            return
        try:
            with self._lock:
                self._end_abandoned()
                callback(self, **{name: given.get(name) for name in names})
        except Exception:
            self._warn(callback.__name__)

    return wrapped


class AgentTracePlugin(BasePlugin):
    """Writes the events of every run to a log, ``<trace_dir>/<date>_<run id>.jsonl``.

    A conversation (an ADK session) has a log of its own; with ``run_id`` all runs share one. What is not given comes
    from the environment (``AGENTTRACE_…``), the table ``[adk]`` of hookkit's config.toml, or defaults; the arguments
    are those of ``runlog.settings.Settings``. ValueError if one is no such value.
    """

    def __init__(
        self,
        trace_dir: str | os.PathLike[str] | None = None,
        *,
        run_id: str | None = None,
        retention_days: int | None = None,
        sanitize_args: bool | None = None,
        max_response_preview: int | None = None,
        ingest: bool | None = None,
        live: str | os.PathLike[str] | None = None,
        name: str = "agenttrace",
    ) -> None:
        super().__init__(name=name)
        self.settings = settings.load(
            trace_dir=trace_dir,
            run_id=run_id,
            retention_days=retention_days,
            sanitize_args=sanitize_args,
            max_response_preview=max_response_preview,
            ingest=ingest,
            live=live,
        )
        self._lock = threading.Lock()
        self._runs: dict[str, Run] = {}
        self._logs: OrderedDict[object, RunLog] = OrderedDict()
        self._abandoned: deque[str] = deque()  # runs whose context is gone
        self._watched: dict[str, weakref.ref[object]] = {}
        self._before: dict[tuple[str, str], tuple[Run, str] | None] = {}  # what _open_call was before a call
        self._ingester = Ingester()
        self._warned: set[str] = set()
        self._process = os.getpid()
        if not self.settings.disabled:
            current = [path for plugin in _plugins for path in plugin.paths]
            remove_old(self.settings.trace_dir, self.settings.retention_days, current)
            _plugins.add(self)

    # Runs

    @_quiet
    def on_user_message_callback(self, *, invocation_context: InvocationContext, user_message: types.Content) -> None:
        self._run(invocation_context, user_message)

    @_quiet
    def before_run_callback(self, *, invocation_context: InvocationContext) -> None:
        self._run(invocation_context)

    @_quiet
    def after_run_callback(self, *, invocation_context: InvocationContext) -> None:
        self._end(invocation_context.invocation_id, "ok")

    @_quiet
    def on_run_error_callback(self, *, invocation_context: InvocationContext, error: Exception) -> None:
        self._run(invocation_context)
        self._end(invocation_context.invocation_id, "error", error)

    async def close(self) -> None:
        """End the runs that nothing else ended. One that goes on all the same corrects it."""
        self._finish()

    @_quiet
    def on_event_callback(self, *, invocation_context: InvocationContext, event: Event) -> None:
        if event.partial is True:
            return
        run, actions = self._run(invocation_context), event.actions
        responses = [part.function_response for part in parts_of(event) if part.function_response]
        if actions and actions.state_delta:
            run.state_changed(event.author, actions.state_delta)
        if actions and actions.transfer_to_agent:
            call = next((r.id for r in responses if r.name == "transfer_to_agent"), None)
            reason = getattr(actions, "transfer_reason", None)
            run.transferred(event.author, actions.transfer_to_agent, reason, call)
        if not responses and event.author != "user":
            run.said(event.author, event.branch, functools.partial(reply_of, event))

    # Agents

    @_quiet
    def before_agent_callback(self, *, agent: BaseAgent, callback_context: CallbackContext) -> None:
        self._run(callback_context).agent_started(agent.name, _branch(callback_context))

    @_quiet
    def after_agent_callback(self, *, agent: BaseAgent, callback_context: CallbackContext) -> None:
        self._run(callback_context).agent_ended(agent.name, _branch(callback_context))

    @_quiet
    def on_agent_error_callback(self, *, agent: BaseAgent, callback_context: CallbackContext, error: Exception) -> None:
        self._run(callback_context).agent_failed(agent.name, _branch(callback_context), error)

    # The model

    @_quiet
    def before_model_callback(self, *, callback_context: CallbackContext, llm_request: LlmRequest) -> None:
        self._run(callback_context).asked(
            callback_context.agent_name,
            _branch(callback_context),
            model=llm_request.model,
            messages=len(llm_request.contents or ()),
            tools=list(llm_request.tools_dict or ()),
        )

    @_quiet
    def after_model_callback(self, *, callback_context: CallbackContext, llm_response: LlmResponse) -> None:
        run, agent, branch = self._run(callback_context), callback_context.agent_name, _branch(callback_context)
        if llm_response.partial is True:
            run.chunk(agent, branch)
        else:
            run.answered(agent, branch, reply_of(llm_response))

    @_quiet
    def on_model_error_callback(
        self, *, callback_context: CallbackContext, llm_request: LlmRequest, error: Exception
    ) -> None:
        self._run(callback_context).failed(callback_context.agent_name, _branch(callback_context), error)

    # Tools

    @_quiet
    def before_tool_callback(self, *, tool: BaseTool, tool_args: dict[str, Any], tool_context: ToolContext) -> None:
        run, call = self._run(tool_context), _call_id(tool, tool_context)
        run.tool_started(call, tool.name, tool_args, tool_context.agent_name, _branch(tool_context))
        self._before[run.id, call] = _open_call.get()
        _open_call.set((run, call))

    @_quiet
    def after_tool_callback(
        self, *, tool: BaseTool, tool_args: dict[str, Any], tool_context: ToolContext, result: Any
    ) -> None:
        run, call = self._run(tool_context), _call_id(tool, tool_context)
        self._close_call(run, call)
        run.tool_ended(call, tool.name, tool_args, tool_context.agent_name, _branch(tool_context), result)

    @_quiet
    def on_tool_error_callback(
        self, *, tool: BaseTool, tool_args: dict[str, Any], tool_context: ToolContext, error: Exception
    ) -> None:
        run, call = self._run(tool_context), _call_id(tool, tool_context)
        self._close_call(run, call)
        if isinstance(error, asyncio.CancelledError):
            run.left = time.perf_counter()
        run.tool_failed(call, tool.name, tool_args, tool_context.agent_name, _branch(tool_context), error)

    # What is under way

    @property
    def paths(self) -> list[Path]:
        """The logs of the conversations that were recorded last, oldest first."""
        return [log.path for log in self._logs.values()]

    def _run(self, context: Any, message: types.Content | None = None) -> Run:
        """The run that a context belongs to, begun with whichever callback comes first."""
        invocation = getattr(context, "_invocation_context", context)
        run = self._runs.get(invocation.invocation_id)
        if run is None:
            run = self._start(invocation, message or invocation.user_content)
        if invocation is context and run.id not in self._watched:  # the runner's own; it lives as long as the run
            gone = functools.partial(_gone, self._abandoned, run.id)
            self._watched[run.id] = weakref.ref(invocation, gone)
        return run

    def _start(self, invocation: Any, message: types.Content | None) -> Run:
        parent = _open_call.get()
        if parent is not None and parent[0].status is not None:
            parent = None  # a task that outlived the run that started it
        session = invocation.session
        log = parent[0].log if parent else self._log_of((session.app_name, session.user_id, session.id))
        name = getattr(invocation.agent, "name", None) or session.app_name
        clean, preview = self.settings.sanitize_args, self.settings.max_response_preview
        run = Run(log, invocation.invocation_id, name, parent=parent, clean=clean, preview=preview)
        self._runs[run.id] = run
        run.start(
            user_message=text(text_of(message)) or None,
            app_name=session.app_name,
            session_id=session.id,
            cwd=_cwd(),
            adk_version=_adk_version(),
            hookkit_version=__version__,
        )
        return run

    def _log_of(self, conversation: object) -> RunLog:
        if self.settings.run_id is not None:
            conversation = None
        log = self._logs.get(conversation)
        if log is None:
            run_id = self.settings.run_id or uuid.uuid4().hex[:8]
            log = self._logs[conversation] = RunLog(self.settings.trace_dir, run_id, live=self.settings.live)
            if len(self._logs) > _MOST_CONVERSATIONS:
                self._logs.popitem(last=False)
        self._logs.move_to_end(conversation)
        return log

    def _close_call(self, run: Run, call: str) -> None:
        if (run.id, call) in self._before:
            _open_call.set(self._before.pop((run.id, call)))

    def _end(self, run_id: str, status: Status, error: BaseException | None = None) -> None:
        run = self._runs.pop(run_id, None)
        self._watched.pop(run_id, None)
        if run is not None:
            for key in [key for key in self._before if key[0] == run_id]:
                del self._before[key]
            if run.status is None or status in ("ok", "error"):
                run.end(status, error)
            if run.parent is None and self.settings.ingest:
                self._ingester.request(run.log.path)

    def _end_abandoned(self) -> None:
        """End the runs that were cancelled: ADK tells nobody, but lets go of their context."""
        while self._abandoned:
            run = self._runs.get(run_id := self._abandoned.popleft())
            if run is not None:
                self._end(run_id, _left(run))

    def _finish(self) -> None:
        try:
            with self._lock:
                self._end_abandoned()
                for run in [run for run in self._runs.values() if run.status is None]:
                    run.end(_left(run))
                    if run.parent is None and self.settings.ingest:
                        self._ingester.request(run.log.path)
        except Exception:
            self._warn("close")

    def _warn(self, where: str) -> None:
        """Once a callback: a run may call it a thousand times."""
        if where not in self._warned:
            self._warned.add(where)
            _LOG.warning("hookkit could not record %s", where, exc_info=True)


def _left(run: Run) -> Status:
    return "incomplete" if run.left is None else "cancelled"


def _gone(abandoned: deque[str], run_id: str, _reference: object) -> None:
    """Called by the garbage collector, at any moment: nothing but a note."""
    abandoned.append(run_id)


@atexit.register
def _at_exit() -> None:
    for plugin in list(_plugins):
        if plugin._process == os.getpid():  # a fork has not run them
            plugin._finish()
            plugin._ingester.finish()


def _call_id(tool: BaseTool, context: ToolContext) -> str:
    """ADK gives every call an id before its tool is asked."""
    return context.function_call_id or f"{context.invocation_id}/{tool.name}"


def _branch(context: Any) -> str | None:
    branch = getattr(context, "_invocation_context", context).branch
    return branch if isinstance(branch, str) and branch else None


def _cwd() -> str | None:
    try:
        return os.getcwd()
    except OSError:
        return None


@functools.cache
def _adk_version() -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("google-adk")
    except PackageNotFoundError:
        return None
