"""Objects of the log: from the private store into one pack of the user's store, where the ref keeps them.

Until the ref points at a new pack, a `.keep` file protects it from a `git gc` that runs at the same time. What was
packed leaves the private store only after that. So there is no moment at which a kill, or a gc, loses anything; what
either leaves over is cleared away by the next append.

Packs of ours are listed in <common git dir>/hookkit/packs, oldest first, each with the number of batches in it. They
are merged, small ones first, before there are so many that git slows down. None is ever deleted but for one that holds
the same objects: git stores nothing twice, and so an object of the user's may be in a pack of ours and nowhere else.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from hookkit.git.plain import plain
from hookkit.git.run import run
from hookkit.git.worktree import Worktree

_MOST_PACKS = 8
_KEEP = b"hookkit\n"
_FORGOTTEN = 30 * 86400  # seconds; no session is ingested that long after its last capture
_TIDY_EVERY = 86400
_TIMEOUT = 1800


def step(name: str) -> None:
    """Does nothing. Tests replace it, to kill an append at each of its steps."""


def pack_folder(worktree: Worktree) -> Path:
    """Where git keeps the packs of the user's store."""
    return worktree.common_dir / "objects" / "pack"


def listed(worktree: Worktree) -> list[str]:
    """Names of the packs of ours that are still there (`pack-<hash>`); the user's gc replaces them by its own."""
    return [name for name in _list(worktree) if (pack_folder(worktree) / f"{name}.idx").exists()]


def store(worktree: Worktree, objects: Mapping[str, str]) -> str | None:
    """Put objects (id -> a path as a hint for compression) into a pack of the user's store; its name.

    Only those that are not there yet; None if all are. The pack has a `.keep` file until ``release``.
    """
    name = _pack(worktree, objects, 1, "--local")
    step("pack installed")
    return name


def prune(worktree: Worktree, objects: Iterable[str]) -> None:
    """Take objects out of the private store, once the ref keeps them in the user's, or they are of no use."""
    for each in objects:
        with contextlib.suppress(OSError):
            os.unlink(worktree.objects / each[:2] / each[2:])
    step("private objects pruned")


def release(worktree: Worktree, name: str) -> None:
    """Take the protection off a pack: from now on it is the ref that keeps its objects."""
    (pack_folder(worktree) / f"{name}.keep").unlink(missing_ok=True)


def heal(worktree: Worktree) -> None:
    """Clear away what a killed append left. Only while no other append can run."""
    folder = pack_folder(worktree)
    names = _list(worktree)
    for name in names:
        if (folder / f"{name}.idx").exists():
            keep = folder / f"{name}.keep"
            with contextlib.suppress(OSError):
                if keep.read_bytes() == _KEEP:
                    keep.unlink()
        else:  # its index comes last: git has never seen it
            for path in folder.glob(f"{name}.*"):
                path.unlink(missing_ok=True)
    there = listed(worktree)
    if there != [*names]:
        _write_list(worktree, {name: names[name] for name in there})


def merge(worktree: Worktree, head: str) -> None:
    """Merge packs of ours where there are too many, each time so few that all in all it costs little.

    ``head``: the newest commit of the log.
    """
    folder = pack_folder(worktree)
    sizes = sorted(((folder / f"{name}.pack").stat().st_size, name) for name in listed(worktree))
    if len(sizes) <= _MOST_PACKS:
        return
    few = len(sizes) - _MOST_PACKS // 2
    for number in range(1, len(sizes)):
        if sizes[number][0] < 2 * sum(size for size, _ in sizes[:number]):
            few = max(few, number + 1)
    old = [name for _, name in sizes[:few]]
    batches = _list(worktree)
    since = min(list(batches).index(name) for name in old)
    paths = _paths(worktree, head, sum(list(batches.values())[since:]))
    objects = {each: paths.get(each, "") for each in objects_of(worktree, old)}
    new = replace(worktree, old, objects, sum(batches[name] for name in old))
    left = [(name, count) for name, count in _list(worktree).items() if name not in old and name != new]
    left.insert(since, (str(new), sum(batches[name] for name in old)))  # in the place of the oldest
    _write_list(worktree, dict(left))


def replace(worktree: Worktree, old: Iterable[str], objects: Mapping[str, str], batches: int = 1) -> str | None:
    """Put one pack with ``objects`` in the place of packs; just delete those when there are no objects."""
    new = _pack(worktree, objects, batches) if objects else None
    step("packs merged")
    for name in old:
        if name != new:
            _drop(worktree, name)
    if new:
        release(worktree, new)
    return new


