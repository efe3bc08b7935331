"""Counts from what the tools say, made up here."""

import unittest

from .. import cells, counts


class Counts(unittest.TestCase):
    def test_each_small_cell_has_a_shape_for_callgrind(self):
        self.assertEqual(set(counts.SHAPES), {cell.name for cell in cells.SMALL})

    def test_what_comes_before_the_first_message_does_not_count(self):
        self.assertEqual(counts.marginal((100, 1_050_000), (300, 1_150_000)), 500)
        self.assertEqual(counts.total("events: Ir\nsummary: 1150000\n\ntotals: 1\n"), 1_150_000)

    def test_what_perf_says_is_divided_by_the_messages(self):
        said = "2000,,raw_syscalls:sys_enter,1,100.00,,\n<not counted>,,io_uring:io_uring_complete,0,0,,\n500,,context-switches,1,100.00,,\n"
        self.assertEqual(counts.shares(said, 1000), {"system calls": 2.0, "switches": 0.5})

    def test_samples_are_told_apart_by_their_addresses(self):
        said = "    5614ee559ae1\nffffffff81a00010\n ffffffff81a00020\n"
        own, kernel = counts.split(said, 10)
        self.assertAlmostEqual(own, 12_500)
        self.assertAlmostEqual(kernel, 25_000)


if __name__ == "__main__":
    unittest.main()
