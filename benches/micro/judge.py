"""Compares counts of instructions with the recorded ones; called by scripts/instructions.sh.

  judge.py FOUND.json [--save] [--record FILE]

FOUND.json is a JSON object for each benchmark, as gungraun prints them. Counts depend on the compiler: those of another rustc
than the recorded one are shown and not judged. Exit code 1: a benchmark needs over 5% more instructions, is new, or is gone.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

GROWTH_PERCENT_MAX = 5
RECORD = Path(__file__).with_name("instructions.json")


def read(text):
    """The instructions of each benchmark, by `function/case`."""
    decoder, counts, at = json.JSONDecoder(), {}, 0
    while (at := len(text) - len(text[at:].lstrip())) < len(text):
        found, at = decoder.raw_decode(text, at)
        profile = found["profiles"][0]["data"]["total"]["metrics"]
        counts[f"{found['function_name']}/{found['id']}"] = profile["Ir"]["values"]["new"]
    return counts


def judge(recorded, counts):
    """Lines of a table, and the sentences of what is wrong."""
    lines, wrong = [], []
    for name, count in counts.items():
        before = recorded.get(name)
        if before is None:
            wrong.append(f"{name} is not in the record")
            continue
        growth = count / before - 1
        lines.append(f"{name:30} {count:12,} {growth:+8.2%}")
        if count * 100 > before * (100 + GROWTH_PERCENT_MAX):
            wrong.append(f"{name} takes {count:,} instructions instead of {before:,} ({growth:+.1%})")
    wrong += [f"{name} is in the record and was not run" for name in recorded if name not in counts]
    return lines, wrong


def main():
    parser = argparse.ArgumentParser(description="Compares counts of instructions with the recorded ones.")
    parser.add_argument("found", type=Path)
    parser.add_argument("--save", action="store_true", help="record them instead")
    parser.add_argument("--record", type=Path, default=RECORD)
    options = parser.parse_args()
    rustc = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    counts = read(options.found.read_text())
    if options.save:
        options.record.write_text(json.dumps({"rustc": rustc, "instructions": counts}, indent=1) + "\n")
        print(f"recorded {len(counts)} counts in {options.record}")
        return 0
    record = json.loads(options.record.read_text())
    lines, wrong = judge(record["instructions"], counts)
    print("\n".join(lines))
    if record["rustc"] != rustc:
        print(f"not judged: recorded with {record['rustc']}, this is {rustc}; scripts/instructions.sh --save records anew")
        return 0
    for sentence in wrong:
        print(f"instructions: {sentence}; if that is meant, scripts/instructions.sh --save", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
