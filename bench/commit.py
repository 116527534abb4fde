"""What the git hooks add to `git commit`: alone, in a row, and whatever was recorded before.

`python -m bench.commit [--runs N] [--calls N]`. The same repository commits in turn with its hooks and with none.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench import trails
from bench.timing import Command, Row, milliseconds, versus

IN_A_ROW = 10
_BUDGET = "<= +30 ms"


class Repository:
    """A repository with hookkit's git hooks, and a folder of no hooks to commit without them."""

    def __init__(self, scratch: Path, calls: int) -> None:
        who = {f"GIT_{role}_{key}": "bench" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
        self.env = trails.environment(scratch / "home") | who
        (scratch / "home").mkdir(parents=True)
        self.root = scratch / "repository"
        self.none = scratch / "none"
        self.none.mkdir()
        self.edits = 0
        store = self.root / ".git" / "hookkit" / "objects"
        world = trails.World(self.root, store)
        projects = scratch / "home" / ".claude" / "projects" / "bench"
        made = trails.sessions(world, projects, calls, max(1, calls // 500)) if calls else []
        for session in made:
            self._hookkit("ingest", str(session.transcript))
        (self.root / ".git" / "hookkit").mkdir(exist_ok=True)
        self._hookkit("install", "git")

    def _hookkit(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "hookkit", *arguments]
        subprocess.run(command, env=self.env, cwd=self.root, check=True, stdout=subprocess.DEVNULL)

    def edit(self) -> None:
        """Something to commit; and nothing of ours at work in the background."""
        self.settle()
        self.edits += 1
        (self.root / "note").write_text(f"{self.edits}\n")
        subprocess.run(["git", "-C", str(self.root), "add", "note"], check=True, env=self.env)

    def settle(self) -> None:
        """Wait until the run that a hook has started is over."""
        private = self.root / ".git" / "hookkit"
        time.sleep(0.15)  # it has begun by now
        while True:
            descriptor = os.open(private / "commit.lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            finally:
                os.close(descriptor)
            if not (private / "commit.request").exists():
                return
            time.sleep(0.05)

    def one(self, *, hooked: bool) -> Command:
        """One commit."""
        return Command([*self._git(hooked), "commit", "-qm", "x"], self.env, self.root, before=self.edit)

    def many(self, *, hooked: bool) -> Command:
        """Commits as fast as they come."""
        git = " ".join(["git", *self._git(hooked)[1:]]) if hooked else f"git -c core.hooksPath='{self.none}'"
        loop = f"for i in $(seq {IN_A_ROW}); do {git} commit -q --allow-empty -m x; done"
        return Command(["/bin/sh", "-c", loop], self.env, self.root, before=self.settle)

    def _git(self, hooked: bool) -> list[str]:
        return ["git", *([] if hooked else ["-c", f"core.hooksPath={self.none}"])]


def measure(scratch: Path, calls: int, runs: int) -> Iterator[Row]:
    """The rows for a repository in which so many calls were recorded."""
    repository = Repository(scratch, calls)
    for name, make, each in (("git commit", repository.one, 1), (f"{IN_A_ROW} in a row", repository.many, IN_A_ROW)):
        ratio, ours, theirs = versus(make(hooked=True), make(hooked=False), runs if each == 1 else max(3, runs // 4))
        assert all(run.code == 0 for run in (*ours, *theirs))
        with_ms, without_ms = milliseconds(ours) / each, milliseconds(theirs) / each
        note = f"{with_ms - without_ms:+.1f} ms a commit"
        yield Row(f"{name}, {calls:,} calls recorded", "no hooks", ratio, _BUDGET, with_ms, without_ms, note)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.commit", description=__doc__)
    parser.add_argument("--runs", type=int, default=25, help="alternating pairs (default 25)")
    parser.add_argument("--calls", type=int, action="append", help="calls that were recorded before (repeatable)")
    options = parser.parse_args()
    for calls in options.calls or [0, 2_000]:
        with tempfile.TemporaryDirectory(prefix="hookkit-bench-", ignore_cleanup_errors=True) as scratch:
            for row in measure(Path(scratch), calls, options.runs):
                print(
                    f"{row.name:<40} x{row.ratio:5.2f}  {row.ours_ms:7.1f} ms against {row.theirs_ms:7.1f} ms", end="  "
                )
                print(f"{row.note} (budget {row.budget})")


if __name__ == "__main__":
    main()
