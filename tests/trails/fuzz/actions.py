"""What a person in a gap and a shell command in a window can do alike: to files, and with git.

Every action is (world, tree, author) -> whether it did something. An action never writes over what somebody else may
be writing at that moment: the player calls it only where one author is at work, or names the paths.
"""

from __future__ import annotations

from collections.abc import Callable

from .model import Author
from .text import Text
from .world import Tree, World

Action = Callable[[World, Tree, Author], bool]


def text_of(world: World, content: bytes | None = None) -> Text:
    eol = b"\r\n" if world.rng.random() < 0.2 else b"\n"
    return Text(world.rng, world.ledger, content, eol)


def fresh(world: World, least: int = 3, most: int = 14) -> bytes:
    """The content of a new file."""
    text = text_of(world)
    text.latin = world.rng.random() < 0.15
    while len(text.lines) < least or (len(text.lines) < most and world.rng.random() < 0.7):
        text.append()
    return text.content()


def pick(world: World, tree: Tree) -> str | None:
    files = [path for path in world.files(tree) if not path.endswith(".gitattributes")]
    return world.rng.choice(files) if files else None


def edit(world: World, tree: Tree, author: Author) -> bool:
    path = pick(world, tree)
    return new_file(world, tree, author) if path is None else edit_path(world, tree, author, path)


def edit_path(world: World, tree: Tree, author: Author, path: str) -> bool:
    text = text_of(world, world.read(tree, path))
    for _ in range(world.rng.choice((1, 1, 2))):
        text.edit()
    world.write(author, tree, path, text.content())
    return True


def new_file(world: World, tree: Tree, author: Author) -> bool:
    path = world.free_name(tree)
    if path is None:
        return False
    world.write(author, tree, path, fresh(world))
    return True


def delete_file(world: World, tree: Tree, author: Author) -> bool:
    files = world.files(tree)
    if len(files) < 3:
        return False
    world.write(author, tree, world.rng.choice(files), None)
    return True


def rename(world: World, tree: Tree, author: Author) -> bool:
    return _rename(world, tree, author, by_git=False, change=False)


def git_mv(world: World, tree: Tree, author: Author) -> bool:
    return _rename(world, tree, author, by_git=True, change=False)


def rename_and_edit(world: World, tree: Tree, author: Author) -> bool:
    return _rename(world, tree, author, by_git=world.rng.random() < 0.5, change=True)


def _rename(world: World, tree: Tree, author: Author, *, by_git: bool, change: bool) -> bool:
    path, to = pick(world, tree), world.free_name(tree)
    if path is None or to is None or to.startswith(path + "/"):
        return False
    content = world.read(tree, path)
    place = tree.root / to
    place.parent.mkdir(parents=True, exist_ok=True)
    world.note(f"{author} renames {path!r} to {to!r}")
    if not by_git or world.try_git(tree, "mv", "--", path, to).returncode:
        (tree.root / path).rename(place)
        world.prune(tree, tree.root / path)
    if change:
        text = text_of(world, content)
        text.insert()
        world.write(author, tree, to, text.content())
    return True


def rename_folder(world: World, tree: Tree, author: Author) -> bool:
    """All files of a folder get another one."""
    inside = [path for path in world.files(tree) if path.startswith("src/")]
    if not inside or (tree.root / "lib").exists():
        return False
    world.note(f"{author} renames src to lib")
    (tree.root / "src").rename(tree.root / "lib")
    return True


def change_mode(world: World, tree: Tree, author: Author) -> bool:
    path = pick(world, tree)
    if path is None:
        return False
    world.note(f"{author} changes the mode of {path!r}")
    (tree.root / path).chmod(world.rng.choice((0o755, 0o644)))
    return True


def replace_file(world: World, tree: Tree, author: Author) -> bool:
    """Delete a file and write another one of the same name."""
    path = pick(world, tree)
    if path is None:
        return False
    world.write(author, tree, path, None)
    world.write(author, tree, path, fresh(world))
    return True


