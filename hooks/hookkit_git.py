"""Worktrees, and git run on them with a deadline. Nothing of the user's is written. Standard library only."""

import os
import select
import time

OUTPUT_LIMIT = 64 << 20  # bytes; more than this is not git talking
CONFIG = (
    "core.hooksPath=/dev/null",  # `git add` runs the post-index-change hook
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.splitIndex=false",
    "index.skipHash=true",  # nobody else reads our indexes
    "core.safecrlf=false",  # "true" makes `git add` fail; it never changes what is stored
)


class NoTreeError(Exception):
    """There is no tree id; the argument is the limitation that says why."""


class Worktree:
    """A worktree's root, its git dir, and the git dir it shares with the other worktrees of the repository."""

    __slots__ = ("common_dir", "git_dir", "root")

    def __init__(self, root: str, git_dir: str, common_dir: str) -> None:
        self.root, self.git_dir, self.common_dir = root, git_dir, common_dir

    @property
    def private(self) -> str:
        return self.git_dir + "/hookkit"

    @property
    def shared(self) -> str:
        return self.common_dir + "/hookkit"

    @property
    def objects(self) -> str:
        return self.shared + "/objects"


def find_worktree(start: str) -> Worktree | None:
    """The worktree that holds the path `start`, or None. Reads files only; starts no process."""
    folder = os.path.realpath(start)
    while True:
        dot_git = folder + "/.git" if folder != "/" else "/.git"
        git_dir = dot_git if os.path.isdir(dot_git) else _git_file(dot_git, folder)
        if git_dir and os.path.lexists(git_dir + "/HEAD"):
            common = read(git_dir + "/commondir").rstrip("\r\n")
            return Worktree(folder, git_dir, os.path.normpath(os.path.join(git_dir, common)) if common else git_dir)
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent


def _git_file(path: str, folder: str) -> str | None:
    text = read(path)
    return os.path.normpath(os.path.join(folder, text[8:].rstrip("\r\n"))) if text.startswith("gitdir: ") else None


def read(path: str) -> str:
    """The file's text, "" when it cannot be read. Never waits: a FIFO may stand where git has a file."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(file, encoding="utf-8", errors="surrogateescape") as opened:
            return opened.read()
    except (OSError, ValueError):
        return ""


def make_folder(path: str, inside: int | None = None) -> None:
    """Make a folder for the user alone, unless it is there."""
    try:
        os.mkdir(path, 0o700, dir_fd=inside)
    except FileExistsError:
        return


def object_id(text: str) -> dict[str, str] | None:
    """{"algo", "hex"} of a git object id, or None when `text` is not one."""
    algo = {40: "sha1", 64: "sha256"}.get(len(text))
    return {"algo": algo, "hex": text} if algo and not set(text) - set("0123456789abcdef") else None


def head(worktree: Worktree, deadline: float) -> dict[str, str] | None:
    """The commit that HEAD names, as an object id; None before the first commit."""
    if os.path.isdir(worktree.common_dir + "/reftable"):
        code, output = run(worktree, "", deadline, "rev-parse", "--verify", "-q", "HEAD")
        return object_id(output.decode("ascii", "replace").strip()) if code == 0 else None
    text = read(worktree.git_dir + "/HEAD").strip()
    for _ in range(5):  # as deep as git follows symbolic refs
        if not text.startswith("ref: "):
            break
        ref = text[5:]
        text = read(f"{worktree.git_dir}/{ref}").strip() or read(f"{worktree.common_dir}/{ref}").strip()
        if not text:
            packed = read(worktree.common_dir + "/packed-refs")
            end = packed.find(f" {ref}\n")
            text = packed[packed.rfind("\n", 0, end) + 1 : end] if end >= 0 else ""
    return object_id(text)


def run(worktree: Worktree, index: str, deadline: float, *arguments: str) -> tuple[int, bytes]:
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
        writer = -1
        return _wait(child, reader, deadline)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        raise NoTreeError("git_missing") from None
    finally:
        os.close(reader)
        if writer >= 0:
            os.close(writer)


def _wait(child: int, reader: int, deadline: float) -> tuple[int, bytes]:
    """(exit code, output) of the child. Its end counts, not the pipe's: a filter may outlive git and hold that open."""
    os.set_blocking(reader, False)
    output, pause, streams = bytearray(), 0.0002, [reader]
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or len(output) > OUTPUT_LIMIT:
            _kill(child)
            raise NoTreeError("tree_timeout" if left <= 0 else "git_failed")
        if streams and select.select(streams, [], [], min(left, 0.02))[0]:
            if not _ended(reader, output):
                continue
            streams = []
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            _ended(reader, output)
            return os.waitstatus_to_exitcode(status), bytes(output)
        if not streams:
            time.sleep(min(left, pause))
            pause = min(pause * 2, 0.02)


def _ended(reader: int, output: bytearray) -> bool:
    """Read once into `output`; true at the end of the stream."""
    try:
        chunk = os.read(reader, 1 << 20)
    except BlockingIOError:
        return False
    output += chunk
    return not chunk


def _kill(child: int) -> None:
    os.killpg(child, 9)
    until = time.monotonic() + 0.5
    # Not waited for without end: a process in the middle of a disk operation dies only after that.
    while not os.waitpid(child, os.WNOHANG)[0] and time.monotonic() < until:
        time.sleep(0.001)


def _quoted(path: str) -> str:
    """git splits this variable at ":" unless an entry is in C quotes."""
    if ":" not in path:
        return path
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'
