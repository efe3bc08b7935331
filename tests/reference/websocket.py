"""One WebSocket connection (RFC 6455) that does nothing by itself: it neither answers pings nor closes, and sends what it is
told to, right or wrong.
"""

import base64
import os
import select
import socket
import struct
import time

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

# Only what fails waits so long.
PATIENCE_S = 60


class Ended(Exception):
    """The other side ended the connection without a close frame."""


class Connection:
    """A connection after its handshake, of which `status` and `headers` are kept; upgraded when `status` is 101."""

    def __init__(self, address, target, headers=()):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {target} HTTP/1.1",
            f"Host: {address}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
            *headers,
        ]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.buffer = b""
        self.fragments = b""
        self.kind = None
        self.ended = False
        self._read_head()

    def _read_head(self):
        while b"\r\n\r\n" not in self.buffer:
            data = self.socket.recv(1 << 16)
            if not data:
                raise Ended("no answer to the handshake")
            self.buffer += data
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        first, *rest = head.decode("latin-1").split("\r\n")
        self.status = int(first.split()[1])
        pairs = (line.split(":", 1) for line in rest)
        self.headers = {name.strip().lower(): value.strip() for name, value in pairs}

    def send(self, payload, opcode=None, last=True):
        """A masked frame: of text for a string, of bytes otherwise, unless an opcode is given."""
        if opcode is None:
            opcode = TEXT if isinstance(payload, str) else BINARY
        if isinstance(payload, str):
            payload = payload.encode()
        length = len(payload)
        head = bytes([(0x80 if last else 0) | opcode])
        if length < 126:
            head += bytes([0x80 | length])
        elif length < 1 << 16:
            head += bytes([0x80 | 126]) + struct.pack(">H", length)
        else:
            head += bytes([0x80 | 127]) + struct.pack(">Q", length)
        mask = os.urandom(4)
        repeated = mask * (length // 4 + 1)
        masked = int.from_bytes(payload) ^ int.from_bytes(repeated[:length])
        self.socket.sendall(head + mask + masked.to_bytes(length))

    def close(self):
        """Ends the connection as it is, without a word."""
        self.socket.close()

    def fileno(self):
        return self.socket.fileno()

    def message(self):
        """The next message that is complete here: opcode and payload, or nothing. Fragments are put together."""
        while (frame := self._frame()) is not None:
            opcode, last, payload = frame
            if opcode >= CLOSE:
                return opcode, payload
            if opcode != CONTINUATION:
                self.kind, self.fragments = opcode, b""
            self.fragments += payload
            if last:
                return self.kind, self.fragments
        return None

    def _frame(self):
        buffer = self.buffer
        if len(buffer) < 2:
            return None
        length, start = buffer[1] & 0x7F, 2
        if length == 126:
            length, start = int.from_bytes(buffer[2:4]), 4
        elif length == 127:
            length, start = int.from_bytes(buffer[2:10]), 10
        if len(buffer) < start + length:
            return None
        self.buffer = buffer[start + length:]
        return buffer[0] & 0x0F, bool(buffer[0] & 0x80), buffer[start:start + length]

    def take(self):
        """Takes what has arrived into the buffer; to be called when the socket is readable."""
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionError:
            data = b""
        if not data:
            self.ended = True
        self.buffer += data

    def receive(self, patience_s=PATIENCE_S):
        """The next message, waited for; nothing when it does not come in time."""
        deadline = time.monotonic() + patience_s
        while (message := self.message()) is None:
            left = deadline - time.monotonic()
            if self.ended:
                raise Ended("the connection is over")
            if left <= 0 or not select.select([self], [], [], left)[0]:
                return None
            self.take()
        return message


def reason_of(payload):
    """The code and the reason in a close frame; no code is 1005."""
    if len(payload) < 2:
        return 1005, ""
    return int.from_bytes(payload[:2]), payload[2:].decode("utf-8", "replace")
