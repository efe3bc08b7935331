"""The machine under the servers: its processors, the kernel's memory, and receive packet steering."""

import os
import platform
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
STEERING = Path("/sys/class/net/lo/queues/rx-0/rps_cpus")
CLIENT_CPU = 1
# What the figures depend on: servers, peers and fanload, but not documents, tests and the driver.
MEASURED = (
    "Cargo.toml", "Cargo.lock", "src", "loadgen/Cargo.toml", "loadgen/src",
    "benches/common", "benches/epoll", "benches/floor", "benches/peers", "benches/relay",
)
# A processor counts as quiet below this share of its time.
QUIET_SHARE = 0.06


def processor_seconds():
    """Seconds since boot that all processors together spent on tasks, on softirqs, and on other guests (steal)."""
    user, nice, system, _idle, _wait, irq, softirq, steal, *_ = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    )
    return (user + nice + system) / TICK, (irq + softirq) / TICK, steal / TICK


def process_nanoseconds(pid):
    """Time on a processor of all threads of a process, from the scheduler (/proc/PID/task/*/schedstat)."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total


def kernel_bytes():
    """Slab and socket buffers of the whole machine, in bytes: both ends of loopback are in it."""
    slab = next(int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("Slab:"))
    tcp = next(line.split() for line in Path("/proc/net/sockstat").read_text().splitlines() if line.startswith("TCP:"))
    return slab * 1024 + int(tcp[tcp.index("mem") + 1]) * os.sysconf("SC_PAGE_SIZE")


def wait_until_quiet(say, patience=900.0):
    """Returns when nothing else wants the processors, or after `patience` seconds."""
    end = time.monotonic() + patience
    waiting = False
    while time.monotonic() < end:
        before = processor_seconds()[0]
        time.sleep(0.2)
        if (processor_seconds()[0] - before) / 0.2 < QUIET_SHARE * 2:
            return
        if not waiting:
            say("waiting for the machine to be quiet")
        waiting = True
        time.sleep(1)


@contextmanager
def steering(on):
    """Points lo's receive packet steering at the client's processor, and puts it back whatever happens."""
    if not on:
        yield
        return
    before = STEERING.read_text().strip()
    try:
        STEERING.write_text(f"{1 << CLIENT_CPU:x}\n")
        yield
    finally:
        STEERING.write_text(before + "\n")


def can_steer():
    """Whether this user may change the steering of lo, and the kernel can do it."""
    return os.access(STEERING, os.W_OK)


def commit():
    """The last commit that changed what is measured, `-dirty` where the files differ from it; empty outside of git."""
    last, changed = (
        subprocess.run(["git", *words, "--", *MEASURED], capture_output=True, text=True, check=False).stdout.strip()
        for words in (("log", "-1", "--format=%h"), ("status", "--porcelain"))
    )
    return last + ("-dirty" if changed else "")


def describe():
    """What a reader needs to know of the machine, as (name, value) pairs."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = next((line.split(": ", 1)[1] for line in cpuinfo.splitlines() if line.startswith("model name")), platform.machine())
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 1024 / 1024
    congestion = Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    return {
        "processors": f"{os.cpu_count()} x {model}",
        "memory": f"{memory:.0f} GiB",
        "kernel": f"Linux {platform.release()}",
        "congestion control": congestion,
        "commit": commit() or "unknown",
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }
