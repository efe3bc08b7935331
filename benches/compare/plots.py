"""The report's plots, as SVG."""

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

from . import cells

plt.rcParams.update({
    "svg.fonttype": "none",
    "svg.hashsalt": "fanring",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "figure.constrained_layout.use": True,
})
COLOURS = dict(zip(
    cells.SERVERS,
    ["#c8102e", "#f08a6c", "#888888", "#1f5fa8", "#2a9d6f", "#8e5bb5", "#c99700", "#6b8e23", "#4a4a4a", "#b36b8f"]
    + ["#3c3c3c", "#5a5a5a", "#7c7c7c", "#9e9e9e", "#e0667a"],
    strict=True,
))


def write(summary, folder):
    """All plots that the runs suffice for; returns their names."""
    written = []
    for name, draw in (("cpu", cpu), ("completion", completion), ("small", small), ("steered", steered_cpu), ("knee", knee), ("sessions", sessions)):
        figure = draw(summary)
        if figure is not None:
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
            plt.close(figure)
            written.append(name)
    return written


def strips(summary, names, figure, unit, title):
    """A panel for each cell: a dot for each server's median on a log axis, and a line from its least to its largest."""
    names = [name for name in names if summary.median(name, "fanring", figure) is not None]
    if not names:
        return None
    titles = {cell.name: cell.title for cell in cells.ALL}
    columns = min(2, len(names))
    rows = -(-len(names) // columns)
    picture, axes = plt.subplots(rows, columns, figsize=(10, 2.4 * rows), squeeze=False)
    for axis, name in zip(axes.flat, names, strict=False):
        servers = [server for server in reversed(cells.SERVERS) if summary.median(name, server, figure) is not None]
        for place, server in enumerate(servers):
            low, high = summary.spread(name, server, figure)
            axis.plot([low, high], [place, place], color=COLOURS[server], linewidth=5, alpha=0.3, solid_capstyle="round")
            hollow = "s" in summary.marks(name, server) or "!" in summary.marks(name, server)
            axis.plot(summary.median(name, server, figure), place, "o", color=COLOURS[server], markerfacecolor="white" if hollow else COLOURS[server])
        axis.set_yticks(range(len(servers)), servers)
        axis.set_xscale("log")
        plain(axis.xaxis)
        axis.set_title(titles[name], loc="left", fontsize=9)
        axis.set_xlabel(unit)
    for axis in list(axes.flat)[len(names) :]:
        axis.set_visible(False)
    picture.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return picture


def plain(axis):
    """Log ticks as numbers, at 1, 2 and 5 of each decade."""
    axis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    axis.set_minor_formatter(lambda value, _: f"{value:,.10g}" if f"{value:e}"[0] in "25" else "")


MAIN = [cell.name for cell in cells.MAIN]


def cpu(summary):
    return strips(summary, MAIN, "cpu", "server's CPU, ns a delivery", "What a delivery costs (hollow: saturated, or something was lost)")


def completion(summary):
    return strips(summary, MAIN, "completion_p99", "last subscriber has it, p99, ms", "When the last subscriber has the message, 99th percentile")


def small(summary):
    names = [cell.name for cell in cells.SMALL]
    return strips(summary, names, "cpu", "server's CPU, ns a delivery", "What a delivery costs in echo and in small rooms")


def steered_cpu(summary):
    return strips(summary, [cell.name for cell in cells.STEERED], "cpu", "server's CPU, ns a delivery", "The same with the receivers' softirq on the client's processor (rps_cpus)")


def knee(summary):
    """1,000 subscribers, 64 B: cost and completion while the rate grows."""
    points = [(20e3, "room-1000-20"), (60e3, "room-1000-60"), (120e3, "room-1000-120"), (250e3, "room-1000-250"), (1e6, "million"), (2e6, "two-million")]
    if sum(summary.median(cell, "fanring", "cpu") is not None for _, cell in points) < 3:
        return None
    picture, axes = plt.subplots(1, 2, figsize=(10, 3.8))
    for axis, figure, label in zip(axes, ("completion_p99", "deliveries"), ("last subscriber has it, p99, ms", "deliveries/s that were made"), strict=True):
        for server in cells.EVERYONE:
            line = [(x, summary.median(cell, server, figure)) for x, cell in points]
            line = [(x, y) for x, y in line if y]
            if len(line) > 1:
                axis.plot(*zip(*line, strict=True), marker="o", markersize=3, color=COLOURS[server], label=server, linewidth=2 if server == "fanring" else 1)
        axis.set_xscale("log")
        axis.set_yscale("log")
        plain(axis.xaxis)
        plain(axis.yaxis)
        axis.set_xlabel("deliveries/s planned")
        axis.set_title(label, loc="left", fontsize=9)
    axes[1].legend(fontsize=7, frameon=False)
    picture.suptitle("1,000 subscribers, 64 B, up to the knee", x=0.01, ha="left", fontweight="bold")
    return picture


def sessions(summary):
    return strips(summary, ["idle-15000"], "bytes", "resident bytes a session, user space", "15,000 idle sessions")
