"""One run: a fresh server on processor 0, fanload on processor 1, and what both said of it."""

import json
import os
import random
import resource
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

from . import arrival, machine, summary

PEER = Path("benches/peers/peer")
# Nothing but the server and fanload should run: more than this share of a processor and the run is made again.
FOREIGN_SHARE = 0.10
ATTEMPTS = 4
START_SECONDS = 20.0
STOP_SECONDS = 5.0
# What a search may take, in runs of that length.
SEARCH_RUNS = 5


class CannotRun(Exception):
    """A server that does not start, or fanload that can't reach it: one sentence."""


def peer(*words):
    """What benches/peers/peer answers."""
    return subprocess.run([PEER, *words], capture_output=True, text=True, check=True).stdout.strip()


class Process:
    """A process that serves on `port` until the run is over."""

    def __init__(self, name, port, command, log, environment=None):
        self.name, self.port, self.log = name, port, log
        with open(log, "wb") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out, env=environment, start_new_session=True)

    @property
    def pid(self):
        return self.process.pid

    def __enter__(self):
        try:
            await_port(self.port, self.process, self.name, self.log)
        except CannotRun:
            self.__exit__()
            raise
        # It may have more to do before it serves.
        time.sleep(0.1)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self.process.wait()


class Server(Process):
    """A server process of its own for one run."""

    def __init__(self, name, threads, log):
        port = free_port()
        processors = "0" if threads == 1 else f"0-{threads - 1}"
        super().__init__(name, port, ["taskset", "-c", processors, PEER, "run", name, str(port), str(threads)], log)


