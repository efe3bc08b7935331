"""The promises about echo and small rooms, where a few percent count: against the bare relay in its best form.

Such a bar is judged only if the same binary, against itself in the same runs, is told apart from itself by no more than
half of what the bar allows. Otherwise it is undecided: more runs on a quieter machine, or counts (counts.py), have to say.
"""

from statistics import median

from .cells import ITSELF, PAIRS_MIN, RELAYS, SMALL
from .summary import sure
from .verdict import HOLDS, MISSED, UNDECIDED, Verdict, told

# Fanring over the relay, at most.
BARS = (("cpu", "CPU", 1.03), ("p99", "p99", 1.10), ("completion_p99", "last p99", 1.10))


def best_relay(summary, cell):
    """The form that costs the least and delivered everything."""
    found = [(summary.median(cell, name, "cpu"), name) for name in RELAYS if not summary.failed(cell, name)]
    found = [each for each in found if each[0] is not None]
    return min(found)[1] if found else None


def is_decided(ratios, margin):
    """Whether the median of the ratios of a thing to itself is surely within half of `margin`."""
    low, high = sure(ratios)
    return 1 - margin / 2 <= low and high <= 1 + margin / 2


def verdicts(summary):
    """All of them, as far as they were measured."""
    return [
        verdict(summary, cell.name, relay, *bar)
        for cell in SMALL
        if (relay := best_relay(summary, cell.name)) and summary.median(cell.name, "fanring", "cpu") is not None
        for bar in BARS
    ]


def verdict(summary, cell, relay, figure, name, limit):
    """One figure of one cell."""
    fanring = (cell, "fanring")
    pairs = summary.ratios(figure, fanring, (cell, relay))
    itself = summary.ratios(figure, (cell, ITSELF), fanring)
    title, bar = f"{cell}: {name}, bare relay", f"at most {limit:.2f}x {relay}"
    if not pairs:
        return Verdict(title, bar, "-", UNDECIDED)
    found = told((median(pairs), min(pairs), max(pairs)))
    if len(pairs) < PAIRS_MIN:
        return Verdict(title, bar, found, UNDECIDED, f"{len(pairs)} pairs of runs; {PAIRS_MIN} are needed.")
    if not itself:
        return Verdict(title, bar, found, UNDECIDED, "It was not run against itself.")
    note = "Itself: {:.2f}, surely between {:.2f} and {:.2f}.".format(median(itself), *sure(itself))
    if not is_decided(itself, limit - 1):
        return Verdict(title, bar, found, UNDECIDED, note)
    return Verdict(title, bar, found, HOLDS if median(pairs) <= limit else MISSED, note)
