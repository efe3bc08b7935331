"""The runs that are kept, a file for each, and where each was made: a comparison takes hours, and goes on where it was."""

import json
from collections import Counter, defaultdict

from . import cells

# What has to be said of a run beside its figures.
ORIGIN = ("processors", "kernel", "commit", "date")


def origin_of(about):
    """Where and of what runs are made."""
    return {name: about["machine"].get(name, "unknown") for name in ORIGIN}


def told(origin):
    """The same in words."""
    return f"{origin['processors']}, {origin['kernel']}, commit {origin['commit']}, {origin['date']}"


def origins(records):
    """Each origin in words, with the groups of cells it has runs of, those with most runs first."""
    group_of = {cell.name: cell.group for cell in cells.ALL}
    found = defaultdict(list)
    for record in records:
        found[told(record["origin"])].append(group_of.get(record["cell"], record["cell"]))
    return [(origin, list(dict.fromkeys(groups))) for origin, groups in sorted(found.items(), key=lambda item: -len(item[1]))]


def file_of(work, cell, run, server):
    """The file of one run; `cell` is a name."""
    return work / f"{cell}.{server}.{run}.json"


def write(work, record):
    """Keeps a run."""
    file_of(work, record["cell"], record["run"], record["server"]).write_text(json.dumps(record))


def is_there(work, cell, run, server, commit):
    """Whether a run of that commit is kept; one of another has to be made again."""
    path = file_of(work, cell, run, server)
    return path.exists() and json.loads(path.read_text()).get("origin", {}).get("commit") == commit


def in_folder(work):
    """All runs that are there, and what was said of machine and servers; None when there are no runs."""
    records = [json.loads(path.read_text()) for path in sorted(work.glob("*.*.*.json"))]
    return (records, json.loads((work / "about.json").read_text())) if records else None


def load(work):
    """The same with the runs' origins, without those that newer ones stand in for."""
    if not (found := in_folder(work)):
        return None
    records, about = found
    return newest(placed(records, about), about["machine"]["commit"]), about


def read_report(path):
    """The runs that a report was made of, and what it says of machine and servers; nothing when there is no report."""
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return [], {}
    return found["runs"], found["about"]


def write_report(path, records, about):
    """Keeps what a report was made of, a line for each run."""
    lines = ",\n".join(json.dumps(record, sort_keys=True) for record in records)
    path.write_text(f'{{"about": {json.dumps(about)},\n"runs": [\n{lines}\n]}}\n')


def placed(records, about):
    """The runs with their origin; those that do not say are from where everything else is."""
    return [{"origin": origin_of(about)} | record for record in records]


def newest(records, commit):
    """Of each cell the runs of that commit, or all of them where there are none yet."""
    renewed = {record["cell"] for record in records if record["origin"]["commit"] == commit}
    return [record for record in records if record["cell"] not in renewed or record["origin"]["commit"] == commit]


def take_over(work, records):
    """Keeps the runs of a report too, where none of the same number are there.

    A round that was interrupted is left out: its servers would be compared over two machines.
    """
    rounds = defaultdict(list)
    for record in records:
        rounds[record["cell"], record["run"]].append(record)
    widest = Counter()
    for (cell, _), made in rounds.items():
        widest[cell] = max(widest[cell], len(made))
    for (cell, _), made in rounds.items():
        if len(made) < widest[cell] or any(file_of(work, cell, record["run"], record["server"]).exists() for record in made):
            continue
        for record in made:
            write(work, record)
