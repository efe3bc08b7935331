#!/usr/bin/env python3
"""The real server behind a real nginx that keeps its upstream connections.

Goal: WebSockets whose upgrade arrives on a connection that already carried ordinary requests work
like any other, both ways, and it is shown that they did arrive there: nginx is the only client, so
the figures `accepted` and `adopted_from_web` of /healthz count its connections.

    tests/nginx/proxy.py target/debug/fanring [--nginx PATH]
"""

import argparse
import base64
import concurrent.futures
import http.client
import json
import os
import pathlib
import re
import select
import socket
import struct
import subprocess
import tempfile
import time

# Only a check that fails waits so long.
PATIENCE_S = 120
ROUNDS = 20
STORM_THREADS = 8
STORM_ROUNDS = 10
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class WebSocket:
    """Just enough of RFC 6455 for this test."""

    def __init__(self, port, path="/ws"):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\n"
            f"Origin: http://127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
        self.file = self.socket.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        while self.file.readline().strip():
            pass

    def send(self, text, opcode=TEXT):
        payload = text.encode() if isinstance(text, str) else text
        mask = os.urandom(4)
        length = len(payload)
        if length < 126:
            head = bytes([0x80 | opcode, 0x80 | length])
        else:
            head = bytes([0x80 | opcode, 0x80 | 126]) + struct.pack(">H", length)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        self.socket.sendall(head + mask + masked)

    def receive(self):
        """The next frame that is no ping, as opcode and payload."""
        while True:
            first, length = self.file.read(2)
            if length == 126:
                length, = struct.unpack(">H", self.file.read(2))
            payload = self.file.read(length)
            if first & 15 == PING:
                self.send(payload, PONG)
            else:
                return first & 15, payload

    def receive_message(self):
        """The next text message that is no join or leave."""
        while True:
            opcode, payload = self.receive()
            assert opcode == TEXT, (opcode, payload)
            if not payload.startswith(b'{"event":'):
                return payload.decode()

    def settle(self):
        """Waits until the server has handled everything sent so far."""
        self.send("")
        while self.receive_message() != "":
            pass

    def close(self):
        """The closing handshake, started here and ended by the server's end of the stream."""
        self.send(struct.pack(">H", 1000), CLOSE)
        while (frame := self.receive())[0] != CLOSE:
            pass
        assert frame[1][:2] == struct.pack(">H", 1000), frame
        assert self.file.read() == b"", "the connection ends with the handshake"
        self.socket.close()


def listen_port(process, pattern):
    """The port a server prints on its standard error."""
    log = b""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := re.search(pattern, log)):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([process.stderr], [], [], left)[0]:
            raise TimeoutError(f"the server never said where it listens:\n{log.decode()}")
        data = process.stderr.read1(4096)
        if not data:
            raise RuntimeError(f"the server did not start:\n{log.decode()}")
        log += data
    return int(found[1])


def start_nginx(executable, folder, upstream):
    """nginx on a free port; returns it and the port once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    template = (pathlib.Path(__file__).parent / "nginx.conf").read_text()
    config = pathlib.Path(folder) / "nginx.conf"
    values = {"PORT": str(port), "UPSTREAM": str(upstream), "FOLDER": folder}
    config.write_text(re.sub("PORT|UPSTREAM|FOLDER", lambda found: values[found[0]], template))
    process = subprocess.Popen([executable, "-c", str(config), "-e", f"{folder}/error.log"],
                               stdin=subprocess.DEVNULL)
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return process, port
        except ConnectionRefusedError:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise RuntimeError("nginx did not start") from None


def get(connection, path):
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read()


def figures(connection):
    status, body = get(connection, "/healthz")
    assert status == 200, body
    return json.loads(body)


def check_pages(connection):
    """Ordinary requests come through, all on one upstream connection."""
    before = figures(connection)
    for path, status in [("/", 200), ("/app.js", 200),
                         ("/style.css", 200), ("/nothing", 404)]:
        assert get(connection, path)[0] == status, path
    after = figures(connection)
    assert after["accepted"] == before["accepted"], "nginx did not keep its connection"
    assert after["adopted_from_web"] == before["adopted_from_web"]


def check_rounds(connection, port):
    """Each upgrade comes right after a page, on that page's connection, and works both ways."""
    for index in range(ROUNDS):
        before = figures(connection)
        first = WebSocket(port, "/ws/proxy")
        middle = figures(connection)
        second = WebSocket(port, "/ws/proxy")
        assert (first.status, second.status) == (101, 101)
        after = figures(connection)
        # Two upgrades, each on the connection its page used; each page after one needed a new one.
        assert middle["adopted_from_web"] - before["adopted_from_web"] == 1, (before, middle)
        assert after["adopted_from_web"] - before["adopted_from_web"] == 2, (before, after)
        assert after["accepted"] - before["accepted"] == 2, (before, after)

        first.settle()
        second.settle()
        assert json.loads(get(connection, "/rooms/proxy")[1])["members"] == 2
        first.send(f"there {index} " + "x" * 3000)
        assert second.receive_message() == f"there {index} " + "x" * 3000
        second.send(f"and back {index}")
        assert first.receive_message() == f"and back {index}"
        first.close()
        second.close()


