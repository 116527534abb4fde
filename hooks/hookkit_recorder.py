"""One hook call: read the payload, take the tree id, append one hook line, at a turn's end start the ingest.

Shared by all agents; what differs is in the agent's own module (`hookkit_<agent>_events`), which offers

    AGENT                                  the agent's name
    role(event, payload)                   what the event means, a key of EVENTS; None for one that is not ours
    LINES                                  where lines go: transcript (else worktree), worktree (else state), or state
    caller(payload, environment)           the agent that really called
    start_folder(payload, environment)     the folder the session belongs to
    call_folders(payload)                  paths that this call is about, the closest first
    session(environment)                   the session's id where the payload does not tell, or None
    transcript(payload, session)           the session's transcript, or None
    data(role, payload, foreign)           what goes into the line's data; foreign: another agent called
    translate(payload)                     optional: the payload in the words that are read here

Nothing here may fail loudly: a hook is invisible. Standard library only.
"""

import os
import select
import time

import hookkit_json
from hookkit_git import Worktree, find_worktree, make_folder
from hookkit_line import encode
from hookkit_tree import capture, state

NESTED = "agents"  # the folder of the sidecars that are named by a subagent
STDIN_WAIT = 1.0  # seconds without a byte after which a payload counts as complete
STDIN_BUDGET = 4.0  # seconds for the whole payload
STDIN_LIMIT = 64 << 20  # bytes kept of a payload
WITH_TREE = {"session_start", "prompt", "tool_pre", "tool_post", "tool_failure", "turn_end", "turn_failure"}
INGEST_AFTER = {"turn_end", "turn_failure", "session_end"}
INSIDE = {"tool_pre", "tool_post", "tool_failure", "subagent_start", "subagent_stop"}  # what a subagent's events can be
# Role -> the event of a hook line, whatever the agent calls it: the names are Claude Code's.
EVENTS = {
    "session_start": "SessionStart",
    "prompt": "UserPromptSubmit",
    "tool_pre": "PreToolUse",
    "tool_post": "PostToolUse",
    "tool_failure": "PostToolUseFailure",
    "subagent_start": "SubagentStart",
    "subagent_stop": "SubagentStop",
    "compact_pre": "PreCompact",
    "compact_post": "PostCompact",
    "turn_end": "Stop",
    "turn_failure": "StopFailure",
    "session_end": "SessionEnd",
}
# Fields that are looked for in a payload that is no JSON.
_SAVED = (
    "session_id", "conversation_id", "transcript_path", "cwd", "hook_event_name", "tool_name", "tool_use_id",
    "prompt_id", "generation_id", "agent_id",
)  # fmt: skip
_ID = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


TYPE_CHECKING = False  # for type checkers, which take it for true
if TYPE_CHECKING:
    from typing import Protocol

    class Agent(Protocol):
        """What an agent's module offers."""

        AGENT: str
        LINES: str

        def role(self, event: str, payload: dict[str, object]) -> str | None: ...

        def caller(self, payload: dict[str, object], environment: "os._Environ[str]") -> str: ...

        def start_folder(self, payload: dict[str, object], environment: "os._Environ[str]") -> str | None: ...

        def call_folders(self, payload: dict[str, object]) -> list[str]: ...

        def session(self, environment: "os._Environ[str]") -> object: ...

        def transcript(self, payload: dict[str, object], session: str) -> str | None: ...

        def data(self, role: str | None, payload: dict[str, object], foreign: bool) -> dict[str, object]: ...


