"""A hook that keeps everything the recording of a session needs: payload, worktree, how far the transcripts had grown.

usage: snapshot.py LOG.jsonl PROJECT   (payload on standard input)
"""

import json
import os
import subprocess
import sys


def worktree(folder: str) -> dict[str, str]:
    """Text of every file that git would track, by path below the root."""
    listed = subprocess.run(
        ["git", "-C", folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        check=True,
    )
    files = {}
    for name in listed.stdout.decode().split("\0"):
        path = os.path.join(folder, name)
        if name and os.path.isfile(path):
            with open(path, encoding="utf-8") as stream:
                files[name] = stream.read()
    return files


def transcripts(main: str) -> dict[str, int]:
    """Size in bytes of the session's transcript ("") and of every file of its subagents, by name."""
    sizes = {"": os.path.getsize(main) if os.path.isfile(main) else 0}
    folder = main.removesuffix(".jsonl") + "/subagents"
    if main and os.path.isdir(folder):
        sizes.update({name: os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder)})
    return sizes


def main() -> None:
    payload = json.loads(sys.stdin.buffer.read())
    note = {
        "payload": payload,
        "files": worktree(sys.argv[2]),
        "sizes": transcripts(payload.get("transcript_path") or ""),
    }
    log = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(log, json.dumps(note).encode() + b"\n")
    os.close(log)


if __name__ == "__main__":
    main()
