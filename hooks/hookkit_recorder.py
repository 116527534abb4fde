"""One hook call: read the payload, take the tree id, append one hook line, at a turn's end start the ingest.

Shared by all agents; what differs is in the agent's own module (`hookkit_<agent>_events`), which offers

    AGENT                                  the agent's name
    ROLES                                  event name -> role
    caller(payload, environment)           the agent that really called
    start_folder(payload, environment)     the folder the session belongs to
    call_folders(payload)                  paths that this call is about, the closest first
    transcript(payload, session)           the transcript that takes the line, or None
    data(role, payload)                    what goes into the line's data

Nothing here may fail loudly: a hook is invisible. Standard library only.
"""

import os
import select
import time

import hookkit_json
import hookkit_tree

STDIN_WAIT = 1.0  # seconds without a byte after which a payload counts as complete
STDIN_LIMIT = 64 << 20  # bytes read of a payload
CUT_OVER = 1024  # characters of a string that a line carries whole
CUT_KEPT = 256
LINE_LIMIT = 16 << 10  # bytes of a line
DEPTH_LIMIT = 12
WITH_TREE = {"session_start", "prompt", "tool_pre", "tool_post", "tool_failure", "turn_end", "turn_failure"}
INGEST_AFTER = {"turn_end", "turn_failure", "session_end"}
_ID = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


def record(agent):
    """Record the event that stdin holds. Raises nothing that matters: the entry script swallows it."""
    environment = os.environ
    if environment.get("HOOKKIT_DISABLE") == "1" or _excluded(agent.start_folder({}, environment)):
        _read_stdin()  # an agent that finds the pipe closed could report it
        return
    payload, limitations = _payload(_read_stdin())
    session = session_id(payload.get("session_id")) or session_id(environment.get("CLAUDE_CODE_SESSION_ID"))
    if session is None:
        return
    event = payload.get("hook_event_name")
    role = agent.ROLES.get(event) if isinstance(event, str) else None
    if role is None and isinstance(event, str) and not limitations:
        return  # an event we did not ask for
    caller = agent.caller(payload, environment)
    home = hookkit_tree.find_worktree(agent.start_folder(payload, environment))
    worktree = _worktree_of_call(agent, payload) or home
    if worktree and _excluded(worktree.root):
        return
    if caller != agent.AGENT:
        limitations.append("foreign_caller")
    runtime = _runtime()
    trail = None
    if role in WITH_TREE:
        if worktree is None:
            limitations.append("no_worktree")
        else:
            trail, why, created = hookkit_tree.capture(worktree)
            limitations += why
            if created:
                _remember(runtime, worktree.root)
    data = {"session_id": session, "agent": caller}
    try:
        data.update(agent.data(role, payload))
    except Exception:  # a payload of another shape: what is certain is still worth a line
        limitations.append("payload_unreadable")
    if role in ("turn_end", "turn_failure"):
        data["git"] = hookkit_tree.state(worktree, trail) if trail else {}
    if trail:
        data["trail"] = trail
    limitations = data.pop("limitations", []) + limitations
    if limitations or role in ("tool_post", "tool_failure"):
        data["limitations"] = limitations
    transcript = agent.transcript(payload, session) if caller == agent.AGENT else None
    line = encode(event if role else "Unknown", data)
    _append(transcript, line) or _append_sidecar(home, caller, session, line, runtime)
    if role in INGEST_AFTER and caller == agent.AGENT:
        _spawn_ingest(runtime, payload.get("transcript_path"), home, caller)


def session_id(value):
    """`value` when it can be trusted as a file name, else None."""
    good = isinstance(value, str) and 0 < len(value) <= 128 and value[0] not in ".-" and not set(value) - _ID
    return value if good else None


def _excluded(folder):
    """Whether `folder` or one above it was excluded by the user."""
    while True:
        if os.path.lexists(os.path.join(folder, ".opentraces", "excluded")):
            return True
        parent = os.path.dirname(folder)
        if parent == folder:
            return False
        folder = parent


def _read_stdin():
    chunks, size = [], 0
    while size < STDIN_LIMIT and select.select([0], [], [], STDIN_WAIT)[0]:
        chunk = os.read(0, 1 << 20)
        if not chunk:
            break
        chunks.append(chunk)
        size += len(chunk)
    return b"".join(chunks)


def _payload(raw):
    """(payload, limitations): the JSON object on stdin; what can be saved of it when it is none."""
    text = hookkit_json.decode(raw)
    try:
        value = hookkit_json.loads(text)
        if isinstance(value, dict):
            return value, []
    except (ValueError, RecursionError):
        pass
    saved = {}
    for field in ("session_id", "transcript_path", "cwd", "hook_event_name", "tool_name", "tool_use_id", "prompt_id"):
        value = _string_after(text[:65536], f'"{field}"')
        if value is not None:
            saved[field] = value
    return saved, ["payload_truncated" if saved else "payload_unreadable"]


def _string_after(text, key):
    at = text.find(key)
    if at < 0:
        return None
    rest = text[at + len(key) :].lstrip()
    if not rest.startswith(":"):
        return None
    return hookkit_json.string_at(rest[1:].lstrip()[:4096])


def _worktree_of_call(agent, payload):
    for path in agent.call_folders(payload):
        worktree = hookkit_tree.find_worktree(path)
        if worktree:
            return worktree
    return None


def _runtime():
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


