"""Edits ``config.toml``: comments, order and layout of the file stay."""

from __future__ import annotations

from typing import Any

from hookkit import config, paths
from hookkit.errors import HookkitError
from hookkit.store.files import replace_file


def put(name: str, value: str | int | bool) -> None:
    """Set a known setting to a value of its kind."""
    import tomlkit

    document = _document()
    *section, key = name.split(".")
    place: Any = document
    for part in section:
        if part not in place:
            place[part] = tomlkit.table()
        place = place[part]
        if not hasattr(place, "items"):
            raise _not_a_section(part)
    place[key] = value
    _write(tomlkit.dumps(document))


def drop(name: str) -> bool:
    """Take a setting out of the file, and its section if nothing is left in it; whether it was there."""
    import tomlkit

    document = _document()
    section, _, key = name.rpartition(".")
    place: Any = document.get(section) if section else document
    if not hasattr(place, "items") or key not in place:
        return False
    del place[key]
    if section and not tomlkit.dumps(place).strip():
        del document[section]
    _write(tomlkit.dumps(document))
    return True


def _document() -> Any:
    import tomlkit

    config.load()  # says what is wrong with the file, and where
    try:
        return tomlkit.parse(config.path().read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return tomlkit.document()


def _write(text: str) -> None:
    target = config.path().resolve()  # people keep such files elsewhere, and a link to them here
    try:
        paths.private_dir(target.parent)
        replace_file(target, [text.encode()])
    except OSError as error:
        raise HookkitError(
            "CONFIG_NOT_WRITABLE", f"{target} cannot be written: {error.strerror}.", "Make its folder writable for you."
        ) from error


def _not_a_section(name: str) -> HookkitError:
    return HookkitError(
        "BROKEN_CONFIG", f"{name!r} in {config.path()} is no section.", f"Make it [{name}], with the settings below it."
    )
