#!/usr/bin/env bash
# The speed check: Fanring against a hub of channels in the same run, then Fanring alone under a
# heavy load, then the memory of idle sessions. The server has processor 0 and fanload processor 1.
#
#   scripts/bench-fanout.sh [--runs N] [--duration SECONDS] [--idle N] [--bin-dir DIR] [--keep DIR]
#
# With --bin-dir nothing is built and fanring, fanload and hub-peer are taken from there. --keep
# leaves the JSON reports in DIR. Exits with 1 when a bar is missed, 2 when a run can't be made.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

runs=3
duration=10
idle=10000
bin_dir=
keep=
while [ $# -gt 0 ]; do
  case $1 in
    --runs) runs=$2 ;;
    --duration) duration=$2 ;;
    --idle) idle=$2 ;;
    --bin-dir) bin_dir=$2 ;;
    --keep) keep=$2 ;;
    *) echo "bench-fanout: unknown option $1; see the head of this script" >&2; exit 2 ;;
  esac
  shift 2 || { echo "bench-fanout: the last option needs a value" >&2; exit 2; }
done

fail() {
  echo "bench-fanout: $*" >&2
  exit 2
}

for tool in taskset python3; do
  command -v "$tool" >/dev/null || fail "$tool is missing: apt-get install util-linux python3"
done
[ "$(nproc)" -ge 2 ] || fail "two processors are needed, one for the server and one for the client"
ulimit -S -n "$(ulimit -H -n)"
descriptors=$(ulimit -n)
if [ "$descriptors" != unlimited ] && [ "$descriptors" -lt $((idle + 1000)) ]; then
  fail "$idle sessions need more than $descriptors descriptors: raise ulimit -Hn or lower --idle"
fi

if [ -z "$bin_dir" ]; then
  cargo build --release --locked --workspace --bins
  bin_dir=${CARGO_TARGET_DIR:-target}/release
fi
for binary in fanring fanload hub-peer; do
  [ -x "$bin_dir/$binary" ] || fail "$bin_dir/$binary is missing"
done

work=$(mktemp -d)
reports=${keep:-$work}
mkdir -p "$reports"
rm -f "$reports"/{fanring60,hub60,fanring20,hub20,heavy,idle}-[0-9]*.json
server_pid=
stop_server() {
  [ -n "$server_pid" ] || return 0
  kill "$server_pid" 2>/dev/null || true
  # Both servers end within 5 seconds of a SIGTERM; what hangs is a finding, not a reason to wait.
  for _ in $(seq 70); do
    kill -0 "$server_pid" 2>/dev/null || break
    sleep 0.1
  done
  kill -9 "$server_pid" 2>/dev/null || true
  wait "$server_pid" 2>/dev/null || true
  server_pid=
}
trap 'stop_server; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

is_open() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# start_server NAME PORT COMMAND...: on processor 0; returns when the port answers.
start_server() {
  local name=$1 port=$2
  shift 2
  is_open "$port" && fail "port $port is in use"
  taskset -c 0 "$@" >"$work/$name.log" 2>&1 &
  server_pid=$!
  for _ in $(seq 100); do
    is_open "$port" && return
    kill -0 "$server_pid" 2>/dev/null || break
    sleep 0.1
  done
  cat "$work/$name.log" >&2
  fail "$name did not start"
}

start_fanring() {
  start_server fanring 19201 "$bin_dir/fanring" --shards 1 --pin --listen 127.0.0.1:19201
}

start_hub() {
  start_server hub 19202 "$bin_dir/hub-peer" --threads 1 --listen 127.0.0.1:19202
}