def _remember(runtime, root):
    """Keep the list of worktrees that hold something of ours, so that `hookkit remove --purge` finds all of them."""
    state = runtime.get("state")
    if not isinstance(state, str) or "\n" in root:
        return
    try:
        os.makedirs(state, 0o700, exist_ok=True)
        _write(os.path.join(state, "worktrees"), os.fsencode(root) + b"\n", os.O_CREAT)
    except OSError:
        pass


def stamp():
    """Now, in UTC: ISO 8601 with microseconds and Z."""
    seconds, rest = divmod(time.time_ns(), 10**9)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest // 1000:06d}Z"


def encode(event, data):
    """The hook line as bytes, newline included: valid JSON, at most LINE_LIMIT bytes."""
    moment = stamp()
    for over, kept in ((CUT_OVER, CUT_KEPT), (128, 64)):
        line = _dump(event, moment, _cut_data(data, over, kept))
        if len(line) <= LINE_LIMIT:
            return line
    small = {key: value for key, value in data.items() if key in ESSENTIAL}
    small["limitations"] = [*data.get("limitations", []), "line_truncated"]
    return _dump(event, moment, _cut_data(small, 128, 64))


# What still makes a line useful when the rest does not fit; together far below LINE_LIMIT.
ESSENTIAL = {
    "session_id", "agent", "turn_id", "agent_id", "agent_type", "tool", "tool_call_id", "tool_use_id", "trail", "source",
    "duration_ms", "capture_status", "confidence", "file_path", "start_line", "end_line", "content_hash",
}  # fmt: skip


def _cut_data(data, over, kept):
    """Cut what the agent sent; the trail is ours, and a path that is cut is no path."""
    return {key: value if key in ("trail", "file_path") else cut(value, over, kept) for key, value in data.items()}


def _dump(event, moment, data):
    record = {"type": "opentraces_hook", "event": event, "timestamp": moment, "data": data}
    try:
        return hookkit_json.dumps(record).encode() + b"\n"
    except UnicodeEncodeError:  # a lone surrogate
        return hookkit_json.dumps(record, escape=True).encode() + b"\n"


def cut(value, over, kept, depth=0):
    """`value` with long strings, deep nesting and numbers that JSON does not have made small."""
    if isinstance(value, str):
        return value if len(value) <= over else _cut_string(value, kept)
    if isinstance(value, dict):
        if depth >= DEPTH_LIMIT:
            return {}
        return {str(key)[:over]: cut(item, over, kept, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [] if depth >= DEPTH_LIMIT else [cut(item, over, kept, depth + 1) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value


def _cut_string(text, kept):
    return {"cut": text[:kept], "length": len(text), "sha256": sha256(text)}


def sha256(text):
    """Hex sha256 of the UTF-8 of `text`. The built-in module: hashlib would load OpenSSL, which costs milliseconds."""
    try:
        from _sha2 import sha256 as digest
    except ImportError:
        try:
            from _sha256 import sha256 as digest
        except ImportError:
            from hashlib import sha256 as digest
    return digest(text.encode("utf-8", "surrogatepass")).hexdigest()


def _append(path, line):
    """Append to an existing transcript; False when that is not possible."""
    if path is None:
        return False
    try:
        _write(path, line, 0)
        return True
    except OSError:
        return False


def _write(path, line, create, folder=None):
    flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | create
    file = os.open(path, flags, 0o600, dir_fd=folder)
    try:
        found = os.fstat(file)
        if found.st_mode & 0o170000 != 0o100000:
            raise OSError("not a regular file")
        # Whoever wrote last may have died in the middle of a line: never glue ours to it.
        if found.st_size and os.pread(file, 1, found.st_size - 1) != b"\n":
            line = b"\n" + line
        os.write(file, line)
    finally:
        os.close(file)


def _append_sidecar(worktree, agent, session, line, runtime):
    """Append to the session's sidecar: in the worktree, else in the user's state folder."""
    state = runtime.get("state")
    places = [(worktree.root, ".opentraces")] if worktree else []
    if isinstance(state, str):
        places.append((state, "sidecars"))
    for base, name in places:
        try:
            if base == state:
                os.makedirs(base, 0o700, exist_ok=True)
            _append_below(base, [name, agent, "hooks"], session + ".jsonl", line)
            return
        except OSError:
            continue


def _append_below(base, names, file_name, line):
    """Walk down without following a link: a repository could hold one that leads elsewhere."""
    folder = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in names:
            try:
                os.mkdir(name, 0o700, dir_fd=folder)
            except FileExistsError:
                pass
            below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            os.close(folder)
            folder = below
            if name == ".opentraces":
                _ignore_itself(folder)
        _write(file_name, line, os.O_CREAT, folder)
    finally:
        os.close(folder)


def _ignore_itself(folder):
    """`.opentraces/` must never show up in a tree id, a status or a commit."""
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(".gitignore", flags, 0o600, dir_fd=folder)
    except FileExistsError:
        return
    os.write(file, b"*\n")
    os.close(file)


def _spawn_ingest(runtime, transcript, worktree, agent):
    """Start the ingest, detached: own session, null streams, nothing inherited, not our child for long."""
    command = runtime.get("ingest")
    if not (isinstance(command, list) and command and all(isinstance(word, str) for word in command)):
        return
    if not (isinstance(transcript, str) and os.path.isabs(transcript)) or "\0" in transcript:
        return
    command = [*command, "_ingest-session", transcript, "--agent", agent]
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
        os.closerange(3, 4096)
        os.execve(command[0], command, environment)
    finally:
        os._exit(0)
