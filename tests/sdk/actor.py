"""One client of the SDK under test, as scenarios see it: what it is told to do and what it then tells."""

import time

from stage import PATIENCE_S, token

# Beside the interval of the server's pings: how long the SDK waits for one.
PING_DELAY_MS = 3000


class Troupe:
    """The clients of one puppet, by name."""

    def __init__(self, puppet):
        self.puppet, self.actors, self.calls, self.resting = puppet, {}, 0, set()

    def rest(self):
        """Lets all disconnect that have not yet."""
        for name, actor in self.actors.items():
            if name not in self.resting:
                actor.do("disconnect")
        self.resting.update(self.actors)

    def hear(self, seconds):
        """Gives each client what was told about it."""
        for event in self.puppet.events(seconds):
            self.actors[event["client"]].heard.append(event)

    def wait(self, condition, what):
        """Listens until the condition holds."""
        deadline = time.monotonic() + PATIENCE_S
        while not (found := condition()):
            assert time.monotonic() < deadline, f"never came: {what()}"
            self.hear(0.2)
        return found


class Actor:
    """A client with all that it told, in order; `await_event` goes through that and never goes back."""

    def __init__(self, stage, url, user, **options):
        self.troupe, self.name, self.user = stage.troupe, stage.name("client"), user
        self.heard, self.seen = [], 0
        self.troupe.actors[self.name] = self
        if "tokens" not in options:
            options.setdefault("token", token(user))
        self.do("open", url=url, ping_delay_ms=PING_DELAY_MS, **options)

    def do(self, what, **command):
        self.troupe.puppet.do({"do": what, "client": self.name, **command})

    def await_event(self, event, **fields):
        """The next event of that kind with these members."""
        def find():
            for index in range(self.seen, len(self.heard)):
                if matches(self.heard[index], event=event, **fields):
                    self.seen = index + 1
                    return self.heard[index]
            return None

        return self.troupe.wait(find, lambda: f"{self.name}: {event} {fields} after {self.heard[self.seen:][:20]}")

    def connect(self):
        """Connects, and keeps the client id."""
        self.do("connect")
        self.id = self.await_event("connected")["id"]
        return self

    def subscribe(self, channel, **options):
        """Subscribes, and returns what it began with."""
        self.do("subscribe", channel=channel, **options)
        return self.await_event("subscribed", channel=channel)

    def start(self, what, **command):
        """Begins a call and returns its number."""
        self.troupe.calls += 1
        self.do(what, call=self.troupe.calls, **command)
        return self.troupe.calls

    def answer(self, number):
        """How a call ended; other events stay where they are."""
        def find():
            return next((each for each in self.heard if each.get("call") == number), None)

        return self.troupe.wait(find, lambda: f"{self.name}: the end of call {number}")

    def call(self, what, **command):
        """The value of a call that must not fail."""
        ended = self.answer(self.start(what, **command))
        assert ended["event"] == "result", f"{what} {command}: {ended}"
        return ended["value"]

    def refused(self, what, **command):
        """The code of a call that must fail."""
        ended = self.answer(self.start(what, **command))
        assert ended["event"] == "failure", f"{what} {command}: {ended}"
        return ended["code"]

    def publish(self, channel, *values):
        for value in values:
            self.call("publish", channel=channel, data=value)

    def publications(self, channel):
        """All that it got there so far."""
        return [each for each in self.heard if matches(each, event="publication", channel=channel)]

    def values(self, channel):
        return [each["data"] for each in self.publications(channel)]

    def await_values(self, channel, wanted):
        """Waits for as many as are wanted; they must be these, in this order."""
        self.troupe.wait(lambda: len(self.values(channel)) >= len(wanted),
                         lambda: f"{wanted} beyond {self.values(channel)}")
        equal(self.values(channel), wanted)

    def count(self, event, **fields):
        """How often that was told."""
        return sum(matches(each, event=event, **fields) for each in self.heard)


def matches(told, /, **fields):
    return all(told.get(name) == value for name, value in fields.items())


def equal(found, wanted):
    """They are the same, or the scenario fails with both."""
    assert found == wanted, f"not {wanted!r} but {found!r}"
