"""What is measured: each cell is one load, given to several servers in turn."""

from dataclasses import dataclass

# fanload's stamp (magic, run, publisher, sequence, planned time, size, check) needs this much of a payload.
PAYLOAD_MIN = 36

EVERYONE = ("fanring", "fanring-epoll", "floor", "uwebsockets", "nchan", "fastwebsockets", "axum", "ws", "hub", "websockets")
# They give every session's share of a message its own copy or its own task; 10,000 handshakes or a million
# deliveries a second only show that once more, at the price of a long run.
LEADERS = ("fanring", "fanring-epoll", "floor", "uwebsockets", "nchan", "fastwebsockets")
# Enough to see what a rate does: the leaders, and the design this project began with.
CONTRAST = (*LEADERS, "hub")
PEERS = tuple(name for name in EVERYONE if name not in ("fanring", "fanring-epoll", "floor"))
# The forms of the bare relay: which is the best one differs from load to load.
RELAYS = ("relay", "relay-cooptask", "relay-epoll", "relay-epoll-ring")
# The same binary as fanring, to see how far runs of one thing are from each other.
ITSELF = "fanring-again"
# All there are, in the order of the plots.
SERVERS = (*EVERYONE, *RELAYS, ITSELF)
QUICK_SERVERS = (*CONTRAST, "relay")


@dataclass(frozen=True)
class Cell:
    """One load. `load` are fanload's flags; the server has processor 0 and, with two threads, 1 as well."""

    name: str
    group: str
    title: str
    load: tuple
    servers: tuple
    threads: int = 1
    # Receive packet steering: the softirq of a delivery runs on the client's processor, as behind a real NIC.
    steered: bool = False
    # Measured seconds, where the load is about endurance; otherwise the driver says.
    seconds: float = 0.0
    # Most runs of it, where each is long, and fewest, where little differences are judged.
    runs_max: int = 99
    runs_min: int = 1
    # The highest rate is looked for, instead of one being run.
    search: bool = False


def load(text):
    """The words of a command line."""
    return tuple(text.split())


def fan_out(subscribers, rate, size=64):
    """One room, one publisher."""
    return load(f"--subscribers {subscribers} --rate {rate} --size {size}")


def chat(rooms, members):
    """Rooms in which every member publishes."""
    return load(f"--workload chat --rooms {rooms} --subscribers {rooms * members}")


# 10,000 rooms would need more descriptors than a process has here, with one left for the listener.
ROOMS_OF_TWO = chat(9500, 2) + load("--rate 20000 --size 64")

MAIN = (
    Cell("room-1000-20", "main", "1,000 subscribers, 20/s, 64 B", fan_out(1000, 20), CONTRAST),
    Cell("room-1000-60", "main", "1,000 subscribers, 60/s, 64 B", fan_out(1000, 60), EVERYONE),
    Cell("room-1000-120", "main", "1,000 subscribers, 120/s, 64 B", fan_out(1000, 120), CONTRAST),
    Cell("room-1000-250", "main", "1,000 subscribers, 250/s, 64 B", fan_out(1000, 250), CONTRAST),
    Cell("room-20-500", "main", "20 subscribers, 500/s, 64 B", fan_out(20, 500), EVERYONE),
    Cell("room-10000-5", "main", "10,000 subscribers, 5/s, 64 B", fan_out(10000, 5), LEADERS),
    Cell("room-1000-20-16k", "main", "1,000 subscribers, 20/s, 16 KiB", fan_out(1000, 20, 16384), EVERYONE),
    Cell(
        "rooms-9500x2",
        "main",
        "9,500 rooms of 2, 20,000/s in all, 64 B",
        ROOMS_OF_TWO,
        ("fanring", "fanring-epoll", "uwebsockets", "nchan", "fastwebsockets"),
        # A stop of 20 ms is 1% of 2 seconds: the 99th percentile would say whether a run had one (docs/PROFILE.md).
        seconds=8,
    ),
)

# What happens once per message and once per wake-up: one message in flight for each session, and small rooms.
PAIRS_MIN = 15
SMALL_SERVERS = ("fanring", ITSELF, *RELAYS, "uwebsockets", "fanring-epoll")


def small(name, title, flags):
    """A cell of the small rooms."""
    return Cell(name, "small", title, flags + load("--size 64"), SMALL_SERVERS, runs_min=PAIRS_MIN)


