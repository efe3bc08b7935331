//! A table with a row for each interval, for spreadsheets and plotting programs.

use std::io::{self, Write};

use super::distribution::Distribution;
use super::interval::Interval;
use super::units::{ms, seconds};

/// The columns; their units are in their names.
const HEADER: &str = "phase,start_s,length_s,planned,sent,completed,delivered,skipped_so_far,outstanding,\
    cut_off_so_far,open,\
    delivery_p50_ms,delivery_p90_ms,delivery_p99_ms,delivery_p99_9_ms,delivery_max_ms,\
    completion_p50_ms,completion_p99_ms,completion_max_ms,spread_p50_ms,spread_max_ms,\
    upgrade_p50_ms,upgrade_max_ms,publish_lag_p99_ms,busiest_worker_cpu_share,\
    acknowledged,ack_p50_ms,ack_p99_ms,ack_max_ms";

/// Writes the table as the run goes; keeps nothing of it.
pub(crate) struct Table<W>(W);

impl<W: Write> Table<W> {
    /// Begins a table with its header.
    ///
    /// # Errors
    /// Those of the writer.
    pub(crate) fn begin(mut out: W) -> io::Result<Self> {
        writeln!(out, "{HEADER}")?;
        Ok(Self(out))
    }

    /// Appends the row of an interval. Times of what did not happen are left empty.
    ///
    /// # Errors
    /// Those of the writer.
    pub(crate) fn append(&mut self, interval: &Interval) -> io::Result<()> {
        let Interval {
            planned,
            sent,
            completed,
            delivered,
            missing,
            open,
            ..
        } = interval;
        write!(
            self.0,
            "{},{:.6},{:.6},{planned},{sent},{completed},{delivered},{},{},{},{open}",
            interval.phase.name(),
            seconds(interval.start_ns),
            seconds(interval.length_ns),
            missing.skipped,
            missing.outstanding,
            missing.cut_off
        )?;
        let arrivals = interval.arrivals();
        let columns: [(_, &[f64]); 5] = [
            (&arrivals, &[0.5, 0.9, 0.99, 0.999, 1.0]),
            (&interval.completion, &[0.5, 0.99, 1.0]),
            (&interval.spread, &[0.5, 1.0]),
            (&interval.upgrade, &[0.5, 1.0]),
            (&interval.publish_lag, &[0.99]),
        ];
        for (times, quantiles) in columns {
            self.times(times, quantiles)?;
        }
        write!(
            self.0,
            ",{:.4},{}",
            interval.cpu_share, interval.acknowledged
        )?;
        self.times(&interval.ack, &[0.5, 0.99, 1.0])?;
        writeln!(self.0)
    }

    fn times(&mut self, times: &Distribution, quantiles: &[f64]) -> io::Result<()> {
        for &quantile in quantiles {
            match times.is_empty() {
                true => write!(self.0, ",")?,
                false => write!(self.0, ",{:.3}", ms(times.at(quantile)))?,
            }
        }
        Ok(())
    }

    /// Writes what is buffered.
    ///
    /// # Errors
    /// Those of the writer.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::sample;

    /// Goal: every row has as many cells as the header, and the counts add up to the run's.
    #[test]
    fn rows_match_the_header() {
        let (results, intervals) = sample::run(5);
        let mut bytes = Vec::new();
        let mut table = Table::begin(&mut bytes).unwrap();
        for interval in &intervals {
            table.append(interval).unwrap();
        }
        let text = String::from_utf8(bytes).unwrap();
        let mut rows = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let header = rows.next().unwrap();
        let delivered = header.iter().position(|&name| name == "delivered").unwrap();
        let mut sum = 0;
        for row in rows {
            assert_eq!(row.len(), header.len());
            sum += row[delivered].parse::<u64>().unwrap();
        }
        assert_eq!(sum, results.counts.delivered);
    }
}
