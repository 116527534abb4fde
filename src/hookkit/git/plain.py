"""A git dir without configuration, attributes, refs and index: git does the same there whatever the user has set.

No switch turns all of it off: attributes of the worktree, of info/attributes and of the user decide what is text, and
dozens of settings decide how a difference is written. So plumbing that reads and writes objects runs with GIT_DIR on a
folder of ours, and with the object folders of the user's repository.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hookkit.git.run import run
from hookkit.git.worktree import Worktree, quoted

EMPTY_TREE = {
    40: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    64: "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}


@contextlib.contextmanager
def plain(worktree: Worktree, *, private: bool = False) -> Iterator[dict[str, str]]:
    """Environment for git children that know only the objects of the repository: the user's and the private ones.

    Objects are written to the user's store; to the private one if ``private``.
    """
    own = worktree.common_dir / "hookkit"
    with contextlib.ExitStack() as stack:
        folder = own / "plain"
        if not (folder / "HEAD").is_file():
            try:
                if not own.is_dir():  # looking at a repository leaves nothing in it
                    raise FileNotFoundError
                _make(worktree, folder)
            except OSError:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hookkit-")))
                _make(worktree, folder)
        stores = [worktree.common_dir / "objects", worktree.objects]
        yield {
            "GIT_DIR": str(folder),
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_OBJECT_DIRECTORY": str(stores[private]),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": quoted(stores[not private]),
            "GIT_ALLOW_PROTOCOL": "none",
            "GIT_LITERAL_PATHSPECS": "1",
        }


def _make(worktree: Worktree, folder: Path) -> None:
    """HEAD comes last and at once: a folder that has one is whole."""
    text = "[core]\n\tbare = true\n\trepositoryformatversion = 0\n"
    if object_format(worktree) != "sha1":
        text = "[core]\n\tbare = true\n\trepositoryformatversion = 1\n[extensions]\n\tobjectFormat = sha256\n"
    (folder / "refs").mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, content in (("config", text), ("HEAD", "ref: refs/heads/none\n")):
        stage = folder / f"{name}.{os.getpid()}.stage"
        stage.write_text(content)
        stage.replace(folder / name)


def object_format(worktree: Worktree) -> str:
    """The name of the repository's hash: sha1 or sha256."""
    # An older git prints the option itself.
    said = run(worktree.root, "rev-parse", "--show-object-format", check=False).decode().strip()
    return "sha256" if said == "sha256" else "sha1"
