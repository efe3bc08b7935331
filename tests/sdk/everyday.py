"""Scenarios in which nothing goes wrong, and those in which the client does."""

import re

from actor import equal
from stage import Hand, token

CLIENT_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# Codes of the protocol.
DISCONNECT_CALLED, UNSUBSCRIBE_CALLED = 0, 0
UNKNOWN_CHANNEL, PERMISSION_DENIED, INVALID_TOKEN = 102, 103, 3500


def connects_and_disconnects(stage):
    one = stage.actor(stage.way().url).connect()
    assert CLIENT_ID.fullmatch(one.id), one.id
    other = stage.actor(stage.way().url).connect()
    assert other.id != one.id, one.id
    one.do("disconnect")
    one.await_event("disconnected", code=DISCONNECT_CALLED)
    equal(one.count("error"), 0)


def refuses_bad_tokens(stage):
    one = stage.actor(stage.way().url, token=token("1", exp="+60")[:-4] + "AAAA")
    one.do("connect")
    one.await_event("disconnected", code=INVALID_TOKEN)
    equal(one.count("connected"), 0)


def asks_for_a_token_when_one_expired(stage):
    one = stage.actor(stage.way().url, tokens=[token("1", exp="-60"), token("1", exp="+600")])
    one.connect()
    equal(one.count("token"), 2)


def publishes_in_order(stage):
    way, channel = stage.way(), stage.name("room")
    one, two = stage.actor(way.url, "1").connect(), stage.actor(way.url, "2").connect()
    for each in (one, two):
        began = each.subscribe(channel)
        equal((began["recoverable"], began["positioned"], began["was_recovering"], began["offset"]), (True, True, False, 0))
        assert began["epoch"], began
    one.publish(channel, {"n": 1}, "two", [3, None, 1.5])
    two.publish(channel, {"text": "é\u2028<&>\"\\"})
    wanted = [{"n": 1}, "two", [3, None, 1.5], {"text": "é\u2028<&>\"\\"}]
    for each in (one, two):
        each.await_values(channel, wanted)
        got = each.publications(channel)
        equal([publication["offset"] for publication in got], [1, 2, 3, 4])
        equal([(publication["user"], publication["by"]) for publication in got],
              [("1", one.id)] * 3 + [("2", two.id)])


def answers_calls_with_errors(stage):
    one = stage.actor(stage.way().url).connect()
    equal(one.refused("publish", channel=stage.name("room"), data=1), PERMISSION_DENIED)
    equal(one.refused("publish", channel="none:x", data=1), UNKNOWN_CHANNEL)
    equal(one.refused("history", channel="none:x", limit=1), UNKNOWN_CHANNEL)
    one.do("subscribe", channel="none:x")
    one.await_event("unsubscribed", channel="none:x", code=UNKNOWN_CHANNEL)


def shows_presence(stage):
    way, channel = stage.way(), stage.name("room")
    one, again, two = (stage.actor(way.url, user).connect() for user in "112")
    for each in (one, again, two):
        each.subscribe(channel)
    wanted = {each.id: {"user": each.user, "client": each.id} for each in (one, again, two)}
    equal(two.call("presence", channel=channel), wanted)
    equal(two.call("presence_stats", channel=channel), {"clients": 3, "users": 2})
    one.do("unsubscribe", channel=channel)
    one.await_event("unsubscribed", channel=channel, code=UNSUBSCRIBE_CALLED)
    two.await_event("leave", channel=channel, who=one.id)
    del wanted[one.id]
    equal(two.call("presence", channel=channel), wanted)
    equal(two.call("presence_stats", channel=channel), {"clients": 2, "users": 2})


def tells_joins_and_leaves(stage):
    way, channel = stage.way(), stage.name("room")
    one = stage.actor(way.url, "1").connect()
    one.subscribe(channel)
    equal(one.await_event("join", channel=channel), told(one, "join", channel, one))
    two = stage.actor(way.url, "2").connect()
    two.subscribe(channel)
    equal(two.await_event("join", channel=channel), told(two, "join", channel, two))
    equal(one.await_event("join", channel=channel), told(one, "join", channel, two))
    two.do("disconnect")
    equal(one.await_event("leave", channel=channel), told(one, "leave", channel, two))
    equal([each.count(event, channel=channel) for each in (one, two) for event in ("join", "leave")], [2, 1, 1, 0])


def told(heard_by, name, channel, who):
    """A join or leave as a client tells it."""
    return {"client": heard_by.name, "channel": channel, "event": name, "server": False, "user": who.user, "who": who.id}


