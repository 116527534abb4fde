"""The git tree id of a worktree, without touching anything of the user's.

The id is the one that `git add -A && git write-tree` gives on a copy of the user's index, and that is how it is made:
every capture has an index of its own that starts as the user's. None depends on what earlier ones saw: an untracked
file that is ignored by now, a tracked and ignored one that was deleted and is back, a folder that became a repository.

What stays between captures, in <git dir>/hookkit:
    base-<stamp>        the user's index with fresh file times
    index, index.seed   the index of a capture that had to read many files; the stamp of the user's index it began as
Objects go to <common git dir>/hookkit/objects. Standard library only.
"""

import os
import time

import hookkit_json
from hookkit_git import NoTreeError, Worktree, head, make_folder, object_id, read, run

BUDGET = 2.0  # seconds for one capture; past it the agent is not kept waiting
STALE = 60.0  # seconds; no capture lives that long, so an older index of one has no owner
MANY = 1000  # files; reading fewer again at every capture costs less than finding out whether one may save it
EMPTY_TREE = {
    "sha1": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    "sha256": "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}


def capture(worktree: Worktree, budget: float = BUDGET) -> tuple[dict[str, object] | None, list[str], bool]:
    """(trail, limitations, created): trail is None when no tree id could be had.

    created is true when this is the first capture of the worktree.
    """
    deadline = time.monotonic() + budget
    limitations: list[str]
    created, limitations = False, []
    try:
        created = _prepare(worktree)
        tree = _tree_id(worktree, deadline, limitations)
        trail: dict[str, object]
        trail = {"worktree_root": worktree.root, "tree_id": tree, "git_head": head(worktree, deadline)}
    except NoTreeError as error:
        return None, [*limitations, str(error)], created
    except OSError:
        return None, [*limitations, "git_failed"], created
    return trail, limitations, created


def _prepare(worktree: Worktree) -> bool:
    if os.path.isdir(worktree.private) and os.path.isdir(worktree.objects):
        return False
    for folder in (worktree.shared, worktree.private, worktree.objects):
        make_folder(folder)
    return True


def _tree_id(worktree: Worktree, deadline: float, limitations: list[str]) -> dict[str, str]:
    _sweep(worktree)
    index = f"{worktree.private}/capture.{os.getpid()}.{time.time_ns()}"
    lock = os.open(worktree.shared + "/objects.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # Shared by all captures of the repository: whoever gets it alone knows that no git of ours is at work.
        _locked(lock, alone=False)
        return _capture_into(worktree, index, deadline, limitations)
    except NoTreeError:
        if _locked(lock, alone=True):
            _drop_unfinished_objects(worktree, time.time())
        raise
    finally:
        os.close(lock)
        for leftover in (index, index + ".lock"):
            _unlink(leftover)


def _locked(file: int, alone: bool) -> bool:
    """Whether the lock on `file` could be had, without waiting."""
    import fcntl

    try:
        fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _sweep(worktree: Worktree) -> None:
    """Remove what killed captures left, and seeds of user indexes that are gone."""
    current = f"base-{_stamp(worktree)}"
    for name in os.listdir(worktree.private):
        if name.endswith(".stage") or (name.startswith(("capture.", "base-")) and name != current):
            path = f"{worktree.private}/{name}"
            try:
                # Not st_mtime: a seed carries that of the user's index.
                if time.time() - os.lstat(path).st_ctime > STALE:
                    os.unlink(path)
            except OSError:
                pass


def _stamp(worktree: Worktree, found: os.stat_result | None = None) -> str:
    """What tells one state of the user's index from another; "none" before there is one."""
    try:
        found = found or os.stat(worktree.git_dir + "/index")
    except FileNotFoundError:
        return "none"
    return f"{found.st_mtime_ns}-{found.st_size}-{found.st_ino}"


def _seed(worktree: Worktree, index: str, deadline: float) -> str:
    """Make `index` the user's index: it knows what is tracked, sparse, or meant to be added. Returns its stamp.

    git never writes into an index but replaces it, so a second name for the seed does for a copy, and keeps the time
    that git needs to know which entries it cannot trust.
    """
    stamp = _stamp(worktree)
    _unlink(index)
    try:
        _link(f"{worktree.private}/base-{stamp}", index)
        return stamp
    except FileNotFoundError:
        if stamp == "none":
            return stamp
    found = _copy_user_index(worktree, index)
    # Right after a checkout git must read files to know that they are clean: once here, not at every capture.
    run(worktree, index, deadline, "update-index", "-q", "--refresh")
    stamp = _stamp(worktree, found)
    _link(index, f"{worktree.private}/base-{stamp}")
    return stamp


def _copy_user_index(worktree: Worktree, index: str) -> os.stat_result:
    with open(worktree.git_dir + "/index", "rb") as file:
        found = os.fstat(file.fileno())
        _write(index, file.read(), found)
    return found


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except FileExistsError:
        return  # another capture was faster, with the same
    except FileNotFoundError:
        raise
    except OSError:  # a file system without hard links
        with open(source, "rb") as file:
            _write(target, file.read(), os.fstat(file.fileno()))


def _write(path: str, content: bytes, like: os.stat_result | None = None) -> None:
    """Write `path` at once, with the times of the file that `like` describes."""
    stage = f"{path}.{os.getpid()}.stage"
    try:
        with open(os.open(stage, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(content)
        if like:
            os.utime(stage, ns=(like.st_atime_ns, like.st_mtime_ns))
        os.replace(stage, path)
    except OSError:
        _unlink(stage)
        raise


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return


def _capture_into(worktree: Worktree, index: str, deadline: float, limitations: list[str]) -> dict[str, str]:
    """The tree id of the worktree, through `index`; adds to `limitations`."""
    level, without = _level(worktree)
    if level == "off":
        raise NoTreeError("tree_timeout")
    paths = {"all": ["-A"], "tracked": ["-u"]}.get(level) or ["-A", "--", ".", *_excluding(without)]
    limitations += {"all": [], "tracked": ["tracked_files_only"], "without": ["large_files_excluded"]}[level]
    stamp = None
    try:
        code, changes = _add_to_warm(worktree, index, deadline, paths) or (None, b"")
        if code is None:
            stamp = _seed(worktree, index, deadline)
            code, changes = run(worktree, index, deadline, "add", "-v", "--ignore-errors", *paths)
    except NoTreeError as error:
        if str(error) == "tree_timeout":
            _give_up(worktree, index, "off" if level == "tracked" else "tracked")
        raise
    if code == 1:  # --ignore-errors: everything that could be read is in the index
        limitations.append("unreadable_paths")
    elif code:
        _unlink(f"{worktree.private}/base-{stamp}")  # in case that it is the seed that git could not read
        raise NoTreeError("git_failed")
    # --missing-ok: a partial clone must not fetch, and objects need not be looked up to know their ids.
    code, output = run(worktree, index, deadline, "write-tree", "--missing-ok")
    tree = object_id(output.decode("ascii", "replace").strip())
    if code or not tree:
        raise NoTreeError("git_failed")
    if changes.count(b"\n") >= MANY:
        _keep_warm(worktree, index, stamp)
    return tree


def _excluding(paths: list[str]) -> list[str]:
    return [":(exclude,top,literal)" + path for path in paths]


def _add_to_warm(worktree: Worktree, index: str, deadline: float, paths: list[str]) -> tuple[int, bytes] | None:
    """(exit code, output) of `git add` on the warm index; None where there is none, or it would lead to another tree.

    It leads to the same tree when what is both tracked and ignored is the same as in the user's index, so that nothing
    is in it only for having been captured before it was ignored, and nothing is gone for good; and when the rules by
    which git turns files into blobs did not change. Unseen: a folder of untracked files that became a repository.
    """
    if read(worktree.private + "/index.seed") != _stamp(worktree):
        return None
    try:
        _link(worktree.private + "/index", index)
    except FileNotFoundError:
        return None
    done = run(worktree, index, deadline, "add", "-v", "--ignore-errors", *paths)
    listing = ("ls-files", "-z", "-c", "-i", "--exclude-standard")
    ignored = [run(worktree, each, deadline, *listing) for each in (worktree.git_dir + "/index", index)]
    if done[0] in (0, 1) and b".gitattributes'\n" not in done[1] and ignored[0] == ignored[1]:
        return done
    _unlink(worktree.private + "/index.seed")
    return None


def _keep_warm(worktree: Worktree, index: str, stamp: str | None) -> None:
    """Let later captures start from `index`, unless somebody is at work on the warm one. Without a stamp: as before."""
    seed = worktree.private + "/index.seed"
    stamp = stamp or read(seed)
    lock = os.open(worktree.private + "/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if _locked(lock, alone=True):
            _unlink(seed)
            _link(index, index + ".warm")
            os.replace(index + ".warm", worktree.private + "/index")
            _write(seed, stamp.encode())
    except OSError:
        return  # it only saves time
    finally:
        os.close(lock)


def _level(worktree: Worktree) -> tuple[str, list[str]]:
    """How much of the worktree to capture: ("all" | "without" | "tracked" | "off", paths left out).

    Less than all only after a capture took too long; the ingest looks into it and lifts or refines the limit.
    """
    text = read(worktree.private + "/limited.json")
    if not text:
        return "all", []
    try:
        limit = hookkit_json.loads(text)
        level, without = limit["level"], limit.get("without", [])  # type: ignore[attr-defined, index]
        if level in ("without", "tracked", "off") and all(isinstance(path, str) for path in without):
            return level, without
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    return "tracked", []


def _give_up(worktree: Worktree, index: str, level: str) -> None:
    """Capture less from now on. The ingest looks into it, and has the time to bring the warm index up to date."""
    try:
        _write(worktree.private + "/limited.json", hookkit_json.dumps({"level": level}).encode() + b"\n")
        if _stamp(worktree) == "none":
            _write(worktree.private + "/index.seed", b"none")
        else:
            _keep_warm(worktree, index, _stamp(worktree, _copy_user_index(worktree, index)))
    except OSError:
        pass


def _drop_unfinished_objects(worktree: Worktree, now: float) -> None:
    """Remove what a killed git was writing; it may be as large as the file that took too long."""
    for folder, _, names in os.walk(worktree.objects):
        for path in (f"{folder}/{name}" for name in names if name.startswith("tmp_")):
            try:
                if os.lstat(path).st_mtime <= now:
                    os.unlink(path)
            except OSError:
                continue


def state(worktree: Worktree, trail: dict[str, object]) -> dict[str, object]:
    """{"sha", "dirty", "files_changed", "changed_paths"}: how the tree of `trail` differs from HEAD; {} on failure."""
    commit, tree = trail["git_head"], trail["tree_id"]["hex"]  # type: ignore[index]
    base = commit["hex"] if commit else EMPTY_TREE[trail["tree_id"]["algo"]]  # type: ignore[index]
    options = ("-r", "-z", "--name-only", "--no-renames", "--ignore-submodules=none")
    try:
        code, output = run(worktree, "", time.monotonic() + BUDGET, "diff-tree", *options, base, tree)
    except (NoTreeError, OSError):
        return {}
    if code != 0:
        return {}
    paths = output.split(b"\0")[:-1]
    shown, room = [], 4096  # bytes, so that the list never crowds the rest out of the line
    for path in paths[:100]:
        room -= len(path)
        if room < 0:
            break
        shown.append(path.decode("utf-8", "replace"))
    return {
        "sha": commit["hex"] if commit else None,  # type: ignore[index]
        "dirty": bool(paths),
        "files_changed": len(paths),
        "changed_paths": shown,
    }
