"""What a message costs fanload to receive; scripts/receiving.sh calls this.

Processor time of its worker by the messages that it received, beside that of the server by deliveries, one processor each. TLS
is nginx's, in front of the same server, and its cost is told beside the same way in the clear. Another build of fanload may
stand beside this one, and takes turns with it.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from . import machine, runs, tables

RATES = (20, 60, 250, 1000, 2000)
# More than that is more than nginx can do with a processor that it shares with the server.
TLS_RATES = (20, 60)
LOAD = "--subscribers 1000 --size 64 --warmup 0.5 --quiet".split()
CERTIFICATES = Path("loadgen/tests/run/tls")
NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
  server {{
    listen 127.0.0.1:{clear}; listen 127.0.0.1:{tls} ssl;
    ssl_certificate {certificates}/server.pem; ssl_certificate_key {certificates}/server-key.pem;
    location / {{
      proxy_pass http://127.0.0.1:{server}; proxy_http_version 1.1; proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
    }}
  }}
}}
"""


def main():
    options = parse()
    builds = {"fanload": runs_folder() / "release/fanload"}
    if options.before:
        builds["before"] = options.before
    found = {}
    for turn in range(options.runs):
        for rate in RATES:
            # Each build goes first in every other turn.
            for name, binary in list(builds.items())[:: 1 if turn % 2 else -1]:
                note(found, name, rate, direct(binary, rate, options.seconds))
        for rate in TLS_RATES:
            for name, times in behind_nginx(builds["fanload"], rate, options.seconds).items():
                note(found, name, rate, times)
    print(table(found, list(builds)))


def parse():
    parser = argparse.ArgumentParser(prog="scripts/receiving.sh", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--before", type=Path, metavar="FILE", help="another build of fanload, to take turns with")
    parser.add_argument("--runs", type=int, default=5, help="runs of each load, of which the median counts (default 5)")
    parser.add_argument("--seconds", type=float, default=2.0, help="measured seconds of a run (default 2)")
    return parser.parse_args()


def runs_folder():
    """Where Cargo builds."""
    return Path(os.environ.get("CARGO_TARGET_DIR", "target"))


def note(found, name, rate, times):
    """Keeps nanoseconds of the generator and of the server."""
    found.setdefault((name, rate), []).append(times)


def direct(binary, rate, seconds):
    """One run without anybody in between."""
    machine.wait_until_quiet(print)
    with tempfile.TemporaryDirectory() as folder, runs.Server("fanring", 1, Path(folder) / "log") as server:
        return drive(binary, f"127.0.0.1:{server.port}", rate, seconds, Path(folder), ["--server-pid", str(server.pid)])


def behind_nginx(binary, rate, seconds):
    """The same through nginx, in the clear and with TLS."""
    machine.wait_until_quiet(print)
    with tempfile.TemporaryDirectory() as folder, runs.Server("fanring", 1, Path(folder) / "log") as server:
        with nginx(server.port, Path(folder)) as (clear, tls):
            authority = ["--ca", str(CERTIFICATES / "authority.pem")]
            return {
                "in the clear": drive(binary, f"ws://localhost:{clear}/ws", rate, seconds, Path(folder), []),
                "with TLS": drive(binary, f"wss://localhost:{tls}/ws", rate, seconds, Path(folder), authority),
            }


@contextmanager
def nginx(server, folder):
    """An nginx on the server's processor; its two ports."""
    clear, tls = runs.free_port(), runs.free_port()
    settings = folder / "nginx.conf"
    settings.write_text(NGINX.format(folder=folder, clear=clear, tls=tls, certificates=CERTIFICATES.resolve(), server=server))
    with subprocess.Popen(["taskset", "-c", "0", "nginx", "-p", str(folder), "-c", str(settings)], stderr=subprocess.DEVNULL) as process:
        try:
            runs.await_port(tls, process, "nginx", folder / "error.log")
            yield clear, tls
        finally:
            process.terminate()


def drive(binary, target, rate, seconds, folder, flags):
    """Nanoseconds of the generator by message received, and of the server by delivery where it is known."""
    out = folder / "report.json"
    command = ["taskset", "-c", str(machine.CLIENT_CPU), binary, "--target", target, "--rate", str(rate), *LOAD, *flags]
    done = subprocess.run([*command, "--duration", str(seconds), "--json", out], capture_output=True, text=True, check=False)
    # A worker that had nothing left of its processor is INVALID, and costs what it costs.
    if done.returncode not in (0, 2):
        raise SystemExit(f"receiving: fanload failed: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
    report = json.loads(out.read_text())
    return report["generator"]["cpu_ns_per_received"], (report["server"] or {}).get("cpu_ns_per_delivery")


def table(found, builds):
    """Medians, a row for each load."""
    names = [*builds, "in the clear", "with TLS"]
    rows = []
    for rate in RATES:
        row = [f"`--rate {rate}`"]
        row += [tables.number(median(found, name, rate, 0)) for name in names]
        server, own = median(found, builds[0], rate, 1), median(found, builds[0], rate, 0)
        rows.append([*row, tables.number(server), f"{own / server:.2f}" if server else "-"])
    heads = [*builds, "through nginx", "with TLS", "Fanring", "fanload / Fanring"]
    return tables.table(["load", *heads], rows)


def median(found, name, rate, which):
    """The median of what is known, if anything is."""
    values = [times[which] for times in found.get((name, rate), []) if times[which] is not None]
    return statistics.median(values) if values else None


if __name__ == "__main__":
    main()
