#!/usr/bin/env bash
# Checks fanload against parsers, clients and servers that are not its own: its files are read back by
# PyPI hdrhistogram, jsonschema and prometheus_client, a naive Python client measures the same fan-out, its page is
# opened in Chromium, its live view shown to PyPI pyte, and it drives Fanring, tokio-tungstenite, npm ws and a server that
# wants a join message.
#   scripts/loadgen-check.sh [--bin-dir DIR] [--screenshot FILE.png]
# With --bin-dir nothing is built and fanring, fanload and hub-peer are taken from there. What it needs is
# installed with apt, pip and npm below target/loadgen-check.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/common.sh

fail() { echo "loadgen-check: $*" >&2; exit 1; }

bin_dir='' screenshot=''
while [ $# -gt 0 ]; do
  case $1 in
    --bin-dir) bin_dir=${2:?--bin-dir wants a folder}; shift 2 ;;
    --screenshot) screenshot=${2:?--screenshot wants a file}; shift 2 ;;
    *) fail "unknown option $1" ;;
  esac
done

missing=()
command -v chromium >/dev/null || missing+=(chromium)
command -v pgrep >/dev/null || missing+=(procps)
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3 python3-venv)
fc-list 2>/dev/null | grep -q . || missing+=(fontconfig fonts-dejavu-core)
install_packages "${missing[@]}"

tools=${CARGO_TARGET_DIR:-target}/loadgen-check
mkdir -p "$tools/ws" "$tools/manners"
python=$tools/venv/bin/python
if ! "$python" -c 'import hdrh, jsonschema, prometheus_client, pyte, websockets' 2>/dev/null; then
  python3 -m venv "$tools/venv"
  timeout 300 "$python" -m pip install -q 'hdrhistogram>=0.10' 'jsonschema>=4' 'prometheus_client>=0.20' 'pyte>=0.8' \
    'websockets>=14'
fi
cp benches/peers/ws/{package.json,package-lock.json,server.js} "$tools/ws/"
[ -d "$tools/ws/node_modules/ws" ] || (cd "$tools/ws" && timeout 300 npm ci --silent --no-audit --no-fund)
cp loadgen/checks/manners/{package.json,package-lock.json,server.mjs} "$tools/manners/"
[ -d "$tools/manners/node_modules/ws" ] || (cd "$tools/manners" && timeout 300 npm ci --silent --no-audit --no-fund)

if [ -z "$bin_dir" ]; then
  timeout 900 cargo build --locked -p fanring -p fanload -p hub-peer
  bin_dir=${CARGO_TARGET_DIR:-target}/debug
fi
fanload=$bin_dir/fanload
for binary in fanring fanload hub-peer; do
  [ -x "$bin_dir/$binary" ] || fail "$bin_dir/$binary is missing"
done

runs=$(mktemp -d)
serve_below "$runs"

# Runs of which one must be good, where the machine may have been too busy for the others.
runs_max=4

# drive NAME OPTIONS...: one clean run against $port, or $target if that is set. The processors are shared with everything
# else here, so publishing may lag more than in a measurement.
drive() {
  local name=$1 code=0
  shift
  while_invalid "$runs_max" timeout 120 "$fanload" --target "${target:-127.0.0.1:$port}" --lag-max 100 --no-tui --warmup 1 --duration 3 \
    --json "$runs/$name.json" "$@" >"$runs/$name.txt" 2>"$runs/$name.err" || code=$?
  if [ "$code" -ne 0 ]; then
    cat "$runs/$name.txt" "$runs/$name.err" >&2
    fail "fanload against $name ended with code $code"
  fi
  printf '%-20s %s\n' "$name" "$(grep '^completion' "$runs/$name.txt")"
}

# naive NAME PATH OPTIONS...: the same load by the naive client.
naive() {
  local name=$1 path=$2
  shift 2
  timeout 120 "$python" loadgen/checks/naive.py "ws://127.0.0.1:$port$path" --subscribers 20 --rate 40 --duration 3 \
    "$@" >"$runs/$name-naive.json"
}

