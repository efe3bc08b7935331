#!/usr/bin/env bash
# Tries Fanring with client SDKs of others: first with the tests that two of them bring along for themselves, then with scenarios
# of our own, such as a killed socket, a server that stands still, a server that is started anew, or a reader that is too slow.
#   scripts/sdk.sh [--bin-dir DIR | --reference] [--only WORD] [--long] [WHAT...]
#     python         centrifuge-python's own tests            185 tests
#     go             centrifuge-go's own, but for deltas      58 tests
#     node           scenarios, npm centrifuge in Node, JSON and Protobuf
#     chromium       scenarios, npm centrifuge in headless Chromium
#     asyncio        scenarios, centrifuge-python, JSON and Protobuf
#     rust           scenarios, the crate centrifuge-client, JSON and Protobuf
#     examples       those of docs/CLIENTS.md whose language is here
# All of them without a WHAT. With --bin-dir nothing of the project is built and fanring is taken from there; with --reference the
# server is Centrifugo, which shows that the checks ask for nothing but what the SDKs are used to. --only takes the scenarios with
# that word in their names, and --long plays only those with slow readers, for minutes, in Node and with Python unless it is told
# otherwise. What is fetched is pinned, kept below target/sdk, and never committed. What can't be had is left out, with a notice.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/common.sh

python_sdk=0.7.0
python_tests=185
go_sdk=v0.12.1
go_tests=58

fail() { echo "sdk: $*" >&2; exit 1; }

use_tools
bin_dir='' reference='' only='' long='' options='' nginx='' wanted=()
while [ $# -gt 0 ]; do
  case $1 in
    --bin-dir) bin_dir=${2:?--bin-dir wants a folder}; shift 2 ;;
    --reference) reference=yes; shift ;;
    --only) only=${2:?--only wants a word}; shift 2 ;;
    --long) long=--long; shift ;;
    python | go | node | chromium | asyncio | rust | examples) wanted+=("$1"); shift ;;
    *) fail "unknown option $1" ;;
  esac
