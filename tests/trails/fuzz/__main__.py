"""python -m tests.trails.fuzz --seeds 0:5000 [--steps N] [--jobs N] [--log] [--keep FOLDER]

Plays seeds, prints every problem with its seed, and at the end how many answers were firm, and right. Exit code 1 when
an answer was wrong.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from .check import Report
from .run import GENERATOR, STEPS, run_seed, shrink


def one(seed: int, steps: int, keep: Path | None, log: bool, fates: bool) -> tuple[int, int, Report, str]:
    try:
        folder = keep / f"seed-{seed}" if keep else None
        report, player = run_seed(seed, steps=steps, keep=folder, with_fates=fates)
    except Exception as error:
        crashed = Report(Counter(crash=1), [f"crash: {type(error).__name__}: {error}\n{traceback.format_exc()}"])
        return seed, 0, crashed, ""
    return seed, len(player.sessions), report, "\n".join(player.world.log) if log else ""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.trails.fuzz", description=__doc__)
    parser.add_argument("--seeds", default="0:200", help="FIRST:END, or one seed")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--log", action="store_true", help="print what was played")
    parser.add_argument("--keep", type=Path, help="keep the repositories in this folder")
    parser.add_argument("--provisional", action="store_true", help="tell what was said provisionally, and what was")
    parser.add_argument("--fates", action="store_true", help="judge what became of the calls' lines, too")
    parser.add_argument("--shrink", metavar="KIND", help="leave out what one seed's problem of this kind does not need")
    parser.add_argument("--stop", type=int, default=0, help="stop after so many failing seeds")
    given = parser.parse_args()
    first, _, end = given.seeds.partition(":")
    seeds = range(int(first), int(end) if end else int(first) + 1)
    if given.shrink:
        skip = shrink(seeds.start, given.shrink, given.steps, given.fates)
        report, player = run_seed(seeds.start, steps=given.steps, skip=skip, keep=given.keep, with_fates=given.fates)
        print(*player.world.log, *report.problems, f"left out: {sorted(skip)}", sep="\n")
        return 1
    total, failed, sessions, started = Report(), [], 0, time.monotonic()
    work = partial(one, steps=given.steps, keep=given.keep, log=given.log, fates=given.fates)
    with ProcessPoolExecutor(given.jobs) as pool:
        for seed, played, report, log in pool.map(work, seeds) if given.jobs > 1 else map(work, seeds):
            sessions += played
            total.add(report)
            if log:
                print(log)
            if report.problems:
                failed.append(seed)
                print(f"seed {seed}: {len(report.problems)} problems", *report.problems[:12], sep="\n    ", flush=True)
            if given.stop and len(failed) >= given.stop:
                break
    spent = time.monotonic() - started
    print(f"generator {GENERATOR}, seeds {given.seeds}: {sessions} sessions in {spent:.0f} s")
    for verdict, count in sorted(total.counts.items()):
        print(f"  {verdict:32} {count}")
    for what, count in total.provisional.most_common() if given.provisional else ():
        print(f"  {count:6} {what}")
    print(f"{len(failed)} failing seeds: {' '.join(map(str, failed))}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
