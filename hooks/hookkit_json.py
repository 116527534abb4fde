"""Read and write JSON without the json package: importing that costs more time than all else a hook does in Python.

json's own C core (`_json`) does the work. Where an interpreter has none, or another one, the json package takes over.
"""

try:
    import _json

    class _Settings:
        """What json.JSONDecoder(strict=False) tells the C scanner; NaN and Infinity are no JSON and read as null."""

        strict = False
        object_hook = None
        object_pairs_hook = None
        parse_float = float
        parse_int = int
        memo = None

        @staticmethod
        def parse_constant(_name: str) -> None:
            return None

    _scan = _json.make_scanner(_Settings)  # type: ignore[arg-type]
    _strings = {False: _json.encode_basestring, True: _json.encode_basestring_ascii}

    def _encode(value: object, escape: bool, ordered: bool) -> str:
        encoder = _json.make_encoder(None, None, _strings[escape], None, ":", ",", ordered, False, False)  # type: ignore[arg-type]
        return "".join(encoder(value, 0))

    if (
        _scan('{"a": [1, "b"]}', 0) != ({"a": [1, "b"]}, 15)
        or _encode({"b": [1], "a": 0}, False, True) != '{"a":0,"b":[1]}'
    ):
        raise ImportError
except (ImportError, AttributeError, TypeError, ValueError, StopIteration):
    _json = None  # type: ignore[assignment]

_SPACE = " \t\n\r"


def loads(text: str) -> object:
    """The value that the JSON text holds. ValueError when it is none, or too deep; control characters may pass."""
    try:
        if _json is None:
            import json

            return json.loads(text, strict=False, parse_constant=lambda _name: None)
        text = text.strip(_SPACE)
        value, end = _scan(text, 0)
    except (StopIteration, RecursionError, SystemError):  # SystemError: the C core found no json.decoder to raise from
        raise ValueError("not JSON, or too deep") from None
    if end != len(text):
        raise ValueError("more than one value")
    return value


def string_at(text: str) -> str | None:
    """The JSON string that `text` begins with, or None."""
    if not text.startswith('"'):
        return None
    end = 1
    while end < len(text) and text[end] != '"':
        end += 2 if text[end] == "\\" else 1
    try:
        return loads(text[: end + 1])  # type: ignore[return-value]
    except ValueError:
        return None


def dumps(value: object, escape: bool = False, ordered: bool = False) -> str:
    """Compact JSON. ValueError for NaN and Infinity. `escape` writes ASCII only; `ordered` sorts the keys."""
    if _json is None:
        import json

        return json.dumps(value, ensure_ascii=escape, separators=(",", ":"), allow_nan=False, sort_keys=ordered)
    return _encode(value, escape, ordered)


def decode(raw: bytes) -> str:
    """The text of JSON bytes: UTF-8, UTF-16 or UTF-32, with or without a byte order mark (RFC 4627, section 3)."""
    start = raw[:4]
    if start[:3] == b"\xef\xbb\xbf":
        name = "utf-8-sig"
    elif start in (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff"):
        name = "utf-32"
    elif start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        name = "utf-16"
    else:
        # The first two characters of a JSON text are ASCII, so where the zero bytes are tells the width and the order.
        zeros = tuple(byte == 0 for byte in start)
        name = _BY_ZEROS.get(zeros) or _BY_ZEROS.get(zeros[:2]) or "utf-8"
    return raw.decode(name, "replace")


_BY_ZEROS = {
    (True, True, True, False): "utf-32-be",
    (False, True, True, True): "utf-32-le",
    (True, False): "utf-16-be",
    (False, True): "utf-16-le",
}
