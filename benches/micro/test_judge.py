"""A path that needs over 5% more instructions is named."""

import json
import re
import unittest
from pathlib import Path

from judge import RECORD, judge, read

PROFILE = Path(__file__).parents[2] / "docs" / "PROFILE.md"


class Judge(unittest.TestCase):
    def test_growth_over_five_percent_is_wrong(self):
        _, wrong = judge({"flush/a": 1000, "flush/b": 1000}, {"flush/a": 1051, "flush/b": 1050})
        self.assertEqual(wrong, ["flush/a takes 1,051 instructions instead of 1,000 (+5.1%)"])

    def test_less_is_fine(self):
        self.assertEqual(judge({"flush/a": 1000}, {"flush/a": 500})[1], [])

    def test_what_is_new_or_gone_is_named(self):
        _, wrong = judge({"old/a": 1}, {"new/a": 1})
        self.assertEqual(wrong, ["new/a is not in the record", "old/a is in the record and was not run"])

    def test_objects_stand_one_after_the_other(self):
        one = '{"function_name": "f", "id": "%s", "profiles": [{"data": {"total": {"metrics": {"Ir": {"values": {"new": %d}}}}}}]}'
        self.assertEqual(read(one % ("a", 7) + "\n" + one % ("b", 8) + "\n"), {"f/a": 7, "f/b": 8})


class Claims(unittest.TestCase):
    def test_the_profile_says_what_a_delivery_takes(self):
        said = int(re.search(r"Today it is (\d+)\s+instructions a delivery", PROFILE.read_text()).group(1))
        recorded = json.loads(RECORD.read_text())["instructions"]["fan_out/to_10000"] / 10_000
        self.assertLess(abs(said / recorded - 1), 0.05, f"{recorded:.0f} by the record")


if __name__ == "__main__":
    unittest.main()
