"""The git tree id of a worktree, without touching anything of the user's.

The id is the one that `git add -A && git write-tree` gives on a copy of the user's index. The copy (scratch index) lives
in <git dir>/hookkit and stays warm between calls; objects go to <common git dir>/hookkit/objects. Standard library only.
"""

import os
import select
import time

import hookkit_json

BUDGET = 2.0  # seconds for one capture; past it the agent is not kept waiting
STALE_LOCK = 10.0  # seconds; no capture lives longer than its budget, so an older index.lock has no owner
CONFIG = (
    "core.hooksPath=/dev/null",  # `git add` runs the post-index-change hook
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.splitIndex=false",
    "core.safecrlf=false",  # "true" makes `git add` fail; it never changes what is stored
)


class Worktree:
    """A worktree's root, its git dir, and the git dir it shares with the other worktrees of the repository."""

    __slots__ = ("common_dir", "git_dir", "root")

    def __init__(self, root, git_dir, common_dir):
        self.root, self.git_dir, self.common_dir = root, git_dir, common_dir

    @property
    def private(self):
        return self.git_dir + "/hookkit"

    @property
    def objects(self):
        return self.common_dir + "/hookkit/objects"


def find_worktree(start):
    """The worktree that holds the path `start`, or None. Reads files only; starts no process."""
    folder = os.path.realpath(start)
    while True:
        dot_git = folder + "/.git" if folder != "/" else "/.git"
        git_dir = dot_git if os.path.isdir(dot_git) else _git_file(dot_git, folder)
        if git_dir and os.path.isfile(git_dir + "/HEAD"):
            common = _read(git_dir + "/commondir").strip()
            return Worktree(folder, git_dir, os.path.normpath(os.path.join(git_dir, common)) if common else git_dir)
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent


def _git_file(path, folder):
    text = _read(path)
    return os.path.normpath(os.path.join(folder, text[8:].strip())) if text.startswith("gitdir: ") else None


def _read(path):
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
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
    try:
        created = _prepare(worktree)
        tree, limitations = _tree_id(worktree, deadline)
    except FileNotFoundError:
        return None, ["git_missing"], False
    except OSError:
        return None, ["git_failed"], False
    if tree is None:
        return None, limitations, created
    return {"worktree_root": worktree.root, "tree_id": tree, "git_head": head(worktree, deadline)}, limitations, created


def _prepare(worktree):
    created = not os.path.isdir(worktree.private)
    for folder in (worktree.common_dir + "/hookkit", worktree.private, worktree.objects):
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            pass
        except FileNotFoundError:  # means "git is missing" to capture()
            raise PermissionError(folder) from None
    return created