def _paths(worktree: Worktree, head: str, batches: int) -> dict[str, str]:
    """Paths of the objects of the last batches: git finds what to compress one object by among those of like paths."""
    with plain(worktree) as variables:
        command = ("rev-list", "--objects", "--first-parent", head)
        said = run(worktree.root, *command, f"^{head}~{batches}", extra=variables, check=False)
        # Nothing when there are no more batches than these.
        said = said or run(worktree.root, *command, extra=variables, check=False)
    found = {}
    for line in said.decode(errors="replace").splitlines():
        each, _, path = line.partition(" ")
        found[each] = path[len("trees//") + len(each) :] if path.startswith("trees/") else path
    return found


def objects_of(worktree: Worktree, names: Iterable[str]) -> list[str]:
    """Ids of the objects in packs of the user's store."""
    found: dict[str, None] = {}
    with plain(worktree) as variables:
        for name in names:
            index = (pack_folder(worktree) / f"{name}.idx").read_bytes()
            for line in run(worktree.root, "show-index", stdin=index, extra=variables).splitlines():
                found[line.split()[1].decode()] = None
    return list(found)


def _drop(worktree: Worktree, name: str) -> None:
    """Delete a pack; its index last, so that git never finds an index without a pack half way."""
    folder = pack_folder(worktree)
    others = [path for path in folder.glob(f"{name}.*") if path.suffix != ".idx"]
    for path in (folder / f"{name}.idx", *others):
        path.unlink(missing_ok=True)


def tidy(worktree: Worktree) -> None:
    """Once a day, drop from the private store what no capture has used for a month: it belongs to no session."""
    stamp, now = worktree.common_dir / "hookkit" / "tidied", time.time()
    with contextlib.suppress(OSError):
        if now - stamp.stat().st_mtime < _TIDY_EVERY:
            return
    stamp.touch(mode=0o600)
    os.utime(stamp, (now, now))
    for folder, _, files in os.walk(worktree.objects):
        for path in (os.path.join(folder, name) for name in files):
            with contextlib.suppress(OSError):
                if now - os.lstat(path).st_mtime > _FORGOTTEN:
                    os.unlink(path)


def _pack(worktree: Worktree, objects: Mapping[str, str], batches: int, *options: str) -> str | None:
    folder = pack_folder(worktree)
    folder.mkdir(parents=True, exist_ok=True)
    own = worktree.common_dir / "hookkit"
    with plain(worktree, private=True) as variables, tempfile.TemporaryDirectory(prefix="packing-", dir=own) as stage:
        command = ("pack-objects", "-q", "--non-empty", "--delta-base-offset", "--threads=1", "--window-memory=64m")
        said = run(
            worktree.root,
            *(*command, *options, f"{stage}/pack"),
            stdin="".join(f"{each} {path}\n" for each, path in objects.items()).encode(),
            extra=variables,
            timeout=_TIMEOUT,
        )
        if not said:
            return None
        name = f"pack-{said.decode().strip()}"
        step("pack made")
        if not (folder / f"{name}.idx").exists():
            _install(worktree, Path(stage), name, batches)
    return name


def _install(worktree: Worktree, stage: Path, name: str, batches: int) -> None:
    with _list_file(worktree).open("a") as stream:
        stream.write(f"{name} {batches}\n")
    step("pack listed")
    folder = pack_folder(worktree)
    (folder / f"{name}.keep").write_bytes(_KEEP)
    step("pack protected")
    # As readable as the store is: others may work in the same repository.
    mode = 0o400 | (stat.S_IMODE(folder.stat().st_mode) & 0o044)
    made = sorted(stage.glob(f"{name}.*"), key=lambda path: path.suffix == ".idx")
    for path in made:
        path.chmod(mode)
        path.replace(folder / path.name)
        step(f"{path.suffix} installed")


def _list_file(worktree: Worktree) -> Path:
    return worktree.common_dir / "hookkit" / "packs"


def _list(worktree: Worktree) -> dict[str, int]:
    """Packs that were listed, with their number of batches; not all of them are there."""
    try:
        lines = _list_file(worktree).read_text().splitlines()
    except OSError:
        return {}
    found = (line.partition(" ") for line in lines if line.startswith("pack-"))
    return {name: int(count) if count.isdigit() else 1 for name, _, count in found}


def _write_list(worktree: Worktree, packs: Mapping[str, int]) -> None:
    path = _list_file(worktree)
    stage = path.with_name(f"packs.{os.getpid()}.stage")
    stage.write_text("".join(f"{name} {count}\n" for name, count in packs.items()))
    stage.replace(path)
