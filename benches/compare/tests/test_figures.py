"""Figures from records made up here, against arithmetic done by hand."""

import unittest

from .. import bars, cells, report, runs, summary, tables, verdict


ORIGIN = {"processors": "2 x P", "kernel": "Linux 6", "commit": "abc", "date": "2026-01-01"}


def record(server, run, cell="room-1000-60", **others):
    """A run in which all went well."""
    times = {"p50": 1.0, "p90": 2.0, "p99": 3.0, "p99_9": 4.0, "max": 5.0}
    made = {
        "cell": cell, "server": server, "run": run, "exit_code": 0, "said": "", "server_alive": True,
        "cpu_ns_per_delivery": 1000.0, "cpu_share": 0.5, "client_share": 0.5, "deliveries_per_second": 60000.0,
        "delivery_ms": dict(times), "completion_ms": dict(times), "upgrade_ms": dict(times), "lost": 0, "invalid": [],
        "rss_bytes": [1, 2, 3], "ended_early": 0, "opened": 1001, "origin": ORIGIN,
    }
    return made | others


class Ratios(unittest.TestCase):
    def test_runs_of_the_same_number_are_compared(self):
        # Twice as dear in every run, while the machine's speed changes fourfold.
        costs = [1000.0, 2000.0, 4000.0]
        made = [record("fanring", run, cpu_ns_per_delivery=cost) for run, cost in enumerate(costs)]
        made += [record("uwebsockets", run, cpu_ns_per_delivery=cost * 2) for run, cost in enumerate(costs)]
        found = summary.Summary(made).ratio("cpu", ("room-1000-60", "fanring"), ("room-1000-60", "uwebsockets"))
        self.assertEqual(found, (0.5, 0.5, 0.5))

    def test_a_run_without_a_counterpart_is_left_out(self):
        made = [record("fanring", 1), record("fanring", 2), record("floor", 2, cpu_ns_per_delivery=500.0)]
        found = summary.Summary(made).ratio("cpu", ("room-1000-60", "fanring"), ("room-1000-60", "floor"))
        self.assertEqual(found, (2.0, 2.0, 2.0))

    def test_nothing_to_compare_is_none(self):
        self.assertIsNone(summary.Summary([record("fanring", 1)]).ratio("cpu", ("room-1000-60", "fanring"), ("x", "floor")))


class Judgement(unittest.TestCase):
    def test_the_median_decides(self):
        self.assertEqual(verdict.judge((0.8, 0.7, 1.2), 0.85), verdict.HOLDS)
        self.assertEqual(verdict.judge((0.9, 0.8, 1.2), 0.85), verdict.WITHIN_SPREAD)
        self.assertEqual(verdict.judge((0.9, 0.86, 1.2), 0.85), verdict.MISSED)
        self.assertEqual(verdict.judge((0.9, 0.8, 0.95), 1.0, above=True), verdict.MISSED)
        self.assertEqual(verdict.judge((1.1, 0.8, 1.2), 1.0, above=True), verdict.HOLDS)

    def test_a_missed_bar_is_told(self):
        made = [record("fanring", run, cpu_ns_per_delivery=2000.0) for run in (1, 2)] + [record("floor", run) for run in (1, 2)]
        _, missed = tables.bars(summary.Summary(made))
        self.assertIn("room-1000-60: CPU, floor: 2.00 (2.00-2.00), at most 1.08x floor", missed)

    def test_the_best_peer_lost_nothing_and_had_time_left(self):
        made = [
            record("uwebsockets", 1, cpu_ns_per_delivery=1500.0),
            record("nchan", 1, cpu_ns_per_delivery=1200.0, cpu_share=0.99),
            record("axum", 1, cpu_ns_per_delivery=1100.0, exit_code=3, lost=7),
            record("floor", 1, cpu_ns_per_delivery=1.0),
            record("hub", 1, cpu_ns_per_delivery=9000.0),
        ]
        self.assertEqual(bars.best_peer(summary.Summary(made), "room-1000-60", "cpu"), "uwebsockets")

    def test_a_peer_that_got_there_in_some_runs_is_compared_in_those(self):
        made = [record("fanring", run) for run in range(1, 6)]
        made += [record("nchan", run, exit_code=3, lost=9) for run in range(1, 6)]
        cell = "room-1000-60"
        judged = bars.against(summary.Summary(made), "x", cell, "p99", None, 1.0)
        self.assertEqual((judged.found, judged.state), ("no peer got there in any run", verdict.HOLDS))
        times = {"p50": 1.0, "p99": 2.0}
        made += [record("uwebsockets", run, exit_code=3 * (run in (2, 3)), delivery_ms=times) for run in range(1, 6)]
        judged = bars.against(summary.Summary(made), "x", cell, "p99", None, 1.0)
        self.assertEqual(judged.found, "1.50 (1.50-1.50) uwebsockets, which got there in 3 of 5 runs; no peer in all")
        self.assertEqual(judged.state, verdict.MISSED)

    def test_marks_say_what_limits_a_figure(self):
        made = summary.Summary([
            record("hub", 1, cpu_share=0.99), record("nchan", 1, client_share=0.99), record("axum", 1, exit_code=3),
            record("ws", 1, invalid=["publishing lagged"]), record("fanring", 1),
        ])
        marks = {name: made.marks("room-1000-60", name) for name in ("hub", "nchan", "axum", "ws", "fanring")}
        self.assertEqual(marks, {"hub": "s", "nchan": "c", "axum": "!", "ws": "c", "fanring": ""})


