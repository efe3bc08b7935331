"""Runs that are kept: which are made again, and which a report may put together."""

import tempfile
import tomllib
import unittest
from pathlib import Path

from .. import kept, machine, summary, tables
from .test_figures import ORIGIN, record

LATER = ORIGIN | {"commit": "def", "date": "2026-01-02"}
SERVERS = ("fanring", "uwebsockets")


def a_round(run, cell="room-1000-60", origin=ORIGIN):
    """A run of each server."""
    return [record(server, run, cell, origin=origin) for server in SERVERS]


def of(records):
    """What tells runs apart."""
    return sorted((record["cell"], record["server"], record["run"], record["origin"]["commit"]) for record in records)


class Kept(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.work = Path(folder.name)

    def test_a_run_of_another_commit_is_made_again(self):
        kept.write(self.work, record("fanring", 1))
        there = [kept.is_there(self.work, "room-1000-60", run, "fanring", commit) for run, commit in ((1, "abc"), (1, "def"), (2, "abc"))]
        self.assertEqual(there, [True, False, False])

    def test_a_report_is_gone_on_with(self):
        mine = record("fanring", 1, cpu_ns_per_delivery=7.0)
        kept.write(self.work, mine)
        kept.take_over(self.work, a_round(1) + a_round(2) + a_round(3)[:1])
        (self.work / "about.json").write_text('{"machine": {"commit": "abc"}}')
        records, _ = kept.load(self.work)
        self.assertEqual(of(records), of([mine, *a_round(2)]), "neither a round that was cut nor one that was begun here is put together")
        self.assertIn(mine, records)

    def test_a_cell_that_is_measured_anew_shows_none_of_its_old_runs(self):
        old, new, other = a_round(1) + a_round(2), a_round(1, origin=LATER), a_round(1, "room-20-500")
        self.assertEqual(of(kept.newest(old[2:] + new + other, "def")), of(new + other))

    def test_whatever_a_run_is_made_of_makes_a_commit(self):
        measured = [Path(name) for name in machine.MEASURED]
        for name in measured:
            self.assertTrue(name.exists(), name)
        members = tomllib.loads(Path("Cargo.toml").read_text())["workspace"]["members"]
        # The micro benchmarks count instructions of the library and are no part of the comparison.
        for path in (Path(member) / part for member in members if member != "benches/micro" for part in ("Cargo.toml", "src")):
            with self.subTest(path=str(path)):
                self.assertTrue(any(path.is_relative_to(name) for name in measured))

    def test_the_page_says_which_cells_are_of_another_commit(self):
        made = summary.Summary(a_round(1, origin=LATER) + a_round(1, "room-20-500", LATER) + a_round(1, "small-echo"))
        told = tables.machine(made, {"machine": LATER})
        self.assertIn("- commit: def", told)
        self.assertIn("- but small: 2 x P, Linux 6, commit abc, 2026-01-01", told)
        self.assertNotIn("but main", told)


if __name__ == "__main__":
    unittest.main()