SMALL = (
    small("small-echo", "64 connections in /echo, one message in flight each", chat(64, 1) + load("--path /echo --self-delivery --closed 64")),
    small("small-pairs", "4,500 rooms of 2, 10,000/s in all", chat(4500, 2) + load("--rate 10000")),
    small("small-tens", "900 rooms of 10, 5,000/s in all", chat(900, 10) + load("--rate 5000")),
    small("small-twenty", "20 subscribers, 500/s", load("--subscribers 20 --rate 500")),
)

# The highest rate that is held with p99 below this; a search makes a dozen short runs.
KNEE_DEMAND = load("--slo p99=10ms,loss=0 --size 64")
KNEE_SERVERS = ("fanring", "fanring-epoll", "relay", "relay-epoll", "uwebsockets")


def knee(name, title, flags, start):
    """A cell that looks for the highest rate, from `start` messages a second on."""
    return Cell(name, "knee", title, flags + load(f"--rate {start}") + KNEE_DEMAND, KNEE_SERVERS, seconds=1.0, search=True)


KNEES = (
    knee("knee-pairs", "4,500 rooms of 2", chat(4500, 2), 10_000),
    knee("knee-tens", "900 rooms of 10", chat(900, 10), 2_000),
    knee("knee-twenties", "450 rooms of 20", chat(450, 20), 1_000),
    knee("knee-twenty", "1 room of 20", load("--subscribers 20"), 1_000),
    knee("knee-1000", "1 room of 1,000", load("--subscribers 1000"), 60),
)

HEAVY = (
    Cell("million", "heavy", "1,000 subscribers, 1,000/s, 64 B: 1M deliveries/s", fan_out(1000, 1000), LEADERS, seconds=4),
    Cell("two-million", "heavy", "1,000 subscribers, 2,000/s, 64 B: 2M deliveries/s", fan_out(1000, 2000), LEADERS, seconds=4),
)

ENDURANCE = ("fanring", "uwebsockets", "nchan", "fastwebsockets", "axum", "hub")
# Whoever slows publishers down is owed the time to deliver what was planned: what has not come then is outstanding.
PATIENCE = load("--drain 40")
# Messages of a large room are coalesced, so that no rate of small ones is too much; 9,000 publishers leave a
# server nothing to coalesce, and large payloads are bytes to be copied.
OVERLOAD = (
    Cell(
        "overload-rooms",
        "overload",
        "1,000 rooms of 10, 40,000/s in all, 64 B",
        load("--workload rooms --rooms 1000 --members 10 --rate 40000 --size 64") + PATIENCE,
        ENDURANCE,
        seconds=20,
        runs_max=2,
    ),
    Cell("overload-64", "overload", "1,000 subscribers, 3,000/s, 64 B", fan_out(1000, 3000) + PATIENCE, ENDURANCE, seconds=20, runs_max=1),
    Cell("overload-16k", "overload", "1,000 subscribers, 200/s, 16 KiB", fan_out(1000, 200, 16384) + PATIENCE, ENDURANCE, seconds=20, runs_max=1),
)

# 16 KiB at 40/s: the socket buffers of those that stall (up to 4 MB each) are full after some 7 seconds.
STALL = fan_out(1000, 40, 16384)
SLOW = (
    Cell("slow-none", "slow", "1,000 subscribers, 40/s, 16 KiB", STALL, ENDURANCE, seconds=12, runs_max=3),
    Cell(
        "slow-tenth",
        "slow",
        "the same, and a tenth of them stops reading",
        STALL + load("--workload slow --slow-percent 10"),
        ENDURANCE,
        seconds=12,
        runs_max=3,
    ),
)

SHARDS = (
    Cell("shards-1", "shards", "1,000 subscribers, 60/s, 64 B, 1 shard", fan_out(1000, 60), ("fanring",)),
    Cell("shards-2", "shards", "1,000 subscribers, 60/s, 64 B, 2 shards", fan_out(1000, 60), ("fanring", "hub", "fastwebsockets", "axum"), threads=2),
    Cell(
        "shards-rooms-1",
        "shards",
        "9,500 rooms of 2, 20,000/s, 1 shard",
        ROOMS_OF_TWO,
        ("fanring",),
    ),
    Cell(
        "shards-rooms-2",
        "shards",
        "9,500 rooms of 2, 20,000/s, 2 shards",
        ROOMS_OF_TWO,
        ("fanring",),
        threads=2,
    ),
    Cell("arrival-1", "arrival", "1,000 subscribers asleep, 1 shard", (), ("fanring",)),
    Cell("arrival-2", "arrival", "1,000 subscribers asleep, 2 shards", (), ("fanring",), threads=2),
)

