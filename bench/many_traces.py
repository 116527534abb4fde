"""Fill a store with copies of one small session. usage: python -m bench.many_traces HOME COUNT"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from datetime import datetime, timedelta
from pathlib import Path

from bench import sessions


def fill(home: Path, count: int) -> None:
    """``count`` traces under ``home``, indexed."""
    transcript = sessions.write(home / "projects" / "bench" / f"{sessions.SESSION}.jsonl", 40, home)
    env = dict(os.environ) | {"HOOKKIT_HOME": str(home)}

    def hookkit(*arguments: str) -> None:
        subprocess.run([sys.executable, "-m", "hookkit", *arguments], env=env, check=True, stdout=subprocess.DEVNULL)

    hookkit("ingest", str(transcript))
    (original,) = (home / "traces").glob("*.json")
    record = json.loads(original.read_bytes())
    start = datetime.fromisoformat(record["timestamp_start"])
    for number in range(count - 1):
        session = str(uuid.UUID(int=number))
        record |= {"trace_id": str(uuid.uuid5(uuid.NAMESPACE_OID, session)), "session_id": session}
        record["timestamp_end"] = (start + timedelta(minutes=number)).isoformat()
        (home / "traces" / f"{record['trace_id']}.json").write_text(json.dumps(record), encoding="utf-8")
    hookkit("list", "--json")


if __name__ == "__main__":
    fill(Path(sys.argv[1]).absolute(), int(sys.argv[2]))
