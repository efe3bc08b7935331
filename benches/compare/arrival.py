"""When the last subscriber's kernel has a message, with every subscriber asleep.

fanload and a server of two shards share two processors, so a completion time measured with it contains the
client's own work. Here nobody reads while a message goes out: the client publishes and sleeps, the kernel stamps
what arrives in each socket (SO_TIMESTAMPNS, socket(7)), and only long after that the sockets are read.
"""

import base64
import os
import socket
import struct
import time

SO_TIMESTAMPNS = 35
SUBSCRIBERS = 1000
# Long enough for the last send, by a factor of ten.
ASLEEP_SECONDS = 0.08
PAYLOAD = b"x" * 64


def connect(port, path):
    """A WebSocket on which nothing is outstanding."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=5)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    key = base64.b64encode(os.urandom(16)).decode()
    sock.sendall(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    head = b""
    while b"\r\n\r\n" not in head:
        head += sock.recv(4096)
    if not head.startswith(b"HTTP/1.1 101"):
        raise ConnectionError(f"the server answered {head.splitlines()[0].decode()}")
    return sock


def frame(payload):
    """A masked text frame of up to 125 bytes (RFC 6455 section 5.2)."""
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
    return bytes((0x81, 0x80 | len(payload))) + mask + masked


def arrived(sock, length):
    """Reads one message; the time its last byte arrived in the socket, in ns of CLOCK_REALTIME."""
    got, stamp = 0, 0
    while got < length:
        data, ancillary, _flags, _address = sock.recvmsg(length - got, socket.CMSG_SPACE(16))
        if not data:
            raise ConnectionError("the server closed a subscriber's connection")
        got += len(data)
        for level, kind, value in ancillary:
            if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                seconds, nanoseconds = struct.unpack("qq", value[:16])
                stamp = seconds * 1_000_000_000 + nanoseconds
    return stamp


def measure(port, rounds):
    """Publishes `rounds` messages; percentiles of the time to the first and the last subscriber, in ms."""
    os.sched_setaffinity(0, range(os.cpu_count()))
    publisher = connect(port, "/ws?presence=0")
    subscribers = [connect(port, "/ws?presence=0") for _ in range(SUBSCRIBERS)]
    time.sleep(0.3)
    first, last = [], []
    for _ in range(rounds):
        message = frame(PAYLOAD)
        sent = time.clock_gettime_ns(time.CLOCK_REALTIME)
        publisher.sendall(message)
        time.sleep(ASLEEP_SECONDS)
        stamps = [arrived(sock, len(PAYLOAD) + 2) for sock in subscribers]
        first.append((min(stamps) - sent) / 1e6)
        last.append((max(stamps) - sent) / 1e6)
    for sock in (publisher, *subscribers):
        sock.close()
    return {"first_ms": percentiles(first), "completion_ms": percentiles(last), "opened": SUBSCRIBERS + 1}


def percentiles(values):
    """p50, p99 and the largest."""
    values = sorted(values)
    at = lambda share: round(values[min(len(values) - 1, int(len(values) * share))], 4)
    return {"p50": at(0.5), "p99": at(0.99), "max": round(values[-1], 4)}
