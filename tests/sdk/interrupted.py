"""Scenarios in which the connection or the server goes away: what was missed comes once and in order, or the SDK is told that it
does not.
"""

import time

from actor import equal
from stage import Hand

TRANSPORT_CLOSED, NO_PING = 1, 2
# How many publications a channel keeps, by scenarios.toml.
HISTORY = 100


def joined(stage, channel):
    """A client behind a way of its own, and a hand, both in the channel, where 1 to 3 were published."""
    way = stage.way()
    one, hand = stage.actor(way.url).connect(), Hand(stage.server)
    began = one.subscribe(channel)
    if ":" not in channel:
        hand.join(channel)
    hand.publish(channel, 1, 2, 3)
    one.await_values(channel, [1, 2, 3])
    return way, one, hand, began


def recovers_over_a_killed_socket(stage):
    channel = stage.name("room")
    way, one, hand, began = joined(stage, channel)
    way.closed = True
    way.cut()
    one.await_event("connecting", code=TRANSPORT_CLOSED)
    hand.publish(channel, 4, 5, 6)
    way.closed = False
    again = one.await_event("subscribed", channel=channel)
    equal((again["was_recovering"], again["recovered"], again["epoch"]), (True, True, began["epoch"]))
    one.await_values(channel, [1, 2, 3, 4, 5, 6])
    hand.publish(channel, 7)
    one.await_values(channel, [1, 2, 3, 4, 5, 6, 7])
    equal([each["offset"] for each in one.publications(channel)], [1, 2, 3, 4, 5, 6, 7])
    equal((one.count("connected"), one.count("subscribed", channel=channel)), (2, 2))
    hand.close()


def recovers_when_nothing_was_missed(stage):
    channel = stage.name("room")
    way, one, hand, began = joined(stage, channel)
    way.cut()
    again = one.await_event("subscribed", channel=channel)
    equal((again["was_recovering"], again["recovered"], again["offset"]), (True, True, 3))
    hand.publish(channel, 4)
    one.await_values(channel, [1, 2, 3, 4])
    equal(again["epoch"], began["epoch"])
    hand.close()


def is_told_when_too_much_was_missed(stage):
    channel = f"short:{stage.name('x')}"
    way, one, hand, began = joined(stage, channel)
    way.closed = True
    way.cut()
    one.await_event("connecting", code=TRANSPORT_CLOSED)
    hand.publish(channel, 4, 5, 6)
    way.closed = False
    again = one.await_event("subscribed", channel=channel)
    equal((again["was_recovering"], again["recovered"], again["offset"]), (True, False, 6))
    equal(again["epoch"], began["epoch"])
    hand.publish(channel, 7)
    one.await_values(channel, [1, 2, 3, 7])
    hand.close()


def recovers_while_others_publish(stage):
    """Publications between the answer and the first push are neither lost nor doubled."""
    channel = stage.name("room")
    way, one, hand, _ = joined(stage, channel)
    last = 3
    for returns in range(1, 6):
        way.cut()
        # As many as the history keeps, over the time in which the SDK comes back.
        for _ in range(HISTORY - 10):
            last += 1
            hand.publish(channel, last)
            stage.troupe.hear(0.01)
            if one.count("subscribed", channel=channel) > returns:
                break
        one.await_event("subscribed", channel=channel, was_recovering=True, recovered=True)
    one.await_values(channel, list(range(1, last + 1)))
    equal([each["offset"] for each in one.publications(channel)], list(range(1, last + 1)))
    hand.close()


def leaves_and_joins_over_a_killed_socket(stage):
    channel = stage.name("room")
    way = stage.way()
    watching = stage.actor(stage.way().url, "2").connect()
    watching.subscribe(channel)
    one = stage.actor(way.url, "1").connect()
    one.subscribe(channel)
    watching.await_event("join", channel=channel, who=one.id)
    way.cut()
    equal(watching.await_event("leave", channel=channel)["who"], one.id)
    new = one.await_event("connected")["id"]
    assert new != one.id, new
    equal(watching.await_event("join", channel=channel)["who"], new)


def recovers_the_personal_channel(stage):
    way, user = stage.way(), stage.name("user")
    channel = f"#{user}"
    one, other = stage.actor(way.url, user).connect(), stage.actor(stage.way().url, user).connect()
    began = one.await_event("subscribed", channel=channel)
    other.publish(channel, 1, 2)
    one.await_values(channel, [1, 2])
    way.closed = True
    way.cut()
    one.await_event("connecting", code=TRANSPORT_CLOSED)
    other.publish(channel, 3, 4)
    way.closed = False
    again = one.await_event("subscribed", channel=channel)
    equal((again["was_recovering"], again["recovered"], again["epoch"]), (True, True, began["epoch"]))
    other.publish(channel, 5)
    one.await_values(channel, [1, 2, 3, 4, 5])
    equal([each["offset"] for each in one.publications(channel)], [1, 2, 3, 4, 5])


def does_not_notice_a_short_pause(stage):
    channel = stage.name("room")
    _, one, hand, _ = joined(stage, channel)
    stage.server.pause()
    numbers = [hand.send("publish", channel=channel, data=each) for each in (4, 5)]
    time.sleep(1)
    equal(one.values(channel), [1, 2, 3])
    stage.server.resume()
    for number in numbers:
        hand.wait(number)
    one.await_values(channel, [1, 2, 3, 4, 5])
    equal((one.count("connecting"), one.count("subscribed", channel=channel)), (1, 1))
    hand.close()


def recovers_when_the_server_stood_still(stage):
    channel = stage.name("room")
    _, one, hand, began = joined(stage, channel)
    stage.server.pause()
    try:
        numbers = [hand.send("publish", channel=channel, data=each) for each in (4, 5)]
        one.await_event("connecting", code=NO_PING)
        numbers += [hand.send("publish", channel=channel, data=each) for each in (6, 7)]
    finally:
        stage.server.resume()
    again = one.await_event("subscribed", channel=channel)
    for number in numbers:
        hand.wait(number)
    equal((again["was_recovering"], again["recovered"], again["epoch"]), (True, True, began["epoch"]))
    hand.publish(channel, 8)
    one.await_values(channel, [1, 2, 3, 4, 5, 6, 7, 8])
    equal([each["offset"] for each in one.publications(channel)], [1, 2, 3, 4, 5, 6, 7, 8])
    hand.close()


def is_told_when_the_server_is_a_new_one(stage):
    channel = stage.name("room")
    _, one, hand, began = joined(stage, channel)
    stage.server.kill()
    one.await_event("connecting", code=TRANSPORT_CLOSED)
    stage.server.start()
    again = one.await_event("subscribed", channel=channel)
    equal((again["was_recovering"], again["recovered"], again["offset"]), (True, False, 0))
    assert again["epoch"] not in ("", began["epoch"]), again
    hand = Hand(stage.server)
    hand.join(channel)
    hand.publish(channel, "new")
    one.await_values(channel, [1, 2, 3, "new"])
    equal(one.publications(channel)[-1]["offset"], 1)
    hand.close()


SCENARIOS = (
    recovers_over_a_killed_socket, recovers_when_nothing_was_missed, is_told_when_too_much_was_missed,
    recovers_while_others_publish, leaves_and_joins_over_a_killed_socket, recovers_the_personal_channel,
    does_not_notice_a_short_pause, recovers_when_the_server_stood_still, is_told_when_the_server_is_a_new_one,
)
