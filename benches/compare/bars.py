"""What Fanring promises of itself, and whether the runs bear it out."""

from . import small
from .cells import MAIN, OVERLOAD, PEERS
from .summary import middle
from .verdict import HOLDS, UNKNOWN, Verdict, judge, plain, told

# It delivers to the publisher too: in rooms of two that is twice the deliveries for a message, each at half the price.
TELLS_PUBLISHERS = ("nchan",)


def best_peer(summary, cell, figure, lowest=True, without=()):
    """The peer with the best median that delivered everything and was not at its limit, with its median."""
    found = []
    for name in PEERS:
        if name in without:
            continue
        value = summary.median(cell, name, figure)
        if value is None or summary.failed(cell, name):
            continue
        if figure == "cpu" and summary.is_saturated(cell, name):
            continue
        found.append((value, name))
    return (min(found) if lowest else max(found))[1] if found else None


def against(summary, title, cell, figure, other, limit, note=""):
    """Fanring's figure over another server's in the same cell, at most `limit`."""
    bar = f"at most {limit:.2f}x {other or 'the best peer'}"
    if summary.median(cell, "fanring", figure) is None:
        return Verdict(title, bar, "-", UNKNOWN, note)
    if other is None:
        return against_some(summary, (title, bar, note), cell, figure, limit)
    ratio = summary.ratio(figure, (cell, "fanring"), (cell, other))
    if ratio is None:
        return Verdict(title, bar, "-", UNKNOWN, note)
    if summary.is_saturated(cell, other) and figure == "cpu":
        note = (note + f" {other} has no processor time left here, which caps its figure.").strip()
    return Verdict(title, bar, told(ratio), judge(ratio, limit), note)


def against_some(summary, heading, cell, figure, limit):
    """Where no peer got there in every run: against the one that did most often, in those runs; or that none did at all."""
    title, bar, note = heading
    tried = [name for name in summary.servers(cell) if name in PEERS]
    if not tried:
        return Verdict(title, bar, "-", UNKNOWN, note)
    fine = {name: len(summary.records(cell, name)) - len(summary.failed(cell, name)) for name in tried}
    name = max(tried, key=fine.get)
    failed = {record["run"] for record in summary.failed(cell, name)}
    ratio = middle(summary.ratios(figure, (cell, "fanring"), (cell, name), without=failed))
    if ratio is None:
        return Verdict(title, bar, "no peer got there in any run", HOLDS, note)
    found = f"{told(ratio)} {name}, which got there in {fine[name]} of {len(summary.records(cell, name))} runs; no peer in all"
    return Verdict(title, bar, found, judge(ratio, limit), note)


def evaluate(summary):
    """Every promise in the order of the report."""
    verdicts = []
    for cell in ("room-1000-20", "room-1000-60", "room-1000-120", "room-1000-250"):
        verdicts += steady(summary, cell)
    verdicts += [
        against(summary, "room-20-500: CPU", "room-20-500", "cpu", best_peer(summary, "room-20-500", "cpu"), 1.0),
        against(summary, "room-20-500: CPU, epoll", "room-20-500", "cpu", "fanring-epoll", 1.0),
    ]
    for figure in ("p50", "p99"):
        peer = best_peer(summary, "room-20-500", figure)
        verdicts.append(against(summary, f"room-20-500: {figure}", "room-20-500", figure, peer, 1.0))
    cell = "room-10000-5"
    verdicts += [
        against(summary, f"{cell}: CPU", cell, "cpu", best_peer(summary, cell, "cpu"), 0.95),
        against(summary, f"{cell}: CPU, epoll", cell, "cpu", "fanring-epoll", 1.0),
    ]
    cell = "room-1000-20-16k"
    verdicts.append(against(summary, f"{cell}: CPU", cell, "cpu", best_peer(summary, cell, "cpu"), 0.80))
    cell = "rooms-9500x2"
    peer = best_peer(summary, cell, "cpu", without=TELLS_PUBLISHERS)
    verdicts.append(against(summary, f"{cell}: CPU", cell, "cpu", peer, 1.0, "Nchan is left out: it delivers to the publisher too, which halves its cost per delivery."))
    for each in MAIN:
        for figure in ("completion_p50", "completion_p99"):
            if summary.median(each.name, "fanring", figure) is not None:
                peer = best_peer(summary, each.name, figure)
                verdicts.append(against(summary, f"{each.name}: {figure.replace('_', ' ')}", each.name, figure, peer, 1.0))
    verdicts += small.verdicts(summary) + heavy(summary) + overload(summary) + slow(summary) + shards(summary) + sessions(summary)
    return verdicts


