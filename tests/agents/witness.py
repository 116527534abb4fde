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


def git(root: str, *args: str, **env: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(["git", "-C", root, *args], env={**clean, **env}, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def plain_tree(folder: str, scratch: str) -> str | None:
    """What ``git add -A && git write-tree`` gives for the worktree around ``folder``; None outside of one."""
    ask = ["rev-parse", "--path-format=absolute", "--show-toplevel", "--git-path", "index", "--git-path", "objects"]
    try:
        root, index, objects = git(folder, *ask).split("\n")
    except (subprocess.CalledProcessError, OSError):
        return None
    env = {
        "GIT_INDEX_FILE": os.path.join(scratch, "index"),
        "GIT_OBJECT_DIRECTORY": os.path.join(scratch, "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": objects,
    }
    os.makedirs(env["GIT_OBJECT_DIRECTORY"])
    try:
        if os.path.exists(index):
            shutil.copy2(index, env["GIT_INDEX_FILE"])
        git(root, "add", "-A", **env)
        return git(root, "write-tree", **env)
    finally:
        shutil.rmtree(scratch)


def main() -> None:
    payload = json.loads(sys.stdin.buffer.read())
    path = sys.argv[1]
    note = {"payload": payload, "tree": plain_tree(payload["cwd"], f"{path}.{os.getpid()}")}
    log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(log, json.dumps(note).encode() + b"\n")
    os.close(log)


if __name__ == "__main__":
    main()
