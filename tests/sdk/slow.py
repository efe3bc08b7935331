"""Scenarios with a reader that is slower than what there is to read."""

import contextlib
import pathlib
import sys
import tempfile
import time

from actor import equal
from stage import Hand, Way

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "nginx"))
from proxy import start_nginx  # noqa: E402

MESSAGE = "x" * 1000
# A room of 100 kB a second, for a minute or less, and a reader of a fifth of it.
MESSAGES_PER_S = 100
BUSY_S, BUSY_SHORT_S = 60, 20
SLOW_BYTES_PER_S = 20_000
# With one that is slow, so many more that it is less than an eighth of the room, which would be held up for it otherwise.
OTHERS = 8
# What part of all publications a server has to take at least.
TAKEN_PART_MIN = 0.9
# Whatever the SDK does by itself: without a limit it subscribes thousands of times a second.
SUBSCRIBES_PER_MINUTE_MAX = 20
# Little enough that this reader falls behind in seconds, or so much that others do not in minutes.
LITTLE_LAG, MUCH_LAG = "--log-bytes 8MiB --lag-bytes-max 512KiB", "--lag-bytes-max 32MiB"


def loses_nothing_without_being_told(stage):
    """Each gap in what a slow reader gets is one that it was told of, it tries seldom to come back, and the others do not
    notice it."""
    channel = f"busy:{stage.name('x')}"
    way = stage.way()
    way.bytes_per_s = SLOW_BYTES_PER_S
    slow, quick = stage.actor(way.url, "1").connect(), stage.actor(stage.way().url, "2").connect()
    for each in (slow, quick):
        each.subscribe(channel, usual_delays=True)
    hands = [Hand(stage.server) for _ in range(OTHERS)]
    for each in hands:
        each.join(channel)
    sent, seconds = keep_busy(stage, hands[0], channel)
    subscribed, refused = slow.count("subscribed", channel=channel), slow.count("error", channel=channel)
    # A server may refuse some while it lets others catch up, and must say so.
    said = [number for command, number in sent.items() if hands[0].answer(command)]
    assert len(said) > TAKEN_PART_MIN * len(sent), f"{len(said)} of {len(sent)} publications were taken"
    quick.troupe.wait(lambda: len(quick.values(channel)) >= len(said), lambda: f"{len(said)} for the quick one")
    equal([value[0] for value in quick.values(channel)], said)
    equal((quick.count("subscribed", channel=channel), quick.count("connecting")), (1, 1))
    way.bytes_per_s = None
    said += await_newest(slow, channel, hands[0], len(sent))
    check_gaps(slow, channel, said)
    found = f"{subscribed} subscribes and {refused} tries in {seconds:.0f} s"
    assert subscribed + refused <= SUBSCRIBES_PER_MINUTE_MAX * seconds / 60, found
    if not stage.reference:
        equal(slow.count("connecting"), 1)
    for each in hands:
        each.close()
    return found


def keep_busy(stage, hand, channel):
    """Publishes to a channel for some time; the numbers by their commands, and how long it was."""
    sent, started = {}, time.monotonic()
    for number in range(1, MESSAGES_PER_S * (BUSY_S if stage.is_long else BUSY_SHORT_S) + 1):
        sent[hand.send("publish", channel=channel, data=[number, MESSAGE])] = number
        while (early_s := started + number / MESSAGES_PER_S - time.monotonic()) > 0:
            stage.troupe.hear(early_s)
    return sent, time.monotonic() - started


def await_newest(slow, channel, hand, last):
    """Publishes one after the other until one comes to who was slow and is so no more; all that were published."""
    for number in range(last + 1, last + 13):
        hand.publish(channel, [number, ""])
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            slow.troupe.hear(0.1)
            if [number, ""] in slow.values(channel):
                return list(range(last + 1, number + 1))
    raise AssertionError(f"nothing comes any more, after {[each for each in slow.heard if each['event'] != 'publication'][-10:]}")


def check_gaps(slow, channel, said):
    """What it got is in order, and skips some only behind a subscribed event that says so."""
    places, last, lost = {number: place for place, number in enumerate(said)}, -1, False
    for event in slow.heard:
        if event.get("channel") != channel:
            continue
        if event["event"] == "subscribed":
            lost = event["was_recovering"] and not event["recovered"]
        elif event["event"] == "publication":
            place = places[event["data"][0]]
            assert place > last, f"{said[place]} after {said[last]}"
            assert place == last + 1 or lost, f"{said[place]} after {said[last]}, and nobody said so"
            last, lost = place, False


# 19 MiB and a little.
BULK_MESSAGES, BULK_BYTES = 320, 64_000
BULK_BYTES_PER_S = 1_000_000