def check_refusals(connection, port):
    """An upgrade the shard refuses is refused to the client, on a kept connection as well."""
    before = figures(connection)
    assert WebSocket(port, "/no/such/path").status == 404
    after = figures(connection)
    assert after["adopted_from_web"] - before["adopted_from_web"] == 1, (before, after)


def check_subpath(connection, port):
    """Shown below a path, the page names its files, its room and its way back from there."""
    status, page = get(connection, "/chat/")
    assert status == 200
    for name in (b"app.js", b"style.css", b"favicon.svg"):
        assert b'"' + name + b'"' in page, name
        assert get(connection, f"/chat/{name.decode()}")[0] == 200
    status, lost = get(connection, "/chat/no/such/page")
    assert status == 404 and b'href="../../"' in lost, lost
    one, other = WebSocket(port, "/chat/ws/below"), WebSocket(port, "/ws/below")
    assert (one.status, other.status) == (101, 101)
    one.settle()
    other.settle()
    assert json.loads(get(connection, "/chat/rooms/below")[1])["members"] == 2
    one.send("from below")
    assert other.receive_message() == "from below"
    one.close()
    other.close()


def storm(port, thread):
    """Pages and sockets in turn, while others do the same."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    for index in range(STORM_ROUNDS):
        assert get(connection, "/app.js")[0] == 200
        one = WebSocket(port, f"/ws/storm-{thread}")
        other = WebSocket(port, f"/ws/storm-{thread}")
        other.settle()
        for number in range(5):
            one.send(f"{thread} {index} {number}")
        for number in range(5):
            assert other.receive_message() == f"{thread} {index} {number}"
        one.close()
        other.close()
    connection.close()


def check_storm(connection, port):
    """Many at once: every byte still reaches the right socket, and nothing is left behind."""
    before = figures(connection)
    with concurrent.futures.ThreadPoolExecutor(STORM_THREADS) as pool:
        for future in [pool.submit(storm, port, thread) for thread in range(STORM_THREADS)]:
            future.result()
    after = figures(connection)
    assert after["adopted_from_web"] > before["adopted_from_web"]
    deadline = time.monotonic() + PATIENCE_S
    while (now := figures(connection))["sessions"] != 0:
        assert time.monotonic() < deadline, now


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("--nginx", default="/usr/sbin/nginx")
    options = parser.parse_args()
    command = [options.binary, "serve", "--listen", "127.0.0.1:0"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    nginx = None
    try:
        upstream = listen_port(server, rb"127\.0\.0\.1:([1-9]\d*)")
        with tempfile.TemporaryDirectory() as folder:
            nginx, port = start_nginx(options.nginx, folder, upstream)
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
            check_pages(connection)
            check_rounds(connection, port)
            check_refusals(connection, port)
            check_subpath(connection, port)
            check_storm(connection, port)
            adopted = figures(connection)["adopted_from_web"]
            nginx.terminate()
            nginx.wait()
        print(f"{adopted} upgrades arrived on connections kept by nginx")
        print("nginx: 5 passed, 0 failed")
    finally:
        if nginx and nginx.poll() is None:
            # Killed, it would leave its worker behind.
            nginx.terminate()
            nginx.wait()
        server.kill()
        server.wait()


if __name__ == "__main__":
    main()
