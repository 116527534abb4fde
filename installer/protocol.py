"""What every installer is to the commands, whether it edits an agent's settings or puts files into a folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Protocol

from hookkit.installer.result import HookInstallResult, Preview


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. hint: what to do next; empty where nothing is to be done."""

    name: str
    status: Literal["ok", "warning", "failed"]
    message: str
    hint: str = ""

    def to_dict(self) -> dict[str, str]:
        """The JSON form (schemas/doctor-report.schema.json)."""
        return asdict(self)


class Installer(Protocol):
    """plan, install, remove and status are those of the capture contract; the rest is for people.

    title: what is wired, as people call it. subject: what is put there; unit: what is counted of it.
    """

    installer_name: str
    title: str
    subject: str
    unit: str

    @property
    def place(self) -> Path:
        """The settings file, or the folder, that it changes, as it was named."""
        ...

    def is_present(self) -> bool:
        """Whether there is anything of ours, or was by our records."""
        ...

    def plan(self) -> list[dict[str, object]]: ...

    def preview_install(self) -> Preview: ...

    def preview_remove(self) -> Preview: ...

    def install(self) -> HookInstallResult: ...

    def remove(self) -> HookInstallResult: ...

    def status(self) -> dict[str, object]: ...

    def details(self, result: HookInstallResult) -> Iterator[str]:
        """What else to say of an install that changed something, a line each."""
        ...

    def next_step(self, result: HookInstallResult) -> str:
        """What to do after an install."""
        ...

    def left_alone(self, done: Sequence[Path]) -> Iterator[tuple[Path, str]]:
        """Places with hooks of ours that a remove without a name does not touch, and what to type. done: removed."""
        ...
