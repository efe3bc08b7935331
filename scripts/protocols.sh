#!/usr/bin/env bash
# Drives servers that speak a protocol of their own, each with the command that docs/LOADGEN.md has for it and for longer
# than its heartbeats: Centrifugo and go-stomp, which Go builds; aedes (MQTT) and Socket.IO from npm; and servers of our own
# for Pusher, Phoenix and Action Cable, which the clients of their authors try as well.
#   scripts/protocols.sh [--bin-dir DIR]
# With --bin-dir nothing of Rust is built and fanload is taken from there. What it fetches is pinned, and kept below
# target/protocols. What there is no Go or no Node for is left out, with a notice.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/common.sh

stomp_modules=(github.com/go-stomp/stomp/v3@v3.1.5 github.com/gorilla/websocket@v1.5.3)

fail() { echo "protocols: $*" >&2; exit 1; }

bin_dir=''
while [ $# -gt 0 ]; do
  case $1 in
    --bin-dir) bin_dir=${2:?--bin-dir wants a folder}; shift 2 ;;
    *) fail "unknown option $1" ;;
  esac
done

if [ -z "$bin_dir" ]; then
  timeout 900 cargo build --locked -q -p fanload
  bin_dir=${CARGO_TARGET_DIR:-target}/debug
fi
fanload=$(realpath "$bin_dir/fanload")
[ -x "$fanload" ] || fail "$bin_dir/fanload is missing"
use_tools_folder
checks=$PWD/loadgen/checks/protocols
page=$PWD/docs/LOADGEN.md

has_go='' has_node=''
if command -v go >/dev/null; then
  has_go=yes
else
  notice "fanload was not tried with Centrifugo and go-stomp: there is no Go to build them"
fi
if command -v node >/dev/null && command -v npm >/dev/null; then
  has_node=yes
else
  notice "fanload was not tried with aedes, Socket.IO and what Pusher, Phoenix and Rails speak: there is no Node with npm"
fi
[ -n "$has_go$has_node" ] || skip "the protocols of fanload were not tried: there is neither Go nor Node"

