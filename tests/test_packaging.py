"""The wheel holds every module and every data file, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = {
    "hookkit": "src/hookkit",
    "hookkit/hooks": "hooks",
    "hookkit/installer": "installer",
    "hookkit/schemas": "schemas",
}
PACKED = {".py", ".json", ".typed", ".ts", ".js", ".md", ".css", ".html", ".svg"}


def test_every_package_is_listed_in_pyproject() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    on_disk = {"hookkit.hooks", "hookkit.schemas"}  # data, no __init__.py
    for package, folder in ROOMS.items():
        for init in (ROOT / folder).rglob("__init__.py"):
            relative = init.parent.relative_to(ROOT / folder).parts
            on_disk.add(".".join((*package.split("/"), *relative)))
    assert set(listed) == on_disk


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    copy = tmp_path_factory.mktemp("source") / "hookkit"
    ignore = shutil.ignore_patterns("__pycache__", ".*", "build", "dist", "*.egg-info", "tests")
    shutil.copytree(ROOT, copy, ignore=ignore)
    out = tmp_path_factory.mktemp("wheel")
    code = f"from setuptools import build_meta; print(build_meta.build_wheel({str(out)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return zipfile.ZipFile(next(out.glob("*.whl")))


def test_the_wheel_holds_exactly_the_files_of_the_rooms(wheel: zipfile.ZipFile) -> None:
    expected = set()
    for package, folder in ROOMS.items():
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and path.suffix in PACKED and "__pycache__" not in path.parts:
                expected.add(f"{package}/{path.relative_to(ROOT / folder).as_posix()}")
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == expected


def test_the_wheel_installs_one_command(wheel: zipfile.ZipFile) -> None:
    entry = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert wheel.read(entry).decode().split() == ["[console_scripts]", "hookkit", "=", "hookkit.cli:main"]