class Missing(unittest.TestCase):
    """Runs of old say only how many deliveries had not come; those since say why."""

    OLD = record("uwebsockets", 1, cell="overload-64", lost=51_382_976, exit_code=3)
    NEW = record("nchan", 1, cell="overload-64", skipped=7, outstanding=52_000_000, cut_off=0, exit_code=3)
    del NEW["lost"]

    def test_both_are_read(self):
        made = summary.Summary([self.OLD, self.NEW])
        self.assertEqual(made.median("overload-64", "uwebsockets", "missing"), 51_382_976)
        self.assertEqual(made.median("overload-64", "nchan", "missing"), 52_000_007)

    def test_a_backlog_is_outstanding_and_not_lost(self):
        told = tables.endurance(summary.Summary([self.OLD, self.NEW]), "overload")
        self.assertIn("| missing (most) |", told)
        self.assertIn("| 7 lost, 52,000,000 outstanding |", told)
        self.assertIn("| 51,382,976 |", told)
        self.assertIn("missing 7 lost, 52,000,000 outstanding", report.one_line(self.NEW))

    def test_fanloads_report_is_read(self):
        counts = dict.fromkeys(("duplicated", "reordered", "too_late", "corrupted", "wrong_type"), 1)
        counts |= {"expected": 10, "skipped": 2, "outstanding": 3, "cut_off": 4}
        empty = {"count": 0}
        made = runs.extract({
            "server": None, "counts": counts, "storm": None, "slow": None, "verdict": {"status": "valid"},
            "latency": dict.fromkeys(("delivery_ns", "completion_ns", "upgrade_ns"), empty),
            "generator": {"workers": [{"cpu_share": 0.5}], "publish_lag_ns": empty},
            "window": {"length_ns": 2_000_000_000, "delivered": 1}, "sessions": {"opened": 1, "ended_early": 0},
            "rates": {"planned": 1.0, "achieved": 1.0, "deliveries": 1.0},
        })
        self.assertEqual((made["skipped"], made["outstanding"], made["cut_off"], made["disorder"]), (2, 3, 4, 5))
        self.assertEqual(summary.missing(made), 9)


class Cells(unittest.TestCase):
    def test_names_are_unique(self):
        self.assertEqual(len({cell.name for cell in cells.ALL}), len(cells.ALL))

    def test_rates_of_the_matrix_make_the_deliveries_they_say(self):
        by_name = {cell.name: cell for cell in cells.MATRIX}
        self.assertIn("--rate 160 ", " ".join(by_name["matrix-1000-128-160000-t1"].load) + " ")
        self.assertIn("--rate 16000 ", " ".join(by_name["matrix-1000x10-36-160000-t1"].load) + " ")
        self.assertIn("--rate 20000 ", " ".join(by_name["matrix-4500x2-36-20000-t1"].load) + " ")

    def test_each_shape_of_the_matrix_has_three_rates(self):
        for threads in (1, 2):
            for shape, *_ in cells.shapes():
                own = [cell for cell in cells.matrix(threads) if cell.name.startswith(f"matrix-{shape}-36-")]
                self.assertEqual(len(own), 3, shape)

    def test_a_relay_is_no_peer(self):
        self.assertFalse(set(cells.PEERS) & {*cells.RELAYS, cells.ITSELF, "floor"})

    def test_unknown_cells_are_refused(self):
        with self.assertRaisesRegex(SystemExit, "no cell or group called nonsense"):
            cells.select(["nonsense"], quick=False)


class Page(unittest.TestCase):
    def test_only_what_is_between_the_markers_changes(self):
        page = "a\n<!-- bars -->\nold\n<!-- /bars -->\nb\n"
        self.assertEqual(report.fill(page, {"bars": "new"}), "a\n<!-- bars -->\nnew\n<!-- /bars -->\nb\n")

    def test_a_missing_place_is_named(self):
        with self.assertRaisesRegex(SystemExit, "no place for bars"):
            report.fill("nothing", {"bars": "x"})

    def test_a_server_without_figures_keeps_its_reason(self):
        made = [record("fanring", 1), {"cell": "room-1000-60", "server": "ws", "run": 1, "exit_code": -1, "said": "ws ended at once"}]
        cell = next(cell for cell in cells.ALL if cell.name == "room-1000-60")
        self.assertIn("ws ended at once", tables.of_cell(summary.Summary(made), cell))


if __name__ == "__main__":
    unittest.main()
