"""goldsmith measured side by side with what it is compared to: `make bench`.

    python benchmarks/run.py [--only NAME ...] [--seconds N] [--json FILE]

Prints a table for every benchmark and, at the end, one line for every figure that has a goal. Absolute numbers
depend on the machine; what counts are the ratios, which come from alternating runs on the same machine.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import os
import platform
import signal
import sys
import time
import traceback
from pathlib import Path

from harness import Result, table

BENCHMARKS = (
    "creates", "policed", "memory", "decisions", "policies", "reads", "claims", "engines", "starts", "takeovers",
    "pushes", "boots",
)  # fmt: skip


def main() -> None:
    """Run what was asked for. A goal that was missed is printed, and is no error: another run may meet it.

    A benchmark that could not be run is one; the others are run all the same.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=BENCHMARKS, help="run this one; may be repeated")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one turn of `creates` and `policed`")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that no server is left behind
    print(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} CPUs, load {os.getloadavg()}")
    results: list[Result] = []
    failed: list[str] = []
    for name in asked.only or BENCHMARKS:
        started = time.perf_counter()
        try:
            results.append(importlib.import_module(name).measure(asked.seconds))
        except Exception:
            traceback.print_exc()
            failed.append(name)
        print(f"  ({name}: {time.perf_counter() - started:.0f} s, load now {os.getloadavg()[0]:.1f})", flush=True)
    goals = [ratio.row() for result in results for ratio in result.ratios]
    table("Figures with a goal", ["", "measured", "goal", ""], goals)
    if asked.json is not None:
        found = [dataclasses.asdict(result) for result in results]
        asked.json.write_text(json.dumps({"machine": platform.platform(), "results": found}, indent=1) + "\n")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