def record(agent: "Agent") -> None:
    """Record the event that stdin holds. Raises nothing that matters: the entry script swallows it."""
    environment = os.environ
    if environment.get("HOOKKIT_DISABLE") == "1" or _excluded(_start_folder(agent, {})):
        _read_stdin(0)  # an agent that finds the pipe closed could report it
        return
    payload, limitations = _payload(_read_stdin(STDIN_LIMIT))
    payload = getattr(agent, "translate", dict)(payload)
    caller = agent.caller(payload, environment)
    session = session_id(payload.get("session_id"))
    if session is None and caller == agent.AGENT:
        session = session_id(agent.session(environment))
        limitations = limitations or ["payload_unreadable"]
    event = payload.get("hook_event_name")
    role = agent.role(event, payload) if isinstance(event, str) else None
    if session is None or (role is None and isinstance(event, str) and not limitations):
        return  # nobody's, or an event we did not ask for
    if role is None and not limitations:
        limitations.append("payload_unreadable")
    # Some agents name the subagent for the session: which session that is of, the transcript tells. Its turns are none.
    nested = payload.get("agent_id") == session
    if nested and role in EVENTS and role not in INSIDE:
        return
    start = _start_folder(agent, payload)
    home = find_worktree(start) if start else None
    worktree = next(filter(None, map(find_worktree, agent.call_folders(payload))), home)
    if any(map(_excluded, (start, home and home.root, worktree and worktree.root))):  # type: ignore[arg-type]
        return
    runtime = _runtime()
    trail = None
    if role in WITH_TREE:
        if worktree is None:
            limitations.append("no_worktree")
        else:
            trail, why, created = capture(worktree)
            limitations += why
            if created:
                _remember(runtime, worktree.root)
    data = {"session_id": session, "agent": caller, **agent.data(role, payload, caller != agent.AGENT)}
    if role and event != EVENTS[role]:
        data["agent_event"] = event
    if role in ("turn_end", "turn_failure"):
        data["git"] = state(worktree, trail) if trail else {}  # type: ignore[arg-type]
    if trail:
        data["trail"] = trail
    limitations = data.pop("limitations", []) + limitations  # type: ignore[operator]
    if caller != agent.AGENT:
        limitations.append("foreign_caller")
    if limitations or role in ("tool_post", "tool_failure"):
        data["limitations"] = list(dict.fromkeys(limitations))
    transcript = agent.transcript(payload, session) if caller == agent.AGENT else None
    line = encode(EVENTS[role] if role else "Unknown", data)
    if not (transcript and agent.LINES == "transcript" and _append(transcript, line)):
        _append_sidecar(
            None if agent.LINES == "state" else home,
            caller,
            f"{NESTED}/{session}" if nested else session,
            line,
            runtime,
        )
    if role in INGEST_AFTER:
        _spawn_ingest(runtime, [transcript] if transcript else ["--session", session], home, caller)


def session_id(value: object) -> str | None:
    """`value` when it can be trusted as a file name, else None."""
    good = isinstance(value, str) and 0 < len(value) <= 128 and value[0] not in ".-" and not set(value) - _ID
    return value if good else None  # type: ignore[return-value]


def _start_folder(agent: "Agent", payload: dict[str, object]) -> str | None:
    try:
        return agent.start_folder(payload, os.environ) or os.getcwd()
    except OSError:  # the current folder was deleted
        return None


def _excluded(folder: str | None) -> bool:
    """Whether `folder` or one above it, as it is named or as it really is, was excluded by the user."""
    for below in dict.fromkeys((folder, os.path.realpath(folder))) if folder else ():
        while True:
            if os.path.lexists(os.path.join(below, ".opentraces", "excluded")):
                return True
            parent = os.path.dirname(below)
            if parent == below:
                break
            below = parent
    return False


def _read_stdin(limit: int) -> bytes:
    """What comes on stdin, at most `limit` bytes; the rest is read and dropped."""
    chunks, size, until = [], 0, time.monotonic() + STDIN_BUDGET
    try:
        while time.monotonic() < until and select.select([0], [], [], STDIN_WAIT)[0]:
            chunk = os.read(0, 1 << 20)
            if not chunk:
                break
            if size < limit:
                chunks.append(chunk)
                size += len(chunk)
    except OSError:  # stdin was closed from the start
        pass
    return b"".join(chunks)


def _payload(raw: bytes) -> tuple[dict[str, object], list[str]]:
    """(payload, limitations): the JSON object on stdin; what can be saved of it when it is none."""
    text = hookkit_json.decode(raw)
    try:
        value = hookkit_json.loads(text)
        if isinstance(value, dict):
            return value, []
    except ValueError:
        pass
    saved: dict[str, object] = {}
    for field in _SAVED:
        value = _string_after(text[:65536], f'"{field}"')
        if value is not None:
            saved[field] = value
    return saved, ["payload_truncated" if saved else "payload_unreadable"]


def _string_after(text: str, key: str) -> str | None:
    at = text.find(key)
    if at < 0:
        return None
    rest = text[at + len(key) :].lstrip()
    if not rest.startswith(":"):
        return None
    return hookkit_json.string_at(rest[1:].lstrip()[:4096])


def _runtime() -> dict[str, object]:
    """What the installer wrote beside the scripts: how to start the ingest, and where the user's state is."""
    try:
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "runtime.json"), encoding="utf-8") as file:
            found = hookkit_json.loads(file.read())
    except (OSError, ValueError):
        found = None
    runtime = found if isinstance(found, dict) else {}
    home = os.environ.get("HOOKKIT_HOME")
    if home and os.path.isabs(home):  # the user's word, as for the command line
        runtime.update(home=home, state=os.path.join(home, "state"))
    return runtime


