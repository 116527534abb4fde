from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.trails.fuzz.scene import Scene, scene

OLD = b"".join(b"line %d was there before anything was recorded\n" % number for number in range(6))


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Scene]:
    """A repository with one commit, and the recorder watching."""
    with scene(tmp_path) as found:
        found.write("a.txt", OLD)
        found.commit()
        found.start()
        yield found
