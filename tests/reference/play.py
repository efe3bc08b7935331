"""Plays a sequence to a server, and tells what it answered in a form in which two servers can be compared.

What differs from run to run is named instead: client ids by the letter of their connection, epochs by the order in which they
come, names by ~, and times by what they stand for.
"""

import json
import re
import select
import time
import uuid

import protobuf
import tokens
from websocket import BINARY, CLOSE, PING, PONG, TEXT, Connection, Ended, reason_of

PATH = "/connection/websocket"
# Nothing more is waited for when so long nothing has come, while it is not known how much is to come...
SILENCE_S = 0.25
# ...and when it is known: for what is too much...
SURPLUS_S = 0.03
# ...and for what does not come.
PATIENCE_S = 8
CLIENT_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# A time to live may be shorter than its token by a tenth, so that not all come back together.
TTL_SHARE_MIN = 0.89
# The longest time to live that is told.
YEAR_S = 365 * 24 * 3600


class Player:
    """One run of one sequence in one encoding."""

    def __init__(self, sequence, address, encoding):
        self.sequence, self.address, self.encoding = sequence, address, encoding
        self.mark = uuid.uuid4().hex[:10]
        self.connections, self.over = {}, set()
        self.events = {}
        self.clients, self.epochs, self.channels = {}, [], {}
        self.tokens, self.ttls = {}, [YEAR_S]
        for name, token in sequence.tokens.items():
            self._make_token(name, token)

    def _make_token(self, name, token):
        claims = json.loads(self._fill(token.claims))
        key = {"secret": token.key} if token.key else {}
        self.tokens[name] = tokens.token(claims, token.algorithm, **key)
        for claim in ("exp", "expire_at"):
            if str(claims.get(claim, "")).startswith("+"):
                self.ttls.append(int(claims[claim]))

    def play(self, known=None):
        """The answers to each step, by connection; `known` are those of another server, to know how much to wait for."""
        told = []
        try:
            for index, step in enumerate(self.sequence.steps):
                self.events = {}
                self._do(step)
                wanted = known[index] if known and index < len(known) else None
                self._listen(step.seconds, wanted)
                told.append(self._named())
        finally:
            for connection in self.connections.values():
                connection.close()
        return told

    def _fill(self, text):
        """What stands for something is put in."""
        text = text.replace("~", self.mark)
        text = re.sub(r"\$x(\d+)", lambda found: "x" * int(found[1]), text)
        text = re.sub(r"\$(T\d+)", lambda found: self.tokens[found[1]], text)
        text = text.replace("$epoch", self.epochs[-1] if self.epochs else "none")
        return re.sub(r"\$([a-e])\b", lambda found: self.clients.get(found[1], "nobody"), text)

    def _do(self, step):
        if not step.letter:
            return
        lines = [self._fill(line) for line in step.lines]
        if step.kind == "open":
            self._open(step.letter, lines[0], lines[1:], told=True)
            return
        if step.letter not in self.connections:
            protobuf_wanted = self.encoding == "protobuf"
            headers = ["Sec-WebSocket-Protocol: centrifuge-protobuf"] if protobuf_wanted else []
            self._open(step.letter, PATH, headers, told=False)
        connection = self.connections[step.letter]
        try:
            self._send(connection, step, lines)
        except OSError:
            connection.ended = True

    def _send(self, connection, step, lines):
        if step.kind == "commands":
            commands = [json.loads(line) for line in lines]
            for command in commands:
                if isinstance(asked := command.get("subscribe"), dict) and isinstance(asked.get("channel"), str):
                    self.channels[step.letter, command.get("id")] = asked["channel"]
            connection.send("\n".join(lines) if self.encoding == "json" else protobuf.frame(commands))
        elif step.kind == "text":
            text = "\n".join(lines).encode().decode("unicode_escape").encode("latin-1")
            connection.send(text, TEXT)
        elif step.kind == "bytes":
            connection.send(bytes.fromhex("".join(lines)), BINARY)
        elif step.kind == "ping":
            connection.send("".join(lines), PING)
        else:
            connection.close()
            self.over.add(step.letter)

    def _open(self, letter, target, headers, told):
        try:
            connection = Connection(self.address, target, headers)
        except (Ended, ConnectionError):
            self._tell(letter, {"handshake": "dropped"})
            return
        if connection.status != 101:
            self.over.add(letter)
            told = True
        if told:
            chosen = connection.headers.get("sec-websocket-protocol", "none")
            answer = [connection.status, chosen] if connection.status == 101 else [connection.status]
            self._tell(letter, {"handshake": answer})
        self.connections[letter] = connection

    def _tell(self, letter, event):
        self.events.setdefault(letter, []).append(event)

    def _listen(self, seconds, wanted):
        """Takes what comes: all that is wanted, or, if that is not known, until it is silent for a while."""
        started = time.monotonic()
        heard = started
        while True:
            now = time.monotonic()
            if wanted is None:
                over = now - heard >= SILENCE_S and now - started >= seconds
            elif self._has(wanted) and (any(wanted.values()) or now - started >= seconds):
                over = now - heard >= SURPLUS_S
            else:
                over = now - started >= PATIENCE_S + seconds
            if over:
                return
            if self._hear(0.01):
                heard = time.monotonic()

    def _has(self, wanted):
        return all(len(self.events.get(letter, [])) >= len(events) for letter, events in wanted.items())

    def _hear(self, seconds):
        """Whether anything came within that time."""
        live = {each: letter for letter, each in self.connections.items() if letter not in self.over}
        if not live:
            time.sleep(seconds)
            return False
        readable, _, _ = select.select(list(live), [], [], seconds)
        for connection in readable:
            connection.take()
        heard = False
        for connection, letter in live.items():
            while (message := connection.message()) is not None:
                heard = self._take(letter, connection, *message) or heard
            if connection.ended and letter not in self.over:
                self.over.add(letter)
                self._tell(letter, {"dropped": True})
                heard = True
        return heard

    def _take(self, letter, connection, opcode, data):
        """Tells what a message says; whether it is any news."""
        if opcode == CLOSE:
            self.over.add(letter)
            self._tell(letter, {"close": list(reason_of(data))})
        elif opcode in (PING, PONG):
            name = "websocket ping" if opcode == PING else "websocket pong"
            self._tell(letter, {name: data.decode("latin-1")})
        else:
            replies = self._replies(opcode, data)
            if self.sequence.answers_pings and replies == [{}]:
                connection.send("{}" if opcode == TEXT else protobuf.frame([{}]))
                return False
            for reply in replies:
                self._learn(letter, reply)
                missed = self._take_out_missed(letter, reply)
                for event in [reply, *missed]:
                    self._tell(letter, event)
        return True

    def _take_out_missed(self, letter, reply):
        """What was missed, as pushes behind the reply: some servers say it in there, others so, and SDKs take both."""
        subscribed = reply.get("subscribe")
        connect = reply.get("connect")
        found = {}
        if isinstance(subscribed, dict):
            found[self.channels.get((letter, reply.get("id")))] = subscribed
        elif isinstance(connect, dict):
            found = connect.get("subs", {})
        return [{"push": {"channel": channel, "pub": publication}}
                for channel, result in found.items() for publication in result.pop("publications", [])]

    def _replies(self, opcode, data):
        try:
            if opcode == BINARY:
                return protobuf.replies(data)
            return [json.loads(line) for line in data.decode().rstrip("\n").split("\n")]
        except (ValueError, protobuf.Malformed) as error:
            return [{"unreadable": f"{error}: {data[:200]!r}"}]

    def _learn(self, letter, reply):
        """Keeps ids and epochs by which later steps may want to be filled."""
        connect = reply.get("connect")
        if isinstance(connect, dict) and "client" in connect:
            self.clients[letter] = connect["client"]
        for epoch in epochs_in(reply):
            if epoch not in self.epochs:
                self.epochs.append(epoch)

    def _named(self):
        """The events of a step, with names for what differs between runs."""
        return {letter: [self._name(each) for each in self.events[letter]] for letter in sorted(self.events)}

    def _name(self, value, member=""):
        if isinstance(value, dict):
            return {self._name(name): self._name(each, name) for name, each in value.items()}
        if isinstance(value, list):
            return [self._name(each, member) for each in value]
        if isinstance(value, str):
            return self._name_text(value, member)
        if member == "ttl":
            for ttl in self.ttls:
                if int(ttl * TTL_SHARE_MIN) - 1 <= value <= ttl:
                    return f"<{ttl} s>"
        return "<time>" if member == "time" else value

    def _name_text(self, value, member):
        if member == "version" and value:
            return "<version>"
        if member == "epoch" and value in self.epochs:
            return f"<epoch {self.epochs.index(value) + 1}>"
        letters = {client: letter for letter, client in self.clients.items()}
        value = CLIENT_ID.sub(lambda found: f"<{letters.get(found[0], 'somebody')}>", value)
        return value.replace(self.mark, "~")


def epochs_in(value):
    """All epochs told in a reply, which are never empty; a server may tell of channels in any order."""
    if isinstance(value, dict):
        if isinstance(value.get("epoch"), str) and value["epoch"]:
            yield value["epoch"]
        value = [value[name] for name in sorted(value)]
    if isinstance(value, list):
        for each in value:
            yield from epochs_in(each)