def _remember(runtime: dict[str, object], root: str) -> None:
    """Keep the list of worktrees that hold something of ours, so that `hookkit remove --purge` finds all of them."""
    state = runtime.get("state")
    if not isinstance(state, str) or "\n" in root:
        return
    try:
        os.makedirs(state, 0o700, exist_ok=True)
        _write(os.path.join(state, "worktrees"), os.fsencode(root) + b"\n", os.O_CREAT)
    except OSError:
        pass


def _append(path: str, line: bytes) -> bool:
    """Append to an existing transcript; False when that is not possible."""
    try:
        _write(path, line, 0)
        return True
    except OSError:
        return False


def _write(path: str, line: bytes, create: int, folder: int | None = None) -> None:
    flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | create
    file = os.open(path, flags, 0o600, dir_fd=folder)
    try:
        found = os.fstat(file)
        if found.st_mode & 0o170000 != 0o100000:
            raise OSError("not a regular file")
        # Whoever wrote last may have died in the middle of a line: never glue ours to it.
        if found.st_size and os.pread(file, 1, found.st_size - 1) != b"\n":
            line = b"\n" + line
        written = os.write(file, line)
        if written < len(line):
            # The disk is full. The agent's next line must not be glued to our half one either.
            if os.fstat(file).st_size == found.st_size + written:
                os.ftruncate(file, found.st_size)
            raise OSError("no room for the line")
    finally:
        os.close(file)


def _append_sidecar(
    worktree: Worktree | None, agent: str, session: str, line: bytes, runtime: dict[str, object]
) -> None:
    """Append to the session's sidecar: in the worktree, else in the user's state folder."""
    names = [agent, "hooks", *session.split("/")]
    file_name = names.pop() + ".jsonl"
    try:
        if worktree:
            _append_below(worktree.root, [".opentraces", *names], file_name, line, worktree.git_dir)
            return
    except OSError:
        pass
    state_folder = runtime.get("state")
    if isinstance(state_folder, str):
        os.makedirs(state_folder, 0o700, exist_ok=True)
        _append_below(state_folder, ["sidecars", *names], file_name, line)


def _append_below(base: str, names: list[str], file_name: str, line: bytes, git_dir: str | None = None) -> None:
    """Walk down without following a link: a repository could hold one that leads elsewhere."""
    folder = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in names:
            make_folder(name, folder)
            below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            os.close(folder)
            folder = below
            if name == ".opentraces":
                _ignore_itself(folder, git_dir)
        _write(file_name, line, os.O_CREAT, folder)
    finally:
        os.close(folder)


def _ignore_itself(folder: int, git_dir: str | None) -> None:
    """`.opentraces/` must never show up in a tree id, a status or a commit. Its .gitignore is there whole or not at
    all: the git of another hook could come by in between."""
    try:
        if os.stat(".gitignore", dir_fd=folder, follow_symlinks=False).st_size:
            return
    except FileNotFoundError:
        pass
    stage = f"{git_dir}/hookkit/capture.{os.getpid()}.gitignore"
    for path, inside in ((stage, None), (".gitignore", folder)):
        try:
            _write(path, b"*\n", os.O_CREAT, inside)
            if path == stage:
                os.rename(stage, ".gitignore", dst_dir_fd=folder)
            return
        except OSError:  # the git dir cannot be written, or is on another file system; or the disk is full
            _unlink(path, inside)
    raise OSError("nothing may be written beside a .gitignore that is not there")


def _unlink(path: str, folder: int | None) -> None:
    try:
        os.unlink(path, dir_fd=folder)
    except OSError:
        return


def _spawn_ingest(runtime: dict[str, object], which: list[str], worktree: Worktree | None, agent: str) -> None:
    """Start the ingest of a session, detached: own session, null streams, nothing inherited, not our child for long."""
    command = runtime.get("ingest")
    if not (isinstance(command, list) and command and all(isinstance(word, str) for word in command)):
        return
    command = [*command, "_ingest-session", *which, "--agent", agent]
    if worktree:
        command += ["--project", worktree.root]
    environment = dict(os.environ)
    home, state = runtime.get("home"), runtime.get("state")
    if isinstance(home, str) and state == os.path.join(home, "state"):  # it was moved by $HOOKKIT_HOME
        environment["HOOKKIT_HOME"] = home
    if os.fork():
        return
    try:
        os.setsid()
        os.chdir("/")
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        os.closerange(3, min(os.sysconf("SC_OPEN_MAX"), 1 << 16))
        os.execve(command[0], command, environment)
    finally:
        os._exit(0)
