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
# A room of 100 kB a second, for that long, and a reader of a fifth of it.
MESSAGES_PER_S = 100
SECONDS = 20
SLOW_BYTES_PER_S = 20_000
# With one that is slow, so many more that it is less than an eighth of the room, which would be held up for it otherwise.
OTHERS = 8
# What part of all publications a server has to take at least.
TAKEN_PART_MIN = 0.9
# Whatever the SDK does by itself: without a limit it subscribes thousands of times a second.
SUBSCRIBES_PER_MINUTE_MAX = 20


def loses_nothing_without_being_told(stage):
    """Each gap in what a slow reader gets is one that it was told of, and the others do not notice it."""
    channel = f"busy:{stage.name('x')}"
    way = stage.way()
    way.bytes_per_s = SLOW_BYTES_PER_S
    slow, quick = stage.actor(way.url, "1").connect(), stage.actor(stage.way().url, "2").connect()
    for each in (slow, quick):
        each.subscribe(channel)
    hands = [Hand(stage.server) for _ in range(OTHERS)]
    for each in hands:
        each.join(channel)
    hand, sent, started = hands[0], {}, time.monotonic()
    for number in range(1, MESSAGES_PER_S * SECONDS + 1):
        sent[hand.send("publish", channel=channel, data=[number, MESSAGE])] = number
        while (early_s := started + number / MESSAGES_PER_S - time.monotonic()) > 0:
            stage.troupe.hear(early_s)
    subscribed = slow.count("subscribed", channel=channel)
    # A server may refuse some while it lets others catch up, and must say so.
    said = [number for command, number in sent.items() if hand.answer(command)]
    assert len(said) > TAKEN_PART_MIN * len(sent), f"{len(said)} of {len(sent)} publications were taken"
    quick.troupe.wait(lambda: len(quick.values(channel)) >= len(said), lambda: f"{len(said)} for the quick one")
    equal([value[0] for value in quick.values(channel)], said)
    equal((quick.count("subscribed", channel=channel), quick.count("connecting")), (1, 1))
    way.bytes_per_s = None
    said += await_newest(slow, channel, hand, len(sent))
    check_gaps(slow, channel, said)
    assert subscribed <= SUBSCRIBES_PER_MINUTE_MAX, f"{subscribed} subscribes in {SECONDS} s"
    if not stage.reference:
        equal(slow.count("connecting"), 1)
    for each in hands:
        each.close()


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


def recovers_much_at_some_speed(stage):
    """19 MB at 1 MB/s: longer than the server's pings are apart, and they come in time."""
    channel = f"bulk:{stage.name('x')}"
    way = stage.way()
    one, hand = stage.actor(way.url).connect(), Hand(stage.server)
    one.subscribe(channel)
    hand.publish(channel, [0, ""])
    one.await_values(channel, [[0, ""]])
    way.closed = True
    way.cut()
    one.await_event("connecting")
    for number in range(1, 300):
        hand.publish(channel, [number, "x" * 64_000])
    way.bytes_per_s = 1_000_000
    way.closed = False
    again = one.await_event("subscribed", channel=channel)
    equal((again["was_recovering"], again["recovered"], again["offset"]), (True, True, 1))
    one.troupe.wait(lambda: len(one.values(channel)) >= 300, lambda: f"{len(one.values(channel))} of 300")
    equal([value[0] for value in one.values(channel)], list(range(300)))
    equal((one.count("connecting"), one.count("subscribed", channel=channel)), (2, 2))
    hand.close()


# So many kilobytes wait for a reader all the time, who reads so many bytes a second, directly and through nginx.
BACKLOG_KB = 1024
CRAWL_BYTES_PER_S, CRAWL_BEHIND_NGINX_BYTES_PER_S = 8_000, 40_000
LONG_S = 300
# An SDK waits that long for the reply to a call.
REPLY_S_MAX = 5


def speaks_in_time_behind_a_backlog(stage):
    """Minutes with a megabyte waiting: pings are heard, and what the slow one publishes itself is acknowledged in time."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        nginx, port = start_nginx("/usr/sbin/nginx", folder, stage.server.port)
        stack.callback(nginx.terminate)
        direct, behind = stage.way(), Way(stage.server)
        behind.port_beyond = port
        direct.bytes_per_s, behind.bytes_per_s = CRAWL_BYTES_PER_S, CRAWL_BEHIND_NGINX_BYTES_PER_S
        readers = [(way, stage.actor(way.url).connect(), stage.name("own"), f"busy:{stage.name('x')}")
                   for way in (direct, behind)]
        hand = Hand(stage.server)
        for _, one, own, busy in readers:
            one.subscribe(own)
            one.subscribe(busy)
            for _ in range(BACKLOG_KB):
                hand.send("publish", channel=busy, data=MESSAGE)
        until, calls = time.monotonic() + LONG_S, 0
        while time.monotonic() < until:
            started = time.monotonic()
            for way, one, own, busy in readers:
                for _ in range(way.bytes_per_s * 10 // 1000):
                    hand.send("publish", channel=busy, data=MESSAGE)
                called = time.monotonic()
                calls += 1
                one.publish(own, calls)
                assert time.monotonic() - called < REPLY_S_MAX, f"{time.monotonic() - called:.1f} s for a reply"
            while (left := started + 10 - time.monotonic()) > 0:
                stage.troupe.hear(left)
        for way, one, _, _ in readers:
            equal((one.count("connecting"), one.count("disconnected")), (1, 0))
            way.bytes_per_s = None
        hand.close()


SCENARIOS = (loses_nothing_without_being_told, recovers_much_at_some_speed)
# Centrifugo puts all that was missed into one reply, which its queue is too short for.
OURS_ONLY = (recovers_much_at_some_speed, speaks_in_time_behind_a_backlog)
# These take minutes.
LONG = (speaks_in_time_behind_a_backlog,)