def move_between(world: World, tree: Tree, author: Author) -> bool:
    """A block leaves one file and comes into another."""
    source, target = pick(world, tree), pick(world, tree)
    if source is None or target is None or source == target:
        return False
    one, two = text_of(world, world.read(tree, source)), text_of(world, world.read(tree, target))
    taken = one.cut()
    if not taken or one.latin != two.latin or one.eol != two.eol:
        return False
    two.paste(taken)
    world.write(author, tree, source, one.content())
    world.write(author, tree, target, two.content())
    return True


def format_file(world: World, tree: Tree, author: Author) -> bool:
    path = pick(world, tree)
    if path is None:
        return False
    text = text_of(world, world.read(tree, path))
    text.format()
    world.write(author, tree, path, text.content())
    return True


def undo(world: World, tree: Tree, author: Author) -> bool:
    """A file gets back, byte for byte, a content that a boundary has seen."""
    for path, content in world.rng.sample(tree.history, len(tree.history)):
        if (path, content) in world.ledger.contents and (tree.root / path).is_file():
            world.write(author, tree, path, content)
            return True
    return False


FILE_ACTIONS: tuple[tuple[Action, int], ...] = (
    (edit, 12), (new_file, 5), (delete_file, 2), (rename, 2), (git_mv, 2), (rename_and_edit, 2), (move_between, 3),
    (format_file, 1), (undo, 2), (rename_folder, 1), (change_mode, 1), (replace_file, 1),
)  # fmt: skip


# git


def commit_all(world: World, tree: Tree, _author: Author) -> bool:
    return world.commit(tree)


def commit_partial(world: World, tree: Tree, _author: Author) -> bool:
    """Like `git add -p`: some hunks of some files are staged and committed, the rest stays in the worktree."""
    import difflib

    shown = world.git(
        tree, "diff", "--name-only", "-z", "--no-renames", "--diff-filter=M", "--no-ext-diff", "--relative"
    )
    changed = [path for path in shown.split(b"\0") if path]
    if not changed or "core.autocrlf" in world.settings:
        return False
    for path in changed:
        name = path.decode(errors="surrogateescape")
        old = world.git(tree, "cat-file", "blob", f":{name}").split(b"\n")
        new = world.read(tree, name).split(b"\n")
        mixed: list[bytes] = []
        for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            mixed += new[c:d] if kind == "equal" or world.rng.random() < 0.5 else old[a:b]
        blob = world.git(tree, "hash-object", "-w", "--no-filters", "--stdin", feed=b"\n".join(mixed)).decode().strip()
        world.git(tree, "update-index", "--cacheinfo", f"100644,{blob},{name}")
    return world.commit(tree, stage=False)


def stage(world: World, tree: Tree, _author: Author) -> bool:
    """What is staged now may be committed later, when the worktree has moved on."""
    path = pick(world, tree)
    if path is None:
        return False
    return world.try_git(tree, "add", "--", path).returncode == 0


def commit_staged(world: World, tree: Tree, _author: Author) -> bool:
    return world.commit(tree, stage=False)


def commit_one(world: World, tree: Tree, _author: Author) -> bool:
    """Only what one file holds, whatever is staged."""
    path = pick(world, tree)
    if path is None or world.try_git(tree, "add", "-N", "--", path).returncode:
        return False
    return world.commit(tree, "--", path, stage=False)


def unstage(world: World, tree: Tree, _author: Author) -> bool:
    return world.try_git(tree, "reset", "-q").returncode == 0


def commit_detached(world: World, tree: Tree, author: Author) -> bool:
    """A commit that no branch holds, until one is moved there."""
    branch = world.branch(tree)
    if not branch or not world.clean(tree) or world.try_git(tree, "switch", "-q", "--detach").returncode:
        return False
    edit_and_commit(world, tree, author)
    world.clock.tick()
    sha = world.head(tree)
    world.git(tree, "switch", "-q", branch)
    if world.rng.random() < 0.7:
        world.git(tree, "merge", "-q", "--ff-only", sha)
    return True


def amend(world: World, tree: Tree, _author: Author) -> bool:
    return world.commit(tree, "--amend", "--no-edit")


def stash(world: World, tree: Tree, _author: Author) -> bool:
    """Not where it would hide lines that no boundary has seen yet: nobody could tell later where they came from."""
    if world.ledger.pending(str(tree.root)):
        return False
    return world.try_git(tree, "stash", "push", "-q", "-u").returncode == 0


