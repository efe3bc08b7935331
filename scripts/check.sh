#!/usr/bin/env bash
# Runs every check of the project, installing with apt what they need and is missing.
# Goes on after a failure, so that one run shows everything that is wrong; the last line says
# how many steps passed and failed, and the exit code is 1 when any failed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

# One target folder for all packages, so that each dependency is built once.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
# Debian's tools of the system administrator, nginx among them, are not on every user's path.
export PATH="$HOME/.cargo/bin:$PATH:/usr/sbin:/sbin"

# A step runs in a process group of its own, which an interrupt would not reach.
child=
trap '[ -z "$child" ] || kill "$child" 2>/dev/null; exit 130' INT TERM

passed=()
failed=()
notices=()

# step NAME SECONDS_MAX COMMAND...: runs one check in its time and remembers how it ended.
step() {
  local name=$1 limit=$2 started=$SECONDS code
  shift 2
  printf '\n==> %s: %s\n' "$name" "$*"
  timeout --kill-after=10 "$limit" "$@" &
  child=$!
  wait "$child"
  code=$?
  local took="$((SECONDS - started)) s"
  case $code in
    0) passed+=("$name ($took)"); echo "--- $name: passed in $took" ;;
    124 | 137) failed+=("$name (stopped after $limit s)"); echo "--- $name: FAILED, stopped after $limit s" ;;
    *) failed+=("$name (code $code, $took)"); echo "--- $name: FAILED with code $code in $took" ;;
  esac
}

# as_root COMMAND...: apt needs root; without it or sudo the command says so by failing.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

install_missing() {
  local packages=()
  command -v cc >/dev/null || packages+=(gcc libc6-dev)
  command -v c++ >/dev/null || packages+=(g++)
  command -v chromium >/dev/null || packages+=(chromium)
  fc-list 2>/dev/null | grep -q . || packages+=(fontconfig fonts-dejavu-core)
  command -v nginx >/dev/null || packages+=(nginx-light)
  command -v curl >/dev/null || packages+=(curl ca-certificates)
  command -v python3 >/dev/null || packages+=(python3)
  command -v shellcheck >/dev/null || packages+=(shellcheck)
  if [ ${#packages[@]} -gt 0 ]; then
    # RUNLEVEL=1: the packaged nginx must not start and take port 80.
    printf '\n==> installing with apt: %s\n' "${packages[*]}"
    if ! { as_root apt-get update -q &&
      as_root env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -q -y \
        --no-install-recommends "${packages[@]}"; }; then
      notices+=("could not install ${packages[*]}; the checks that need them will fail")
    fi
  fi
  if ! command -v cargo >/dev/null; then
    echo "cargo is missing: install Rust from https://rustup.rs and run this again" >&2
    echo "0 passed, 1 failed"
    exit 1
  fi
  if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
    printf '\n==> adding rustfmt and clippy with rustup\n'
    rustup component add rustfmt clippy || notices+=("rustfmt or clippy is missing")
  fi
}

install_missing
printf '\n%s, %s, Linux %s, %s processors\n' \
  "$(cargo --version)" "$(cargo clippy --version)" "$(uname -r)" "$(nproc)"

step format 120 cargo fmt --all --check
step format-fuzz 120 cargo fmt --manifest-path fuzz/Cargo.toml --check
step clippy 1200 cargo clippy --workspace --all-targets --locked -- -D warnings
# Layering and sizes (tests/tidy) and the simulation (tests/sim.rs) are among these.
step tests 1500 cargo test --workspace --locked --no-fail-fast
step docs 900 env RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps --locked
step fuzz-smoke 900 cargo test --manifest-path fuzz/Cargo.toml
step browser 600 scripts/browser-test.sh
step nginx 300 scripts/nginx-test.sh
step loadgen 900 scripts/loadgen-check.sh
step bench-tests 60 python3 -m unittest discover -t . -s benches/compare/tests
step judge-tests 60 python3 -m unittest discover -s benches/micro
step instructions 1200 scripts/instructions.sh
step bench 1200 scripts/bench.sh room-20-500 --servers fanring,fanring-epoll,floor --runs 1 --seconds 1 --fresh \
  --work "$CARGO_TARGET_DIR/bench-short" --out "$CARGO_TARGET_DIR/bench-short/docs"
step peers 300 benches/peers/check.sh fanring fanring-epoll floor

if command -v shellcheck >/dev/null; then
  step shellcheck 60 shellcheck scripts/*.sh benches/peers/*.sh benches/peers/peer .ci/run
else
  notices+=("shellcheck is not installed, so the scripts were not read")
fi
if cargo deny --version >/dev/null 2>&1; then
  step licences 300 cargo deny check
else
  notices+=("cargo-deny is not installed, so licences and advisories were not checked")
fi

printf '\nAll steps after %s s:\n' "$SECONDS"
for name in "${passed[@]}"; do echo "  passed  $name"; done
for name in "${failed[@]}"; do echo "  FAILED  $name"; done
for notice in "${notices[@]}"; do echo "  notice  $notice"; done
echo "${#passed[@]} passed, ${#failed[@]} failed"
[ ${#failed[@]} -eq 0 ]