# load REPORT PORT OPTIONS...: one run of fanload on processor 1. Lost messages (code 3) and a
# generator that could not keep up (code 2) are for the verdict at the end; no report is the end.
load() {
  local report=$reports/$1.json port=$2 code=0
  shift 2
  echo "--- $(basename "$report" .json)"
  timeout "$((duration + 60))" "$bin_dir/fanload" --target "127.0.0.1:$port" --path '/ws?presence=0' --pin 1 --quiet --binary \
    --server-pid "$server_pid" --json "$report" "$@" || code=$?
  if [ "$code" -ne 0 ] && [ "$code" -ne 2 ] && [ "$code" -ne 3 ] || [ ! -s "$report" ]; then
    cat "$work"/*.log >&2
    [ "$code" -eq 124 ] && fail "fanload did not end within $((duration + 60)) s"
    fail "fanload ended with code $code"
  fi
}

fan_out=(--subscribers 1000 --publishers 1 --size 64 --duration "$duration" --warmup 2)
# At 60 messages/s the hub needs its whole core on a slow machine; then messages pile up in it, go out
# together, and each costs it less than it would. At 20 it has time left.
for rate in 60 20; do
  for run in $(seq "$runs"); do
    # Interleaved, and in turns first, because machines drift.
    if [ $((run % 2)) -eq 1 ]; then order="fanring hub"; else order="hub fanring"; fi
    for name in $order; do
      "start_$name"
      port=19201
      [ "$name" = hub ] && port=19202
      load "$name$rate-$run" "$port" "${fan_out[@]}" --rate "$rate"
      stop_server
    done
  done
done
for run in $(seq "$runs"); do
  start_fanring
  load "heavy-$run" 19201 "${fan_out[@]}" --rate 1000
  stop_server
done
start_fanring
load idle-1 19201 --idle "$idle"
stop_server

echo
echo "$(git describe --always --dirty 2>/dev/null || echo 'no commit'), Linux $(uname -r)," \
  "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $(nproc) processors, $(date -u +%F)"
python3 - "$reports" <<'PYTHON'
"""Prints the table and the verdicts; exits with 1 when a bar is missed."""
import glob, json, statistics, sys

RATIO_MAX, P99_MS_MAX, IDLE_BYTES_MAX = 0.25, 25, 400
SATURATED_SHARE = 0.9


def reports(kind):
    paths = sorted(glob.glob(f"{sys.argv[1]}/{kind}-[0-9]*.json"))
    return [json.load(open(path)) for path in paths]


def damage(report):
    counts = report["counts"]
    unsent = counts["planned"] - counts["sent"]
    broken = sum(counts[key] for key in ("lost", "duplicated", "reordered", "corrupted"))
    return unsent + broken + report["sessions"]["ended_early"]


def median(runs, read):
    return statistics.median(read(run) for run in runs)


def row(name, runs):
    cpu = median(runs, lambda run: run["server"]["cpu_ns_per_delivery"])
    p50, p99 = (median(runs, lambda run: run["latency"]["delivery_ns"][q] / 1e6) for q in ("p50", "p99"))
    bad = sum(map(damage, runs))
    for run in runs:
        if run["verdict"]["status"] != "valid":
            print(f"note: {name}: the generator was the limit: {'; '.join(run['verdict']['why'])}")
    print(f"{name:34}{cpu:12.0f} ns{p50:9.2f} ms{p99:9.2f} ms{bad:8}")
    return cpu, p99, bad


def verdict(text, passed):
    print(f"{'PASS' if passed else 'FAIL'}  {text}")
    return passed


def pair(rate):
    own_runs, peer_runs = reports(f"fanring{rate}"), reports(f"hub{rate}")
    own, _, bad = row(f"fanring, {rate} messages/s", own_runs)
    peer, _, _ = row(f"hub of channels, {rate} messages/s", peer_runs)
    return own / peer, peer * 1000 * rate / 1e9, bad


heavy, (idle,) = reports("heavy"), reports("idle")
print(f"medians of {len(heavy)} runs, 1,000 subscribers, 64 bytes")
print(f"{'':34}{'CPU/delivery':>15}{'p50':>12}{'p99':>12}{'damage':>8}")
ratio, share, own_bad = pair(60)
calm_ratio, _, calm_bad = pair(20)
_, p99, heavy_bad = row("fanring, 1,000 messages/s", heavy)
each = idle["server"]["bytes_per_connection"]
print()
if share > SATURATED_SHARE:
    print(f"note  CPU per delivery at 60 messages/s is {ratio:.3f} of the hub's, whose core is full ({share:.0%})")
    at_60 = True
else:
    at_60 = verdict(f"CPU per delivery at 60 messages/s is {ratio:.3f} of the hub's; at most {RATIO_MAX}",
                    ratio <= RATIO_MAX)
passed = [
    at_60,
    verdict(f"CPU per delivery at 20 messages/s is {calm_ratio:.3f} of the hub's; at most {RATIO_MAX}",
            calm_ratio <= RATIO_MAX),
    verdict(f"{own_bad + calm_bad + heavy_bad} messages or sessions lost, doubled, disordered or damaged; none allowed",
            own_bad + calm_bad + heavy_bad == 0),
    verdict(f"p99 at 1,000 messages/s is {p99:.2f} ms; below {P99_MS_MAX} ms", p99 < P99_MS_MAX),
    verdict(f"{each:.0f} bytes resident per idle session, {idle['sessions']['opened']} of them; at most {IDLE_BYTES_MAX}",
            each <= IDLE_BYTES_MAX and idle["sessions"]["ended_early"] == 0),
]
sys.exit(0 if all(passed) else 1)
PYTHON