def steady(summary, cell):
    """CPU of the steady fan-out: over the floor, the best peer and the design this project began with.

    At 20/s that design still has processor time left, so that is where its cost shows.
    """
    peer = best_peer(summary, cell, "cpu") or "uwebsockets"
    floor = summary.ratio("cpu", (cell, "floor"), (cell, peer))
    reach = f"The floor itself is at {floor[0]:.2f}." if floor else ""
    return [
        against(summary, f"{cell}: CPU, floor", cell, "cpu", "floor", 1.08),
        against(summary, f"{cell}: CPU, best peer", cell, "cpu", peer, 0.85, reach),
        against(summary, f"{cell}: CPU, one task and channels", cell, "cpu", "hub", 0.25),
    ]


def heavy(summary):
    """A million deliveries a second, and two."""
    verdicts = []
    for cell in ("million", "two-million"):
        p99 = summary.median(cell, "fanring", "p99")
        if p99 is None:
            continue
        missing = sum(summary.values(cell, "fanring", "missing").values())
        limited = "limited by the client" if summary.is_client_limited(cell, "fanring") else ""
        verdicts.append(Verdict(f"{cell}: loss", "none", f"{missing}", plain(missing == 0), limited))
        verdicts.append(Verdict(f"{cell}: p99", "below 20 ms", f"{p99:.1f} ms", plain(p99 < 20), limited))
        verdicts.append(against(summary, f"{cell}: p99, best peer", cell, "p99", best_peer(summary, cell, "p99"), 1.0, limited))
    return verdicts


# The log of a shard, which fills before it wraps, and buffers of bounded size beside it.
OVERLOAD_GROWTH_MAX = (64 + 16) << 20


def overload(summary):
    """More than a core can do: publishers are slowed down instead of anything being lost."""
    verdicts = []
    for cell in OVERLOAD:
        missing = summary.values(cell.name, "fanring", "missing")
        if not missing:
            continue
        closed = sum(summary.values(cell.name, "fanring", "early").values())
        before, most = (max(summary.values(cell.name, "fanring", figure).values()) for figure in ("rss_before", "rss_peak"))
        verdicts += [
            Verdict(f"{cell.name}: loss", "none", f"{sum(missing.values())} missing, {closed} closed", plain(sum(missing.values()) + closed == 0)),
            Verdict(
                f"{cell.name}: memory",
                "the log (64 MiB) and 16 MiB more, at most",
                f"{before / 2**20:.1f} to {most / 2**20:.1f} MiB",
                plain(most - before <= OVERLOAD_GROWTH_MAX),
            ),
        ]
    return verdicts


def slow(summary):
    """The others do not notice those that stall."""
    ratio = summary.ratio("p99", ("slow-tenth", "fanring"), ("slow-none", "fanring"))
    if ratio is None:
        return []
    before, after = summary.median("slow-none", "fanring", "rss_peak"), summary.median("slow-tenth", "fanring", "rss_peak")
    low, high = summary.spread("slow-none", "fanring", "p99")
    noise = max(1.1, high / summary.median("slow-none", "fanring", "p99"))
    return [
        Verdict("a tenth stalls: p99 of the others", f"within noise ({noise:.2f}x)", told(ratio), judge(ratio, noise)),
        Verdict("a tenth stalls: memory", "flat", f"{before / 2**20:.1f} and {after / 2**20:.1f} MiB at most", plain(after <= before * 1.1)),
    ]


def shards(summary):
    """One room over two shards, and rooms that are placed."""
    verdicts = []
    for title, one, two, limit in (
        ("one room over 2 shards: CPU", "shards-1", "shards-2", 1.10),
        ("9,500 rooms over 2 shards: CPU", "shards-rooms-1", "shards-rooms-2", 1.05),
    ):
        ratio = summary.ratio("cpu", (two, "fanring"), (one, "fanring"))
        if ratio:
            verdicts.append(Verdict(title, f"at most {limit:.2f}x 1 shard", told(ratio), judge(ratio, limit)))
    crossed = summary.median("shards-rooms-2", "fanring", "mesh")
    if crossed is not None:
        verdicts.append(Verdict("9,500 rooms over 2 shards: messages over the mesh", "none", f"{crossed:.0f}", plain(crossed == 0)))
    return verdicts


def sessions(summary):
    """What a session costs, and what it costs to open one."""
    verdicts, cell = [], "idle-15000"
    size = summary.median(cell, "fanring", "bytes")
    if size is not None:
        kernel = summary.median(cell, "fanring", "kernel_bytes")
        verdicts.append(Verdict("idle session, user space", "at most 400 B", f"{size:.0f} B", plain(size <= 400), f"the kernel's part, both ends: {kernel:,.0f} B"))
        peer = best_peer(summary, cell, "upgrades", lowest=False)
        ratio = peer and summary.ratio("upgrades", (cell, "fanring"), (cell, peer))
        if ratio:
            verdicts.append(Verdict("upgrades per CPU second", f"at least 1.00x {peer}", told(ratio), judge(ratio, 1.0, above=True)))
    return verdicts
