//! The run over time in a bounded number of columns, for the plots and the summary in the JSON.
//!
//! When there are too many columns, neighbours are merged, and the memory of all of them is taken
//! (and touched) at the start: what fanload itself uses does not grow with the duration of a run.

use super::distribution::Distribution;
use super::interval::Interval;
use super::model::{IntervalSummary, PhaseName};

/// The most columns there are.
pub(crate) const COLUMNS_MAX: usize = 240;

/// Cells of a column for each factor of ten in latency.
pub(crate) const CELLS_PER_DECADE: usize = 40;

/// The shortest latency that is told apart, in nanoseconds.
pub(crate) const CELL_NS_MIN: f64 = 1e4;

/// Factors of ten above that: as long as any run.
const DECADES: usize = 11;

const CELLS: usize = CELLS_PER_DECADE * DECADES;

/// How many values lie in each step of a logarithmic scale, from [`CELL_NS_MIN`] on.
pub(crate) type Cells = [u64; CELLS];

/// Some neighbouring intervals as one.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) summary: IntervalSummary,
    /// Intervals in it.
    intervals: usize,
    /// Delivery latencies.
    pub(crate) delivery: Cells,
    /// Completion latencies.
    pub(crate) completion: Cells,
}

/// The columns of a run so far.
#[derive(Debug)]
pub(crate) struct Timeline {
    columns: Vec<Column>,
    /// Intervals that make up one column.
    intervals_per_column: usize,
}

impl Default for Timeline {
    fn default() -> Self {
        let mut columns = vec![Column::of(&Interval::default()); COLUMNS_MAX + 1];
        columns.clear();
        Self {
            columns,
            intervals_per_column: 1,
        }
    }
}

impl Timeline {
    /// Adds an interval. Columns don't reach over the end of a phase.
    pub(crate) fn append(&mut self, interval: &Interval) {
        let column = Column::of(interval);
        match self.columns.last_mut() {
            Some(last)
                if last.intervals < self.intervals_per_column
                    && last.summary.phase == column.summary.phase =>
            {
                last.merge(&column);
            }
            _ => self.columns.push(column),
        }
        if self.columns.len() > COLUMNS_MAX {
            self.halve();
        }
    }

    /// The columns in order of time.
    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The columns without their cells.
    pub(crate) fn summaries(&self) -> Vec<IntervalSummary> {
        let summaries = self.columns.iter().map(|column| &column.summary);
        summaries.cloned().collect()
    }

    fn halve(&mut self) {
        self.intervals_per_column *= 2;
        let intervals_max = self.intervals_per_column;
        // Takes a column into the one before it where it fits.
        self.columns.dedup_by(|column, last| {
            let fits = last.intervals + column.intervals <= intervals_max
                && last.summary.phase == column.summary.phase;
            if fits {
                last.merge(column);
            }
            fits
        });
    }
}

impl Column {
    fn of(interval: &Interval) -> Self {
        let (delivery, completion) = (&interval.arrivals(), &interval.completion);
        Self {
            summary: IntervalSummary {
                phase: interval.phase,
                start_ns: interval.start_ns,
                length_ns: interval.length_ns,
                planned: interval.planned,
                sent: interval.sent,
                completed: interval.completed,
                delivered: interval.delivered,
                skipped: interval.missing.skipped,
                outstanding: interval.missing.outstanding,
                cut_off: interval.missing.cut_off,
                open: interval.open,
                open_wanted: interval.open_wanted,
                delivery_p50_ns: delivery.at(0.5),
                delivery_p99_ns: delivery.at(0.99),
                delivery_max_ns: delivery.0.max(),
                completion_p50_ns: completion.at(0.5),
                completion_max_ns: completion.0.max(),
                acknowledged: interval.acknowledged,
                ack_p99_ns: interval.ack.at(0.99),
                publish_lag_p99_ns: interval.publish_lag.at(0.99),
                cpu_share: interval.cpu_share,
            },
            intervals: 1,
            delivery: cells(delivery),
            completion: cells(completion),
        }
    }

