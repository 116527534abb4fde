from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hookkit.store.files import replace_file


def test_file_is_the_users_alone_and_complete(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    found = replace_file(path, [b"one ", b"two"])
    assert path.read_bytes() == b"one two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert (found.st_size, found.st_mtime_ns) == (7, path.stat().st_mtime_ns)
    assert list(tmp_path.iterdir()) == [path]


def test_failure_in_the_middle_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    replace_file(path, [b"old"])

    def failing() -> Iterator[bytes]:
        yield b"new"
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        replace_file(path, failing())
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_remains_of_a_killed_writer_go_with_the_next_success(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    (tmp_path / ".a.json.999.tmp").write_bytes(b"half")
    (tmp_path / ".b.json.999.tmp").write_bytes(b"another's")
    replace_file(path, [b"new"])
    assert sorted(item.name for item in tmp_path.iterdir()) == [".b.json.999.tmp", "a.json"]
