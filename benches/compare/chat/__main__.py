"""scripts/chat-bench.sh calls this; see `--help`."""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from .. import kept, machine, report, runs
from . import cells, drive, tables

KEPT = Path("docs/bench/chat.json")


def main():
    options = parse()
    if options.list:
        for cell in cells.ALL:
            print(f"{cell.name:20} {cell.kind:12} {cell.title}")
        return
    work = Path(options.work)
    if not options.report:
        measure_all(options, work)
    records, about = kept.in_folder(work) or kept.read_report(KEPT)
    if not records:
        raise SystemExit(f"chat-bench: there are no runs in {work}; run scripts/chat-bench.sh first")
    write(records, about)
    print(tables.bars(tables.Runs(records)))
    print(f"chat-bench: wrote {report.PAGE} and every run into {KEPT}")


def parse():
    parser = argparse.ArgumentParser(prog="scripts/chat-bench.sh", description="Measures the chat backend beside Centrifugo, and writes its section of docs/BENCHMARKS.md.")
    add = parser.add_argument
    add("cells", nargs="*", help="names or kinds of cells (see --list); all of them without")
    add("--runs", type=int, default=tables.PAIRS_MIN, help=f"interleaved runs of each cell (default {tables.PAIRS_MIN})")
    add("--seconds", type=float, default=2.0, help="measured seconds of a run (default 2)")
    add("--before", type=Path, metavar="FILE", help="another build of fanring, for the cell of plain rooms")
    add("--report", action="store_true", help="measure nothing: write the section from the runs in --work, or from those that are kept")
    add("--list", action="store_true", help="list the cells and end")
    add("--work", default=f"{os.environ.get('CARGO_TARGET_DIR', 'target')}/bench-chat", help="folder for the runs, which are not made again (default target/bench-chat)")
    return parser.parse_args()


def measure_all(options, work):
    """Makes the runs that are not there."""
    work.mkdir(parents=True, exist_ok=True)
    programs = drive.Programs(os.environ.get("CARGO_TARGET_DIR", "target"), options.before, options.seconds)
    (work / "about.json").write_text(json.dumps(describe(programs), indent=1))
    todo = [
        (cell, run, name)
        for cell in cells.select(options.cells)
        for run in range(1, options.runs + 1)
        for name in runs.in_turn(servers(cell, programs), run)
        if not kept.file_of(work, cell.name, run, name).exists()
    ]
    started = time.monotonic()
    for done, (cell, run, name) in enumerate(todo, 1):
        record = drive.measure(cell, name, programs, work, lambda text: print(f"chat-bench:   {text}", flush=True)) | {"run": run}
        kept.write(work, record)
        left = (time.monotonic() - started) / done * (len(todo) - done) / 60
        said = ", ".join(f"{figure} {value:,.2f}" for figure, value in record.items() if figure in tables.FIGURES)
        print(f"chat-bench: {cell.name} {name} {run}/{options.runs}: {said}; {left:.0f} min left", flush=True)


def servers(cell, programs):
    """Those of a cell that are there; the one from before a change only is if it was named."""
    return [name for name in cell.servers if name != "before" or programs.before]


def describe(programs):
    """Machine and versions."""
    version = subprocess.run([programs.centrifugo, "version"], capture_output=True, text=True, check=True).stdout.strip()
    return machine.describe() | {"Centrifugo": version.splitlines()[0]}


def write(records, about):
    """The page's section, and the runs behind it."""
    report.PAGE.write_text(report.fill(report.PAGE.read_text(), tables.parts(records, about)))
    kept.write_report(KEPT, records, about)


if __name__ == "__main__":
    sys.exit(main())
