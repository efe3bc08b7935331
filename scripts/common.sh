# What the scripts of this folder share; they source it.
# shellcheck shell=bash

# as_root COMMAND...: apt needs root; without it or sudo the command says so by failing.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# apt_get ARGUMENTS...: waits for another apt to end, for five minutes at most, rather than fail because of it.
apt_get() {
  local log code=1 try
  log=$(mktemp)
  for try in $(seq 30); do
    # RUNLEVEL=1: a packaged service, such as nginx, must not start and take a port.
    as_root env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
      apt-get -o DPkg::Lock::Timeout=300 -qq "$@" >"$log" 2>&1 && code=0 && break
    # Two updates get in each other's way at a lock that apt itself does not wait for.
    grep -q 'Could not get lock' "$log" || break
    [ "$try" -gt 1 ] || echo "waiting for another apt to end" >&2
    sleep 10
  done
  [ "$code" -eq 0 ] || tail -5 "$log" >&2
  rm -f "$log"
  return "$code"
}

# install_packages PACKAGE...: installs them with apt; without arguments there is nothing to do.
install_packages() {
  [ $# -gt 0 ] || return 0
  echo "installing with apt: $*" >&2
  apt_get update || echo "the lists of packages could not be brought up to date" >&2
  apt_get install -y --no-install-recommends "$@"
}

# use_tools: Cargo, the tools that it builds, and those of the system administrator, nginx among them, which are not on
# every user's path. One target folder serves all packages, so that each dependency is built once.
use_tools() {
  export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
  export PATH="$HOME/.cargo/bin:$PATH:/usr/sbin:/sbin"
}

# need_valgrind: installs it, with the symbols of libc that it reads, where it is missing.
need_valgrind() {
  command -v valgrind >/dev/null || install_packages valgrind libc6-dbg
}

# idle_percent SECONDS: the share of all processors that nobody used meanwhile.
idle_percent() {
  local before after
  before=$(awk '/^cpu /{ print $5 + $6, $2 + $3 + $4 + $5 + $6 + $7 + $8 + $9 }' /proc/stat)
  sleep "$1"
  after=$(awk '/^cpu /{ print $5 + $6, $2 + $3 + $4 + $5 + $6 + $7 + $8 + $9 }' /proc/stat)
  awk -v b="$before" -v a="$after" 'BEGIN { split(b, x); split(a, y); print int(100 * (y[1] - x[1]) / (y[2] - x[2] + 1)) }'
}

# await_idle SECONDS_MAX: until a quarter of the processors' time is free, which it may never be.
await_idle() {
  local until=$((SECONDS + $1))
  while [ "$SECONDS" -lt "$until" ] && [ "$(idle_percent 2)" -lt 25 ]; do :; done
}

# while_invalid RUNS_MAX COMMAND...: a run of fanload that had too little of a processor says so with code 2, and is
# made again, when the machine is less busy or after ten seconds.
while_invalid() {
  local runs_max=$1 run code
  shift
  for run in $(seq "$runs_max"); do
    code=0
    "$@" || code=$?
    if [ "$code" -ne 2 ] || [ "$run" -eq "$runs_max" ]; then return "$code"; fi
    echo "run $run of at most $runs_max was INVALID: waiting up to 10 s for a less busy machine" >&2
    await_idle 10
  done
}

# notice TEXT: something to be known after all steps; scripts/check.sh says where it collects them.
notice() {
  echo "notice: $*"
  [ -z "${CHECK_NOTICES:-}" ] || echo "$*" >>"$CHECK_NOTICES"
}

# skip TEXT: ends the script, which could not do its work here and is not to blame.
skip() {
  notice "$*"
  exit 77
}

# serve_below FOLDER: from here on `start` may be used, with $port for the first server; when the script ends its servers
# are stopped and the folder goes.
serve_below() {
  server_logs=$1
  servers=()
  port=$((20000 + RANDOM % 8000))
  trap stop_servers EXIT
}

# shellcheck disable=SC2317,SC2329 # The trap of serve_below calls it.
stop_servers() {
  local pid
  for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; done
  rm -rf "$server_logs"
}

# start COMMAND...: runs a server that ends by itself after some minutes, and waits a minute at most until it listens on
# $port; if it does not, the script's own `fail` is called.
start() {
  "$@" >"$server_logs/server-$port.log" 2>&1 &
  servers+=($!)
  for _ in $(seq 600); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && return
    kill -0 "${servers[-1]}" 2>/dev/null || break
    sleep 0.1
  done
  cat "$server_logs/server-$port.log" >&2
  fail "$* does not listen on port $port"
}

# Servers of other makes that more than one script wants are kept below one folder, which use_tools_folder makes and names.
use_tools_folder() {
  mkdir -p "${CARGO_TARGET_DIR:-target}/protocols"
  tools=$(cd "${CARGO_TARGET_DIR:-target}/protocols" && pwd)
}

# build NAME VERSION COMMAND...: builds $tools/bin/NAME unless that version of it is there.
build() {
  local name=$1 version=$2 started=$SECONDS
  shift 2
  if [ "$(cat "$tools/bin/$name.version" 2>/dev/null)" = "$version" ] && [ -x "$tools/bin/$name" ]; then return; fi
  mkdir -p "$tools/bin"
  ("$@") >"$tools/build.log" 2>&1 || { tail -20 "$tools/build.log" >&2 && fail "$name could not be built"; }
  echo "$version" >"$tools/bin/$name.version"
  echo "built $name $version in $((SECONDS - started)) s"
}

# Centrifugo, by whose answers those of Fanring are judged.
centrifugo_version=v6.9.1

# build_centrifugo: builds $tools/bin/centrifugo, which takes some minutes, unless it is there. It wants Go.
build_centrifugo() {
  build centrifugo "$centrifugo_version" timeout 900 env GOBIN="$tools/bin" \
    go install "github.com/centrifugal/centrifugo/v6@$centrifugo_version"
}

# start_centrifugo FILE: with that configuration on $port.
start_centrifugo() {
  start timeout 900 env CENTRIFUGO_HTTP_SERVER_ADDRESS=127.0.0.1 CENTRIFUGO_HTTP_SERVER_PORT="$port" \
    "$tools/bin/centrifugo" -c "$1"
}
