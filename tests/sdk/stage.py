"""What scenarios happen on: a server that can be stopped, paused and started again, ways to it that can be cut and slowed, and a
member that publishes from outside the SDK under test.
"""

import contextlib
import json
import os
import pathlib
import select
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "reference"))
import tokens  # noqa: E402
from websocket import CLOSE, TEXT, Connection, Ended, reason_of  # noqa: E402

PATH = "/connection/websocket"
TOO_MANY_REQUESTS = 111
# Only what fails waits so long.
PATIENCE_S = 60
# Little, so that what a slow reader has not read waits at the server and not on the way; or what it reads in a twentieth of a
# second, without which it would be slower still.
BUFFER_BYTES_MIN = 4096
# What a slow way makes up for at most.
LATE_S_MAX = 0.2


def token(user, **claims):
    """A connection token of that user, or a subscription token if there is a `channel`."""
    return tokens.token({"sub": user, **claims})


def unused_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


class Server:
    """A server on a port of its own, by a command with {port}, {config} and perhaps {options} in it."""

    def __init__(self, command, config):
        self.port = unused_port()
        self.command, self.config, self.options = command, config, ""
        self.log = tempfile.TemporaryFile()
        self.process = None
        self.start()

    def start_with(self, options):
        """Starts it anew, and elsewhere, if it did not have these options."""
        if options != self.options:
            self.kill()
            self.port, self.options = unused_port(), options
            self.start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        """Starts it, and waits until it listens."""
        command = shlex.split(self.command.format(port=self.port, config=self.config, options=self.options))
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the server does not listen:\n{self.said()}") from None
                time.sleep(0.05)

    def said(self):
        """The end of its log."""
        self.log.seek(0)
        return "\n".join(self.log.read().decode("utf-8", "replace").splitlines()[-8:])

    def kill(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)


class Way:
    """A port that leads to the server. It can be cut, held closed, and made slow towards the client."""

    def __init__(self, server):
        self.server = server
        # What is reached by it, if that is not the server itself.
        self.port_beyond = None
        self.bytes_per_s = None
        self.closed = False
        self.pairs = set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}{PATH}"

    def cut(self):
        """Ends all connections without a goodbye."""
        for pair in list(self.pairs):
            for end in pair:
                # It may have ended already.
                with contextlib.suppress(OSError):
                    # With this a close sends a reset, as a network does that goes away.
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    end.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        while True:
            client, _ = self.listener.accept()
            if self.closed:
                client.close()
                continue
            threading.Thread(target=self._lead, args=(client,), daemon=True).start()

    def _lead(self, client):
        server = socket.socket()
        pair = (client, server)
        try:
            if self.bytes_per_s:
                buffer_bytes = max(BUFFER_BYTES_MIN, self.bytes_per_s // 20)
                server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
            server.connect(("127.0.0.1", self.port_beyond or self.server.port))
            self.pairs.add(pair)
            back = threading.Thread(target=self._pass, args=(client, server), daemon=True)
            back.start()
            self._pass(server, client, slow=True)
            back.join()
        except OSError:
            pass
        finally:
            self.pairs.discard(pair)
            for end in pair:
                end.close()

    def _pass(self, source, target, slow=False):
        """Passes on what comes until one side ends, and then ends the other."""
        ready_at = time.monotonic()
        try:
            while True:
                rate = self.bytes_per_s if slow else None
                data = source.recv(max(rate // 50, 1) if rate else 1 << 16)
                if not data:
                    break
                target.sendall(data)
                if rate:
                    # What it comes late by on a busy machine it makes up for.
                    ready_at = max(ready_at, time.monotonic() - LATE_S_MAX) + len(data) / rate
                    time.sleep(max(ready_at - time.monotonic(), 0))
        except OSError:
            pass
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class Hand:
    """A member that speaks JSON by hand, answers pings and keeps what it is answered, also over a server that stands still."""

    def __init__(self, server, user="hand"):
        self.connection = Connection(server.address, PATH)
        self.replies, self.ids, self.lock = {}, 0, threading.Lock()
        self.over = None
        self.arrived = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()
        self.wait(self.send("connect", token=token(user)))

    def send(self, name, **request):
        """Sends a command and returns its id."""
        with self.lock:
            self.ids += 1
            self.connection.send(json.dumps({"id": self.ids, name: request}))
            return self.ids

    def wait(self, number):
        """The reply to a command, which must not be an error."""
        with self.arrived:
            self.arrived.wait_for(lambda: number in self.replies or self.over, PATIENCE_S)
            reply = self.replies.get(number)
        assert reply and "error" not in reply, f"command {number}: {reply}, {self.over}"
        return reply

    def answer(self, number):
        """Whether a command was done, and not put off because of too much to do."""
        with self.arrived:
            self.arrived.wait_for(lambda: number in self.replies or self.over, PATIENCE_S)
            error = self.replies[number].get("error")
        assert not error or error["code"] == TOO_MANY_REQUESTS, f"command {number}: {error}"
        return not error

    def publish(self, channel, *values):
        """Publishes these in order, and waits for all replies."""
        for number in [self.send("publish", channel=channel, data=each) for each in values]:
            self.wait(number)

    def join(self, channel):
        self.wait(self.send("subscribe", channel=channel))

    def close(self):
        self.connection.close()

    def _listen(self):
        try:
            while self.over is None:
                if not select.select([self.connection], [], [], 1)[0]:
                    continue
                self.connection.take()
                while (message := self.connection.message()) is not None:
                    self._take(*message)
                if self.connection.ended:
                    raise Ended("no connection")
        except (Ended, OSError, ValueError) as error:
            self.over = str(error)
        with self.arrived:
            self.arrived.notify_all()

    def _take(self, opcode, data):
        if opcode == CLOSE:
            self.over = f"closed: {reason_of(data)}"
        if opcode != TEXT:
            return
        for line in data.decode().splitlines():
            reply = json.loads(line)
            if not reply:
                with self.lock:
                    self.connection.send("{}")
            elif "id" in reply:
                with self.arrived:
                    self.replies[reply["id"]] = reply
                    self.arrived.notify_all()


class Stage:
    """All of it together, with names that nobody used before."""

    def __init__(self, command, config, puppet):
        self.server = Server(command, config)
        self.puppet = puppet
        self.count = 0

    def name(self, word):
        """A channel or client of a name that is new."""
        self.count += 1
        return f"{word}{self.count}-{os.getpid()}"

    def way(self):
        return Way(self.server)