    /// Takes in the column that follows. The quantiles are then those of the cells: 3% coarse.
    fn merge(&mut self, next: &Self) {
        for (sum, more) in self.delivery.iter_mut().zip(next.delivery.iter()) {
            *sum += more;
        }
        for (sum, more) in self.completion.iter_mut().zip(next.completion.iter()) {
            *sum += more;
        }
        self.intervals += next.intervals;
        let (summary, other) = (&mut self.summary, &next.summary);
        summary.length_ns = (other.start_ns + other.length_ns).saturating_sub(summary.start_ns);
        summary.planned += other.planned;
        summary.sent += other.sent;
        summary.completed += other.completed;
        summary.delivered += other.delivered;
        summary.skipped = other.skipped;
        summary.outstanding = other.outstanding;
        summary.cut_off = other.cut_off;
        summary.open = other.open;
        summary.open_wanted = other.open_wanted;
        summary.delivery_max_ns = summary.delivery_max_ns.max(other.delivery_max_ns);
        summary.completion_max_ns = summary.completion_max_ns.max(other.completion_max_ns);
        summary.acknowledged += other.acknowledged;
        summary.ack_p99_ns = summary.ack_p99_ns.max(other.ack_p99_ns);
        summary.publish_lag_p99_ns = summary.publish_lag_p99_ns.max(other.publish_lag_p99_ns);
        summary.cpu_share = summary.cpu_share.max(other.cpu_share);
        summary.delivery_p50_ns = quantile(&self.delivery, 50).min(summary.delivery_max_ns);
        summary.delivery_p99_ns = quantile(&self.delivery, 99).min(summary.delivery_max_ns);
        summary.completion_p50_ns = quantile(&self.completion, 50).min(summary.completion_max_ns);
    }

    /// Whether the load ran in it.
    pub(crate) fn is_loaded(&self) -> bool {
        self.summary.phase >= PhaseName::WarmUp
    }
}

fn cells(times: &Distribution) -> Cells {
    let mut cells = [0; CELLS];
    for step in times.0.iter_recorded() {
        cells[cell(step.value_iterated_to())] += step.count_since_last_iteration();
    }
    cells
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the cells there are"
)]
fn cell(ns: u64) -> usize {
    let place = (ns as f64 / CELL_NS_MIN).max(1.0).log10() * CELLS_PER_DECADE as f64;
    (place as usize).min(CELLS - 1)
}

/// The middle of the cell in which that percentage of the values is reached.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "days of nanoseconds fit"
)]
fn quantile(cells: &Cells, percent: u64) -> u64 {
    let total: u64 = cells.iter().sum();
    let wanted = (u128::from(total) * u128::from(percent)).div_ceil(100);
    let mut seen = 0u128;
    for (index, &count) in cells.iter().enumerate() {
        seen += u128::from(count);
        if count > 0 && seen >= wanted {
            let exponent = (index as f64 + 0.5) / CELLS_PER_DECADE as f64;
            return (CELL_NS_MIN * 10f64.powf(exponent)) as u64;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::sample;

    /// Goal: columns stay bounded, and nothing is lost in merging them.
    #[test]
    fn columns_stay_bounded() {
        let (_, intervals) = sample::run(3);
        let mut timeline = Timeline::default();
        let memory = (timeline.columns.as_ptr(), timeline.columns.capacity());
        let mut delivered = 0;
        for index in 0..1_500u64 {
            let mut interval = intervals[2].clone();
            interval.start_ns = index * 1_000_000_000;
            timeline.append(&interval);
            delivered += interval.delivered;
            assert!(timeline.columns().len() <= COLUMNS_MAX);
        }
        let memory_after = (timeline.columns.as_ptr(), timeline.columns.capacity());
        assert_eq!(memory_after, memory, "no more memory than at the start");
        let columns = timeline.columns();
        assert!(columns.len() > COLUMNS_MAX / 2);
        let sum: u64 = columns.iter().map(|column| column.summary.delivered).sum();
        assert_eq!(sum, delivered);
        for pair in columns.windows(2) {
            let (first, second) = (&pair[0].summary, &pair[1].summary);
            assert_eq!(first.start_ns + first.length_ns, second.start_ns);
        }
        let last = &columns.last().unwrap().summary;
        assert_eq!(last.start_ns + last.length_ns, 1_500 * 1_000_000_000);
    }

    /// Goal: merged quantiles are within the width of a cell of the exact ones.
    #[test]
    fn merged_quantiles_are_close() {
        let (_, intervals) = sample::run(1);
        let exact = Column::of(&intervals[2]);
        let mut merged = exact.clone();
        merged.merge(&exact);
        let pairs = [
            (
                exact.summary.delivery_p50_ns,
                merged.summary.delivery_p50_ns,
            ),
            (
                exact.summary.delivery_p99_ns,
                merged.summary.delivery_p99_ns,
            ),
            (
                exact.summary.completion_p50_ns,
                merged.summary.completion_p50_ns,
            ),
        ];
        for (exact, merged) in pairs {
            assert!(exact.abs_diff(merged) * 100 < exact * 6, "{exact} {merged}");
        }
        assert_eq!(
            merged.summary.delivery_max_ns,
            exact.summary.delivery_max_ns
        );
    }

    /// Goal: values beyond the scale are counted in its outermost cells.
    #[test]
    fn extreme_values_have_a_cell() {
        assert_eq!([cell(0), cell(10_000), cell(u64::MAX)], [0, 0, CELLS - 1]);
        assert_eq!(cell(100_000), CELLS_PER_DECADE);
        assert_eq!(quantile(&[0; CELLS], 99), 0);
    }
}