done
if [ ${#wanted[@]} -eq 0 ]; then
  wanted=(python go node chromium asyncio rust examples)
  [ -z "$long" ] || wanted=(node asyncio)
fi

mkdir -p "$CARGO_TARGET_DIR/sdk"
kept=$(cd "$CARGO_TARGET_DIR/sdk" && pwd)
runs=$(mktemp -d)
serve_below "$runs"

if [ -n "$reference" ]; then
  use_tools_folder
  [ -x "$tools/bin/centrifugo" ] || command -v go >/dev/null || skip "Centrifugo was not tried with its SDKs: there is no Go to build it"
  build_centrifugo
  server="env CENTRIFUGO_HTTP_SERVER_ADDRESS=127.0.0.1 CENTRIFUGO_HTTP_SERVER_PORT={port} $tools/bin/centrifugo -c {config}"
else
  if [ -z "$bin_dir" ]; then
    timeout 900 cargo build --locked -q -p fanring
    bin_dir=$CARGO_TARGET_DIR/debug
  fi
  fanring=$(realpath "$bin_dir/fanring")
  [ -x "$fanring" ] || fail "$bin_dir/fanring is missing"
  server="$fanring serve --listen 127.0.0.1:{port} --config {config}"
  options=' {options}'
fi

# serve FILE: the server with that configuration on $port, which is a new one.
serve() {
  port=$((port + 1))
  local command=${server//\{port\}/$port}
  read -ra command <<<"${command//\{config\}/$1}"
  start timeout 900 "${command[@]}"
}

skipped=()
# leave_out WHAT TEXT: it can't be tried here, and why.
leave_out() {
  notice "$1 was not tried: $2"
  skipped+=("$1")
}

# need_venv: the Python SDK with what it needs, in $kept/venv; fails where it can't be had.
need_venv() {
  python=$kept/venv/bin/python
  [ "$(cat "$kept/venv/version" 2>/dev/null)" != "$python_sdk" ] || return 0
  python3 -c 'import ensurepip' 2>/dev/null || install_packages python3 python3-venv || return 1
  rm -rf "$kept/venv"
  python3 -m venv "$kept/venv" &&
    timeout 300 "$python" -m pip install -q "centrifuge-python==$python_sdk" websockets==15.0.1 protobuf==6.33.2 &&
    echo "$python_sdk" >"$kept/venv/version"
}

# counted FILE WANTED FOUND: shows what failed, the test that ran last, and the end of a log if these differ.
counted() {
  [ "$2" = "$3" ] && return
  tail -30 "$1" >&2
  grep -E '^(FAIL|ERROR):|^ *--- (FAIL|SKIP)' "$1" >&2 || true
  grep -E '^test_\w+ |^=== RUN' "$1" | tail -1 | cut -c1-120 >&2
  fail "wanted: $2; found: $3"
}

try_python() {
  need_venv || { leave_out "$what" "PyPI does not give centrifuge-python" && return; }
  local source=$kept/centrifuge_python-$python_sdk.tar.gz code=0
  if [ ! -f "$source" ]; then
    timeout 300 "$python" -m pip download -q --no-deps --no-binary :all: -d "$kept" "centrifuge-python==$python_sdk" ||
      { leave_out "$what" "PyPI does not give centrifuge-python's source" && return; }
  fi
  serve "$PWD/tests/sdk/python.toml"
  mkdir "$runs/python" && tar -xf "$source" -C "$runs/python" --strip-components 1
  sed -i "s/localhost:8000/127.0.0.1:$port/" "$runs/python"/tests/*.py
  # A reply that never comes would make a test wait for ever.
  (cd "$runs/python" && timeout 300 "$python" -m unittest discover -v -s tests -t .) >"$runs/python.log" 2>&1 || code=$?
  counted "$runs/python.log" "Ran $python_tests tests, OK, code 0" \
    "$(sed -n 's/^\(Ran [0-9]* tests\) in .*/\1/p' "$runs/python.log"), $(tail -1 "$runs/python.log"), code $code"
}

try_go() {
  local module=github.com/centrifugal/centrifuge-go@$go_sdk source code=0
  command -v go >/dev/null || { leave_out "$what" "there is no Go" && return; }
  source=$(timeout 300 go mod download -json "$module" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p') || source=''
  [ -n "$source" ] || { leave_out "$what" "the Go proxy does not give centrifuge-go" && return; }
  serve "$PWD/tests/sdk/go.toml"
  cp -r "$source" "$runs/go" && chmod -R u+w "$runs/go"
  sed -i "s/localhost:8000/127.0.0.1:$port/" "$runs/go"/*_test.go
  (cd "$runs/go" && timeout 400 go test -count=1 -v -skip Fossil ./...) >"$runs/go.log" 2>&1 || code=$?
  counted "$runs/go.log" "$go_tests passed, 0 not, code 0" \
    "$(grep -c '^--- PASS' "$runs/go.log") passed, $(grep -cE '^--- (FAIL|SKIP)' "$runs/go.log" || true) not, code $code"
}

# use_nginx: from now on scenarios that need it are played too.
use_nginx() {
  nginx=/usr/sbin/nginx
  [ -x "$nginx" ] || install_packages nginx-light
}

# scenarios KIND COMMAND...: all of them, with that puppet.
scenarios() {
  timeout 900 python3 tests/sdk/scenarios.py --server "$server$options" --config tests/sdk/scenarios.toml --only "$only" \
    ${reference:+--reference} ${nginx:+--nginx "$nginx"} $long "$@"
}

# both COMMAND...: the scenarios with a program that speaks JSON, and with the same one that speaks Protobuf, at once, since they
# mostly wait.
both() {
  local encoding failed=''
  local -A started=()
  for encoding in json protobuf; do
    scenarios process "$@" "$encoding" >"$runs/$encoding.log" 2>&1 &
    started[$encoding]=$!
  done
  for encoding in json protobuf; do
    wait "${started[$encoding]}" || failed+=" $encoding"
    sed "s/^/$encoding: /" "$runs/$encoding.log"
  done
  [ -z "$failed" ] || fail "scenarios with $* and$failed"
}

# need_npm: the SDK for JavaScript, in $kept/js; fails where it can't be had.
need_npm() {
  mkdir -p "$kept/js"
  cp tests/sdk/js/* "$kept/js/"
  cmp -s "$kept/js/package-lock.json" "$kept/js/node_modules/installed" && return
  (cd "$kept/js" && timeout 300 npm ci --silent --no-audit --no-fund && cp package-lock.json node_modules/installed)
}

try_node() {
  need_npm || { leave_out "$what" "there is no Node with npm, or npm does not give centrifuge" && return; }
  local nginx
  use_nginx
  both node "$kept/js/node.cjs"
}

try_chromium() {
  command -v chromium >/dev/null || install_packages chromium fontconfig fonts-dejavu-core
  need_npm || { leave_out "$what" "there is no Node with npm, or npm does not give centrifuge" && return; }
  scenarios chromium "$(command -v chromium)" "$kept/js/node_modules/centrifuge/dist/centrifuge.js" || fail "scenarios in Chromium"
}

try_asyncio() {
  need_venv || { leave_out "$what" "PyPI does not give centrifuge-python" && return; }
  local nginx
  use_nginx
  both "$python" tests/sdk/asyncio_puppet.py
}

try_rust() {
  timeout 1200 cargo build --locked -q --manifest-path tests/sdk/rust/Cargo.toml || fail "the puppet in Rust does not build"
  both "$CARGO_TARGET_DIR/debug/sdk-puppet"
}

# All rooms are open to who comes: as the server starts without a configuration.
try_examples() {
  local languages=()
  if need_npm; then languages+=(js); else notice "the example in JavaScript was not run: there is no Node with npm"; fi
  if need_venv; then languages+=(python); else notice "the example in Python was not run: PyPI does not give its SDK"; fi
  if command -v go >/dev/null; then languages+=(go); else notice "the example in Go was not run: there is no Go"; fi
  if [ -n "$reference" ]; then
    serve "$PWD/tests/reference/insecure.toml"
  else
    port=$((port + 1))
    start timeout 900 "$fanring" serve --listen "127.0.0.1:$port"
  fi
  timeout 1500 python3 tests/sdk/examples.py "127.0.0.1:$port" "$kept" "${languages[@]}" rust || fail "examples of docs/CLIENTS.md"
}

for what in "${wanted[@]}"; do
  printf '==> %s\n' "$what"
  "try_$what"
done
[ ${#skipped[@]} -lt ${#wanted[@]} ] || exit 77
echo "sdk: all checks passed after $SECONDS s"
