"""One promise: what was found, and whether it holds."""

from dataclasses import dataclass

HOLDS, WITHIN_SPREAD, MISSED, UNDECIDED, UNKNOWN = "holds", "within the spread", "**missed**", "undecided", "not measured"


@dataclass(frozen=True)
class Verdict:
    """A line of the table of promises."""

    title: str
    bar: str
    found: str
    state: str
    note: str = ""


def judge(ratio, limit, above=False):
    """Of (median, smallest, largest): the median decides; a bar between the runs is within the spread."""
    middle, low, high = ratio
    if (middle >= limit) if above else (middle <= limit):
        return HOLDS
    return WITHIN_SPREAD if low <= limit <= high else MISSED


def told(ratio):
    """A ratio with its spread."""
    return "{:.2f} ({:.2f}-{:.2f})".format(*ratio)


def plain(holds):
    """The state of a promise that is no ratio."""
    return HOLDS if holds else MISSED
