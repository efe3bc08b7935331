"""What is measured of the chat backend: each cell is one load, given to several servers in turn."""

from dataclasses import dataclass

from ..cells import ROOMS_OF_TWO, load

# What fanload is told so that it speaks to each, and the program that it is.
SPOKEN = {
    "centrifugo": "--protocol centrifugo --set encoding=json",
    "json": "--protocol centrifugo --set encoding=json",
    "protobuf": "--protocol centrifugo --set encoding=protobuf",
    "plain": "",
    "relay": "",
}
# A session for each of these in the same room, beside those of fanload's own.
COMPANIONS = 333
FORMS = ("plain", "plain-again", "json", "protobuf", "mixed")
BUILDS = ("plain", "plain-again", "before")
STORMS = ("centrifugo", "json", "copied")


@dataclass(frozen=True)
class Cell:
    """One load. `load` are fanload's flags; `kind` says how it is driven."""

    name: str
    kind: str
    title: str
    load: tuple
    servers: tuple
    # Of the first server over the other one.
    bars: tuple = ()


@dataclass(frozen=True)
class Bar:
    """At most `limit` of a figure: of a ratio to another server where there is one."""

    server: str
    figure: str
    limit: float
    over: str = ""


def against(limit, p99=None):
    """The bars of a load that Centrifugo is given too."""
    bars = (Bar("json", "cpu", limit, "centrifugo"),)
    return bars + ((Bar("json", "p99", p99, "centrifugo"),) if p99 else ())


def fan_out(name, title, flags, limit, p99=None, beside=()):
    return Cell(name, "load", title, load(flags + " --size 64"), ("centrifugo", "json", *beside), against(limit, p99))


# In small rooms nearly all is the kernel's: what is left to win shows beside plain members, and beside a program that passes frames
# on and does nothing else.
LEAST = ("plain", "relay")

LOADS = (
    fan_out("chat-1000-60", "1,000 subscribers, 60/s", "--subscribers 1000 --rate 60", 0.52),
    fan_out("chat-1000-20", "1,000 subscribers, 20/s", "--subscribers 1000 --rate 20", 0.38),
    fan_out("chat-10000-2", "10,000 subscribers, 2/s", "--subscribers 10000 --rate 2", 0.55),
    fan_out("chat-20-500", "20 subscribers, 500/s", "--subscribers 20 --rate 500", 0.42, beside=LEAST),
    fan_out("chat-900x10", "900 rooms of 10, 2,000/s in all", "--workload chat --rooms 900 --subscribers 9000 --rate 2000", 0.45, 0.2, LEAST),
)

ENCODINGS = (
    Cell(
        "chat-forms",
        "forms",
        "one room of 1,000, 60/s",
        load("--rate 60 --size 64"),
        FORMS,
        (
            Bar("json", "cpu", 1.10, "plain"),
            Bar("protobuf", "cpu", 1.10, "plain"),
            Bar("mixed", "cpu", 1.15, "plain"),
        ),
    ),
)

IDLE = (
    Cell("chat-idle", "idle", "9,500 idle sessions, one subscription each", (), ("centrifugo", "json"), (Bar("json", "session_bytes", 700),)),
    Cell("chat-idle-128", "memberships", "9,500 idle sessions, 128 subscriptions each", (), ("json",), (Bar("json", "session_bytes", 8192),)),
    Cell("chat-rooms", "rooms", "100,096 idle rooms with one member each", (), ("json",), (Bar("json", "room_bytes", 300),)),
)

STORM = (
    Cell(
        "chat-storm",
        "storm",
        "9,500 sessions come back, each to 200 messages it missed",
        load("--workload storm --subscribers 9500 --missed 200 --rate 2 --size 64 --drain 20 --set recover=yes --set channel=kept:{room}"),
        STORMS,
        (Bar("json", "storm_cpu", 1 / 3, "centrifugo"), Bar("json", "storm_growth", 30e6)),
    ),
)

# Another build of fanring, as it was before the chat backend, without a configuration: a playground, as users of plain rooms have it.
PLAIN = (
    Cell(
        "chat-plain-pairs",
        "builds",
        "9,500 plain rooms of 2, 20,000/s in all",
        ROOMS_OF_TWO,
        BUILDS,
    ),
)

ALL = LOADS + ENCODINGS + IDLE + STORM + PLAIN


def select(names):
    """Those whose name or kind is among `names`; all without."""
    unknown = set(names) - {cell.name for cell in ALL} - {cell.kind for cell in ALL}
    if unknown:
        raise SystemExit(f"chat-bench: there is no cell or kind called {min(unknown)}; --list shows them")
    return tuple(cell for cell in ALL if not names or cell.name in names or cell.kind in names)
