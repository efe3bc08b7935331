"""The figure that README.md begins with: what a delivery costs here, as a part of what it costs uWebSockets."""

from . import kept

PEER = "uwebsockets"
# From the load that is meant to the one where there is least to win.
CELLS = ("room-1000-60", "room-10000-5", "room-1000-20-16k", "room-20-500", "rooms-9500x2")
COMMAND = f"scripts/bench.sh main --servers fanring,{PEER} --runs"


def part(summary, about, titles):
    """The table and where it comes from; nothing when there are no runs of both. `titles` name the cells."""
    rows = [row for cell in CELLS if (row := of_cell(summary, cell, titles[cell]))]
    if not rows:
        return ""
    made = [record for cell in CELLS for server in ("fanring", PEER) for record in summary.records(cell, server)]
    runs = max(count(summary, cell) for cell in CELLS)
    return "\n".join([
        "| load | CPU per delivery | until the last subscriber has it, p99 |",
        "|---|---:|---:|",
        *rows,
        "",
        f"Measured by `{COMMAND} {runs}`: the median ratio of runs that stood side by side,",
        "with the smallest and the largest; one processor for the server, one for the client.",
        *(f"{origin};" for origin, _ in kept.origins(made)),
        f"{about['versions'].get(PEER, PEER)}.",
    ])


def of_cell(summary, cell, title):
    """A row; None without runs of both, or when one of them was at a limit that caps its figure."""
    if any(summary.marks(cell, server) for server in ("fanring", PEER)):
        return None
    cost, last = (ratio(summary, cell, figure) for figure in ("cpu", "completion_p99"))
    return f"| {title} | {cost} | {last} |" if cost else None


def ratio(summary, cell, figure):
    """`median (smallest-largest)` of Fanring's figure over the other's."""
    found = summary.ratio(figure, (cell, "fanring"), (cell, PEER))
    return found and f"**{found[0]:.2f}** ({found[1]:.2f}-{found[2]:.2f})"


def count(summary, cell):
    """How many pairs of runs there are."""
    return len(summary.ratios("cpu", (cell, "fanring"), (cell, PEER)))
