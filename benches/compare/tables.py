"""The report's tables, in Markdown."""

from . import cells, kept, small
from .bars import evaluate
from .summary import missing_by_reason
from .verdict import MISSED

LEGEND = (
    "Medians of the runs. `s`: the server had no processor time left, which caps its cost per delivery; `c`: the client was the "
    "limit; `!`: in at least one run deliveries were missing or came wrongly, or sessions were closed."
)


def number(value, digits=0):
    """A figure, or a dash."""
    return "-" if value is None else f"{value:,.{digits}f}"


def short(value):
    """A figure with three digits that matter."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def table(head, rows):
    """A Markdown table: the first column to the left, the others to the right."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def spread(summary, cell, server, figure):
    """`median (smallest-largest)`."""
    value, ends = summary.median(cell, server, figure), summary.spread(cell, server, figure)
    return "-" if value is None else f"{short(value)} ({short(ends[0])}-{short(ends[1])})"


def over(summary, cell, server, figure, base):
    """The ratio to another server in the same runs."""
    ratio = summary.ratio(figure, (cell, server), (cell, base))
    return "-" if ratio is None else f"{ratio[0]:.2f}"


def of_cell(summary, cell):
    """One cell with all its servers, the cheapest first, over the least that any server on this kernel needs."""
    rows = []
    least = small.best_relay(summary, cell.name) if cell.group == "small" else "floor"
    order = sorted(summary.servers(cell.name), key=lambda name: (summary.median(cell.name, name, "cpu") is None, summary.median(cell.name, name, "cpu") or 0))
    for server in order:
        if summary.median(cell.name, server, "cpu") is None:
            said = next((r["said"] for r in summary.records(cell.name, server) if r.get("said")), "no figures")
            rows.append([server, said[:100]] + [""] * 8)
            continue
        rows.append([
            f"**{server}**" if server == "fanring" else server,
            spread(summary, cell.name, server, "cpu"),
            over(summary, cell.name, server, "cpu", least),
            over(summary, cell.name, server, "cpu", "fanring"),
            short(summary.median(cell.name, server, "p50")),
            short(summary.median(cell.name, server, "p99")),
            spread(summary, cell.name, server, "completion_p50"),
            spread(summary, cell.name, server, "completion_p99"),
            f"{summary.median(cell.name, server, 'share'):.0%}",
            summary.marks(cell.name, server),
        ])
    head = ["server", "CPU ns/delivery", f"/ {least or 'relay'}", "/ fanring", "p50 ms", "p99 ms", "last p50 ms", "last p99 ms", "CPU", ""]
    return f"### {cell.title} (`{cell.name}`)\n\n" + table(head, rows)


def group(summary, name):
    """All measured cells of a group."""
    return "\n\n".join(of_cell(summary, cell) for cell in cells.ALL if cell.group == name and summary.servers(cell.name))


def bars(summary):
    """The promises and how they were kept; also the missed ones, as lines."""
    verdicts = evaluate(summary)
    rows = [[v.title, v.bar, v.found, v.state, v.note] for v in verdicts]
    return table(["figure", "bar", "found (spread)", "", "note"], rows), [f"{v.title}: {v.found}, {v.bar}" for v in verdicts if v.state == MISSED]


def endurance(summary, name):
    """Overload and stalled readers: what happens to losses, memory and latency."""
    blocks = []
    for cell in cells.ALL:
        if cell.group != name or not summary.servers(cell.name):
            continue
        rows = []
        for server in summary.servers(cell.name):
            records = summary.records(cell.name, server)
            said = next((r["said"] for r in records if r.get("said")), "")
            get = lambda figure: summary.median(cell.name, server, figure)
            mebi = lambda figure: short(get(figure) / 2**20) if get(figure) is not None else "-"
            worst = summary.worst(cell.name, server)
            rows.append([
                f"**{server}**" if server == "fanring" else server,
                number(get("deliveries")),
                missing_by_reason(worst) if worst else "-",
                number(get("early")),
                short(get("p50")),
                short(get("p99")),
                mebi("rss_before"),
                mebi("rss_peak"),
                "dead" if not all(r.get("server_alive", False) for r in records) else said[:60] or summary.marks(cell.name, server),
            ])
        head = ["server", "deliveries/s", "missing (most)", "closed", "p50 ms", "p99 ms", "MiB before", "MiB at most", ""]
        blocks.append(f"### {cell.title} (`{cell.name}`)\n\n" + table(head, rows))
    return "\n\n".join(blocks)


