"""Plays sessions, people and other clones against one repository."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from . import actions, branches
from .model import BEFORE, ELSEWHERE, OUTSIDE, Author
from .session import Call, Recorder, Session
from .world import Tree, World, before_recording

DECLARED = ("Edit", "Edit", "Write", "MultiEdit")
READERS = ("Read", "Grep", "Glob", "TodoWrite")
ANYTHING = ("Bash", "Bash", "Bash", "mcp__files__write", "SomethingNew")


def named(path: str) -> bool:
    """Whether JSON can hold the path."""
    return not any("\udc80" <= each <= "\udcff" for each in path)


class Player:
    """One world with one to three sessions. steps: how many things happen in all."""

    def __init__(
        self, seed: int, folder: Path, settings: Mapping[str, str] | None = None, object_format: str = ""
    ) -> None:
        self.seed, self.rng = seed, random.Random(seed)
        chosen = settings if settings is not None else self._settings()
        algo = object_format or ("sha256" if self.rng.random() < 0.08 else "sha1")
        self.world = World(folder, self.rng, chosen, algo)
        self.recorder = Recorder(self.world)
        self.sessions: list[Session] = []
        self.ingest: Callable[[Session], None] = lambda _session: None
        self.look: Callable[[Tree], None] = lambda _tree: None
        self._calls = 0

    def _settings(self) -> Mapping[str, str]:
        return {"core.autocrlf": "true"} if self.rng.random() < 0.06 else {}

    def play(self, steps: int, skip: Collection[int] = ()) -> None:
        """Every step has random numbers of its own, so that one can be left out and the others stay what they are."""
        self._history()
        world, rng = self.world, self.rng
        for number in range(rng.choice((1, 1, 2, 3))):
            tree = world.linked() if rng.random() < 0.12 and world.born(world.main) else rng.choice(world.trees)
            self._start(f"s{number}", tree)
        for number in range(steps):
            self.rng.seed(f"{self.seed} {number}")
            if number not in skip:
                world.note(f"# step {number}")
                self._step()
        self.rng.seed(f"{self.seed} end")
        for session in rng.sample(self.sessions, len(self.sessions)):
            if rng.random() < 0.8:
                session.stop()
        if rng.random() < 0.4:
            self._gap(world.main)

    def finish(self) -> None:
        """Ingest everything, in any order."""
        for session in self.rng.sample(self.sessions, len(self.sessions)):
            self.ingest(session)

    def _history(self) -> None:
        """What was there before the recorder."""
        world, rng = self.world, self.rng
        names = rng.randint(0, 3)
        if names or rng.random() < 0.8:
            fill = {str(world.free_name(world.main)): actions.fresh(world)} if names else {}
            before_recording(world, fill)
            for _ in range(names - 1):
                actions.new_file(world, world.main, BEFORE)
            if names > 1:
                actions.two_commits(world, world.main, BEFORE)
            if names > 2:
                actions.edit(world, world.main, BEFORE)  # not committed

    def _start(self, name: str, tree: Tree) -> None:
        session = Session(name, tree, self.recorder, self.world)
        self.sessions.append(session)
        session.event("SessionStart", source="startup")
        session.prompt()

    # What can happen

    def _step(self) -> None:
        kinds: tuple[tuple[Callable[[], None], int], ...] = (
            (self._declared, 22), (self._shell, 18), (self._person, 20), (self._read, 3), (self._parallel, 7),
            (self._nested, 4), (self._turn, 6), (self._topic, 10), (self._elsewhere, 2), (self._odd, 3),
        )  # fmt: skip
        self.rng.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])[0]()

    def _session(self) -> Session:
        return self.rng.choice(self.sessions)

    def _place(self, session: Session) -> Tree:
        """Mostly the session's own worktree."""
        return self.rng.choice(self.world.trees) if self.rng.random() < 0.1 else session.tree

    def _open(
        self,
        session: Session,
        tools: tuple[str, ...],
        tree: Tree,
        path: str | None = None,
        agent: str | None = None,
        lost: bool = False,
    ) -> Call:
        self._calls += 1
        given = {"command": "make it so"} if path is None else {}
        return session.open(self.rng.choice(tools), tree, path, agent=agent, lost=lost, **given)

    def _author(self, call: Call) -> Author:
        return Author("call", call.id)

    def _target(self, tree: Tree, avoid: set[str]) -> str | None:
        """A file to write, old or new, that is not in ``avoid``. No agent can name a file that is not UTF-8."""
        files = [path for path in self.world.files(tree) if path not in avoid and named(path)]
        if not files or self.rng.random() < 0.25:
            name = self.world.free_name(tree)
            if name is not None and name not in avoid and named(name):
                return name
        return self.rng.choice(files) if files else None

    def _write(self, call: Call) -> None:
        path = str(call.path)
        if (call.tree.root / path).is_file():
            actions.edit_path(self.world, call.tree, self._author(call), path)
        else:
            self.world.write(self._author(call), call.tree, path, actions.fresh(self.world))

    def _close(self, session: Session, call: Call, lost: bool = False) -> None:
        session.close(call, failed=self.rng.random() < 0.1, lost=lost, told=self.rng.random() < 0.85)

    def _declared(self) -> None:
        session = self._session()
        tree = self._place(session)
        path = self._target(tree, set())
        if path is None:
            return
        call = self._open(session, DECLARED, tree, path)
        others = [other for other in self.world.files(tree) if other != path]
        if others and self.rng.random() < 0.12:
            actions.edit_path(self.world, tree, OUTSIDE, self.rng.choice(others))
        self._write(call)
        if self.rng.random() < 0.06 and self.world.born(tree):
            self.world.commit(tree)  # a person, meanwhile
        if self.rng.random() < 0.05:
            self.ingest(self._session())
        self._close(session, call)

    def _work(self, tree: Tree, author: Author, git: float) -> None:
        world = self.world
        for _ in range(self.rng.choice((1, 1, 2, 3))):
            table = actions.GIT_ACTIONS if self.rng.random() < git else actions.FILE_ACTIONS
            action = actions.choose(world, table)
            if action in (actions.revert, actions.revert_twice, actions.stash_pop) and not world.clean(tree):
                world.commit(tree)
                world.clock.tick()
            if table is actions.FILE_ACTIONS or world.born(tree):
                world.note(f"{author}: {action.__name__} in {tree.root.name}")
                action(world, tree, author)
            else:
                actions.commit_all(world, tree, author)
            world.clock.tick()

    def _shell(self) -> None:
        session = self._session()
        tree = self._place(session)
        call = self._open(session, ANYTHING, tree)
        self._work(tree, self._author(call), git=0.35)
        self._close(session, call)

    def _person(self) -> None:
        self._gap(self.rng.choice(self.world.trees))

    def _gap(self, tree: Tree) -> None:
        self._work(tree, OUTSIDE, git=0.55)
        self.world.clock.tick()

    def _read(self) -> None:
        session = self._session()
        tree = self._place(session)
        call = self._open(session, READERS, tree)
        if self.rng.random() < 0.5:
            actions.edit(self.world, tree, OUTSIDE)
        self._close(session, call)

    def _parallel(self, agent: str | None = None) -> None:
        """Calls that overlap: on different files, and perhaps a shell command on yet another."""
        session, used = self._session(), set[str]()
        tree = session.tree
        calls: list[Call] = []
        for _ in range(self.rng.randint(2, 3)):
            path = self._target(tree, used)
            if path is None:
                continue
            used.add(path)
            who = self._session() if agent is None and self.rng.random() < 0.3 else session
            calls.append(self._open(who if who.tree is tree else session, DECLARED, tree, path, agent))
        if calls and self.rng.random() < 0.4:
            path = self._target(tree, used)
            if path is not None:
                call = self._open(session, ("Bash",), tree, None, agent)
                call.path = path
                calls.append(call)
        for call in self.rng.sample(calls, len(calls)):
            self._write(call)
            self.world.clock.tick(hurry=True)
            if self.rng.random() < 0.5:
                self._finish(calls, call)
        for call in self.rng.sample(calls, len(calls)):
            if call.id not in self._of(call).post:
                self._finish(calls, call)

    def _of(self, call: Call) -> Session:
        return next(session for session in self.sessions if call.id in session.pre)

    def _finish(self, calls: list[Call], call: Call) -> None:
        shell = call.tool == "Bash"
        self._of(call).close(call, told=not shell and self.rng.random() < 0.85)

    def _nested(self) -> None:
        """A subagent: its calls lie in the window of the call that started it."""
        session = self._session()
        tree = session.tree
        outer = self._open(session, ("Agent", "Task"), tree)
        agent = f"agent{outer.step}"
        for _ in range(self.rng.randint(1, 3)):
            chance = self.rng.random()
            path = self._target(tree, set())
            if path is None:
                continue
            if chance < 0.4:
                call = self._open(session, DECLARED, tree, path, agent)
                self._write(call)
            else:
                call = self._open(session, ("Bash",), tree, None, agent)
                self._work(tree, self._author(call), git=0.2)
            self._close(session, call)
            if self.rng.random() < 0.2:
                actions.edit(self.world, tree, OUTSIDE)  # a subagent's own call writes nothing
        self._close(session, outer)

    def _turn(self) -> None:
        session = self._session()
        session.stop()
        if self.rng.random() < 0.5:
            self.ingest(session)
            self.look(session.tree)
        if self.rng.random() < 0.5:
            self._gap(session.tree)
        session.prompt()

    def _by(self, tree: Tree, what: Callable[[Author], None]) -> None:
        """Let a person do it, or a shell command of the agent."""
        sessions = [session for session in self.sessions if session.tree is tree]
        if sessions and self.rng.random() < 0.4:
            session = self.rng.choice(sessions)
            call = self._open(session, ("Bash",), tree)
            what(self._author(call))
            self._close(session, call)
        else:
            what(OUTSIDE)
            self.world.clock.tick()

    def _topic(self) -> None:
        """Work on a branch, work on the branch it left meanwhile, then bring them together."""
        world, rng, session = self.world, self.rng, self._session()
        tree = session.tree
        if not world.born(tree):
            return
        home = world.branch(tree)
        names: list[str] = []
        self._by(tree, lambda _author: names.append(branches.start_topic(world, tree) or ""))
        if not home or not names[0]:
            return
        for _ in range(rng.randint(1, 3)):
            rng.choice((self._declared_in, self._shell_in, self._person_in))(session, tree)
            self._by(
                tree,
                lambda author: (
                    actions.choose(world, ((actions.commit_all, 4), (actions.commit_partial, 1)))(world, tree, author)
                    and None
                ),
            )
        back: list[bool] = []
        self._by(tree, lambda _author: back.append(branches.go_back(world, tree, home)))
        if not back[0]:
            return
        for _ in range(rng.choice((0, 1, 1, 2))):
            rng.choice((self._declared_in, self._person_in))(session, tree)
        self._by(tree, lambda _author: world.commit(tree) and None)
        way = rng.choice(branches.WAYS)
        self._by(tree, lambda author: branches.bring_in(world, tree, author, names[0], home, way))

    def _declared_in(self, session: Session, tree: Tree) -> None:
        path = self._target(tree, set())
        if path is not None:
            call = self._open(session, DECLARED, tree, path)
            self._write(call)
            self._close(session, call)

    def _shell_in(self, session: Session, tree: Tree) -> None:
        call = self._open(session, ("Bash",), tree)
        actions.choose(self.world, actions.FILE_ACTIONS)(self.world, tree, self._author(call))
        self._close(session, call)

    def _person_in(self, _session: Session, tree: Tree) -> None:
        actions.choose(self.world, actions.FILE_ACTIONS)(self.world, tree, OUTSIDE)
        self.world.clock.tick()

    def _elsewhere(self) -> None:
        world, tree = self.world, self.world.main
        if not world.born(tree) or world.branch(tree) != "main":
            return
        branches.commit_elsewhere(world)
        self._by(tree, lambda _author: self._pull(tree))

    def _pull(self, tree: Tree) -> None:
        self.world.commit(tree)
        self.world.clock.tick()
        branches.pull(self.world, tree)

    def _odd(self) -> None:
        """What goes wrong in real life: calls that never end, tree ids that could not be had."""
        session = self._session()
        tree, chance = session.tree, self.rng.random()
        if chance > 0.85:
            self._background(session)
            return
        lost = chance < 0.25
        call = self._open(session, ("Bash",), tree, lost=lost)
        self._work(tree, self._author(call), git=0.1)
        if lost:
            self._close(session, call)
        elif chance < 0.5:
            self._close(session, call, lost=True)
        else:
            self.recorder.blur(tree)
            session.forget(call)
            if chance < 0.75:
                session.stop()
                session.prompt()

    def _background(self, session: Session) -> None:
        """A command that goes on when its call is over."""
        self._calls += 1
        call = session.open("Bash", session.tree, command="make it so &", run_in_background=True)
        session.close(call)
        self.recorder.blur(session.tree)
        actions.edit(self.world, session.tree, self._author(call))
        self.world.clock.tick()


__all__ = ["ELSEWHERE", "Player"]
