"""Draw docs/demo.svg: the session of `hookkit demo` as it is really shown. usage: python docs/picture.py"""

from __future__ import annotations

import re
import subprocess
import sys
from html import escape
from pathlib import Path

_LINE, _CHARACTER, _MARGIN = 18, 7.8, 20
_COLOURS = (
    (re.compile(r"(\[[0-9a-f.]+\])"), "#7dcfff"),
    (re.compile(r"(byte for byte as they were|\bok\b)"), "#9ece6a"),
    (re.compile(r"(failed|Exit code 1|error)"), "#f7768e"),
    (re.compile(r"(hookkit [a-z]+(?: last| stats.py)?)"), "#e0af68"),
)


def draw(lines: list[str]) -> str:
    """An SVG of the lines, in a monospaced font."""
    width = int(max(len(line) for line in lines) * _CHARACTER) + 2 * _MARGIN
    height = len(lines) * _LINE + 2 * _MARGIN
    rows = [
        f'<text x="{_MARGIN}" y="{_MARGIN + (number + 1) * _LINE - 5}" xml:space="preserve">{_coloured(line)}</text>'
        for number, line in enumerate(lines)
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img" '
            'aria-label="Output of hookkit demo">',
            f'<rect width="{width}" height="{height}" rx="8" fill="#1a1b26"/>',
            '<g font-family="ui-monospace, Menlo, Consolas, monospace" font-size="13" fill="#c0caf5">',
            *rows,
            "</g>",
            "</svg>",
            "",
        ]
    )


def _coloured(line: str) -> str:
    text = escape(line)
    for pattern, colour in _COLOURS:
        text = pattern.sub(rf'<tspan fill="{colour}">\1</tspan>', text, count=1)
    return text


def main() -> None:
    demo = subprocess.run([sys.executable, "-m", "hookkit", "demo"], capture_output=True, text=True, check=True)
    said = re.sub(r"/\S*/hookkit-demo-[^/]+/", "/home/dev/", demo.stdout).rstrip()
    _, command, shown = said.partition("hookkit show last\n")
    Path(__file__).with_name("demo.svg").write_text(draw([f"$ {command}", *shown.splitlines()[1:]]), encoding="utf-8")


if __name__ == "__main__":
    main()