def recovers_much_at_some_speed(stage):
    """19 MiB at 1 MB/s: longer than the server's pings are apart, and they come in time."""
    channel = f"bulk:{stage.name('x')}"
    way = stage.way()
    one, hand = stage.actor(way.url).connect(), Hand(stage.server)
    one.subscribe(channel)
    hand.publish(channel, [0, ""])
    one.await_values(channel, [[0, ""]])
    way.closed = True
    way.cut()
    one.await_event("connecting")
    for number in range(1, BULK_MESSAGES):
        hand.publish(channel, [number, "x" * BULK_BYTES])
    way.bytes_per_s = BULK_BYTES_PER_S
    way.closed = False
    again = one.await_event("subscribed", channel=channel)
    started = time.monotonic()
    equal((again["was_recovering"], again["recovered"], again["offset"]), (True, True, 1))
    one.troupe.wait(lambda: len(one.values(channel)) >= BULK_MESSAGES, lambda: f"{len(one.values(channel))} of {BULK_MESSAGES}")
    equal([value[0] for value in one.values(channel)], list(range(BULK_MESSAGES)))
    equal((one.count("connecting"), one.count("subscribed", channel=channel)), (2, 2))
    hand.close()
    return f"{BULK_MESSAGES * BULK_BYTES / 1e6:.1f} MB in {time.monotonic() - started:.0f} s"


# So many kilobytes wait for a reader, who reads so many bytes a second, directly and through nginx: a MiB, and what it reads of it
# before there are more.
BACKLOG_KB = 1049 + 151
CRAWL_BYTES_PER_S, CRAWL_BEHIND_NGINX_BYTES_PER_S = 8_000, 40_000
CRAWL_S, CRAWL_SHORT_S = 300, 20
# How often each of them calls, and how long an SDK waits for the reply.
CALL_EVERY_S = 2
REPLY_S_MAX = 5


class Crawler:
    """A reader that is slower than all that waits for it, and calls all the time."""

    def __init__(self, stage, way, hand):
        self.way, self.hand = way, hand
        self.actor = stage.actor(way.url).connect()
        self.own, self.busy = stage.name("own"), f"busy:{stage.name('x')}"
        self.sent, self.slowest_s = 0, 0
        for channel in (self.own, self.busy):
            self.actor.subscribe(channel)
        self.feed()

    def feed(self):
        """Publishes as much to what waits as was read of it."""
        wanted = BACKLOG_KB + len(self.actor.values(self.busy))
        for _ in range(self.sent, wanted):
            self.hand.send("publish", channel=self.busy, data=MESSAGE)
        self.sent = wanted

    def call(self, number):
        """Publishes, and waits for the reply."""
        self.feed()
        called = time.monotonic()
        self.actor.publish(self.own, number)
        self.slowest_s = max(self.slowest_s, time.monotonic() - called)
        assert self.slowest_s < REPLY_S_MAX, f"{self.slowest_s:.1f} s for a reply at {self.way.bytes_per_s} B/s"


def speaks_in_time_behind_a_backlog(stage):
    """With a megabyte waiting for minutes pings are heard, and what a slow reader publishes itself is acknowledged in time."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        nginx, port = start_nginx(stage.nginx, folder, stage.server.port)
        stack.callback(nginx.terminate)
        direct, behind = stage.way(), Way(stage.server)
        behind.port_beyond = port
        direct.bytes_per_s, behind.bytes_per_s = CRAWL_BYTES_PER_S, CRAWL_BEHIND_NGINX_BYTES_PER_S
        hand = Hand(stage.server)
        crawlers = [Crawler(stage, way, hand) for way in (direct, behind)]
        until, number = time.monotonic() + (CRAWL_S if stage.is_long else CRAWL_SHORT_S), 0
        while time.monotonic() < until:
            started = time.monotonic()
            number += 1
            for each in crawlers:
                each.call(number)
            while (left := started + CALL_EVERY_S - time.monotonic()) > 0:
                stage.troupe.hear(left)
        for each in crawlers:
            # Who hears no ping connects anew.
            equal((each.actor.count("connecting"), each.actor.count("disconnected")), (1, 0))
            equal([each.actor.count("subscribed", channel=channel) for channel in (each.own, each.busy)], [1, 1])
            each.way.bytes_per_s = None
        hand.close()
    return ", ".join(f"{each.slowest_s:.1f} s for the slowest of {number} replies" for each in crawlers)


SCENARIOS = (loses_nothing_without_being_told, recovers_much_at_some_speed, speaks_in_time_behind_a_backlog)
# Centrifugo puts all that was missed into one reply, which its queue is too short for.
OURS_ONLY = (recovers_much_at_some_speed, speaks_in_time_behind_a_backlog)
BEHIND_NGINX = (speaks_in_time_behind_a_backlog,)
# What Fanring is started with beside the configuration.
OPTIONS = {
    loses_nothing_without_being_told: LITTLE_LAG,
    recovers_much_at_some_speed: "--lag-bytes-max 512KiB",
    speaks_in_time_behind_a_backlog: MUCH_LAG,
}
