"""The git tree id of a worktree, without touching anything of the user's.

The id is the one that `git add -A && git write-tree` gives on a copy of the user's index, and that is how it is made. Every
capture has an index of its own that starts as the user's, so no capture depends on what an earlier one saw: an untracked
file that is ignored by now, a tracked and ignored one that was deleted and came back, a folder that became a repository.
What stays in <git dir>/hookkit is the user's index with fresh file times (base-<stamp>); objects go to
<common git dir>/hookkit/objects. Standard library only.
"""

import json
import os
import select
import time

BUDGET = 2.0  # seconds for one capture; past it the agent is not kept waiting
STALE = 60.0  # seconds; no capture lives that long, so an older index of one has no owner
OUTPUT_LIMIT = 64 << 20  # bytes; more than this is not git talking
CONFIG = (
    "core.hooksPath=/dev/null",  # `git add` runs the post-index-change hook
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.splitIndex=false",
    "core.safecrlf=false",  # "true" makes `git add` fail; it never changes what is stored
)
EMPTY_TREE = {
    "sha1": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    "sha256": "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}


class NoTreeError(Exception):
    """There is no tree id; the argument is the limitation that says why."""


class Worktree:
    """A worktree's root, its git dir, and the git dir it shares with the other worktrees of the repository."""

    __slots__ = ("common_dir", "git_dir", "root")

    def __init__(self, root, git_dir, common_dir):
        self.root, self.git_dir, self.common_dir = root, git_dir, common_dir

    @property
    def private(self):
        return self.git_dir + "/hookkit"

    @property
    def shared(self):
        return self.common_dir + "/hookkit"

    @property
    def objects(self):
        return self.common_dir + "/hookkit/objects"


def find_worktree(start):
    """The worktree that holds the path `start`, or None. Reads files only; starts no process."""
    folder = os.path.realpath(start)
    while True:
        dot_git = folder + "/.git" if folder != "/" else "/.git"
        git_dir = dot_git if os.path.isdir(dot_git) else _git_file(dot_git, folder)
        if git_dir and os.path.lexists(git_dir + "/HEAD"):
            common = _read(git_dir + "/commondir").rstrip("\r\n")
            return Worktree(folder, git_dir, os.path.normpath(os.path.join(git_dir, common)) if common else git_dir)
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent


def _git_file(path, folder):
    text = _read(path)
    return os.path.normpath(os.path.join(folder, text[8:].rstrip("\r\n"))) if text.startswith("gitdir: ") else None


def _read(path):
    """The file's text, "" when it cannot be read. Never waits: a FIFO may stand where git has a file."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(file, encoding="utf-8", errors="surrogateescape") as opened:
            return opened.read()
    except (OSError, ValueError):
        return ""


def object_id(text):
    """{"algo", "hex"} of a git object id, or None when `text` is not one."""
    algo = {40: "sha1", 64: "sha256"}.get(len(text))
    return {"algo": algo, "hex": text} if algo and not set(text) - set("0123456789abcdef") else None


def capture(worktree, budget=BUDGET):
    """(trail, limitations, created): trail is None when no tree id could be had.

    created is true when this is the first capture of the worktree.
    """
    deadline = time.monotonic() + budget
    created, limitations = False, []
    try:
        created = _prepare(worktree)
        tree = _tree_id(worktree, deadline, limitations)
        return {"worktree_root": worktree.root, "tree_id": tree, "git_head": head(worktree, deadline)}, limitations, created
    except NoTreeError as error:
        return None, [*limitations, str(error)], created
    except OSError:
        return None, [*limitations, "git_failed"], created


def _prepare(worktree):
    if os.path.isdir(worktree.private) and os.path.isdir(worktree.objects):
        return False
    for folder in (worktree.shared, worktree.private, worktree.objects):
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            pass
    return True


def _tree_id(worktree, deadline, limitations):
    import fcntl

    _sweep(worktree)
    index = f"{worktree.private}/index.{os.getpid()}.{time.time_ns()}"
    lock = os.open(worktree.shared + "/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            # Shared by all captures of the repository: who gets it alone knows that no git of ours is at work.
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            pass
        return _add_and_write(worktree, index, deadline, limitations)
    except NoTreeError:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _drop_unfinished_objects(worktree, time.time())
        except OSError:
            pass
        raise
    finally:
        os.close(lock)
        for leftover in (index, index + ".lock"):
            _unlink(leftover)


def _sweep(worktree):
    """Remove what killed captures left, and seeds of user indexes that are gone."""
    mine = _base(worktree)
    for name in os.listdir(worktree.private):
        if name.startswith(("index.", "base-")) and name != mine:
            path = f"{worktree.private}/{name}"
            try:
                if time.time() - os.lstat(path).st_ctime > STALE:  # not st_mtime: a seed carries that of the user's index
                    os.unlink(path)
            except OSError:
                pass


def _base(worktree, found=None):
    """The name of the seed of the user's index as it is now, or as `found` describes it; None where there is none."""
    try:
        found = found or os.stat(worktree.git_dir + "/index")
        return f"base-{found.st_mtime_ns}-{found.st_size}-{found.st_ino}"
    except FileNotFoundError:
        return None


def _seed(worktree, index, deadline):
    """Make `index` the user's index: it knows what is tracked, sparse, or meant to be added.

    Git never writes into an index but replaces it, so a second name for the seed does for a copy, with the time that git
    needs to know which entries it cannot trust.
    """
    base = _base(worktree)
    if base is None:
        return
    try:
        _link(f"{worktree.private}/{base}", index)
        return
    except FileNotFoundError:
        pass
    with open(worktree.git_dir + "/index", "rb") as file:
        found, content = os.fstat(file.fileno()), file.read()
    _write(index, content, found)
    # Right after a checkout git must read files to know that they are clean: once here, not at every capture.
    _git(worktree, index, deadline, "update-index", "-q", "--refresh")
    try:
        _link(index, f"{worktree.private}/{_base(worktree, found)}")
    except FileExistsError:
        pass


def _link(source, target):
    try:
        os.link(source, target)
    except (FileNotFoundError, FileExistsError):
        raise
    except OSError:  # a file system without hard links
        with open(source, "rb") as file:
            _write(target, file.read(), os.fstat(file.fileno()))


def _write(path, content, like=None):
    """Write `path` at once, with the times of the file that `like` describes."""
    stage = f"{path}.{os.getpid()}.new"
    try:
        with open(os.open(stage, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(content)
        if like:
            os.utime(stage, ns=(like.st_atime_ns, like.st_mtime_ns))
        os.replace(stage, path)
    except OSError:
        _unlink(stage)
        raise


def _unlink(path):
    try:
        os.unlink(path)
    except OSError:
        pass


def _add_and_write(worktree, index, deadline, limitations):
    limited = _limits(worktree)
    if limited is None:
        paths = ["-A"]
    elif limited:
        paths = ["-A", "--", ".", *(":(exclude,top,literal)" + path for path in limited)]
        limitations.append("large_files_excluded")
    else:
        paths = ["-u"]
        limitations.append("tracked_files_only")
    _seed(worktree, index, deadline)
    try:
        code, _ = _git(worktree, index, deadline, "add", "--ignore-errors", *paths)
    except NoTreeError as error:
        if str(error) == "tree_timeout":
            _give_up(worktree)
        raise
    if code == 1:  # --ignore-errors: everything that could be read is in the index
        limitations.append("unreadable_paths")
    elif code:
        raise NoTreeError("git_failed")
    # --missing-ok: a partial clone must not fetch, and objects need not be looked up to know their ids.
    code, output = _git(worktree, index, deadline, "write-tree", "--missing-ok")
    tree = object_id(output.decode("ascii", "replace").strip())
    if code or not tree:
        raise NoTreeError("git_failed")
    return tree


def _limits(worktree):
    """What to leave out after a capture that took too long: None nothing, [] all untracked files, [paths] these."""
    text = _read(worktree.private + "/limited.json")
    if not text:
        return None
    try:
        listed = json.loads(text)["exclude"]
        return [path for path in listed if isinstance(path, str)][:500] if isinstance(listed, list) else []
    except (ValueError, KeyError, TypeError, RecursionError):
        return []


def _give_up(worktree):
    """Remember that this worktree is too slow to capture whole; the next ingest looks why."""
    try:
        _write(worktree.private + "/limited.json", b'{"exclude": null}\n')
    except OSError:
        pass


def _drop_unfinished_objects(worktree, now):
    """Remove what a killed git was writing; it may be as large as the file that took too long."""
    for folder in (worktree.objects, *(entry.path for entry in os.scandir(worktree.objects) if entry.is_dir())):
        for name in os.listdir(folder):
            path = f"{folder}/{name}"
            if name.startswith("tmp_") and os.lstat(path).st_mtime <= now:
                _unlink(path)


def _git(worktree, index, deadline, *arguments):
    """(exit code, stdout) of a git command on `index`; NoTreeError when there is no git, or not in time."""
    command = ["git", "-C", worktree.root]
    for setting in CONFIG:
        command += ["-c", setting]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment.update(
        GIT_INDEX_FILE=index,
        GIT_OBJECT_DIRECTORY=worktree.objects,
        GIT_ALTERNATE_OBJECT_DIRECTORIES=_quoted(worktree.common_dir + "/objects"),
        GIT_OPTIONAL_LOCKS="0",
        GIT_ALLOW_PROTOCOL="none",  # a partial clone must not fetch
        GIT_TERMINAL_PROMPT="0",
        LC_ALL="C",
    )
    reader, writer = os.pipe()
    try:
        child = os.posix_spawnp(
            "git",
            [*command, *arguments],
            environment,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, writer, 1),
                (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0),
            ],
            setpgroup=0,  # so that filters die with it
        )
        os.close(writer)
        writer = None
        return _wait(child, reader, deadline)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        raise NoTreeError("git_missing") from None
    finally:
        os.close(reader)
        if writer is not None:
            os.close(writer)


def _wait(child, reader, deadline):
    """(exit code, output) of the child. Its end counts, not the pipe's: a filter that outlives git may hold that open."""
    os.set_blocking(reader, False)
    output, pause, streams = bytearray(), 0.0002, [reader]
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or len(output) > OUTPUT_LIMIT:
            _kill(child)
            raise NoTreeError("tree_timeout" if left <= 0 else "git_failed")
        if streams and select.select(streams, [], [], min(left, 0.02))[0]:
            if _drain(reader, output):
                streams = []
            else:
                continue
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            _drain(reader, output)
            return os.waitstatus_to_exitcode(status), bytes(output)
        if not streams:
            time.sleep(min(left, pause))
            pause = min(pause * 2, 0.02)


def _drain(reader, output):
    """Append one read to `output`; true at the end of the stream."""
    try:
        chunk = os.read(reader, 1 << 20)
    except BlockingIOError:
        return False
    output += chunk
    return not chunk


def _kill(child):
    os.killpg(child, 9)
    until = time.monotonic() + 0.5
    # Not waited for without end: a process in the middle of a disk operation dies only after that.
    while not os.waitpid(child, os.WNOHANG)[0] and time.monotonic() < until:
        time.sleep(0.001)


def _quoted(path):
    """git splits this variable at ":" unless an entry is in C quotes."""
    if ":" not in path:
        return path
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'


def head(worktree, deadline):
    """The commit that HEAD names, as an object id; None before the first commit."""
    if os.path.isdir(worktree.common_dir + "/reftable"):
        code, output = _git(worktree, "", deadline, "rev-parse", "--verify", "-q", "HEAD")
        return object_id(output.decode("ascii", "replace").strip()) if code == 0 else None
    text = _read(worktree.git_dir + "/HEAD").strip()
    for _ in range(5):  # as deep as git follows symbolic refs
        if not text.startswith("ref: "):
            break
        ref = text[5:]
        text = _read(f"{worktree.git_dir}/{ref}").strip() or _read(f"{worktree.common_dir}/{ref}").strip()
        if not text:
            packed = _read(worktree.common_dir + "/packed-refs")
            end = packed.find(f" {ref}\n")
            text = packed[packed.rfind("\n", 0, max(end, 0)) + 1 : end] if end >= 0 else ""
    return object_id(text)


def state(worktree, trail):
    """{"sha", "dirty", "files_changed", "changed_paths"}: how the tree of `trail` differs from HEAD; {} if git fails."""
    commit, tree = trail["git_head"], trail["tree_id"]["hex"]
    base = commit["hex"] if commit else EMPTY_TREE[trail["tree_id"]["algo"]]
    options = ("-r", "-z", "--name-only", "--no-renames", "--ignore-submodules=none")
    try:
        code, output = _git(worktree, "", time.monotonic() + BUDGET, "diff-tree", *options, base, tree)
    except (NoTreeError, OSError):
        return {}
    if code != 0:
        return {}
    paths = output.split(b"\0")[:-1]
    shown, room = [], 4096
    for path in paths[:100]:
        room -= len(path)
        if room < 0:
            break
        shown.append(path.decode("utf-8", "replace"))
    return {
        "sha": commit["hex"] if commit else None,
        "dirty": bool(paths),
        "files_changed": len(paths),
        "changed_paths": shown,
    }
