"""Reading and replacing files so that a kill at any moment leaves the old content or the new one."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from hookkit import paths
from hookkit.errors import HookInstallError

# No agent reads settings of this size; a file that grew to it is not one to load and edit.
MAX_BYTES = 8 * 1024 * 1024
_LOCK_SECONDS = 60.0
# In the state folder: the folders, one a line, that had to be made for it and for the data folder.
MADE = "folders"
_STAGE = re.compile(r"\..+\.hookkit-(?P<pid>[0-9]+)-[0-9a-f]{16}\.tmp")


def step(name: str) -> None:
    """Called between any two changes on disk; the kill tests put an end to the process here."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file as it is now: its bytes (None: no such file), where a link leads, and its mode (None: no such file)."""

    path: Path
    data: bytes | None
    mode: int | None


def follow(path: Path) -> Path:
    """The file that a path means: links are followed, also one whose target does not exist yet. Never fails."""
    return Path(os.path.realpath(path))


def read(path: Path) -> Found:
    """The content of a regular file, links followed. HookInstallError for anything else, and where it is unreadable."""
    target = follow(path)
    try:
        # O_NONBLOCK: a FIFO must not make us wait for a writer.
        descriptor = os.open(target, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return Found(target, None, None)
    except OSError as error:
        raise unusable(path, error) from error
    info = os.fstat(descriptor)
    if not stat.S_ISREG(info.st_mode):
        os.close(descriptor)
        raise HookInstallError(
            "NOT_A_FILE", f"{path} is not a regular file.", "Move it away, or name another with --settings-file."
        )
    with open(descriptor, "rb") as stream:
        if info.st_size > MAX_BYTES:
            raise HookInstallError(
                "FILE_TOO_LARGE",
                f"{path} holds {info.st_size:,} bytes; settings of more than {MAX_BYTES:,} are not edited.",
                "Check what filled it, or name another file with --settings-file.",
            )
        try:
            return Found(target, stream.read(), stat.S_IMODE(info.st_mode))
        except OSError as error:
            raise unusable(path, error) from error


def replace(path: Path, data: bytes, mode: int | None = None, expect: Found | None = None) -> bool:
    """Give a file new content in one step, keeping mode, owner and extended attributes of the old one.

    path: no link (see ``follow``). mode: of a new file, or to be set; None keeps the old one's, 0600 for a new file.
    expect: what the file must still hold just before it is replaced; if it does not, nothing changes and False returns.
    Raises HookInstallError where the folder or the disk refuses.
    """
    stage = path.with_name(f".{path.name}.hookkit-{os.getpid()}-{secrets.token_hex(8)}.tmp")
    try:
        # Neither a link nor a file that somebody put there may be written through.
        descriptor = os.open(stage, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise unusable(path, error) from error
    try:
        _stage(descriptor, path, data, mode)
        step(f"staged {path.name}")
        if expect is not None and read(path).data != expect.data:
            stage.unlink()
            return False
        os.replace(stage, path)
        step(f"replaced {path.name}")
        sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            stage.unlink()
        raise unusable(path, error) from error
    return True


def _stage(descriptor: int, path: Path, data: bytes, mode: int | None) -> None:
    with open(descriptor, "wb") as stream:
        step(f"stage opened {path.name}")
        stream.write(data)
        stream.flush()
        try:
            old = os.stat(path)
        except FileNotFoundError:
            os.fchmod(descriptor, 0o600 if mode is None else mode)
        else:
            mine = os.fstat(descriptor)
            if (mine.st_uid, mine.st_gid) != (old.st_uid, old.st_gid):
                os.fchown(descriptor, old.st_uid, old.st_gid)
            _copy_attributes(path, descriptor)
            os.fchmod(descriptor, stat.S_IMODE(old.st_mode) if mode is None else mode)
        os.fsync(descriptor)


def _copy_attributes(path: Path, descriptor: int) -> None:
    if not hasattr(os, "listxattr"):
        return
    with contextlib.suppress(OSError):  # the file system has none, or keeps some to itself
        for name in os.listxattr(path):
            with contextlib.suppress(OSError):
                os.setxattr(descriptor, name, os.getxattr(path, name))


def sweep(folders: Iterable[Path]) -> None:
    """Delete what killed runs staged in these folders."""
    for folder in set(folders):
        with contextlib.suppress(OSError):
            for entry in list(os.scandir(folder)):
                found = _STAGE.fullmatch(entry.name)
                if found and not entry.is_dir(follow_symlinks=False) and not _alive(int(found["pid"])):
                    os.unlink(entry.path)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut, where the file system can."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def missing_folders(folder: Path) -> tuple[Path, ...]:
    """The folders to make for ``folder`` to exist, outermost first. HookInstallError if a file is in the way."""
    missing: list[Path] = []
    for here in (folder, *folder.parents):
        if os.path.isdir(here):
            break
        if os.path.lexists(here) and not os.path.isdir(here):  # not made by another run at this moment
            raise HookInstallError(
                "NOT_A_FOLDER", f"{here} is not a folder.", "Move it away, or choose another place for the hooks."
            )
        missing.append(here)
    return tuple(reversed(missing))


def make_folders(folders: tuple[Path, ...], mode: int) -> None:
    """Make folders, outermost first. HookInstallError where that is refused."""
    for folder in folders:
        try:
            folder.mkdir(mode=mode, exist_ok=True)
        except OSError as error:
            raise unusable(folder, error) from error
        step(f"made folder {folder.name}")


def drop_folders(folders: tuple[Path, ...]) -> None:
    """Remove folders that are empty now, innermost first; one that is not empty stays."""
    for folder in sorted(folders, key=lambda f: len(f.parts), reverse=True):
        with contextlib.suppress(OSError):
            folder.rmdir()
            step(f"dropped folder {folder.name}")


def delete(path: Path) -> None:
    """Delete a file that may be gone already. HookInstallError where that is refused."""
    try:
        path.unlink(missing_ok=True)
        step(f"deleted {path.name}")
        if os.path.isdir(path.parent):
            sync_folder(path.parent)
    except OSError as error:
        raise unusable(path, error) from error


def keep_aside(path: Path, kept: Path) -> None:
    """Give a file or a link a second name, beside it, that stays when its own is taken. The first one is never gone.

    Content, mode and a link's target are the same under both. HookInstallError where that is refused.
    """
    try:
        if path.is_symlink():
            os.symlink(os.readlink(path), kept)
        else:
            _second_name(path, kept)
        step(f"kept {path.name}")
        sync_folder(path.parent)
    except OSError as error:
        raise unusable(path, error) from error


def _second_name(path: Path, kept: Path) -> None:
    try:
        os.link(path, kept, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links, or a file of another user
        replace(kept, path.read_bytes(), mode=stat.S_IMODE(path.stat().st_mode))


def give_back(kept: Path, path: Path) -> None:
    """Put what was kept aside in the place of ``path``, in one step. HookInstallError where that is refused."""
    try:
        step(f"about to give back {path.name}")
        os.rename(kept, path)
        if os.path.lexists(kept):
            kept.unlink()  # two names of one file: renaming one to the other does nothing
        step(f"gave back {path.name}")
        sync_folder(path.parent)
    except OSError as error:
        raise unusable(path, error) from error


def make_link(path: Path, target: str) -> None:
    """Make a symbolic link, in the place of another one if there is one. HookInstallError where that is refused."""
    stage = path.with_name(f".{path.name}.hookkit-{os.getpid()}-{secrets.token_hex(8)}.tmp")
    try:
        os.symlink(target, stage)
        step(f"staged link {path.name}")
        os.replace(stage, path)
        step(f"linked {path.name}")
    except OSError as error:
        with contextlib.suppress(OSError):
            stage.unlink()
        raise unusable(path, error) from error


@contextlib.contextmanager
def exclusive() -> Iterator[None]:
    """Hold the one lock of all installs and removes. It is in the state folder, never beside an agent's settings."""
    folder = paths.state() / "locks"
    made = [missing for place in (paths.home(), paths.state()) for missing in missing_folders(place)]
    try:
        paths.private_dir(folder)
        if made:
            with (paths.state() / MADE).open("ab") as stream:
                stream.writelines(os.fsencode(path) + b"\n" for path in made)
        lock = FileLock(folder / "install.lock", timeout=_LOCK_SECONDS, mode=0o600)
        lock.acquire()
    except Timeout:
        raise HookInstallError(
            "INSTALL_BUSY",
            f"Another hookkit has been changing settings for {_LOCK_SECONDS:.0f} seconds.",
            f"Wait for it to end and try again. The lock is {folder / 'install.lock'}.",
        ) from None
    except OSError as error:
        raise unusable(folder, error) from error
    try:
        yield
    finally:
        lock.release()


def made_folders() -> tuple[Path, ...]:
    """The folders outside our own that were made to hold them, as far as that is remembered."""
    try:
        lines = (paths.state() / MADE).read_bytes().split(b"\n")
    except OSError:
        return ()
    ours = {*paths.home().parents, paths.home(), *paths.state().parents, paths.state()}
    return tuple(path for line in lines if (path := Path(os.fsdecode(line))) in ours)


def unusable(path: Path, error: BaseException) -> HookInstallError:
    """The HookInstallError of a file that the system does not let us use."""
    reason = getattr(error, "strerror", None) or str(error)
    named = getattr(error, "filename", None)
    hint = {
        "PermissionError": f"Give yourself write access to {path.parent}, or name another file.",
        "IsADirectoryError": f"{path} is a folder where a file belongs: move it away.",
    }.get(type(error).__name__, "Put that right and run the same command again; nothing is half done.")
    place = f" ({named})" if named and str(named) != str(path) and ".hookkit-" not in str(named) else ""
    return HookInstallError("FILE_UNUSABLE", f"{path} cannot be used: {reason}{place}.", hint)
