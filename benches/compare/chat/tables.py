"""From runs to the section of docs/BENCHMARKS.md: medians, ratios of runs side by side, and bars."""

from statistics import median

from .. import tables
from ..summary import sure
from ..verdict import HOLDS, MISSED, UNDECIDED, told
from . import cells

# A bar holds by the median of that many runs that stood side by side.
PAIRS_MIN = 9
FIGURES = {
    "cpu": ("CPU per delivery, ns", 0),
    "share": ("CPU", 2),
    "p50": ("p50, ms", 2),
    "p99": ("p99, ms", 2),
    "last_p99": ("last p99, ms", 2),
    "session_bytes": ("memory of a session, B", 0),
    "room_bytes": ("of a room with one member, B", 0),
    "storm_cpu": ("CPU until all were back, s", 2),
    "storm_growth": ("memory more at the peak, B", 0),
    "storm_seconds": ("all back after, s", 2),
}


class Runs:
    """Records by cell, server and run."""

    def __init__(self, records):
        self._by = {(record["cell"], record["server"], record["run"]): record for record in records}

    def values(self, cell, server, figure):
        """By run."""
        return {key[2]: record[figure] for key, record in self._by.items() if key[:2] == (cell, server) and figure in record}

    def middle(self, cell, server, figure):
        """The median, if there is anything."""
        values = self.values(cell, server, figure)
        return median(values.values()) if values else None

    def ratios(self, cell, figure, server, other):
        """Of runs that stood side by side."""
        ours, theirs = self.values(cell, server, figure), self.values(cell, other, figure)
        return [ours[run] / theirs[run] for run in sorted(ours.keys() & theirs.keys()) if theirs[run]]


def judged(runs, cell):
    """A line for each bar: what it is, what was found, whether it holds."""
    for bar in cell.bars:
        name = FIGURES[bar.figure][0].split(",")[0]
        if bar.over:
            found = runs.ratios(cell.name, bar.figure, bar.server, bar.over)
            limit = f"at most {bar.limit:.2f}x {bar.over}"
            shown = told((median(found), min(found), max(found))) if found else "-"
        else:
            found = list(runs.values(cell.name, bar.server, bar.figure).values())
            limit = f"at most {bar.limit:,.0f} B"
            shown = f"{median(found):,.0f} B" if found else "-"
        state = UNDECIDED if len(found) < PAIRS_MIN else HOLDS if median(found) <= bar.limit else MISSED
        yield [f"{cell.title}: {name}, {bar.server}", limit, shown, str(len(found)), state]


def unchanged(runs, cell):
    """The line for a build beside one from before a change: no dearer than the same build may be than itself."""
    itself = runs.ratios(cell.name, "cpu", "plain", "plain-again")
    found = runs.ratios(cell.name, "cpu", "plain", "before")
    limit, shown, state = "as one build beside itself", "-", UNDECIDED
    if itself:
        limit = f"at most {sure(itself)[1]:.2f}x before, as one build beside itself"
    if found:
        shown = told((median(found), min(found), max(found)))
    if min(len(found), len(itself)) >= PAIRS_MIN:
        state = HOLDS if median(found) <= sure(itself)[1] else MISSED
    return [f"{cell.title}: CPU per delivery", limit, shown, str(len(found)), state]


def bars(runs):
    """All bars of all cells."""
    rows = [row for cell in cells.ALL for row in judged(runs, cell)]
    rows += [unchanged(runs, cell) for cell in cells.PLAIN]
    return tables.table(["what", "bar", "found", "runs", "verdict"], rows)


def of_cells(runs, chosen, beside=""):
    """A row for each server of each cell, with its CPU over that of the one it stands `beside`; figures that no server has are left out."""
    known = [figure for figure in FIGURES if any(runs.values(cell.name, name, figure) for cell in chosen for name in cell.servers)]
    rows = []
    for cell in chosen:
        for name in cell.servers:
            values = [runs.middle(cell.name, name, figure) for figure in known]
            if any(value is not None for value in values):
                figures = [tables.number(value, FIGURES[figure][1]) for figure, value in zip(known, values, strict=True)]
                ratios = runs.ratios(cell.name, "cpu", name, beside)
                ratio = [f"{median(ratios):.2f}" if ratios else "-"] if beside else []
                rows.append([cell.title, name, *figures[:1], *ratio, *figures[1:]])
    if not rows:
        return ""
    heads = [FIGURES[figure][0] for figure in known]
    return tables.table(["load", "server", *heads[:1], *([f"/ {beside}"] if beside else []), *heads[1:]], rows)


def noise(runs, cell, server, other, figure="cpu"):
    """What tells two builds apart, and what tells one from itself."""
    found = runs.ratios(cell.name, figure, server, other)
    return f"{server} over {other}: {told((median(found), min(found), max(found)))}, {len(found)} runs" if found else ""


def parts(records, about):
    """The parts of the page."""
    runs = Runs(records)
    pairs = [noise(runs, cells.PLAIN[0], *names) for names in (("plain", "before"), ("plain", "plain-again"))]
    pairs = "; ".join(filter(None, pairs))
    return {
        "chat-machine": "\n".join(f"- {name}: {value}" for name, value in about.items()),
        "chat-bars": bars(runs),
        "chat-loads": of_cells(runs, cells.LOADS, "centrifugo"),
        "chat-forms": of_cells(runs, cells.ENCODINGS, "plain"),
        "chat-idle": of_cells(runs, cells.IDLE),
        "chat-storm": of_cells(runs, cells.STORM),
        "chat-plain": "\n\n".join(filter(None, [of_cells(runs, cells.PLAIN), pairs and f"CPU per delivery: {pairs}."])),
    }
