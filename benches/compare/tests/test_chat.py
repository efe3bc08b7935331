"""How runs of the chat backend are judged."""

import unittest

from benches.compare import kept, report
from benches.compare.chat import __main__ as chat
from benches.compare.chat import cells, memberships, tables
from benches.compare.verdict import HOLDS, MISSED, UNDECIDED


def records(cell, server, figure, values):
    return [{"cell": cell, "server": server, "run": run, figure: value} for run, value in enumerate(values, 1)]


class Bars(unittest.TestCase):
    def state(self, cell, made):
        chosen = next(each for each in cells.ALL if each.name == cell)
        return [row[-1] for row in tables.judged(tables.Runs(made), chosen)][0]

    def pair(self, ratio, runs):
        cell = "chat-1000-60"
        return records(cell, "centrifugo", "cpu", [100.0] * runs) + records(cell, "json", "cpu", [100.0 * ratio] * runs)

    def test_a_ratio_is_judged_by_its_median(self):
        self.assertEqual(self.state("chat-1000-60", self.pair(0.52, 9)), HOLDS)
        self.assertEqual(self.state("chat-1000-60", self.pair(0.53, 9)), MISSED)

    def test_few_pairs_judge_nothing(self):
        self.assertEqual(self.state("chat-1000-60", self.pair(0.1, 8)), UNDECIDED)

    def test_only_runs_side_by_side_are_compared(self):
        runs = tables.Runs(records("c", "json", "cpu", [1.0, 8.0]) + records("c", "centrifugo", "cpu", [2.0]))
        self.assertEqual(runs.ratios("c", "cpu", "json", "centrifugo"), [0.5])

    def test_bytes_are_judged_as_they_are(self):
        self.assertEqual(self.state("chat-idle", records("chat-idle", "json", "session_bytes", [700] * 9)), HOLDS)
        self.assertEqual(self.state("chat-idle", records("chat-idle", "json", "session_bytes", [701] * 9)), MISSED)

    def test_a_build_is_beside_another_as_it_is_beside_itself(self):
        cell = cells.PLAIN[0]
        noise = [0.9, 0.96, 0.98, 1.0, 1.0, 1.01, 1.02, 1.04, 1.2]
        itself = records(cell.name, "plain", "cpu", [100.0 * ratio for ratio in noise]) + records(cell.name, "plain-again", "cpu", [100.0] * 9)
        for ratio, wanted in ((1.0, HOLDS), (1.03, HOLDS), (1.05, MISSED)):
            before = records(cell.name, "before", "cpu", [100.0 * one / ratio for one in noise])
            self.assertEqual(tables.unchanged(tables.Runs(itself + before), cell)[-1], wanted, ratio)
        self.assertEqual(tables.unchanged(tables.Runs(itself), cell)[-1], UNDECIDED)


class Page(unittest.TestCase):
    def test_there_is_a_place_for_all_that_is_measured(self):
        parts = tables.parts(self.pairs(), {"commit": "abc"})
        page = report.fill(report.PAGE.read_text(), parts)
        self.assertIn("- commit: abc\n", page)
        self.assertIn("plain over plain-again: 1.00 (1.00-1.00), 2 runs.", page)
        self.assertEqual([part for part, body in parts.items() if not body], ["chat-loads", "chat-forms", "chat-idle", "chat-storm"])

    def pairs(self):
        return records("chat-plain-pairs", "plain", "cpu", [1.0, 2.0]) + records("chat-plain-pairs", "plain-again", "cpu", [1.0, 2.0])


class Kept(unittest.TestCase):
    """scripts/chat-bench.sh writes the section from its runs; a change of either alone is undone by `--report`."""

    def test_the_section_says_what_was_measured(self):
        records, about = kept.read_report(chat.KEPT)
        text = report.PAGE.read_text()
        for name, body in tables.parts(records, about).items():
            with self.subTest(part=name):
                self.assertEqual(report.fill(text, {name: body}), text, "run scripts/chat-bench.sh --report")


class Memberships(unittest.TestCase):
    def test_frames_are_of_text_and_masked(self):
        self.assertEqual(memberships.frame(b"ab"), b"\x81\x82\0\0\0\0ab")
        self.assertEqual(memberships.frame(b"a" * 300)[:4], b"\x81\xfe\x01\x2c")


if __name__ == "__main__":
    unittest.main()