# go_stomp: builds the server of STOMP in a module of its own.
go_stomp() {
  rm -rf "$tools/stomp" && mkdir -p "$tools/stomp" && cp "$checks"/stomp/*.go "$tools/stomp" && cd "$tools/stomp" &&
    go mod init protocols/stomp && timeout 300 go get "${stomp_modules[@]}" && timeout 300 go build -o "$tools/bin/stomp" .
}

if [ -n "$has_go" ]; then
  build_centrifugo
  build stomp "${stomp_modules[*]} $(sha256sum <"$checks/stomp/main.go")" go_stomp
fi
if [ -n "$has_node" ]; then
  mkdir -p "$tools/node"
  cp "$checks"/*.js "$checks"/package*.json "$tools/node/"
  if ! cmp -s "$tools/node/package-lock.json" "$tools/node/node_modules/installed"; then
    (cd "$tools/node" && timeout 300 npm ci --silent --no-audit --no-fund && cp package-lock.json node_modules/installed)
  fi
fi

runs=$(mktemp -d)
serve_below "$runs"

# command_of WORD...: the arguments of the command on the page that has all of these words, in `arguments`.
arguments=()
command_of() {
  local line word
  line=$(grep '^fanload --protocol' "$page")
  for word in "$@"; do line=$(grep -F -- "$word" <<<"$line" || true); done
  [ "$(grep -c . <<<"$line")" -eq 1 ] || fail "docs/LOADGEN.md has not one command with: $*"
  eval "arguments=(${line#fanload })"
  # The server is the one on $port.
  local at
  for at in "${!arguments[@]}"; do
    [ "${arguments[at]:-}" != --target ] || unset "arguments[at]" "arguments[at + 1]"
  done
}

# The processors are shared with everything else here, so publishing may lag more than in a measurement.
load=(--subscribers 12 --rooms 3 --rate 60 --lag-max 1000 --quiet)
# Over three heartbeats of every server.
long=(--warmup 1 --duration 7)
short=(--warmup 0.5 --duration 1)

# drive NAME CODE OPTIONS...: a run against $port with the command in `arguments`, which ends with this code.
drive() {
  local name=$1 wanted=$2 code=0
  shift 2
  (cd "$runs" && while_invalid 4 timeout 100 "$fanload" "${arguments[@]}" --target "127.0.0.1:$port" "${load[@]}" "$@" \
    --json "$runs/$name.json") >"$runs/$name.txt" 2>"$runs/$name.err" || code=$?
  if [ "$code" -ne "$wanted" ]; then
    cat "$runs/$name.txt" "$runs/$name.err" >&2
    tail -5 "$runs/server-$port.log" >&2
    fail "$name: fanload ended with code $code, not $wanted"
  fi
  printf '%-28s %s\n' "$name" "$(grep -h '^judged\|^sessions' "$runs/$name.txt" | tr -s ' ' | paste -sd' ')"
}

# says NAME TEXT: the run said so.
says() { grep -qF -- "$2" "$runs/$1.txt" "$runs/$1.err" || fail "$1 does not say: $2"; }

# figure NAME FIGURE VALUE: the report of the run has this value in its counts.
figure() {
  grep -qE "\"$2\": ?$3\b" "$runs/$1.json" || fail "$1: $2 is not $3: $(grep -oE "\"$2\": ?[0-9]+" "$runs/$1.json")"
}

# recovery NAME FIGURE VALUE...: the report of the run says this of those that came back, of whom there were some.
recovery() {
  python3 "$checks/recovery.py" "$runs/$1.json" "${@:2}" || fail "$1: not what was to come back"
}

centrifugo() {
  python3 "$checks/tokens.py" not-a-secret 40 >"$runs/tokens.csv"
  start_centrifugo "$checks/centrifugo.toml"
  local encoding
  for encoding in json protobuf; do
    command_of "--protocol centrifugo" "encoding=$encoding"
    drive "centrifugo-$encoding" 0 "${long[@]}"
    figure "centrifugo-$encoding" acknowledged 480
    drive "centrifugo-$encoding-chat" 0 "${short[@]}" --workload chat
    drive "centrifugo-$encoding-closed" 3 "${short[@]}" --drain 0.5 --set 'channel=closed:{room}'
    says "centrifugo-$encoding-closed" "103 permission denied"
    figure "centrifugo-$encoding-closed" rejected 90
    drive "centrifugo-$encoding-stranger" 1 "${short[@]}" --set token=nonsense
    says "centrifugo-$encoding-stranger" 3500
    centrifugo_returns "centrifugo-$encoding"
  done
}

# centrifugo_returns NAME: with the command in `arguments`, everybody comes back to where it stood, and is told who comes.
centrifugo_returns() {
  local kept=(--set recover=yes --set join-leave=yes --set 'channel=kept:{room}')
  # As much as the server gives back at once.
  drive "$1-storm" 0 "${short[@]}" "${kept[@]}" --workload storm --missed 300
  recovery "$1-storm" came_back 12 recovered 12 messages 3600 lost 0 repeated 0
  figure "$1-storm" acknowledged 990
  says "$1-storm" "notices    "
  drive "$1-churn" 0 --warmup 0.5 --duration 3 "${kept[@]}" --workload churn --churn-rate 20
  recovery "$1-churn" refused 0 lost 0 repeated 0
  says "$1-churn" "notices    "
  # What is kept there is less than what is missed: nobody is to be told that it has it all.
  drive "$1-short" 0 "${short[@]}" --set recover=yes --set 'channel=short:{room}' --workload storm --missed 30
  recovery "$1-short" came_back 12 recovered 0 refused 12 messages 0 forgone 360
  drive "$1-forgetful" 1 "${short[@]}" --set recover=yes
  says "$1-forgetful" "allow recovery there"
}

stomp() {
  start timeout 600 "$tools/bin/stomp" "$port"
  export PASSCODE=guest
  command_of "--protocol stomp"
  # Large frames are cut over several messages. This server confirms no subscription.
  drive stomp 0 "${long[@]}" --size 64,9000 --set receipt=no --set heartbeat=1s
  drive stomp-chat 0 "${short[@]}" --settle 0.5 --workload chat --set receipt=no
}

mqtt() {
  start timeout 600 node "$tools/node/mqtt.js" "$port"
  command_of "--protocol mqtt"
  drive mqtt 0 "${long[@]}" --size 64,9000 --set keep-alive=2s
  # What is retained comes to each of the subscribers of the first room, and is nobody's loss.
  figure mqtt foreign 4
  # Two at once: a broker ends whoever is called as one that comes later.
  (drive mqtt-one 0 "${short[@]}" --set 'topic=one/{room}') &
  local one=$!
  drive mqtt-other 0 "${short[@]}" --set 'topic=other/{room}'
  wait "$one" || fail "one of two loads at one broker was disturbed by the other"
  drive mqtt-chat 0 "${short[@]}" --workload chat
}

socketio() {
  start timeout 600 node "$tools/node/socketio.js" "$port"
  command_of "--protocol socketio"
  drive socketio 0 "${long[@]}"
  drive socketio-chat 0 "${short[@]}" --workload chat
}

pusher() {
  export PUSHER_SECRET=not-a-secret
  start timeout 600 node "$tools/node/pusher.js" "$port" app-key "$PUSHER_SECRET" 2
  pusher_port=$port
  command_of "--protocol pusher"
  drive pusher 0 "${long[@]}"
  drive pusher-presence 0 "${short[@]}" --set 'channel=presence-room-{room}'
  drive pusher-chat 0 "${short[@]}" --workload chat
  # With nothing to hear, it is this side that asks.
  drive pusher-idle 0 --workload idle --hold 6
  drive pusher-refused 3 "${short[@]}" --drain 0.5 --set event=client-refused
  figure pusher-refused rejected 90
  PUSHER_SECRET=wrong drive pusher-stranger 1 "${short[@]}"
  says pusher-stranger "refused the channel"
}

phoenix() {
  start timeout 600 node "$tools/node/phoenix.js" "$port" 2000
  phoenix_port=$port
  command_of "--protocol phoenix"
  arguments+=(--set heartbeat=1s)
  drive phoenix 0 "${long[@]}"
  drive phoenix-chat 0 "${short[@]}" --workload chat --self-delivery
  drive phoenix-refused 3 "${short[@]}" --drain 0.5 --set event=refused
  figure phoenix-refused rejected 90
  drive phoenix-stranger 1 "${short[@]}" --set topic=other
  says phoenix-stranger "unmatched topic"
  # Without heartbeats nobody is let stay: what the runs above show is theirs.
  drive phoenix-silent 3 --warmup 1 --duration 3 --set heartbeat=60s
  says phoenix-silent "ended early"
}

actioncable() {
  start timeout 600 node "$tools/node/actioncable.js" "$port"
  command_of "--protocol actioncable" "command=whisper"
  drive actioncable-whisper 0 "${short[@]}" --workload chat
  command_of "--protocol actioncable" "ChatChannel"
  drive actioncable 0 "${long[@]}"
  drive actioncable-chat 0 "${short[@]}" --workload chat --self-delivery
  drive actioncable-stranger 1 "${short[@]}" --set 'channel={"channel":"NoChannel"}'
  says actioncable-stranger "rejected"
  timeout 60 node "$tools/node/clients.js" "$phoenix_port" "$port" "$pusher_port" app-key not-a-secret || fail "clients of others are not content"
}

# try NAME...: each at a server on a port of its own.
try() {
  local name
  for name in "$@"; do
    port=$((port + 1))
    "$name"
  done
}

[ -z "$has_go" ] || try centrifugo stomp
[ -z "$has_node" ] || try mqtt socketio pusher phoenix actioncable
echo "protocols: all checks passed after $SECONDS s"
