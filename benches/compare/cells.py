"""What is measured: each cell is one load, given to several servers in turn."""

from dataclasses import dataclass

# fanload's stamp (magic, publisher, sequence, planned time) needs this much of a payload.
PAYLOAD_MIN = 36

EVERYONE = ("fanring", "fanring-epoll", "floor", "uwebsockets", "nchan", "fastwebsockets", "axum", "ws", "hub", "websockets")
# They give every session's share of a message its own copy or its own task; 10,000 handshakes or a million
# deliveries a second only show that once more, at the price of a long run.
LEADERS = ("fanring", "fanring-epoll", "floor", "uwebsockets", "nchan", "fastwebsockets")
# Enough to see what a rate does: the leaders, and the design this project began with.
CONTRAST = (*LEADERS, "hub")
PEERS = tuple(name for name in EVERYONE if name not in ("fanring", "fanring-epoll", "floor"))


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
    # Most runs of it, where each is long.
    runs_max: int = 99


def load(text):
    """The words of a command line."""
    return tuple(text.split())


def fan_out(subscribers, rate, size=64):
    """One room, one publisher."""
    return load(f"--subscribers {subscribers} --rate {rate} --size {size}")


MAIN = (
    Cell("room-1000-20", "main", "1,000 subscribers, 20/s, 64 B", fan_out(1000, 20), CONTRAST),
    Cell("room-1000-60", "main", "1,000 subscribers, 60/s, 64 B", fan_out(1000, 60), EVERYONE),
    Cell("room-1000-120", "main", "1,000 subscribers, 120/s, 64 B", fan_out(1000, 120), CONTRAST),
    Cell("room-1000-250", "main", "1,000 subscribers, 250/s, 64 B", fan_out(1000, 250), CONTRAST),
    Cell("room-20-500", "main", "20 subscribers, 500/s, 64 B", fan_out(20, 500), EVERYONE),
    Cell("room-10000-5", "main", "10,000 subscribers, 5/s, 64 B", fan_out(10000, 5), LEADERS),
    Cell("room-1000-20-16k", "main", "1,000 subscribers, 20/s, 16 KiB", fan_out(1000, 20, 16384), EVERYONE),
    # 10,000 rooms would need more descriptors than a process has here, with one left for the listener.
    Cell(
        "rooms-9500x2",
        "main",
        "9,500 rooms of 2, 20,000/s in all, 64 B",
        load("--workload chat --rooms 9500 --subscribers 19000 --rate 20000 --size 64"),
        ("fanring", "fanring-epoll", "uwebsockets", "nchan", "fastwebsockets"),
    ),
)

HEAVY = (
    Cell("million", "heavy", "1,000 subscribers, 1,000/s, 64 B: 1M deliveries/s", fan_out(1000, 1000), LEADERS, seconds=4),
    Cell("two-million", "heavy", "1,000 subscribers, 2,000/s, 64 B: 2M deliveries/s", fan_out(1000, 2000), LEADERS, seconds=4),
)

ENDURANCE = ("fanring", "uwebsockets", "nchan", "fastwebsockets", "axum", "hub")
# Whoever slows publishers down is owed the time to deliver what was planned: only what never comes is lost.
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
        load("--workload chat --rooms 9500 --subscribers 19000 --rate 20000 --size 64"),
        ("fanring",),
    ),
    Cell(
        "shards-rooms-2",
        "shards",
        "9,500 rooms of 2, 20,000/s, 2 shards",
        load("--workload chat --rooms 9500 --subscribers 19000 --rate 20000 --size 64"),
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

# Deliveries a second that the matrix asks for, from easy to more than the smaller payloads' knee.
LADDER = (20_000, 160_000)
SIZES = (PAYLOAD_MIN, 128, 1024, 16384)


def shapes():
    """Rooms of the matrix: name, title, fanload's flags, and deliveries for each message."""
    for members in (100, 1000, 10000):
        yield f"{members}", f"1 room x {members:,}", load(f"--subscribers {members}"), members
    yield "1000x10", "1,000 rooms x 10", load("--workload rooms --rooms 1000 --members 10"), 10
    yield "chat100", "chat of 100, all publish", load("--workload chat --subscribers 100"), 99


def matrix(threads):
    """All shapes, sizes and rates; 16 KiB at 160,000 deliveries/s would be 2.6 GB/s."""
    for shape, title, flags, fan in shapes():
        for size in SIZES:
            for deliveries in LADDER:
                rate = max(1, round(deliveries / fan))
                if size == 16384 and deliveries == LADDER[-1]:
                    continue
                servers = ("fanring", "uwebsockets", "floor") if threads == 1 else ("fanring",)
                if shape in ("1000x10", "chat100"):
                    servers = tuple(name for name in servers if name != "floor")
                yield Cell(
                    f"matrix-{shape}-{size}-{deliveries}-t{threads}",
                    f"matrix-{threads}",
                    f"{title}, {size:,} B, {deliveries:,}/s",
                    flags + load(f"--rate {rate} --size {size}"),
                    servers,
                    threads=threads,
                    seconds=1.2,
                )


MATRIX = tuple(matrix(1)) + tuple(matrix(2))
ALL = MAIN + HEAVY + SHARDS + IDLE + STORM + STEERED + SLOW + OVERLOAD + MATRIX

QUICK = tuple(
    cell
    for cell in ALL
    if cell.name in ("room-1000-60", "room-20-500", "room-10000-5", "room-1000-20-16k", "room-1000-60-rps", "million", "idle-15000")
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