def stash_pop(world: World, tree: Tree, _author: Author) -> bool:
    if not world.git(tree, "stash", "list", "-1") or not world.clean(tree):
        return False
    if world.try_git(tree, "stash", "pop", "-q").returncode:
        world.git(tree, "reset", "-q", "--hard")
        world.git(tree, "clean", "-fdq")
        world.try_git(tree, "stash", "drop", "-q")
    return True


def restore_file(world: World, tree: Tree, _author: Author) -> bool:
    path = pick(world, tree)
    if path is None:
        return False
    return world.try_git(tree, "checkout", "-q", "HEAD", "--", path).returncode == 0


def revert(world: World, tree: Tree, _author: Author) -> bool:
    """Revert a commit of the last few; it may be a revert itself. A part of the times, only the last one."""
    if not world.clean(tree):
        return False
    commits = world.git(tree, "rev-list", "--no-merges", "-n", world.rng.choice(("1", "4")), "HEAD").decode().split()
    done = world.try_git(tree, "revert", "--no-edit", world.rng.choice(commits))
    if done.returncode:
        world.settle(tree, ["revert", "--abort"])
        world.git(tree, "reset", "-q", "--hard")
    return done.returncode == 0


def revert_twice(world: World, tree: Tree, author: Author) -> bool:
    if not world.clean(tree) or world.try_git(tree, "revert", "--no-edit", "HEAD").returncode:
        world.try_git(tree, "revert", "--abort")
        return False
    world.clock.tick()
    if world.rng.random() < 0.5:
        edit_and_commit(world, tree, author)
    done = world.try_git(tree, "revert", "--no-edit", "HEAD")
    if done.returncode:
        world.settle(tree, ["revert", "--abort"])
    return True


def edit_and_commit(world: World, tree: Tree, author: Author) -> bool:
    edit(world, tree, author)
    return world.commit(tree)


def fold_commits(world: World, tree: Tree, _author: Author) -> bool:
    """Several commits become one, by hand or by an interactive rebase."""
    count = len(world.git(tree, "rev-list", "--first-parent", "-n", "4", "HEAD").split())
    if count < 3 or world.git(tree, "rev-list", "--merges", "-n", "1", "HEAD~2..HEAD"):
        return False
    if world.rng.random() < 0.5:
        world.git(tree, "reset", "-q", "--soft", "HEAD~2")
        return world.commit(tree, stage=False)
    if not world.clean(tree):
        return False
    subject = world.git(tree, "log", "--no-show-signature", "-1", "--format=%s", "HEAD~1").decode().strip()
    world.git(tree, "commit", "-q", "--amend", "--no-verify", "-m", f"fixup! {subject}")
    if world.try_git(tree, "rebase", "-q", "-i", "--autosquash", "HEAD~2").returncode:
        world.settle(tree, ["rebase", "--abort"])
    return True


def two_commits(world: World, tree: Tree, author: Author) -> bool:
    """Two commits in one go; what the first one holds may be gone or changed in the second."""
    path = pick(world, tree)
    if path is None:
        return False
    edit_path(world, tree, author, path)
    world.commit(tree)
    world.clock.tick(hurry=True)
    text = text_of(world, world.read(tree, path))
    text.replace()
    text.insert()
    world.write(author, tree, path, text.content())
    return world.commit(tree)


def collect_garbage(world: World, tree: Tree, _author: Author) -> bool:
    return world.try_git(tree, "gc", "-q", "--prune=now").returncode == 0


GIT_ACTIONS: tuple[tuple[Action, int], ...] = (
    (commit_all, 14), (commit_partial, 5), (stage, 4), (commit_staged, 4), (amend, 3), (stash, 2), (stash_pop, 4),
    (restore_file, 2), (revert, 3), (revert_twice, 2), (fold_commits, 2), (two_commits, 3), (edit_and_commit, 3),
    (commit_one, 3), (unstage, 1), (commit_detached, 1),
)  # fmt: skip


def choose(world: World, actions: tuple[tuple[Action, int], ...]) -> Action:
    return world.rng.choices([action for action, _ in actions], [weight for _, weight in actions])[0]
