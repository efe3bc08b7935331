//! Percentile tables in the form of HdrHistogram's `outputPercentileDistribution`, which its plotter
//! reads. Values are in milliseconds, the plotter's default.

use std::io::{self, Write};

use super::distribution::Distribution;

/// Steps each time the distance to 100% halves, as in HdrHistogram's own output.
const TICKS_PER_HALF_DISTANCE: u32 = 5;

const NS_PER_MS: f64 = 1e6;

/// Writes the table of a distribution.
///
/// # Errors
/// Those of the writer.
#[expect(clippy::cast_precision_loss, reason = "the form has three decimals")]
pub(crate) fn write(times: &Distribution, out: &mut impl Write) -> io::Result<()> {
    let histogram = &times.0;
    writeln!(
        out,
        "{:>12} {:>14} {:>10} {:>14}\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    )?;
    let mut count = 0;
    for step in histogram.iter_quantiles(TICKS_PER_HALF_DISTANCE) {
        count += step.count_since_last_iteration();
        let value = step.value_iterated_to().min(histogram.max()) as f64 / NS_PER_MS;
        let quantile = step.quantile_iterated_to();
        write!(out, "{value:12.3} {quantile:.12} {count:10}")?;
        if quantile < 1.0 {
            write!(out, " {:14.2}", 1.0 / (1.0 - quantile))?;
        }
        writeln!(out)?;
    }
    writeln!(
        out,
        "#[Mean    = {:12.3}, StdDeviation   = {:12.3}]",
        histogram.mean() / NS_PER_MS,
        histogram.stdev() / NS_PER_MS
    )?;
    writeln!(
        out,
        "#[Max     = {:12.3}, Total count    = {:12}]",
        histogram.max() as f64 / NS_PER_MS,
        histogram.len()
    )?;
    // Twice as many values as three digits can tell apart, rounded up to a power of two.
    let sub_buckets = (2 * 10u32.pow(histogram.sigfig().into())).next_power_of_two();
    writeln!(
        out,
        "#[Buckets = {:12}, SubBuckets     = {sub_buckets:12}]",
        histogram.buckets()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: every line has the plotter's four columns, the last no infinity, and the footer is
    /// HdrHistogram's.
    #[test]
    fn the_table_has_the_plotters_form() {
        let mut times = Distribution::default();
        for index in 1..=10_000u64 {
            times.record(index * 1_000_000);
        }
        let mut bytes = Vec::new();
        write(&times, &mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[0],
            "       Value     Percentile TotalCount 1/(1-Percentile)"
        );
        assert_eq!(lines[1], "");
        let (rows, footer) = lines[2..].split_at(lines.len() - 5);
        for row in &rows[..rows.len() - 1] {
            assert_eq!(row.split_whitespace().count(), 4, "{row}");
        }
        let last: Vec<_> = rows.last().unwrap().split_whitespace().collect();
        assert_eq!(last[1..], ["1.000000000000", "10000"]);
        assert!(
            footer[0].starts_with("#[Mean    =     5000."),
            "{}",
            footer[0]
        );
        assert!(footer[1].ends_with("Total count    =        10000]"));
        assert_eq!(
            footer[2],
            "#[Buckets =           29, SubBuckets     =         2048]"
        );
    }
}
