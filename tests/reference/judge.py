"""Two servers' answers to the same sequence, and what they differ in.

Replies are compared with those of the same id and pushes with those of the same kind and channel. In what order they came counts
within a connection for replies, but for those to what was published, which may have to wait for others; and within a channel for
its pushes and the replies that begin and end them. What else may overtake what is not said by the protocol.
"""

import dataclasses
import fnmatch
import json
import tomllib

NOTHING = "nothing"


@dataclasses.dataclass(frozen=True)
class Difference:
    """One thing that is not the same."""

    sequence: str
    encoding: str
    step: int
    place: str
    reference: str
    ours: str

    def __str__(self):
        return (f"{self.sequence} [{self.encoding}], step {self.step}, {self.place}:\n"
                f"    reference: {self.reference}\n    ours:      {self.ours}")


class Expected:
    """A difference that is meant, by patterns for where it is and what the two say, with the reason."""

    def __init__(self, entry):
        self.reason = entry.pop("reason")
        self.patterns = {name: entry.pop(name, "*") for name in ("sequence", "encoding", "place", "reference", "ours")}
        self.found = 0
        if entry:
            raise SystemExit(f"an expected difference has no {', '.join(entry)}")

    def covers(self, difference):
        """Whether it is this one; counts it then."""
        covered = all(matches(getattr(difference, name), pattern) for name, pattern in self.patterns.items())
        self.found += covered
        return covered

    def __str__(self):
        told = {name: pattern for name, pattern in self.patterns.items() if pattern != "*"}
        return f"{self.reason} {json.dumps(told, ensure_ascii=False)}"


def matches(text, pattern):
    """Whether a pattern, or one of several, with * for anything, is the whole of the text."""
    patterns = pattern if isinstance(pattern, list) else [pattern]
    return any(fnmatch.fnmatchcase(text, each.replace("[", "[[]")) for each in patterns)


def read_expected(path):
    """The file of expected differences."""
    with open(path, "rb") as file:
        return [Expected(entry) for entry in tomllib.load(file).get("difference", [])]


def judge(sequence, encoding, reference, ours):
    """All differences between the answers to one sequence."""
    found, channels = [], sequence.channels()
    for number in range(max(len(reference), len(ours))):
        there = reference[number] if number < len(reference) else {}
        here = ours[number] if number < len(ours) else {}
        for letter in sorted({*there, *here}):
            for place, *said in of_step(there.get(letter, []), here.get(letter, []), channels.get(letter, {})):
                found.append(Difference(sequence.name, encoding, number + 1, f"{letter} {place}", *said))
    return found


def of_step(reference, ours, channels):
    """The differences of what one connection was told in one step; `channels` says which its commands were about."""
    there, here = keyed(reference), keyed(ours)
    for key in [*there, *(key for key in here if key not in there)]:
        if key not in there or key not in here:
            yield key, text(there.get(key)), text(here.get(key))
        else:
            yield from of_value(key, there[key], here[key])
    others = lanes(ours, channels)
    for lane, order in lanes(reference, channels).items():
        other = others.get(lane, [])
        if order != other and sorted(order) == sorted(other):
            yield f"order of {lane}", " ".join(order), " ".join(other)


def of_value(place, reference, ours):
    """The differences of two values, each at the lowest member that has one."""
    if isinstance(reference, dict) and isinstance(ours, dict):
        for name in [*reference, *(name for name in ours if name not in reference)]:
            inner = f"{place} {name}"
            if name in reference and name in ours:
                yield from of_value(inner, reference[name], ours[name])
            else:
                yield inner, text(reference.get(name)), text(ours.get(name))
    elif isinstance(reference, list) and isinstance(ours, list) and len(reference) == len(ours):
        for index, (one, other) in enumerate(zip(reference, ours)):
            yield from of_value(f"{place} {index}", one, other)
    elif (reference, type(reference)) != (ours, type(ours)):
        yield place, text(reference), text(ours)


def text(value):
    return NOTHING if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True)


def keyed(events):
    """Events by what they are, the second of a kind as such."""
    found = {}
    for event in events:
        kind, times = kind_of(event), 1
        key = kind
        while key in found:
            times += 1
            key = f"{kind} ({times})"
        found[key] = event
    return found


def kind_of(event):
    """What is to be compared with what."""
    if not event:
        return "ping"
    if event.get("id"):
        return f"reply {event['id']}"
    push = event.get("push")
    if isinstance(push, dict):
        kinds = [name for name in push if name not in ("id", "channel")]
        return " ".join(["push", str(push.get("channel", "")), *kinds])
    return next(iter(event))


def lanes(events, channels):
    """Those events whose order counts, by what it counts within."""
    found = {"replies": []}
    for event in events:
        push = event.get("push")
        if event.get("id"):
            if "publish" not in event:
                found["replies"].append(str(event["id"]))
            channel = channels.get(event["id"]) if "error" not in event else None
        else:
            channel = push.get("channel", "") if isinstance(push, dict) else None
        if channel is not None:
            found.setdefault(channel, []).append(text(push) if push else f"reply {event['id']}")
    return found
