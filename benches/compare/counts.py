"""What a message costs in echo and small rooms, counted instead of timed; scripts/counts.sh calls this.

Times of a shared machine can't tell a few percent apart, counts can. Instructions of user space come from Callgrind, at rates at
which each message is a turn of its own; what is there before the first message is taken out by the difference of two rates. What
the kernel is asked for comes from its tracepoints, in the cells of the comparison as they are, and so does the processor time
in the server's own code and in the kernel: samples of the processor's clock, which slow both by a third.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

from . import cells, runs, tables

SERVERS = ("fanring", "fanring-epoll", *cells.RELAYS, "uwebsockets")
# Under Callgrind: fanload's flags in place of a cell's, and the two rates. A message's instructions don't depend on the
# number of rooms.
SHAPES = {
    "small-echo": (cells.chat(16, 1) + cells.load("--path /echo --self-delivery"), (100, 400)),
    "small-pairs": (cells.chat(50, 2), (100, 400)),
    "small-tens": (cells.chat(10, 10), (50, 200)),
    "small-twenty": (cells.load("--subscribers 20"), (50, 150)),
}
EVENTS = {
    "system calls": "raw_syscalls:sys_enter",
    "ring entries": "io_uring:io_uring_submit_req",
    "completions": "io_uring:io_uring_complete",
    "switches": "context-switches",
}
# When the load has settled, and how long it is watched, in seconds.
SETTLED, WATCHED = 2.0, 2.0
SAMPLES_PER_SECOND = 8000


def main():
    options = parse()
    for name in options.servers:
        if name not in cells.SERVERS:
            raise SystemExit(f"counts: there is no server called {name}")
    rows = []
    for cell in (cell for cell in cells.SMALL if cell.name in options.cells):
        for name in options.servers:
            try:
                instructions = per_message(name, cell.name, options)
            except (runs.CannotRun, subprocess.SubprocessError, FileNotFoundError) as error:
                print(f"counts: {name} does not run under Callgrind: {error}", file=sys.stderr)
                instructions = None
            found = events(name, cell, options)
            times = [sampled(name, cell, options) for _ in range(options.rounds)]
            rows.append([cell.name, name, tables.number(instructions)])
            rows[-1] += [tables.number(found.get(each), 2) for each in EVENTS]
            rows[-1] += [tables.number(statistics.median(column)) for column in zip(*times)]
            print(f"counts: {' '.join(rows[-1])}", file=sys.stderr, flush=True)
    print(tables.table(["cell", "server", "instructions", *EVENTS, "own ns", "kernel ns"], rows))


def parse():
    parser = argparse.ArgumentParser(prog="scripts/counts.sh", description="Counts what a message costs in echo and small rooms.")
    add = parser.add_argument
    add("--servers", type=lambda text: text.split(","), default=SERVERS, metavar="A,B", help="only these servers")
    add("--cells", type=lambda text: text.split(","), default=tuple(SHAPES), metavar="A,B", help="only these cells")
    add("--fanload", type=Path, default=Path(os.environ.get("CARGO_TARGET_DIR", "target")) / "release/fanload")
    add("--rounds", type=int, default=3, help="runs that are sampled, of which the median is told")
    add("--work", type=Path, default=Path(os.environ.get("CARGO_TARGET_DIR", "target")) / "counts", help="folder for Callgrind's files")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    return options


def drive(server, flags, seconds, options):
    """fanload with one processor, as in the comparison; the report comes with `finish`."""
    out = options.work / "fanload.json"
    out.unlink(missing_ok=True)
    command = ["taskset", "-c", "1", options.fanload, "--target", f"127.0.0.1:{server.port}", *flags]
    command += ["--duration", str(seconds), "--warmup", "0.1", "--settle", "1", "--quiet", "--json", out]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def finish(driver, options):
    """The report of a run that is over."""
    driver.wait()
    return json.loads((options.work / "fanload.json").read_text())


def per_message(name, cell, options):
    """Instructions for each message more."""
    flags, rates = SHAPES[cell]
    low, high = (counted(name, cell, flags, rate, options) for rate in rates)
    return marginal(low, high)


def marginal(low, high):
    """Of two pairs (messages, instructions): what each message more costs."""
    return (high[1] - low[1]) / (high[0] - low[0])


def counted(name, cell, flags, rate, options):
    """Messages, and all instructions of the server from its start on."""
    file = options.work / f"{cell}.{name}.{rate}"
    for old in options.work.glob(f"{file.name}*"):
        old.unlink()
    # A ring is waited for with Valgrind's lock held: other threads get it by turns, and the tool is told from outside.
    os.environ["UNDER"] = f"valgrind --tool=callgrind --fair-sched=yes --callgrind-out-file={file}"
    try:
        with runs.Server(name, 1, options.work / "server.log") as server:
            report = finish(drive(server, (*flags, "--size", "64", "--rate", str(rate)), 4, options), options)
            time.sleep(0.5)
            subprocess.run(["vgdb", f"--pid={server.pid}", "dump"], check=True, timeout=60, capture_output=True)
            server.process.kill()
    finally:
        del os.environ["UNDER"]
    return report["counts"]["sent"], total(Path(f"{file}.1").read_text())


def total(text):
    """All instructions of a file of Callgrind."""
    return int(re.search(r"^summary: (\d+)", text, re.M)[1])


def watched(name, cell, options, perf):
    """What a `perf` subcommand saw of a server under a cell's load, and fanload's report."""
    with runs.Server(name, 1, options.work / "server.log") as server:
        driver = drive(server, cell.load, SETTLED + WATCHED + 1, options)
        # The settling time of fanload, and its warm-up.
        time.sleep(1 + SETTLED)
        command = ["perf", *perf, "-p", str(server.pid), "--", "sleep", str(WATCHED)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done, finish(driver, options)


def events(name, cell, options):
    """What the kernel was asked for, per message."""
    done, report = watched(name, cell, options, ["stat", "-x,", "-e", ",".join(EVENTS.values())])
    return shares(done.stderr, report["rates"]["achieved"] * WATCHED)


def sampled(name, cell, options):
    """Nanoseconds of processor time for each delivery: in the server's own code, and in the kernel."""
    data = options.work / "samples"
    record = ["record", "-q", "-e", "cpu-clock", "-F", str(SAMPLES_PER_SECOND), "-o", data]
    done, report = watched(name, cell, options, record)
    done.check_returncode()
    said = subprocess.run(["perf", "script", "-i", data, "-F", "ip"], capture_output=True, text=True, check=True).stdout
    return split(said, report["rates"]["deliveries"] * WATCHED)


def split(said, deliveries):
    """Of addresses that `perf script` says: the time in user space and in the kernel, whose half of all is the upper one."""
    kernel = [int(line, 16) >> 63 for line in said.split()]
    each_ns = 1e9 / SAMPLES_PER_SECOND / deliveries
    return (len(kernel) - sum(kernel)) * each_ns, sum(kernel) * each_ns


def shares(said, messages):
    """The counts that `perf stat -x,` tells, by what they are, for each message."""
    found = {}
    for line in said.splitlines():
        words = line.split(",")
        for name, event in EVENTS.items():
            if len(words) > 2 and words[2] == event and words[0].isdigit():
                found[name] = int(words[0]) / messages
    return found


if __name__ == "__main__":
    main()
