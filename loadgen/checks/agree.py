#!/usr/bin/env python3
"""Compares a run of fanload with one of the naive client on the same server.

    agree.py FANLOAD.JSON NAIVE.JSON [--delay-ms N]

Counts must be the same. Medians may differ by what a Python client needs for itself; with a server that waits
N milliseconds both must have waited as long. Exits with 3 when nothing but medians differ, as they do on a busy machine.
"""

import argparse
import json
import pathlib
import sys

# A coroutine for each session takes its time: a few milliseconds on a busy machine.
NAIVE_MS_MAX = 8


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("fanload", type=pathlib.Path)
    parser.add_argument("naive", type=pathlib.Path)
    parser.add_argument("--delay-ms", type=float, default=0)
    args = parser.parse_args()
    run, naive = json.loads(args.fanload.read_text()), json.loads(args.naive.read_text())
    latency, window = run["latency"], run["window"]
    wrong, late = [], []
    for what, ours, theirs in [
        ("deliveries", latency["delivery_ns"]["count"], naive["delivered"]),
        ("complete messages", window["completed"], naive["complete"]),
        ("disorder", run["counts"]["reordered"], naive["disorder"]),
    ]:
        print(f"{what:20}{ours:10}{theirs:10}")
        if ours != theirs:
            wrong.append(what)
    for what, ours, theirs in [
        ("delivery p50, ms", latency["delivery_ns"]["p50"] / 1e6, naive["delivery_p50"]),
        ("completion p50, ms", latency["completion_ns"]["p50"] / 1e6, naive["completion_p50"]),
        ("completion p90, ms", latency["completion_ns"]["p90"] / 1e6, naive["completion_p90"]),
    ]:
        print(f"{what:20}{ours:10.2f}{theirs:10.2f}")
        # The tail is that of the machine; it is shown and not judged.
        if min(ours, theirs) < args.delay_ms:
            wrong.append(what)
        elif abs(ours - theirs) > NAIVE_MS_MAX and "p50" in what:
            late.append(what)
    if wrong or late:
        print(f"fanload and the naive client differ in {', '.join(wrong + late)}", file=sys.stderr)
        sys.exit(1 if wrong else 3)


main()
