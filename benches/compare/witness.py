"""fanload's latencies beside the kernel's: scripts/witness.sh calls this.

tcpdump on loopback stamps each packet when the kernel takes it to the receiver's side. Payloads carry who published them and
when they were due, so that delivery and completion of each message can be worked out from the capture alone.
"""

import itertools
import json
import math
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from . import machine, runs

MAGIC = b"FNLD"
DIGITS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
VALUES = {digit: value for value, digit in enumerate(DIGITS)}
# Where publisher, sequence and planned time stand in a payload (loadgen/src/books/payload.rs), and what both need.
PUBLISHER, SEQUENCE, PLANNED, HEADER_BYTES = slice(8, 12), slice(12, 20), slice(20, 30), 36
# Share by which the two may differ, in the median of so many runs: whoever reads a capture wants a processor, too.
TOLERANCE, RUNS = 0.10, 3
# What comes to a sleeping client is in its hands that much later, in nanoseconds: a message in a room of two takes 90 us in all.
WAKE_UP_NS = 30_000
# How long the kernel may keep packets before it hands them to tcpdump, in seconds.
HELD_SECONDS = 1.5
QUANTILES = {"p50": 0.5, "p99": 0.99}
LOADS = {
    "1,000 subscribers, 20/s": "--subscribers 1000 --rate 20",
    "20 subscribers, 200/s": "--subscribers 20 --rate 200",
    "1,000 subscribers, 60/s": "--subscribers 1000 --rate 60",
}
PCAP_HEADER, PACKET_HEADER, NANOSECONDS_MAGIC = 24, 16, 0xA1B23C4D


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    failed = [name for name, load in LOADS.items() if not agrees(name, load.split(), seconds)]
    if failed:
        raise SystemExit(f"witness: the figures differ by more than {TOLERANCE:.0%}: {'; '.join(failed)}")


def agrees(name, load, seconds):
    """Makes some runs, prints both witnesses' figures, and says whether they agree."""
    offs = {}
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory() as folder:
            report, seen = run(load, seconds, Path(folder))
        for (what, times), (quantile, key) in itertools.product(latencies(seen, report["counts"]["sent"]).items(), QUANTILES.items()):
            told, kernel = report["latency"][f"{what}_ns"][quantile], at(times, key)
            print(f"{name:26} {what:10} {quantile}: fanload {told / 1e6:8.3f} ms, kernel {kernel / 1e6:8.3f} ms, {told / kernel - 1:+.1%}", flush=True)
            offs.setdefault((what, quantile), []).append(max(0, told - kernel - WAKE_UP_NS) / kernel if told > kernel else told / kernel - 1)
    # Single deliveries wait for the client's one processor, which reads them one after the other: the last one does not.
    judged = {quantile: statistics.median(found) for (what, quantile), found in offs.items() if what == "completion"}
    print(f"{name:26} completion, median of {RUNS}, a wake-up apart: " + ", ".join(f"{quantile} {off:+.1%}" for quantile, off in judged.items()), flush=True)
    return all(abs(off) <= TOLERANCE for off in judged.values())


def run(load, seconds, folder):
    """fanload's report, and what the kernel saw: for each payload (publisher, sequence, planned, arrived) in nanoseconds."""
    capture, out = folder / "capture", folder / "report.json"
    with runs.Server("fanring", 1, folder / "server.log") as server:
        dump = ["tcpdump", "-i", "lo", "-n", "-p", "-s", "0", "-B", "262144", "--time-stamp-precision=nano", "-w", capture]
        with subprocess.Popen([*dump, f"tcp src port {server.port}"], stderr=subprocess.PIPE, text=True) as tcpdump:
            tcpdump.stderr.readline()
            fanload = Path(os.environ.get("CARGO_TARGET_DIR", "target")) / "release/fanload"
            command = ["taskset", "-c", str(machine.CLIENT_CPU), fanload, "--target", f"127.0.0.1:{server.port}", *load]
            command += ["--duration", str(seconds), "--warmup", "0", "--settle", "1", "--quiet", "--json", out]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            time.sleep(HELD_SECONDS)
            tcpdump.terminate()
            said = tcpdump.stderr.read()
    if "0 packets dropped by kernel" not in said:
        raise SystemExit(f"witness: the capture is not whole: {said.strip().splitlines()[-1]}")
    return json.loads(out.read_text()), payloads(capture.read_bytes(), clock_offset())


def clock_offset():
    """CLOCK_REALTIME, which packets are stamped with, less CLOCK_MONOTONIC, which payloads carry; in nanoseconds."""
    def once():
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        real = time.clock_gettime_ns(time.CLOCK_REALTIME)
        return real - (before + time.clock_gettime_ns(time.CLOCK_MONOTONIC)) // 2

    return statistics.median_low(sorted(once() for _ in range(101)))


def payloads(capture, offset_ns):
    """Every payload in a capture."""
    if struct.unpack_from("<I", capture)[0] != NANOSECONDS_MAGIC:
        raise SystemExit("witness: tcpdump wrote no nanoseconds")
    at_byte = PCAP_HEADER
    while at_byte + PACKET_HEADER <= len(capture):
        seconds, nanoseconds, length, _ = struct.unpack_from("<IIII", capture, at_byte)
        packet = capture[at_byte + PACKET_HEADER : at_byte + PACKET_HEADER + length]
        at_byte += PACKET_HEADER + length
        arrived = seconds * 1_000_000_000 + nanoseconds - offset_ns
        start = packet.find(MAGIC)
        while start >= 0 and start + HEADER_BYTES <= len(packet):
            header = packet[start : start + HEADER_BYTES]
            yield number(header[PUBLISHER]), number(header[SEQUENCE]), number(header[PLANNED]), arrived
            start = packet.find(MAGIC, start + HEADER_BYTES)


def number(digits):
    """The value of six bits a character."""
    value = 0
    for digit in digits:
        value = value << 6 | VALUES[digit]
    return value


def latencies(seen, sent):
    """Sorted latencies of all deliveries, and of the last one of each message."""
    deliveries, last = [], {}
    for publisher, sequence, planned, arrived in seen:
        deliveries.append(arrived - planned)
        message = publisher, sequence
        last[message] = max(last.get(message, 0), arrived - planned)
    if len(last) != sent:
        raise SystemExit(f"witness: {len(last)} of {sent} messages are in the capture")
    return {"delivery": sorted(deliveries), "completion": sorted(last.values())}


def at(times, quantile):
    """The value that a share of sorted times does not exceed."""
    return times[max(0, math.ceil(quantile * len(times)) - 1)]


if __name__ == "__main__":
    main()
