"""One run: a server of its own, fanload on processor 1, and the figures that are kept of it."""

import json
import resource
import signal
import subprocess
import time
from pathlib import Path

from .. import machine, runs
from . import memberships
from .cells import COMPANIONS, SPOKEN
from .servers import Server

# The room of a load whose members speak in several ways.
ROOM = "mixed"


# Of these memory is measured, whatever else the machine does.
OF_MEMORY = ("idle", "memberships", "rooms")


def measure(cell, name, programs, folder, say):
    """Runs a cell with one server until nothing disturbed it, and returns the record."""
    if cell.kind in OF_MEMORY:
        return attempt_once(cell, name, programs, folder)
    return runs.undisturbed(lambda: attempt_once(cell, name, programs, folder), say)


def attempt_once(cell, name, programs, folder):
    """One run and what disturbed it, as runs.attempt_once has it."""
    before, own = machine.processor_seconds(), own_seconds()
    started = time.monotonic()
    with Server(programs, name, cell.kind, folder / "server.log") as server:
        record = KINDS[cell.kind](cell, server, programs, folder)
    elapsed, after = time.monotonic() - started, machine.processor_seconds()
    return record | {
        "cell": cell.name,
        "server": name,
        "foreign_share": round(max(0.0, after[0] - before[0] - (own_seconds() - own)) / elapsed, 4),
        "steal_share": round((after[2] - before[2]) / elapsed, 4),
    }


def own_seconds():
    """Processor time of this process and of those that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def spoken(name, cell):
    """fanload's flags for a server of that name."""
    if cell.kind == "builds":
        return []
    return SPOKEN[name if name in SPOKEN else "json"].split()


def client(programs, server, flags):
    """The command of a fanload."""
    return ["taskset", "-c", str(machine.CLIENT_CPU), programs.fanload, "--target", f"127.0.0.1:{server.port}", *flags]


def drive(programs, server, flags, folder):
    """fanload's report of a run."""
    out = folder / "fanload.json"
    out.unlink(missing_ok=True)
    command = client(programs, server, flags)
    command += ["--server-pid", str(server.pid), "--duration", str(programs.seconds), "--warmup", "0.5", "--quiet", "--json", out]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    # A generator that was late says so in the record: 2.
    if done.returncode not in (0, 2):
        raise SystemExit(f"chat-bench: {server.name}: fanload ended with code {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return json.loads(out.read_text())


def load(cell, server, programs, folder):
    """A load that is fanload's alone."""
    report = drive(programs, server, [*cell.load, *spoken(server.name, cell)], folder)
    return figures(report)


def figures(report):
    """Cost and times of the deliveries."""
    return {
        "cpu": report["server"]["cpu_ns_per_delivery"],
        "share": report["server"]["cpu_share"],
        "p50": report["latency"]["delivery_ns"]["p50"] / 1e6,
        "p99": report["latency"]["delivery_ns"]["p99"] / 1e6,
        "last_p99": report["latency"]["completion_ns"]["p99"] / 1e6,
        "late": report["verdict"]["status"] == "invalid",
    }


def forms(cell, server, programs, folder):
    """A room of three equal parts that speak alike, or each in a way of its own; the first part is the one that is measured."""
    kinds = ("plain", "json", "protobuf") if server.name == "mixed" else (server.name.removesuffix("-again"),) * 3
    beside = [companion(kind, server, programs) for kind in kinds[1:]]
    # They are not measured, and must have come.
    time.sleep(1.0)
    try:
        report = drive(programs, server, [*cell.load, "--subscribers", str(COMPANIONS), *said_in(kinds[0])], folder)
    finally:
        for each in beside:
            each.send_signal(signal.SIGINT)
            each.wait(20)
    messages = report["window"]["delivered"] / COMPANIONS
    return figures(report) | {"cpu": report["server"]["cpu_ns"] / (messages * COMPANIONS * 3)}


def said_in(kind):
    """fanload's flags for the room that all share."""
    return ["--path", f"/ws/{ROOM}?presence=0"] if kind == "plain" else [*SPOKEN[kind].split(), "--set", f"channel={ROOM}"]


def companion(kind, server, programs):
    """Members that hear what others publish."""
    flags = ["--workload", "idle", "--subscribers", str(COMPANIONS), "--hold", "60", "--quiet"]
    return subprocess.Popen(client(programs, server, [*flags, *said_in(kind)]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def storm(cell, server, programs, folder):
    """Everybody comes back at once."""
    report = drive(programs, server, [*cell.load, *spoken(server.name, cell)], folder)
    recovery, cost = report["recovery"], report["server"]["storm"]
    if recovery["recovered"] != report["storm"]["dropped"] or recovery["lost"] or recovery["repeated"]:
        raise SystemExit(f"chat-bench: {server.name} gave back {recovery['recovered']} of {report['storm']['dropped']}, {recovery['lost']} messages were lost")
    return {
        "storm_cpu": cost["cpu_ns"] / 1e9,
        # Centrifugo holds what the first connects took: what the drop leaves is no part of the growth.
        "storm_growth": cost["rss_bytes_peak"] - report["server"]["rss_bytes_before"],
        "storm_peak": cost["rss_bytes_peak"],
        "storm_seconds": report["storm"]["recovery_ns"] / 1e9,
    }


def idle(_cell, server, _programs, _folder):
    """Sessions with one subscription."""
    memberships.processor()
    return memberships.idle(server)


def several(_cell, server, _programs, _folder):
    """Sessions with many subscriptions."""
    memberships.processor()
    return memberships.several(server)


def rooms(cell, server, programs, folder):
    """Rooms of one member each."""
    memberships.processor()
    with Server(programs, server.name, cell.kind, folder / "another.log") as another:
        return memberships.rooms(server, another)


KINDS = {"load": load, "forms": forms, "builds": load, "storm": storm, "idle": idle, "memberships": several, "rooms": rooms}


class Programs:
    """What is run, below Cargo's folder."""

    def __init__(self, target, before, seconds):
        target = Path(target).resolve()
        self.fanring = target / "release/fanring"
        self.copied = target / "copied/release/fanring"
        self.relay = target / "release/relay"
        self.fanload = target / "release/fanload"
        self.centrifugo = target / "protocols/bin/centrifugo"
        self.before = before
        self.seconds = seconds
