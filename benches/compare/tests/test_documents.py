"""What the documents say of the comparison, held against the runs that are kept beside them."""

import tempfile
import unittest
from pathlib import Path

from benches.compare import cells, headline, report
from benches.compare.summary import Summary
from benches.compare.tests.test_figures import ORIGIN, record

ABOUT = {
    "machine": ORIGIN,
    "versions": {"uwebsockets": "uWebSockets 1"},
}


def runs(cell, ours, theirs, **others):
    """A run of each server for each pair of costs."""
    pairs = enumerate(zip(ours, theirs, strict=True), 1)
    made = [(record("fanring", run, cell, cpu_ns_per_delivery=a), record("uwebsockets", run, cell, cpu_ns_per_delivery=b, **others)) for run, (a, b) in pairs]
    return [one for pair in made for one in pair]


class Headline(unittest.TestCase):
    def part(self, made):
        return report.parts_of_readme(Summary(made), ABOUT)["headline"]

    def test_it_tells_the_ratio_its_spread_and_where_it_comes_from(self):
        told = self.part(runs("room-1000-60", [750.0, 800.0, 600.0], [1000.0] * 3))
        self.assertIn("| 1,000 subscribers, 60/s, 64 B | **0.75** (0.60-0.80) | **1.00** (1.00-1.00) |", told)
        for what in (f"`{headline.COMMAND} 3`", "2 x P", "Linux 6", "commit abc", "uWebSockets 1"):
            self.assertIn(what, told)
        self.assertEqual(told.count("subscribers,"), 1, "no other cell was measured")

    def test_a_server_at_its_limit_is_no_figure(self):
        self.assertEqual(self.part(runs("room-1000-60", [750.0], [1000.0], cpu_share=0.99)), "")
        self.assertEqual(self.part([record("fanring", 1)]), "", "there is nothing to compare with")

    def test_its_command_measures_its_cells(self):
        chosen = {cell.name: cell for cell in cells.select(["main"], quick=False)}
        for name in headline.CELLS:
            self.assertLessEqual({"fanring", headline.PEER}, set(chosen[name].servers))


class Kept(unittest.TestCase):
    """scripts/bench.sh writes both documents from the runs; a change of either alone is undone by `--report`."""

    def test_the_documents_say_what_was_measured(self):
        records, about = report.read(report.DOCS)
        summary = Summary(records)
        for path, parts in ((report.PAGE, report.parts_of_page(summary, about)), (report.README, report.parts_of_readme(summary, about))):
            text = path.read_text()
            for name, body in parts.items():
                with self.subTest(document=str(path), part=name):
                    self.assertEqual(report.fill(text, {name: body}, path), text, "run scripts/bench.sh --report")

    def test_a_report_elsewhere_leaves_the_readme_alone(self):
        before = report.README.read_text()
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "README.md"
            report.rewrite(copy, report.README, {"headline": "x"})
            self.assertIn("<!-- headline -->\nx\n", copy.read_text())
        self.assertEqual(report.README.read_text(), before)

    def test_a_folder_without_a_report_has_no_runs(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(report.read(Path(folder)), ([], {}))


if __name__ == "__main__":
    unittest.main()