# compare NAME PATH DRIVE-OPTIONS -- NAIVE-OPTIONS...: fanload and the naive client must agree. Counts always; medians
# are those of the clients too, so they are measured again when they differ, and judged on a machine that has
# processor time to spare only.
compare() {
  local name=$1 path=$2 ours=() theirs=() delay=() run code busy
  shift 2
  while [ "$1" != -- ]; do ours+=("$1") && shift; done
  shift
  theirs=("$@")
  [ "$name" != join ] || delay=(--delay-ms 30)
  for run in $(seq "$runs_max"); do
    drive "$name" "${load[@]}" "${ours[@]}"
    naive "$name" "$path" "${theirs[@]}"
    code=0
    "$python" loadgen/checks/agree.py "$runs/$name.json" "$runs/$name-naive.json" "${delay[@]}" || code=$?
    [ "$code" -eq 0 ] && return
    [ "$code" -eq 3 ] || fail "fanload and the naive client disagree at $name"
    busy=$((100 - $(idle_percent 2)))
    echo "$name, run $run of at most $runs_max: the medians differ while the processors are busy by $busy%"
    await_idle 10
  done
  [ "$busy" -gt 75 ] || fail "the medians of fanload and the naive client differ at $name"
  notice "the medians at $name were not compared: the processors are never free"
}

load=(--subscribers 20 --publishers 1 --rate 40)
echo "==> fanload and a naive client at servers of four makes (ms: p50 p90 p99 p99.9 max mean count)"
start timeout 800 "$bin_dir/fanring" --listen "127.0.0.1:$port" --shards 1
compare fanring '/ws?presence=0' --
drive full --subscribers 200 --rate 100 --duration 5 --server-pid "$(pgrep -P "${servers[-1]}")" \
  --hgrm "$runs/full.hgrm" --hlog "$runs/full.hlog" --csv "$runs/full.csv" --html "$runs/full.html" \
  --junit "$runs/full.xml" --prometheus "$runs/full.prom" --slo loss=0
fanring_port=$port
port=$((port + 1))
start timeout 800 "$bin_dir/hub-peer" --listen "127.0.0.1:$port"
compare tokio-tungstenite / --preset server-root --
port=$((port + 1))
start timeout 800 node "$tools/ws/server.js" "$port"
compare npm-ws / --preset server-root --
port=$((port + 1))
start timeout 800 "$python" loadgen/checks/join_server.py "$port" --delay-ms 30
compare join / --preset server-join -- --join

echo "==> TLS and goodbyes as npm ws sees them"
port=$((port + 1))
start timeout 800 node "$tools/manners/server.mjs" "$port" loadgen/tests/run/tls/server.pem loadgen/tests/run/tls/server-key.pem
target="wss://localhost:$((port + 1))/room" drive tls --ca loadgen/tests/run/tls/authority.pem "${load[@]}"
code=0
"$fanload" --target "ws://127.0.0.1:$port/closing" --idle 5 --hold 3 --quiet --json "$runs/closing.json" >"$runs/closing.txt" || code=$?
[ "$code" -eq 3 ] || fail "a run in which all sessions were closed ended with code $code"
[ "$(grep -c '^closed 4001$' "$runs/server-$port.log")" -eq 5 ] || fail "npm ws did not see its own code 4001 five times"

echo "==> files read back by others"
python3 scripts/fanload-schema.py --check
timeout 120 "$python" loadgen/checks/read_back.py "$runs/full" docs/fanload.schema.json
timeout 300 "$python" loadgen/checks/page.py "$runs/full.html" ${screenshot:+"$screenshot"}

echo "==> the live view on terminals of several sizes"
timeout 300 "$python" loadgen/checks/live.py "$fanload" "127.0.0.1:$fanring_port"

echo "==> compare"
"$fanload" compare "$runs/full.json" "$runs/full.json" --fail-on-regression >/dev/null
code=0
"$fanload" compare "$runs/full.json" "$runs/join.json" 2>"$runs/compare.err" || code=$?
[ "$code" -eq 1 ] || fail "compare of unlike runs ended with code $code"
cat "$runs/compare.err"
echo "fanload: all checks passed after $SECONDS s"