def idle(summary):
    """What a session costs."""
    rows = []
    for server in sorted(summary.servers("idle-15000"), key=lambda name: summary.median("idle-15000", name, "bytes") or 0):
        get = lambda figure: summary.median("idle-15000", server, figure)
        rows.append([
            f"**{server}**" if server == "fanring" else server,
            number(get("opened")),
            number(get("bytes")),
            number(get("kernel_bytes")),
            spread(summary, "idle-15000", server, "upgrades"),
            short(get("upgrade_p99")),
            summary.marks("idle-15000", server),
        ])
    head = ["server", "opened", "user space, B", "kernel (both ends), B", "upgrades per CPU second", "upgrade p99 ms", ""]
    return table(head, rows)


def storm(summary):
    """How long until all are back."""
    rows = [
        [f"**{server}**" if server == "fanring" else server, spread(summary, "storm-5000", server, "recovery"), summary.marks("storm-5000", server)]
        for server in sorted(summary.servers("storm-5000"), key=lambda name: summary.median("storm-5000", name, "recovery") or 1e9)
    ]
    return table(["server", "all back after ms", ""], rows)


def arrival(summary):
    """When the last socket has a message while every subscriber sleeps."""
    rows = [
        [shards, spread(summary, cell, "fanring", "first_p50"), spread(summary, cell, "fanring", "completion_p50"), spread(summary, cell, "fanring", "completion_p99")]
        for shards, cell in (("1", "arrival-1"), ("2", "arrival-2"))
        if summary.servers(cell)
    ]
    return table(["shards", "first p50 ms", "last p50 ms", "last p99 ms"], rows)


def knees(summary):
    """The highest rate that each server holds."""
    rows = []
    for cell in cells.KNEES:
        servers = sorted(summary.servers(cell.name), key=lambda name: -(summary.median(cell.name, name, "knee") or 0))
        for server in servers:
            rows.append([
                cell.title,
                f"**{server}**" if server == "fanring" else server,
                spread(summary, cell.name, server, "knee"),
                number(summary.median(cell.name, server, "deliveries")),
                over(summary, cell.name, server, "knee", "fanring"),
                summary.marks(cell.name, server),
            ])
    return table(["load", "server", "messages/s", "deliveries/s", "/ fanring", ""], rows) if rows else ""


def matrix(summary, threads):
    """CPU per delivery of all shapes, sizes and rates; peers as ratios to Fanring's."""
    names = ["uwebsockets", "floor", "relay"] if threads == 1 else []
    rows = []
    for cell in cells.MATRIX:
        if cell.threads != threads or not summary.servers(cell.name):
            continue
        mine = summary.median(cell.name, "fanring", "cpu")
        row = [cell.title, f"{number(mine)} {summary.marks(cell.name, 'fanring')}".strip(), short(summary.median(cell.name, "fanring", "completion_p99"))]
        for name in names:
            ratio = summary.ratio("cpu", (cell.name, name), (cell.name, "fanring"))
            row.append(f"{ratio[0]:.2f} {summary.marks(cell.name, name)}".strip() if ratio else "-")
        best = [summary.median(cell.name, name, "completion_p99") for name in names if name in cells.PEERS]
        best = [value for value in best if value is not None]
        row.append(short(min(best)) if best else "-")
        rows.append(row)
    return table(["cell", "fanring ns", "fanring last p99 ms", *names, "best peer's last p99 ms"], rows) if rows else ""


def servers(about):
    """Who took part, and who could not."""
    rows = [[name, about["versions"][name], text] for name, text in about["servers"].items()]
    rows += [[name, "could not run", why] for name, why in about["missing"].items()]
    return table(["server", "version", "what it is"], rows)


def machine(summary, about):
    """The machine as a list, and which cells were measured elsewhere or of another commit."""
    lines = [f"- {name}: {value}" for name, value in about["machine"].items()]
    here = kept.told(kept.origin_of(about))
    lines += [f"- but {', '.join(groups)}: {origin}" for origin, groups in kept.origins(summary.all()) if origin != here]
    return "\n".join(lines)
