"""scripts/bench.sh calls this; see `--help`."""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from . import cells, kept, machine, report, runs


@dataclass
class Settings:
    """How the cells are run."""

    fanload: Path
    work: Path
    seconds: float
    warmup: float
    rounds: int
    say: object


def main():
    options = parse()
    if options.list:
        for cell in cells.ALL:
            print(f"{cell.name:28} {cell.group:10} {cell.title}")
        return 0
    work = Path(options.work)
    if not options.report:
        measure_all(options, work)
    out = Path(options.out)
    records, about = kept.load(work) or report.read(out)
    if not records:
        raise SystemExit(f"bench: there are no runs in {work}; run scripts/bench.sh --quick first")
    missed = report.write(records, about, out)
    print(f"bench: wrote {out}/BENCHMARKS.md, README.md, and plots and every run in {out}/bench")
    for line in missed:
        print(f"bench: missed: {line}")
    return 1 if missed and options.strict else 0


def parse():
    parser = argparse.ArgumentParser(
        prog="scripts/bench.sh",
        description="Measures Fanring beside its peers, and writes docs/BENCHMARKS.md and the figure in README.md.",
        epilog="Every run is kept in --work; what is there already, of the same commit, is not run again, so an interrupted "
        "comparison goes on where it was. Exit codes: 0 done, 1 a bar was missed and --strict given, or it can't be run.",
    )
    add = parser.add_argument
    add("cells", nargs="*", help="names or groups of cells (see --list); all of them without")
    add("--quick", action="store_true", help="the main cells and the leading servers, 3 runs: about 10 minutes")
    add("--servers", metavar="A,B", help="only these servers")
    add("--runs", type=int, help="interleaved runs of each cell (default 5, and 15 of the small rooms; 3 with --quick)")
    add("--seconds", type=float, help="measured seconds of a run, where the cell does not say (default 2; 1.5 with --quick)")
    add("--resume", action="store_true", help="count the runs of the report in --out as made, to go on in another checkout")
    add("--fresh", action="store_true", help="forget the runs that are there")
    add("--report", action="store_true", help="measure nothing: write the report from the runs in --work, or from those of the report in --out")
    add("--strict", action="store_true", help="exit with 1 when a bar is missed")
    add("--list", action="store_true", help="list the cells and end")
    add("--out", default="docs", help="folder for the report (default docs)")
    add("--work", default=f"{os.environ.get('CARGO_TARGET_DIR', 'target')}/bench", help="folder for the runs (default target/bench)")
    return parser.parse_args()


def measure_all(options, work):
    """Runs what is missing."""
    chosen = cells.select(options.cells, options.quick)
    settings = Settings(
        fanload=Path(os.environ.get("CARGO_TARGET_DIR", "target")) / "release/fanload",
        work=work,
        seconds=options.seconds or (1.5 if options.quick else 2.0),
        warmup=0.5,
        rounds=30,
        say=lambda text: print(f"bench:   {text}", flush=True),
    )
    if os.cpu_count() < 2:
        raise SystemExit("bench: two processors are needed, one for the server and one for the client")
    work.mkdir(parents=True, exist_ok=True)
    if options.fresh:
        for path in work.glob("*.json"):
            path.unlink()
    available, about = set_up(chosen, options)
    if options.resume:
        records, before = report.read(Path(options.out))
        kept.take_over(work, records)
        for what in ("versions", "servers"):
            about[what] = before.get(what, {}) | about[what]
    (work / "about.json").write_text(json.dumps(about, indent=1))
    origin = kept.origin_of(about)
    plan = [
        (cell, run, server)
        for cell in chosen
        for run in range(1, runs_of(cell, options) + 1)
        for server in runs.in_turn([name for name in cell.servers if name in available], run)
    ]
    todo = [item for item in plan if not kept.is_there(work, item[0].name, *item[1:], origin["commit"])]
    print(f"bench: {len(todo)} runs of {len(chosen)} cells to make, {len(plan) - len(todo)} are there", flush=True)
    started = time.monotonic()
    for done, (cell, run, server) in enumerate(todo):
        if cell.steered and not machine.can_steer():
            settings.say(f"{cell.name} is left out: {machine.STEERING} can't be written")
            continue
        try:
            record = runs.measure(cell, server, settings)
        except runs.CannotRun as error:
            record = {"cell": cell.name, "server": server, "exit_code": -1, "said": str(error)}
        kept.write(work, record | {"run": run, "origin": origin})
        left = (time.monotonic() - started) / (done + 1) * (len(todo) - done - 1)
        print(f"bench: {cell.name} {server} {run}/{runs_of(cell, options)}: {report.one_line(record)}; {left / 60:.0f} min left", flush=True)


def runs_of(cell, options):
    """How many runs of a cell are made: as many as of all others, as far as neither it nor the user says otherwise."""
    count = options.runs or (3 if options.quick else max(5, cell.runs_min))
    return min(count, cell.runs_max)


def set_up(chosen, options):
    """Installs and builds the servers; those that can be run, and what is to be said of machine and versions."""
    wanted = sorted({name for cell in chosen for name in cell.servers})
    if options.quick and not options.servers:
        wanted = [name for name in wanted if name in cells.QUICK_SERVERS]
    if options.servers:
        only = options.servers.split(",")
        unknown = [name for name in only if name not in cells.SERVERS]
        if unknown:
            raise SystemExit(f"bench: there is no server called {unknown[0]}; there are {', '.join(cells.SERVERS)}")
        wanted = [name for name in wanted if name in only]
    said = subprocess.run([runs.PEER, "setup", *wanted], stdout=subprocess.PIPE, text=True, check=True).stdout
    versions, missing = {}, {}
    for line in said.splitlines():
        name, state, rest = (line.split(" ", 2) + [""])[:3]
        (versions if state == "ok" else missing)[name] = rest
    for name, why in missing.items():
        print(f"bench: {name} can't run here: {why}", file=sys.stderr)
    abouts = {name: runs.peer("about", name) for name in versions}
    return set(versions), {"machine": machine.describe(), "versions": versions, "missing": missing, "servers": abouts}


if __name__ == "__main__":
    sys.exit(main())
