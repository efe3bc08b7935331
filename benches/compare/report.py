"""Writes docs/BENCHMARKS.md: the parts between its markers are made here, the rest is written by hand."""

import json
import re

from . import tables
from .summary import Summary


def one_line(record):
    """What the terminal shows of a run."""
    if record.get("said"):
        return record["said"]
    if record.get("upgrades_per_cpu_second"):
        return f"{record['bytes_per_connection']:.0f} B, {record['upgrades_per_cpu_second']:,.0f} upgrades per CPU second"
    if record.get("cpu_ns_per_delivery") and record.get("completion_ms"):
        last = record["completion_ms"]
        return f"{record['cpu_ns_per_delivery']:,.0f} ns, last p50 {last['p50']} p99 {last['p99']} ms, CPU {record['cpu_share']:.0%}, lost {record['lost']}"
    if record.get("completion_ms"):
        return f"last p50 {record['completion_ms']['p50']} ms"
    return f"exit code {record['exit_code']}"


def fill(text, parts):
    """Puts each part between `<!-- name -->` and `<!-- /name -->`; a part without such a place is a mistake."""
    for name, body in parts.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.S)
        if not pattern.search(text):
            raise SystemExit(f"bench: docs/BENCHMARKS.md has no place for {name}: add <!-- {name} --> and <!-- /{name} -->")
        text = pattern.sub(lambda found: found[1] + (body + "\n" if body else "Not measured in this run.\n") + found[2], text)
    return text


def write(records, about, template, out):
    """Writes BENCHMARKS.md, from `template`, the plots and every run below `out`; returns the bars that were missed."""
    folder = out / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    summary = Summary(records)
    bars, missed = tables.bars(summary)
    from . import plots  # matplotlib is only there where the report is written

    drawn = plots.write(summary, folder)
    parts = {
        "machine": tables.machine(about),
        "servers": tables.servers(about),
        "bars": bars,
        "main": f"{tables.LEGEND}\n\n" + tables.group(summary, "main"),
        "small": tables.group(summary, "small"),
        "knees": tables.knees(summary),
        "steered": tables.group(summary, "steered"),
        "heavy": tables.group(summary, "heavy"),
        "overload": tables.endurance(summary, "overload"),
        "slow": tables.endurance(summary, "slow"),
        "shards": tables.group(summary, "shards"),
        "arrival": tables.arrival(summary),
        "idle": tables.idle(summary),
        "storm": tables.storm(summary),
        "matrix": "\n\n".join(filter(None, (tables.matrix(summary, 1), tables.matrix(summary, 2)))),
        "plots": "\n\n".join(f"![{name}](bench/{name}.svg)" for name in drawn),
    }
    (out / "BENCHMARKS.md").write_text(fill(template.read_text(), parts))
    lines = ",\n".join(json.dumps(record, sort_keys=True) for record in records)
    (folder / "results.json").write_text(f'{{"about": {json.dumps(about)},\n"runs": [\n{lines}\n]}}\n')
    return missed
