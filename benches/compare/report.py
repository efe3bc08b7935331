"""Writes docs/BENCHMARKS.md, and the figure in README.md: the parts between markers are made here, the rest is written by hand."""

import re
from pathlib import Path

from . import cells, headline, kept, tables
from .summary import Summary, missing_by_reason

DOCS = Path("docs")
PAGE = DOCS / "BENCHMARKS.md"
README = Path("README.md")


def one_line(record):
    """What the terminal shows of a run."""
    if record.get("said"):
        return record["said"]
    if record.get("upgrades_per_cpu_second"):
        return f"{record['bytes_per_connection']:.0f} B, {record['upgrades_per_cpu_second']:,.0f} upgrades per CPU second"
    if record.get("cpu_ns_per_delivery") and record.get("completion_ms"):
        last = record["completion_ms"]
        return f"{record['cpu_ns_per_delivery']:,.0f} ns, last p50 {last['p50']} p99 {last['p99']} ms, CPU {record['cpu_share']:.0%}, missing {missing_by_reason(record)}"
    if record.get("completion_ms"):
        return f"last p50 {record['completion_ms']['p50']} ms"
    return f"exit code {record['exit_code']}"


def fill(text, parts, name="docs/BENCHMARKS.md"):
    """Puts each part between `<!-- name -->` and `<!-- /name -->`; a part without such a place is a mistake."""
    for part, body in parts.items():
        pattern = re.compile(rf"(<!-- {part} -->\n).*?(<!-- /{part} -->)", re.S)
        if not pattern.search(text):
            raise SystemExit(f"bench: {name} has no place for {part}: add <!-- {part} --> and <!-- /{part} -->")
        text = pattern.sub(lambda found: found[1] + (body + "\n" if body else "Not measured in this run.\n") + found[2], text)
    return text


def parts_of_page(summary, about):
    """The parts of docs/BENCHMARKS.md, but for the pictures."""
    return {
        "machine": tables.machine(summary, about),
        "servers": tables.servers(about),
        "bars": tables.bars(summary)[0],
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
    }


def parts_of_readme(summary, about):
    """The part of README.md."""
    return {"headline": headline.part(summary, about, {cell.name: cell.title for cell in cells.ALL})}


def write(records, about, out):
    """Writes the page, the plots and every run below `out`, and the README beside `docs`; returns the bars that were missed.

    A report that is not for the project's own folder has a copy of the README in it.
    """
    folder = out / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    summary = Summary(records)
    from . import plots  # matplotlib is only there where the report is written

    drawn = plots.write(summary, folder)
    pictures = "\n\n".join(f"![{name}](bench/{name}.svg)" for name in drawn)
    page, readme = out / PAGE.name, README if out.resolve() == DOCS.resolve() else out / README.name
    rewrite(page, PAGE, parts_of_page(summary, about) | {"plots": pictures})
    rewrite(readme, README, parts_of_readme(summary, about))
    kept.write_report(folder / "results.json", records, about)
    return tables.bars(summary)[1]


def rewrite(path, template, parts):
    """Fills the parts of a document that is there, or of a copy of the project's."""
    text = (path if path.exists() else template).read_text()
    path.write_text(fill(text, parts, template))


def read(folder):
    """The runs that a report was made of, and what it says of machine and servers; nothing when there is no report."""
    records, about = kept.read_report(folder / "bench" / "results.json")
    return kept.placed(records, about), about