def shows_history(stage):
    channel = stage.name("room")
    one = stage.actor(stage.way().url).connect()
    began = one.subscribe(channel)
    equal(one.call("history", channel=channel, limit=10), {"publications": [], "offset": 0, "epoch": began["epoch"]})
    one.publish(channel, 1, 2, 3, 4)
    since = {"offset": 2, "epoch": began["epoch"]}
    for options, wanted in [
        ({"limit": -1}, [1, 2, 3, 4]),
        ({"limit": 2}, [1, 2]),
        ({"limit": 2, "reverse": True}, [4, 3]),
        ({"limit": -1, "since": since}, [3, 4]),
        ({"limit": -1, "since": since, "reverse": True}, [1]),
        ({}, []),
    ]:
        found = one.call("history", channel=channel, **options)
        equal([each["data"] for each in found["publications"]], wanted)
        equal([each["offset"] for each in found["publications"]], wanted)
        equal((found["offset"], found["epoch"]), (4, began["epoch"]))
        equal({each["by"] for each in found["publications"]}, {one.id} if wanted else set())
    equal(one.refused("history", channel=channel, limit=1, since={"offset": 1, "epoch": "other"}), 112)


def subscribes_with_tokens(stage):
    channel, other = f"closed:{stage.name('x')}", f"closed:{stage.name('x')}"
    one = stage.actor(stage.way().url, "1").connect()
    one.do("subscribe", channel=channel)
    one.await_event("unsubscribed", channel=channel, code=PERMISSION_DENIED)
    began = one.subscribe(other, token=token("1", channel=other))
    equal((began["recoverable"], began["offset"], began["epoch"]), (False, 0, ""))
    two = stage.actor(stage.way().url, "2").connect()
    two.do("subscribe", channel=channel, token=token("1", channel=channel))
    two.await_event("disconnected", code=INVALID_TOKEN)


def renews_tokens_before_they_end(stage):
    channel = f"closed:{stage.name('x')}"
    tokens = [token("1", exp="+4"), token("1", exp="+600")]
    sub_tokens = [token("1", exp="+4", channel=channel), token("1", exp="+600", channel=channel)]
    one = stage.actor(stage.way().url, "1", tokens=tokens).connect()
    one.subscribe(channel, tokens=sub_tokens)
    stage.troupe.wait(lambda: one.count("token") >= 4, lambda: f"a fourth token: {one.heard}")
    equal(one.call("presence_stats", channel=channel), {"clients": 1, "users": 1})
    equal([one.count("token", channel=each) for each in ("", channel)], [2, 2])
    equal([one.count(each, channel=channel) for each in ("subscribed", "unsubscribed", "error")], [1, 0, 0])
    equal([one.count(each) for each in ("connecting", "connected", "disconnected", "error")], [1, 1, 0, 0])


def subscribes_to_the_personal_channel(stage):
    way, user = stage.way(), stage.name("user")
    channel = f"#{user}"
    one = stage.actor(way.url, user).connect()
    began = one.await_event("subscribed", channel=channel, server=True)
    equal((began["recoverable"], began["positioned"], began["was_recovering"]), (True, True, False))
    equal(one.await_event("join", channel=channel, server=True)["who"], one.id)
    two = stage.actor(way.url, user).connect()
    equal(one.await_event("join", channel=channel, server=True)["who"], two.id)
    two.publish(channel, 1, 2)
    for each in (one, two):
        each.await_values(channel, [1, 2])
        equal([(got["server"], got["offset"], got["by"]) for got in each.publications(channel)],
              [(True, 1, two.id), (True, 2, two.id)])


def hears_whoever_publishes(stage):
    channel = stage.name("room")
    one = stage.actor(stage.way().url).connect()
    one.subscribe(channel)
    hand = Hand(stage.server)
    hand.join(channel)
    hand.publish(channel, *range(1, 201))
    one.await_values(channel, list(range(1, 201)))
    equal([each["offset"] for each in one.publications(channel)], list(range(1, 201)))
    equal({each["user"] for each in one.publications(channel)}, {"hand"})
    hand.close()


SCENARIOS = (
    connects_and_disconnects, refuses_bad_tokens, asks_for_a_token_when_one_expired, publishes_in_order,
    answers_calls_with_errors, shows_presence, tells_joins_and_leaves, shows_history, subscribes_with_tokens,
    renews_tokens_before_they_end, subscribes_to_the_personal_channel, hears_whoever_publishes,
)
