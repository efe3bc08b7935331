//! Figures as people read them.

use std::collections::BTreeMap;

/// A count with separators: `1,234,567`.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate: with separators when large, with a decimal when small.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rounded on purpose, and rates are not negative"
)]
pub(crate) fn rate(value: f64) -> String {
    if value < 1_000.0 {
        format!("{value:.1}")
    } else {
        count(value.round() as u64)
    }
}

/// Nanoseconds as milliseconds.
#[expect(clippy::cast_precision_loss, reason = "for people")]
pub(crate) fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}

/// Nanoseconds as seconds.
#[expect(clippy::cast_precision_loss, reason = "for people")]
pub(crate) fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// Bytes in the largest binary unit that leaves at least one of it.
#[expect(clippy::cast_precision_loss, reason = "for people")]
pub(crate) fn bytes(value: u64) -> String {
    let value = value as f64;
    match value {
        _ if value < 1024.0 => format!("{value:.0} B"),
        _ if value < 1_048_576.0 => format!("{:.1} KiB", value / 1024.0),
        _ if value < 1_073_741_824.0 => format!("{:.1} MiB", value / 1_048_576.0),
        _ => format!("{:.2} GiB", value / 1_073_741_824.0),
    }
}

/// A time in the unit that suits it, for axes and headlines: `850 us`, `1.20 ms`, `2.5 s`.
pub(crate) fn time(ns: u64) -> String {
    let value = ms(ns);
    match value {
        _ if ns == 0 => "0".to_owned(),
        _ if value < 1.0 => format!("{:.0} us", value * 1e3),
        _ if value < 10.0 => format!("{value:.2} ms"),
        _ if value < 1_000.0 => format!("{value:.1} ms"),
        _ => format!("{:.2} s", value / 1e3),
    }
}

/// A moment by its milliseconds since 1970: `2026-02-28 23:59:59 UTC`.
pub(crate) fn date(unix_ms: u64) -> String {
    let (day, time) = day_and_time(unix_ms);
    format!("{day} {time} UTC")
}

/// The same as ISO 8601 has it, without a zone: `2026-02-28T23:59:59`. It is UTC.
pub(crate) fn iso_date(unix_ms: u64) -> String {
    let (day, time) = day_and_time(unix_ms);
    format!("{day}T{time}")
}

/// The day in the Gregorian calendar, counted in years that begin in March, so that leap days are
/// their last.
fn day_and_time(unix_ms: u64) -> (String, String) {
    const DAYS_FROM_YEAR_0_TO_1970: u64 = 719_468;
    const DAYS_IN_400_YEARS: u64 = 146_097;
    let (days, second) = (unix_ms / 86_400_000, unix_ms / 1_000 % 86_400);
    let days = days + DAYS_FROM_YEAR_0_TO_1970;
    let day = days % DAYS_IN_400_YEARS;
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // Months from March on have 153 days in each five of them.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = days / DAYS_IN_400_YEARS * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    (
        format!("{year:04}-{month:02}-{day:02}"),
        format!("{hour:02}:{minute:02}:{second:02}"),
    )
}

/// Numbers by close code or status: `1001: 3, 1006: 1,200`.
pub(crate) fn by_code(numbers: &BTreeMap<u16, u64>) -> String {
    let all = numbers.iter();
    let all: Vec<_> = all
        .map(|(code, number)| format!("{code}: {}", count(*number)))
        .collect();
    all.join(", ")
}

/// `1 publisher`, `2 publishers`.
pub(crate) fn of(number: u64, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", count(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: separators and units stand where they should, at the edges too.
    #[test]
    fn figures_are_readable() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(count),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!([0.04, 999.9, 1e6].map(rate), ["0.0", "999.9", "1,000,000"]);
        assert_eq!(
            [0, 1023, 1024, 1 << 20, 5 << 30].map(bytes),
            ["0 B", "1023 B", "1.0 KiB", "1.0 MiB", "5.00 GiB"]
        );
        assert_eq!(
            [0, 850_000, 1_200_000, 25_000_000, 2_500_000_000].map(time),
            ["0", "850 us", "1.20 ms", "25.0 ms", "2.50 s"]
        );
        let codes = BTreeMap::from([(1006, 1_200), (1001, 3)]);
        assert_eq!(by_code(&codes), "1001: 3, 1006: 1,200");
        assert_eq!([of(1, "room"), of(0, "room")], ["1 room", "0 rooms"]);
    }

    /// Goal: dates are those of the calendar, leap days and turns of the year included.
    #[test]
    fn dates_are_of_the_calendar() {
        let seconds = [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (951_868_800, "2000-03-01 00:00:00 UTC"),
            (1_709_251_199, "2024-02-29 23:59:59 UTC"),
            (1_798_761_599, "2026-12-31 23:59:59 UTC"),
            (1_798_761_600, "2027-01-01 00:00:00 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ];
        for (second, text) in seconds {
            assert_eq!(date(second * 1_000), text);
        }
        assert_eq!(iso_date(999), "1970-01-01T00:00:00");
    }
}
