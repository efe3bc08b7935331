#!/usr/bin/env bash
# Runs every check of the project, installing what they need and is missing: with apt compilers, Chromium, nginx, Python,
# Node, shellcheck, Valgrind and QEMU, from PyPI, npm and crates.io what single steps say. Goes on after a failure, so
# that one run shows everything that is wrong; the last line says how many steps passed, failed and were skipped, and
# the exit code is 1 when any failed. A step is skipped, with a notice, where what it needs can't be had.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
. scripts/common.sh

use_tools

# A step runs in a process group of its own, which an interrupt would not reach.
child=
trap '[ -z "$child" ] || kill "$child" 2>/dev/null; exit 130' INT TERM

# All steps together: what is left then is told as failed instead of cutting off the whole run.
total_seconds_max=5000

passed=()
failed=()
skipped=()
CHECK_NOTICES=$(mktemp)
export CHECK_NOTICES

# step NAME SECONDS_MAX COMMAND...: runs one check in its time and remembers how it ended. The time is for a machine that
# is ten times as busy as it has processors; on a free one a step takes a small part of it.
step() {
  local name=$1 limit=$2 started=$SECONDS code left
  shift 2
  left=$((total_seconds_max - SECONDS))
  if [ "$left" -le 0 ]; then
    failed+=("$name (not run: all $total_seconds_max s were used up)")
    return
  fi
  [ "$limit" -le "$left" ] || limit=$left
  printf '\n==> %s: %s\n' "$name" "$*"
  timeout --kill-after=10 "$limit" "$@" &
  child=$!
  wait "$child"
  code=$?
  local took="$((SECONDS - started)) s"
  case $code in
    0) passed+=("$name ($took)"); echo "--- $name: passed in $took" ;;
    77) skipped+=("$name ($took)"); echo "--- $name: skipped after $took" ;;
    124 | 137) failed+=("$name (stopped after $limit s)"); echo "--- $name: FAILED, stopped after $limit s" ;;
    *) failed+=("$name (code $code, $took)"); echo "--- $name: FAILED with code $code in $took" ;;
  esac
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
  install_packages "${packages[@]}" ||
    notice "could not install ${packages[*]}; the checks that need them will fail"
  if ! command -v cargo >/dev/null; then
    echo "cargo is missing: install Rust from https://rustup.rs and run this again" >&2
    echo "0 passed, 1 failed"
    exit 1
  fi
  if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
    printf '\n==> adding rustfmt and clippy with rustup\n'
    rustup component add rustfmt clippy || notice "rustfmt or clippy is missing"
  fi
}

install_missing
printf '\n%s, %s, Linux %s, %s processors\n' \
  "$(cargo --version)" "$(cargo clippy --version)" "$(uname -r)" "$(nproc)"

step format 120 cargo fmt --all --check
step format-fuzz 120 cargo fmt --manifest-path fuzz/Cargo.toml --check
step clippy 1500 cargo clippy --workspace --all-targets --locked -- -D warnings
# Layering and sizes (tests/tidy) and the simulation (tests/sim) are among these.
step tests 2400 cargo test --workspace --locked --no-fail-fast
step docs 900 env RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps --locked
step fuzz-smoke 900 cargo test --manifest-path fuzz/Cargo.toml
step browser 900 scripts/browser-test.sh
step nginx 600 scripts/nginx-test.sh
step loadgen 1500 scripts/loadgen-check.sh
step protocols 1800 scripts/protocols.sh
step agents 900 scripts/agents.sh machines
step sdk 1800 scripts/sdk.sh
step reference 900 scripts/reference.sh
step kernel 1800 scripts/kernel-test.sh
step script-tests 60 scripts/common-test.sh
step bench-tests 60 python3 -m unittest discover -t . -s benches/compare/tests
step judge-tests 60 python3 -m unittest discover -s benches/micro
step instructions 1200 scripts/instructions.sh
step bench 1200 scripts/bench.sh room-20-500 --servers fanring,fanring-epoll,floor --runs 1 --seconds 1 --fresh \
  --work "$CARGO_TARGET_DIR/bench-short" --out "$CARGO_TARGET_DIR/bench-short/docs"
step peers 600 benches/peers/check.sh fanring fanring-epoll floor relay relay-cooptask relay-epoll relay-epoll-ring

if command -v shellcheck >/dev/null; then
  step shellcheck 60 shellcheck scripts/*.sh benches/peers/*.sh benches/peers/peer tests/kernel/init .ci/run
else
  notice "shellcheck is not installed, so the scripts were not read"
fi
step licences 600 scripts/deny.sh

printf '\nAll steps after %s s:\n' "$SECONDS"
for name in "${passed[@]}"; do echo "  passed  $name"; done
for name in "${failed[@]}"; do echo "  FAILED  $name"; done
for name in "${skipped[@]}"; do echo "  skipped $name"; done
sed 's/^/  notice  /' "$CHECK_NOTICES"
rm -f "$CHECK_NOTICES"
echo "${#passed[@]} passed, ${#failed[@]} failed, ${#skipped[@]} skipped"
[ ${#failed[@]} -eq 0 ]
