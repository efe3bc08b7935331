"""What idle sessions and rooms take of a server's memory: sessions that subscribe, and are silent then."""

import json
import os
import resource
import socket
import time

SUBSCRIPTIONS = 128
# That makes 100,096 rooms of one member each.
SESSIONS = 782
# What a server takes before it has anybody is less to each of that many.
MANY_SESSIONS = 9500
IDLE_SESSIONS = 9500
# Buffers of the handshakes have gone back by then.
SETTLE_SECONDS = 1.5


def idle(server):
    """Memory of a session with one subscription."""
    grown, _ = growth(server, [[f"room{at % 100}"] for at in range(IDLE_SESSIONS)])
    return {"session_bytes": grown / IDLE_SESSIONS}


def several(server):
    """Memory of a session with many subscriptions, in rooms that all share."""
    grown, _ = growth(server, [[f"room{room}" for room in range(SUBSCRIPTIONS)] for _ in range(MANY_SESSIONS)])
    return {"session_bytes": grown / MANY_SESSIONS}


def rooms(server, another):
    """Memory of a room that one member has for itself, its membership deducted.

    Two servers are needed, so that neither finds memory that the other left.
    """
    shared, few = growth(server, [[f"room{room}" for room in range(SUBSCRIPTIONS)] for _ in range(SESSIONS)])
    own, many = growth(another, [[f"room{at}x{room}" for room in range(SUBSCRIPTIONS)] for at in range(SESSIONS)])
    return {"room_bytes": (own - shared) / (many - few)}


def growth(server, sessions):
    """By how much the server grew when these came, each to its channels; and how many channels that were."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    before = server.resident_bytes()
    opened = [connect(server.port, channels) for channels in sessions]
    time.sleep(SETTLE_SECONDS)
    grown = server.resident_bytes() - before
    for each in opened:
        each.close()
    return grown, len({name for channels in sessions for name in channels})


def connect(port, channels):
    """A session with these subscriptions, all of them confirmed."""
    each = socket.create_connection(("127.0.0.1", port), 20)
    head = f"GET /connection/websocket HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    each.sendall((head + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode())
    until(each, b"\r\n\r\n")
    commands = [{"id": 1, "connect": {}}]
    commands += [{"id": at, "subscribe": {"channel": name}} for at, name in enumerate(channels, 2)]
    each.sendall(frame("\n".join(json.dumps(command, separators=(",", ":")) for command in commands).encode()))
    until(each, f'"id":{len(channels) + 1},"subscribe"'.encode())
    return each


def until(each, wanted):
    """Reads until that has come; an error reply ends the measurement."""
    heard = b""
    while wanted not in heard:
        more = each.recv(1 << 16)
        if not more or b'"error"' in more:
            raise SystemExit(f"chat-bench: instead of {wanted.decode()} a server said: {more[:200]!r}")
        heard += more


def frame(payload):
    """A masked text frame; its key is 0, which leaves the payload as it is."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + size.to_bytes(2)
    return b"\x81" + length + bytes(4) + payload


def processor():
    """Stays on the client's processor."""
    os.sched_setaffinity(0, {1})