def await_port(port, process, name, log):
    """Returns when a process listens there."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise CannotRun(f"{name} ended at once: {last_line(log)}")
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
    raise CannotRun(f"{name} did not listen within {START_SECONDS:.0f} s: {last_line(log)}")


def free_port():
    """A port that nobody listens on and that lies below the ephemeral ones."""
    while True:
        port = random.randint(20000, 29999)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def last_line(log):
    """The last thing a server said."""
    lines = [line for line in Path(log).read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def measure(cell, server_name, settings):
    """Runs a cell with one server until nothing disturbed it, and returns the record of the run."""
    return undisturbed(lambda: attempt_once(cell, server_name, settings), settings.say)


def undisturbed(attempt, say):
    """Makes a run when the machine is quiet, and again if something disturbed it; its record."""
    for number in range(1, ATTEMPTS + 1):
        machine.wait_until_quiet(say)
        record = attempt()
        if max(record["foreign_share"], record["steal_share"]) <= FOREIGN_SHARE:
            break
        if number < ATTEMPTS:
            say(f"disturbed ({record['foreign_share']:.0%} by others, {record['steal_share']:.0%} stolen); once more")
    return record


def in_turn(names, run):
    """Another one is first in each run, because machines drift."""
    if not names:
        return names
    start = run % len(names)
    return names[start:] + names[:start]


def attempt_once(cell, server_name, settings):
    settings.work.mkdir(parents=True, exist_ok=True)
    log = settings.work / "server.log"
    kernel_before = machine.kernel_bytes()
    with machine.steering(cell.steered), Server(server_name, cell.threads, log) as server:
        before = machine.processor_seconds()
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        server_before = machine.process_nanoseconds(server.pid)
        started = time.monotonic()
        watch = KernelMemory() if cell.group == "idle" else None
        if cell.group == "arrival":
            record = arrival.measure(server.port, rounds=settings.rounds)
            code, said = 0, ""
        else:
            record, code, said = drive(cell, server, settings, watch)
        elapsed = time.monotonic() - started
        server_used = machine.process_nanoseconds(server.pid) - server_before if server.process.poll() is None else 0
        after = machine.processor_seconds()
        alive = server.process.poll() is None
        if alive and server_name == "fanring" and cell.threads > 1:
            record["mesh_publishes"] = figure_of(server.port, "mesh_publishes")
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    # The server is among the children once it was waited for.
    ours = (ended.ru_utime - children.ru_utime) + (ended.ru_stime - children.ru_stime)
    record |= {
        "cell": cell.name,
        "server": server_name,
        "exit_code": code,
        "said": said,
        "server_alive": alive,
        "server_cpu_ns_total": server_used,
        "foreign_share": round(max(0.0, after[0] - before[0] - ours) / elapsed, 4),
        "steal_share": round((after[2] - before[2]) / elapsed, 4),
    }
    if watch and record.get("opened"):
        record["kernel_bytes_per_connection"] = round((watch.peak() - kernel_before) / record["opened"])
        record["upgrades_per_cpu_second"] = round(record["opened"] / (server_used / 1e9), 1) if server_used else None
    return record


def drive(cell, server, settings, watch):
    """One fanload against the server; returns the record, the exit code and its last words."""
    out = settings.work / "fanload.json"
    out.unlink(missing_ok=True)
    seconds = cell.seconds or settings.seconds
    command = ["taskset", "-c", str(machine.CLIENT_CPU), settings.fanload, "--target", f"127.0.0.1:{server.port}"]
    command += [*cell.load, *peer("flags", server.name).split(), "--server-pid", str(server.pid)]
    command += ["--duration", str(seconds), "--warmup", str(settings.warmup), "--quiet", "--json", out]
    if cell.search:
        command.insert(command.index(settings.fanload) + 1, "find-max")
    if watch:
        watch.start()
    # A server that answers nobody any more must not hold up the others.
    limit = (seconds + settings.warmup + 75) * (SEARCH_RUNS if cell.search else 1)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return {}, 124, f"fanload did not end within {limit:.0f} s"
    if watch:
        watch.stop()
    said = (done.stderr.strip() or done.stdout.strip()).splitlines()
    # fanload makes its files before it connects; after a run that could not be made they are empty.
    if not out.exists() or out.stat().st_size == 0:
        return {}, done.returncode, said[-1] if said else ""
    return extract(json.loads(out.read_text())), done.returncode, ""


def milliseconds(distribution):
    """The percentiles that the report shows, in milliseconds."""
    return {q: round(distribution[q] / 1e6, 4) for q in ("p50", "p90", "p99", "p99_9", "max")} if distribution["count"] else None


def extract(report):
    """What is kept of fanload's report; its histograms are not."""
    server, counts, latency = report["server"] or {}, report["counts"], report["latency"]
    generator = report["generator"]
    seconds = report["window"]["length_ns"] / 1e9
    return {
        "delivery_ms": milliseconds(latency["delivery_ns"]),
        "completion_ms": milliseconds(latency["completion_ns"]),
        "upgrade_ms": milliseconds(latency["upgrade_ns"]),
        "cpu_ns_per_delivery": server.get("cpu_ns_per_delivery"),
        "cpu_share": server.get("cpu_share"),
        "cpu_ns": server.get("cpu_ns"),
        "bytes_per_connection": server.get("bytes_per_connection"),
        "rss_bytes": [server.get("rss_bytes_before"), server.get("rss_bytes_after"), server.get("rss_bytes_peak")],
        "tcp_pages_peak": server.get("tcp_pages_peak"),
        "switches": [server.get("switches_voluntary"), server.get("switches_involuntary")],
        "planned_per_second": report["rates"]["planned"],
        "achieved_per_second": report["rates"]["achieved"],
        "deliveries_per_second": report["rates"]["deliveries"],
        "delivered": report["window"]["delivered"],
        "seconds": seconds,
        "expected": counts["expected"],
        **{name: counts[name] for name in summary.MISSING},
        "disorder": sum(counts[name] for name in ("duplicated", "reordered", "too_late", "corrupted", "wrong_type")),
        "opened": report["sessions"]["opened"],
        "ended_early": report["sessions"]["ended_early"],
        "client_share": max((worker["cpu_share"] or 0.0) for worker in generator["workers"]),
        "publish_lag_p99_ms": round(generator["publish_lag_ns"]["p99"] / 1e6, 4) if generator["publish_lag_ns"]["count"] else None,
        "invalid": report["verdict"].get("why", []) if report["verdict"]["status"] == "invalid" else [],
        "storm": report["storm"] and {
            "returned": report["storm"]["returned"],
            "dropped": report["storm"]["dropped"],
            "recovery_ms": report["storm"]["recovery_ns"] and round(report["storm"]["recovery_ns"] / 1e6, 2),
        },
        "slow": report["slow"],
    }


def figure_of(port, name):
    """One of the figures of Fanring's /healthz."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
        return json.load(answer)[name]


class KernelMemory:
    """Samples the kernel's memory while sessions are open."""

    def __init__(self):
        self._samples = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def _sample(self):
        while not self._over.wait(0.25):
            self._samples.append(machine.kernel_bytes())

    def start(self):
        self._thread.start()

    def stop(self):
        self._over.set()
        self._thread.join()

    def peak(self):
        """The median of the upper quarter: all are open then, and the handshakes' buffers are gone."""
        upper = sorted(self._samples)[-max(1, len(self._samples) // 4) :]
        return upper[len(upper) // 2]