IDLE = (
    Cell(
        "idle-15000",
        "idle",
        "15,000 idle sessions",
        load("--workload idle --subscribers 15000 --hold 2"),
        ("fanring", "fanring-epoll", "uwebsockets", "nchan", "fastwebsockets", "axum", "hub", "ws"),
    ),
)

STORM = (
    Cell(
        "storm-5000",
        "storm",
        "5,000 drop and come back at once",
        load("--workload storm --subscribers 5000 --rate 5 --size 64"),
        ("fanring", "fanring-epoll", "uwebsockets", "nchan", "fastwebsockets", "axum", "hub"),
    ),
)


def steered(cell):
    """The same cell with receive packet steering."""
    return Cell(
        f"{cell.name}-rps", "steered", cell.title, cell.load, LEADERS, cell.threads, steered=True
    )


STEERED = tuple(
    steered(cell)
    for cell in MAIN
    if cell.name in ("room-1000-60", "room-1000-250", "room-20-500", "room-10000-5", "room-1000-20-16k")
)

# Deliveries a second that the matrix asks for, from easy to more than the smaller payloads' knee. In rooms of two
# each is a message of its own.
LADDER = (20_000, 60_000, 160_000)
LADDER_OF_PAIRS = (5_000, 20_000, 40_000)
SIZES = (PAYLOAD_MIN, 128, 1024, 16384)
# More payload than that would measure the memory.
BYTES_A_SECOND_MAX = 1_000_000_000


def shapes():
    """Rooms of the matrix: name, title, fanload's flags, deliveries for each message and a second, and peers."""
    for members in (100, 1000, 10000):
        yield f"{members}", f"1 room x {members:,}", load(f"--subscribers {members}"), members, LADDER, ("floor",)
    yield "4500x2", "4,500 rooms x 2, all publish", chat(4500, 2), 1, LADDER_OF_PAIRS, ("relay",)
    yield "1000x10", "1,000 rooms x 10", load("--workload rooms --rooms 1000 --members 10"), 10, LADDER, ("relay",)
    yield "450x20", "450 rooms x 20", load("--workload rooms --rooms 450 --members 20"), 20, LADDER, ("relay",)
    yield "chat100", "chat of 100, all publish", load("--workload chat --subscribers 100"), 99, LADDER, ("relay",)


def matrix(threads):
    """All shapes, sizes and rates that there is a point in."""
    for shape, title, flags, fan, ladder, bare in shapes():
        for size in SIZES:
            for deliveries in ladder:
                rate = max(1, round(deliveries / fan))
                if size * deliveries > BYTES_A_SECOND_MAX:
                    continue
                yield Cell(
                    f"matrix-{shape}-{size}-{deliveries}-t{threads}",
                    f"matrix-{threads}",
                    f"{title}, {size:,} B, {deliveries:,}/s",
                    flags + load(f"--rate {rate} --size {size}"),
                    ("fanring", "uwebsockets", *bare) if threads == 1 else ("fanring",),
                    threads=threads,
                    seconds=1.2,
                )


MATRIX = tuple(matrix(1)) + tuple(matrix(2))
ALL = MAIN + SMALL + KNEES + HEAVY + SHARDS + IDLE + STORM + STEERED + SLOW + OVERLOAD + MATRIX

QUICK = tuple(
    cell
    for cell in ALL
    if cell.name in ("room-1000-60", "room-20-500", "room-10000-5", "room-1000-20-16k", "room-1000-60-rps", "million", "idle-15000", "small-echo", "small-pairs")
)


def select(names, quick):
    """The cells whose name or group is among `names`; all of them, or those of the quick run, without."""
    if not names:
        return QUICK if quick else ALL
    known = {cell.name for cell in ALL} | {cell.group for cell in ALL}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"bench: there is no cell or group called {unknown[0]}; --list shows them")
    return tuple(cell for cell in ALL if cell.name in names or cell.group in names)
