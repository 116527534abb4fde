"""`hookkit show --tree`: a session, or the file of a pipeline, as a tree of phases."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from hookkit.cli import pager

if TYPE_CHECKING:
    from hookkit.store.node import Node


def is_file(ref: str) -> bool:
    """Whether a reference is a path: of a node file, or a folder of such."""
    from hookkit.store.refs import is_last

    is_path = ref.endswith(".json") or (os.sep in ref and "://" not in ref)
    return is_path or (os.path.isdir(ref) and not is_last(ref))


def read(path: str) -> Node:
    """The tree in a file, or the newest in a folder."""
    from hookkit.store.node import read_file, read_latest

    return read_latest(path) if os.path.isdir(path) else read_file(path)


def show(node: Node, as_json: bool, marks: tuple[str, str] = ("", "")) -> int:
    """Print a tree. marks: of its costs, see ``views.cost``."""
    if as_json:
        click.echo(node.to_json())
        return 0
    from hookkit.views.tree import render

    pager.show(render(node, marks=marks))
    return 0
