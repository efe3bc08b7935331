#!/usr/bin/env python3
"""Plays the table of sequences to servers and compares their answers with those of Centrifugo.

    compare.py record --made-by "Centrifugo 6.9.1" --server main=127.0.0.1:8001 --server ...
    compare.py check  --server main=127.0.0.1:9001 --server ...     [--only WORD] [--exactly] [--all] [--kinds]

`record` writes what a reference answers to tests/reference/answers.json. `check` compares with that file: it fails on any
difference that tests/reference/expected.toml does not have with a reason, and on any there that is gone. With --exactly none is
expected: so a recorded file is checked itself. --only takes the sequences with that word in their names, --all prints the
expected differences too, and --kinds one of each kind with how many there are. There is a server for each configuration that the
table names.
"""

import argparse
import concurrent.futures
import json
import pathlib
import re
import sys
import time

import judge
from play import Player
from sequences import read_all

FOLDER = pathlib.Path(__file__).parent
ANSWERS = FOLDER / "answers.json"
EXPECTED = FOLDER / "expected.toml"
# They mostly wait, but some of what they wait for is timed by the server.
AT_ONCE = 32


def main():
    arguments = parse()
    servers = dict(each.split("=", 1) for each in arguments.server)
    sequences = [each for each in read_all() if arguments.only in each.name]
    missing = {each.server for each in sequences} - set(servers)
    if missing or not sequences:
        sys.exit(f"there is no --server for {', '.join(sorted(missing))}" if missing else "no sequence has that name")
    runs = [(each, encoding) for each in sequences for encoding in each.encodings]
    if arguments.action == "record":
        record(runs, servers, arguments.made_by)
    else:
        check(runs, servers, arguments)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["record", "check"])
    parser.add_argument("--server", action="append", default=[], metavar="NAME=ADDRESS")
    parser.add_argument("--made-by", default="")
    parser.add_argument("--only", default="")
    parser.add_argument("--exactly", action="store_true")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--kinds", action="store_true")
    arguments = parser.parse_args()
    if arguments.action == "record" and (arguments.only or not arguments.made_by):
        parser.error("record wants --made-by, and all sequences")
    return arguments


def play_all(runs, servers, known):
    """The answers to all runs, several at once."""
    def play(run):
        sequence, encoding = run
        try:
            return Player(sequence, servers[sequence.server], encoding).play(known(sequence, encoding))
        except Exception as error:
            raise RuntimeError(f"{sequence.name} [{encoding}]: {error!r}") from error

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(play, runs))


def steps_of(sequence):
    """A sequence as it is kept beside its answers, so that those to another one are not taken for them."""
    tokens = [f"{name}: {each.algorithm} {each.key} {each.claims}" for name, each in sequence.tokens.items()]
    steps = [" ".join(filter(None, (each.letter, each.kind, *each.lines, f"{each.seconds:g}" if each.seconds else "")))
             for each in sequence.steps]
    return [*tokens, *steps]


def record(runs, servers, made_by):
    answers = play_all(runs, servers, lambda *_: None)
    kept = {}
    for (sequence, encoding), told in zip(runs, answers):
        entry = kept.setdefault(sequence.name, {"steps": steps_of(sequence)})
        entry[encoding] = [
            [f"{letter} {json.dumps(event)}" for letter, events in step.items() for event in events]
            for step in told
        ]
    document = {"made by": made_by, "on": time.strftime("%Y-%m-%d"), "answers": kept}
    ANSWERS.write_text(json.dumps(document, indent=1) + "\n")
    print(f"recorded {len(runs)} runs of {len(kept)} sequences")


def recorded(document):
    """What the file has for a run."""
    def known(sequence, encoding):
        entry = document["answers"].get(sequence.name, {})
        if entry.get("steps") != steps_of(sequence) or encoding not in entry:
            sys.exit(f"{ANSWERS} does not have {sequence.name} as it is now: renew it")
        told = []
        for step in entry[encoding]:
            events = {}
            for line in step:
                events.setdefault(line[0], []).append(json.loads(line[2:]))
            told.append(events)
        return told

    return known


def check(runs, servers, arguments):
    document = json.loads(ANSWERS.read_text())
    known = recorded(document)
    if not arguments.only:
        unknown = set(document["answers"]) - {sequence.name for sequence, _ in runs}
        if unknown:
            sys.exit(f"{ANSWERS} has {unknown.pop()}, which is no sequence any more: renew it")
    references = [known(*run) for run in runs]
    expected = [] if arguments.exactly else judge.read_expected(EXPECTED)
    started, unexpected, accepted = time.monotonic(), [], 0
    for (sequence, encoding), reference, ours in zip(runs, references, play_all(runs, servers, known)):
        for difference in judge.judge(sequence, encoding, reference, ours):
            # Each that covers it is counted: none of them is gone.
            reasons = [each.reason for each in expected if each.covers(difference)]
            accepted += bool(reasons)
            if not reasons:
                unexpected.append(difference)
            if arguments.all or not (reasons or arguments.kinds):
                print(difference, *(f"    because:   {reason}" for reason in reasons), sep="\n")
    if arguments.kinds:
        print_kinds(unexpected)
    gone = [] if arguments.only else [each for each in expected if not each.found]
    for each in gone:
        print(f"no difference any more: {each}")
    print(f"{len(runs)} runs of {len({run[0].name for run in runs})} sequences in {time.monotonic() - started:.0f} s "
          f"beside {document['made by']}: {accepted} expected differences, {len(unexpected)} others, {len(gone)} gone")
    sys.exit(1 if unexpected or gone else 0)


def print_kinds(differences):
    """One difference of each kind, the most frequent first."""
    kinds = {}
    for each in differences:
        parts = (each.place.partition(" ")[2], each.reference, each.ours)
        kinds.setdefault(tuple(re.sub(r"\d+", "0", part)[:60] for part in parts), []).append(each)
    for found in sorted(kinds.values(), key=len, reverse=True):
        print(f"{len(found)} times, such as", found[0])


if __name__ == "__main__":
    main()
