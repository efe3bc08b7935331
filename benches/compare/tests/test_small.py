"""The promises about small rooms, from records made up here."""

import unittest
from types import SimpleNamespace

from .. import __main__ as driver
from .. import bars, cells, small, summary, tables, verdict
from .test_figures import record

CELL = "small-pairs"


def runs(server, costs, **others):
    """A run for each cost."""
    return [record(server, run, cell=CELL, cpu_ns_per_delivery=cost, **others) for run, cost in enumerate(costs)]


def cpu(made):
    """What is said of the processor time of the cell."""
    return next(v for v in bars.evaluate(summary.Summary(made)) if v.title == f"{CELL}: CPU, bare relay")


# Fifteen runs on a machine that becomes slower and slower.
DRIFT = [1000.0 + 50 * run for run in range(15)]


def times(factor, costs=DRIFT):
    """The same costs, so much dearer."""
    return [cost * factor for cost in costs]


class Bars(unittest.TestCase):
    def test_the_relay_in_its_cheapest_form_is_the_measure(self):
        made = runs("fanring", DRIFT) + runs(cells.ITSELF, DRIFT) + runs("relay", times(0.99)) + runs("relay-epoll", times(0.98))
        said = cpu(made)
        self.assertEqual((said.bar, said.found, said.state), ("at most 1.03x relay-epoll", "1.02 (1.02-1.02)", verdict.HOLDS))

    def test_a_form_that_lost_something_is_none(self):
        made = runs("fanring", DRIFT) + runs("relay", DRIFT) + runs("relay-epoll", times(0.5), exit_code=3)
        self.assertEqual(small.best_relay(summary.Summary(made), CELL), "relay")

    def test_a_bar_that_is_missed_is_told(self):
        made = runs("fanring", times(1.04)) + runs(cells.ITSELF, times(1.04)) + runs("relay", DRIFT)
        self.assertEqual(cpu(made).state, verdict.MISSED)
        self.assertIn(f"{CELL}: CPU, bare relay: 1.04 (1.04-1.04), at most 1.03x relay", tables.bars(summary.Summary(made))[1])

    def test_what_differs_from_itself_decides_nothing(self):
        # 2% in each run, where the bar allows 3%; and no difference on the whole, but nobody can be sure of that.
        for itself in (times(1.02), [cost * factor for cost, factor in zip(DRIFT, [0.9, 1.1, 1.0] * 5)]):
            made = runs("fanring", DRIFT) + runs(cells.ITSELF, itself) + runs("relay", DRIFT)
            self.assertEqual(cpu(made).state, verdict.UNDECIDED)
        # A wider bar is not touched by that 2%.
        wide = small.verdict(summary.Summary(runs("fanring", DRIFT) + runs(cells.ITSELF, times(1.02)) + runs("relay", DRIFT)), CELL, "relay", "cpu", "CPU", 1.1)
        self.assertEqual(wide.state, verdict.HOLDS)

    def test_few_pairs_or_none_with_itself_decide_nothing(self):
        few = DRIFT[:14]
        self.assertEqual(cpu(runs("fanring", few) + runs(cells.ITSELF, few) + runs("relay", few)).state, verdict.UNDECIDED)
        self.assertEqual(cpu(runs("fanring", DRIFT) + runs("relay", DRIFT)).state, verdict.UNDECIDED)

    def test_nothing_is_said_of_what_was_not_measured(self):
        self.assertEqual(small.verdicts(summary.Summary(runs("fanring", DRIFT))), [])
        self.assertEqual(small.verdicts(summary.Summary(runs("relay", DRIFT))), [])

    def test_the_table_is_over_the_best_relay(self):
        made = runs("fanring", DRIFT) + runs("relay-epoll", times(0.5))
        cell = next(cell for cell in cells.SMALL if cell.name == CELL)
        table = tables.of_cell(summary.Summary(made), cell)
        self.assertIn("/ relay-epoll", table)
        self.assertIn("| 2.00 | 1.00 |", table)


class Certainty(unittest.TestCase):
    def test_of_few_values_it_is_all_of_them(self):
        self.assertEqual(summary.sure([3, 1, 2]), (1, 3))
        self.assertEqual(summary.sure([1, 2, 3, 4, 5, 6]), (1, 6))

    def test_of_fifteen_it_is_the_fourth_to_the_twelfth(self):
        # P(at most 3 of 15 are below the median) is 0.018, of 4 it would be 0.059.
        self.assertEqual(summary.sure(list(range(1, 16))), (4, 12))


class Knees(unittest.TestCase):
    def test_the_highest_rate_is_shown(self):
        made = [record("fanring", 1, cell="knee-pairs", planned_per_second=40000.0), record("uwebsockets", 1, cell="knee-pairs", planned_per_second=30000.0, exit_code=2)]
        rows = tables.knees(summary.Summary(made)).splitlines()[2:]
        self.assertIn("| **fanring** | 40,000 (40,000-40,000) |", rows[0])
        self.assertTrue(rows[1].endswith("| 0.75 | c |"), rows[1])


class Runs(unittest.TestCase):
    def test_small_rooms_are_run_often_unless_told_otherwise(self):
        cell, other = cells.SMALL[0], cells.MAIN[0]
        for asked, quick, expected in ((None, False, (15, 5)), (2, False, (2, 2)), (None, True, (3, 3))):
            options = SimpleNamespace(runs=asked, quick=quick)
            self.assertEqual((driver.runs_of(cell, options), driver.runs_of(other, options)), expected)


if __name__ == "__main__":
    unittest.main()
