"""A hook that is not hookkit's: it notes every payload and the tree id that plain git gives at that moment.

usage: witness.py LOG.jsonl   (payload on standard input)

Tests register it as somebody else's hook beside hookkit's, so each boundary is measured twice, by two programs that
share no code. It works on a copy of the index and a throw-away object folder, and leaves no trace in the repository.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile


def git(root: str, *args: str, **env: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(["git", "-C", root, *args], env={**clean, **env}, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def plain_tree(folder: str) -> str | None:
    """What ``git add -A && git write-tree`` gives for the worktree around ``folder``; None outside of one."""
    try:
        root = git(folder, "rev-parse", "--show-toplevel")
    except (subprocess.CalledProcessError, OSError):
        return None
    index = git(root, "rev-parse", "--path-format=absolute", "--git-path", "index")
    objects = git(root, "rev-parse", "--path-format=absolute", "--git-path", "objects")
    with tempfile.TemporaryDirectory() as scratch:
        env = {
            "GIT_INDEX_FILE": os.path.join(scratch, "index"),
            "GIT_OBJECT_DIRECTORY": os.path.join(scratch, "objects"),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": objects,
        }
        os.mkdir(env["GIT_OBJECT_DIRECTORY"])
        if os.path.exists(index):
            shutil.copy2(index, env["GIT_INDEX_FILE"])
        git(root, "add", "-A", **env)
        return git(root, "write-tree", **env)


def main() -> None:
    payload = json.loads(sys.stdin.buffer.read())
    note = {"payload": payload, "tree": plain_tree(payload["cwd"])}
    log = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(log, json.dumps(note).encode() + b"\n")
    os.close(log)


if __name__ == "__main__":
    main()
