"""From runs to figures: medians with their spread, and ratios of what was run side by side."""

from collections import defaultdict
from math import comb
from statistics import median

# A server that has its processor for more than this share is saturated: what it does not get done it coalesces or
# loses, so its cost per delivery is capped by the load and says nothing.
SATURATED_SHARE = 0.93
CLIENT_SHARE = 0.93

FIGURES = {
    "cpu": ("CPU per delivery", "ns", lambda r: r.get("cpu_ns_per_delivery")),
    "p50": ("delivery p50", "ms", lambda r: within(r, "delivery_ms", "p50")),
    "p99": ("delivery p99", "ms", lambda r: within(r, "delivery_ms", "p99")),
    "completion_p50": ("completion p50", "ms", lambda r: within(r, "completion_ms", "p50")),
    "completion_p99": ("completion p99", "ms", lambda r: within(r, "completion_ms", "p99")),
    "share": ("CPU", "", lambda r: r.get("cpu_share")),
    "client": ("client's CPU", "", lambda r: r.get("client_share")),
    "deliveries": ("deliveries/s", "", lambda r: r.get("deliveries_per_second")),
    "missing": ("missing", "", lambda r: missing(r)),
    "rss_before": ("resident before", "B", lambda r: (r.get("rss_bytes") or [None] * 3)[0]),
    "rss_peak": ("resident at most", "B", lambda r: (r.get("rss_bytes") or [None] * 3)[2]),
    "bytes": ("user space per session", "B", lambda r: r.get("bytes_per_connection")),
    "kernel_bytes": ("kernel per connection, both ends", "B", lambda r: r.get("kernel_bytes_per_connection")),
    "upgrades": ("upgrades per CPU second", "", lambda r: r.get("upgrades_per_cpu_second")),
    "upgrade_p99": ("upgrade p99", "ms", lambda r: within(r, "upgrade_ms", "p99")),
    "recovery": ("recovery", "ms", lambda r: within(r, "storm", "recovery_ms")),
    "mesh": ("messages over the mesh", "", lambda r: r.get("mesh_publishes")),
    "early": ("sessions ended early", "", lambda r: r.get("ended_early")),
    "knee": ("highest rate", "/s", lambda r: r.get("planned_per_second")),
    "opened": ("sessions opened", "", lambda r: r.get("opened")),
    "first_p50": ("first arrival p50", "ms", lambda r: within(r, "first_ms", "p50")),
}


# Why deliveries had not come when the drain ended, as fanload has it, and what that is called here.
MISSING = {"skipped": "lost", "outstanding": "outstanding", "cut_off": "cut off"}


def missing(record):
    """Deliveries that had not come when the drain ended. Runs of old, when fanload called all of them lost, have one number."""
    return sum(record[name] for name in MISSING) if "skipped" in record else record.get("lost")


def missing_by_reason(record):
    """The same in words, as far as the record can tell."""
    if "skipped" not in record:
        return f"{record['lost']:,}"
    return ", ".join(f"{record[name]:,} {word}" for name, word in MISSING.items() if record[name]) or "0"


def within(record, outer, inner):
    """A figure of a group that may be missing."""
    group = record.get(outer)
    return group.get(inner) if group else None


def sure(values):
    """Between which two values the true median lies, in 19 of 20 cases; of few values, the smallest and the largest.

    The number of values below the true median is binomial with one half, whatever their distribution.
    """
    ordered, count = sorted(values), len(values)
    outside, below = 0, 0.0
    while (below := below + comb(count, outside) / 2**count) <= 0.025:
        outside += 1
    place = max(outside - 1, 0)
    return ordered[place], ordered[count - 1 - place]


def middle(ratios):
    """The median, the smallest and the largest, or None."""
    return (median(ratios), min(ratios), max(ratios)) if ratios else None


class Summary:
    """All records, by cell and server, in the order of their runs."""

    def __init__(self, records):
        self.by_cell = defaultdict(lambda: defaultdict(dict))
        for record in records:
            self.by_cell[record["cell"]][record["server"]][record["run"]] = record

    def all(self):
        """Every record."""
        return [record for servers in self.by_cell.values() for runs in servers.values() for record in runs.values()]

    def servers(self, cell):
        """Who was measured in a cell."""
        return list(self.by_cell[cell]) if cell in self.by_cell else []

    def records(self, cell, server):
        """The runs of one server in one cell."""
        return [record for _, record in sorted(self.by_cell.get(cell, {}).get(server, {}).items())]

    def values(self, cell, server, figure):
        """What the runs say of a figure, run by run."""
        read = FIGURES[figure][2]
        found = {run: read(record) for run, record in self.by_cell.get(cell, {}).get(server, {}).items()}
        return {run: value for run, value in found.items() if value is not None}

    def median(self, cell, server, figure):
        """The median of the runs, or None."""
        values = self.values(cell, server, figure)
        return median(values.values()) if values else None

    def spread(self, cell, server, figure):
        """Smallest and largest of the runs, or None."""
        values = self.values(cell, server, figure)
        return (min(values.values()), max(values.values())) if values else None

    def ratios(self, figure, ours, theirs, without=()):
        """The ratios of runs of the same number, but for some; (cell, server) each."""
        mine, other = self.values(*ours, figure), self.values(*theirs, figure)
        return [mine[run] / other[run] for run in sorted(mine) if other.get(run) and run not in without]

    def ratio(self, figure, ours, theirs):
        """The median, smallest and largest of those ratios."""
        return middle(self.ratios(figure, ours, theirs))

    def worst(self, cell, server):
        """The run with the most deliveries missing, or None."""
        found = [record for record in self.records(cell, server) if missing(record) is not None]
        return max(found, key=missing, default=None)

    def is_saturated(self, cell, server):
        """Whether the server had no processor time left."""
        return (self.median(cell, server, "share") or 0) > SATURATED_SHARE

    def is_client_limited(self, cell, server):
        """Whether the client had none left, or said itself that it was the limit, in most runs."""
        records = self.records(cell, server)
        limited = [bool(r.get("invalid")) or r["exit_code"] == 2 or (r.get("client_share") or 0) > CLIENT_SHARE for r in records]
        return sum(limited) * 2 > len(limited)

    def failed(self, cell, server):
        """Runs in which something was missing or came wrongly, or that could not be made."""
        return [record for record in self.records(cell, server) if record["exit_code"] not in (0, 2)]

    def marks(self, cell, server):
        """Footnote marks: s saturated, c limited by the client, ! missing, disordered or failed."""
        marks = ""
        if self.is_saturated(cell, server):
            marks += "s"
        if self.is_client_limited(cell, server):
            marks += "c"
        if self.failed(cell, server):
            marks += "!"
        return marks