def _tree_id(worktree, deadline):
    import fcntl

    scratch = worktree.private + "/index"
    lock = os.open(worktree.private + "/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            mine = _git_lock_is_free(scratch)
        except OSError:
            mine = False
        index = scratch if mine else f"{scratch}.{os.getpid()}"
        try:
            _seed(worktree, scratch, index)
            return _add_and_write(worktree, index, deadline)
        finally:
            for leftover in (index + ".lock",) if mine else (index + ".lock", index):
                _unlink(leftover)
    finally:
        os.close(lock)


def _git_lock_is_free(scratch):
    """A killed hook leaves git's own lock behind; its git child may outlive it for a moment, so only an old lock is removed."""
    try:
        age = time.time() - os.lstat(scratch + ".lock").st_mtime
    except OSError:
        return True
    if age < STALE_LOCK:
        return False
    _unlink(scratch + ".lock")
    return True


def _seed(worktree, scratch, index):
    """Start from the user's index whenever it changed: it knows what is tracked, sparse, or meant to be added."""
    user = worktree.git_dir + "/index"
    try:
        found = os.stat(user)
        stamp = f"{found.st_mtime_ns} {found.st_size} {found.st_ino}"
    except FileNotFoundError:
        stamp = "none"
    if _read(scratch + ".seed") == stamp:
        if index != scratch:
            _copy(scratch, index)
        return
    if stamp == "none":
        _unlink(index)
    else:
        _copy(user, index)
    if index == scratch:
        _replace(scratch + ".seed", stamp.encode())


def _copy(source, target):
    """Copy an index with its time: git compares a file's time with the index's to know which entries it cannot trust."""
    try:
        with open(source, "rb") as file:
            content, found = file.read(), os.fstat(file.fileno())
    except FileNotFoundError:
        return
    _replace(target, content, (found.st_atime_ns, found.st_mtime_ns))


def _replace(target, content, times=None):
    stage = f"{target}.{os.getpid()}.new"
    with open(os.open(stage, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(content)
    if times:
        os.utime(stage, ns=times)
    os.replace(stage, target)


def _unlink(path):
    try:
        os.unlink(path)
    except OSError:
        pass


def _add_and_write(worktree, index, deadline):
    level, without = _level(worktree)
    if level == "off":
        return None, ["tree_timeout"]
    paths, limitations = {
        "all": (["-A"], []),
        "without": (["-A", "--", ".", *(":(exclude,top,literal)" + path for path in without)], ["large_files_excluded"]),
        "tracked": (["-u"], ["tracked_files_only"]),
    }[level]
    code, _ = _git(worktree, index, deadline, "add", "--ignore-errors", *paths)
    if code is None:
        _give_up(worktree, "off" if level == "tracked" else "tracked")
        return None, [*limitations, "tree_timeout"]
    if code == 1:  # --ignore-errors: everything that could be read is in the index
        limitations.append("unreadable_paths")
    elif code:
        return None, [*limitations, "git_failed"]
    # --missing-ok: a partial clone must not fetch, and objects need not be looked up to know their ids.
    code, output = _git(worktree, index, deadline, "write-tree", "--missing-ok")
    if code is None:
        return None, [*limitations, "tree_timeout"]
    tree = object_id(output.decode("ascii", "replace").strip())
    return (tree, limitations) if tree and code == 0 else (None, [*limitations, "git_failed"])


def _level(worktree):
    """How much of the worktree to capture: ("all" | "without" | "tracked" | "off", paths left out).

    Less than all only after a capture took too long; the ingest looks into it and lifts or refines the limit.
    """
    text = _read(worktree.private + "/limited.json")
    if not text:
        return "all", []
    try:
        limit = hookkit_json.loads(text)
        level, without = limit["level"], limit.get("without", [])
        if level in ("without", "tracked", "off") and all(isinstance(path, str) for path in without):
            return level, without
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    return "tracked", []


def _give_up(worktree, level):
    """Capture less from now on, and drop what the killed git left behind."""
    _replace(worktree.private + "/limited.json", hookkit_json.dumps({"level": level}).encode() + b"\n")
    for folder in (worktree.objects, worktree.objects + "/pack"):
        try:
            for name in os.listdir(folder):
                if name.startswith("tmp_"):
                    _unlink(folder + "/" + name)
        except OSError:
            pass


def _git(worktree, index, deadline, *arguments):
    """(exit code, stdout) of a git command on the scratch index; (None, b"") when it was killed at the deadline."""
    command = ["git", "-C", worktree.root]
    for setting in CONFIG:
        command += ["-c", setting]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment.update(
        GIT_INDEX_FILE=index,
        GIT_OBJECT_DIRECTORY=worktree.objects,
        GIT_ALTERNATE_OBJECT_DIRECTORIES=_quoted(worktree.common_dir + "/objects"),
        GIT_OPTIONAL_LOCKS="0",
        GIT_NO_LAZY_FETCH="1",
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
    except BaseException:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    try:
        return _wait(child, reader, deadline)
    finally:
        os.close(reader)


def _wait(child, reader, deadline):
    output = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            os.killpg(child, 9)
            os.waitpid(child, 0)
            return None, b""
        # The pipe closes when git ends; a filter that git left running may hold it open, hence the short waits.
        ready, _, _ = select.select([reader], [], [], min(left, 0.05))
        if ready:
            chunk = os.read(reader, 65536)
            if chunk:
                output += chunk
                continue
            return _code(os.waitpid(child, 0)[1]), output
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return _code(status), output


def _code(status):
    return os.waitstatus_to_exitcode(status)


def _quoted(path):
    """git splits this variable at ":" unless an entry is in C quotes."""
    if ":" not in path and not path.startswith('"'):
        return path
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'


def head(worktree, deadline=None):
    """The commit that HEAD names, as an object id; None before the first commit."""
    text = _read(worktree.git_dir + "/HEAD").strip()
    if not text.startswith("ref: "):
        return object_id(text)
    ref = text[5:]
    if os.path.isdir(worktree.common_dir + "/reftable"):
        code, output = _git(worktree, "", deadline or time.monotonic() + BUDGET, "rev-parse", "--verify", "-q", "HEAD")
        return object_id(output.decode("ascii", "replace").strip()) if code == 0 else None
    for folder in (worktree.git_dir, worktree.common_dir):
        found = object_id(_read(f"{folder}/{ref}").strip())
        if found:
            return found
    for line in _read(worktree.common_dir + "/packed-refs").splitlines():
        if line.endswith(" " + ref):
            return object_id(line.split(" ", 1)[0])
    return None


def state(worktree, trail):
    """{"sha", "dirty", "files_changed", "changed_paths"}: how the tree of `trail` differs from HEAD; {} if git fails."""
    commit, tree = trail["git_head"], trail["tree_id"]["hex"]
    deadline = time.monotonic() + BUDGET
    base = commit["hex"] if commit else EMPTY_TREE[trail["tree_id"]["algo"]]
    code, output = _git(
        worktree, worktree.private + "/index", deadline, "diff-tree", "-r", "-z", "--name-only", "--no-renames", base, tree
    )
    if code != 0:
        return {}
    paths = output.decode("utf-8", "replace").split("\0")[:-1]
    return {
        "sha": commit["hex"] if commit else None,
        "dirty": bool(paths),
        "files_changed": len(paths),
        "changed_paths": paths[:100],
    }


EMPTY_TREE = {
    "sha1": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    "sha256": "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}
