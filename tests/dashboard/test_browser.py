"""The pages in a real browser: Chromium, driven by playwright-core through node.

HOOKKIT_BROWSER names the browser, else it is /usr/bin/chromium; HOOKKIT_PICTURES a folder for pictures of the pages.
playwright-core is installed once, from npm, into a folder of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.cli.recorded import Session
from tests.exporters.sessions import hostile

from .events import event, request, sent
from .made import put
from .process import serving

pytestmark = [pytest.mark.browser, pytest.mark.long]

# Read before fixtures take what is hookkit's out of the environment.
_NAMED, _PICTURES = os.environ.get("HOOKKIT_BROWSER"), os.environ.get("HOOKKIT_PICTURES", "")
_CHROMIUM = Path("/usr/bin/chromium")
_VERSION = "1.65.1"


@pytest.fixture(scope="module")
def browser() -> str:
    if _NAMED is None and not _CHROMIUM.exists():
        pytest.skip("There is no Chromium, and HOOKKIT_BROWSER names no browser.")
    return _NAMED or str(_CHROMIUM)


@pytest.fixture(scope="module")
def modules() -> Path:
    """A folder with playwright-core, kept for the next run."""
    folder = Path(tempfile.gettempdir()) / f"hookkit-playwright-{_VERSION}"
    if not (folder / "node_modules" / "playwright-core").is_dir():
        folder.mkdir(exist_ok=True)
        npm = shutil.which("npm")
        assert npm, "The test needs npm."
        arguments = ["install", "--no-audit", "--no-fund", "--prefix", str(folder), f"playwright-core@{_VERSION}"]
        done = subprocess.run([npm, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def seen(there: Session, browser: str, modules: Path, tmp_path: Path) -> dict[str, Any]:
    """What the browser saw."""
    other = put(hostile())
    start = f"/sessions/{there.trace_id}"
    paths = [
        "/", start, f"{start}/calls/toolu_06edit", f"{start}/changes", f"{start}/blame?path=app.py", f"{start}/numbers",
        "/tools", "/cost", "/cost?by=day", "/live", "/search?q=fetch", "/?q=absent", f"/sessions/{other}", "/nothing",
    ]  # fmt: skip
    events = [
        sent(event(1, "tool_result", tool_name="<img src=x onerror=alert(1)>", session="b-1")).decode(),
        sent(request(2, session="b-2")).decode(),
    ]
    with serving() as served:
        asked = {
            "address": served.address, "receiver": served.told["otlp_http"], "paths": paths, "browser": browser,
            "modules": str(modules), "events": events, "pictures": _PICTURES,
        }  # fmt: skip
        script = Path(__file__).with_name("browser.mjs")
        done = subprocess.run(
            ["node", str(script), json.dumps(asked)], capture_output=True, text=True, check=False, timeout=900
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        found["host"] = urlsplit(served.address).netloc
        assert served.stop() == (0, "")
    return found


def test_the_pages_work_in_a_browser(seen: dict[str, Any]) -> None:
    """One run of the browser, since it takes a while; everything that it saw is looked at."""
    assert [line for line in seen["console"] if "/nothing" not in line and "404" not in line] == []
    assert {urlsplit(url).netloc for url in seen["requests"]} == {seen["host"]}
    assert seen["wide"] == [], "pages that scroll sideways"

    steps = seen["steps"]
    assert steps["desktop paper"] != steps["dark paper"]
    assert steps["first"] == "Skip to the content"
    assert "Add retry to fetch" in steps["row"]
    assert steps["ring"] != "none"
    assert "Add retry to fetch" in steps["prompt"]
    assert "Exit code 1: 2 failed" in steps["error"]
    assert "app.py" in steps["call"]
    assert "import net" in steps["inside"]
    assert "Now move it" in steps["blame"]
    assert (steps["help"], steps["closed"]) == ("Keys", 0)
    assert steps["unreached"] == []
    assert steps["paused"] == 0
    assert "<img src=x onerror=alert(1)>" in steps["fed"]
    assert steps["arrived"] == 1
