//! Values as people write them: sizes, durations, counts and switches.
//!
//! Each function takes one value and either gives it in its type or says what to write instead.
//! What values must be to each other is their rules' business.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// Why a value cannot be read; the text goes on from "`--flag` is `value`, ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Neither a number nor a number with a unit of size.
    #[error("which is not a size: write a number of bytes, or 512KiB, 64MiB or 1GiB")]
    Size,
    /// Not a number with a unit of time.
    #[error("which is not a duration: write a number with its unit, like 500ms, 20s or 1m")]
    Duration,
    /// A number alone, which could be seconds or milliseconds.
    #[error("which has no unit: write {0}s for seconds or {0}ms for milliseconds")]
    DurationUnit(u64),
    /// Not a whole number.
    #[error("which is not a count: write a whole number like 1000")]
    Count,
    /// Not a switch.
    #[error("which is neither true nor false: write one of the two")]
    Switch,
    /// Not one of the words a setting knows.
    #[error("which is not known: write {0}")]
    Word(&'static str),
    /// A port without an address.
    #[error(
        "which names no address: write 127.0.0.1:{0} for this machine only, or 0.0.0.0:{0} and \
         [::]:{0} for every interface"
    )]
    AddressMissing(u16),
    /// An address without a port.
    #[error("which names no port: write {0}")]
    PortMissing(SocketAddr),
    /// A name where a numeric address is needed.
    #[error("which is not an IP address and a port: write one like 127.0.0.1:9001 or [::1]:9001")]
    Address,
    /// An origin with something after the port.
    #[error("which has something after the host and port: write {0}")]
    OriginPath(String),
    /// No `scheme://host[:port]` at all.
    #[error(
        "which is not an origin: write scheme://host or scheme://host:port as the browser sends it, null for \
         pages that have none, or * for any"
    )]
    Origin,
    /// Not a token (RFC 9110 section 5.6.2).
    #[error("which is not the name of a subprotocol: write one word, like chat or chat.v2")]
    Subprotocol,
}

/// A size in bytes: digits, then nothing, `B`, `K`, `M` or `G`, or those with `iB` (powers of 1024).
pub(super) fn bytes(text: &str) -> Result<usize, ValueError> {
    let (number, unit) = split_number(text).ok_or(ValueError::Size)?;
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        _ => return Err(ValueError::Size),
    };
    number
        .checked_mul(1 << shift)
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or(ValueError::Size)
}

/// A duration: digits, then `ms`, `s`, `m` or `h`.
pub(super) fn duration(text: &str) -> Result<Duration, ValueError> {
    let (number, unit) = split_number(text).ok_or(ValueError::Duration)?;
    let milliseconds_each: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "" => return Err(ValueError::DurationUnit(number)),
        _ => return Err(ValueError::Duration),
    };
    number
        .checked_mul(milliseconds_each)
        .map(Duration::from_millis)
        .ok_or(ValueError::Duration)
}

/// A whole number.
pub(super) fn count(text: &str) -> Result<usize, ValueError> {
    text.parse().map_err(|_| ValueError::Count)
}

/// A switch of the environment or the file; a flag gives `true` by being there.
pub(super) fn switch(text: &str) -> Result<bool, ValueError> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(ValueError::Switch),
    }
}

/// A size for a reader, as [`bytes`] reads it: `64MiB`, `16KiB`, `1000`.
pub(super) struct Size(pub(super) usize);

impl fmt::Display for Size {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
        let whole = |(shift, _): &(u32, &str)| self.0 > 0 && self.0.is_multiple_of(1 << shift);
        match units.into_iter().find(whole) {
            Some((shift, unit)) => write!(out, "{}{unit}", self.0 >> shift),
            None => write!(out, "{}", self.0),
        }
    }
}

/// Leading digits and what follows them, without the space a person may leave between the two.
fn split_number(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a size is read with or without a binary unit, and nothing that could mean two sizes
    /// is.
    #[test]
    fn sizes() {
        let good = [
            ("0", 0),
            ("65536", 65_536),
            ("12B", 12),
            ("16K", 16 << 10),
            ("16M", 16 << 20),
            ("64MiB", 64 << 20),
            ("64mib", 64 << 20),
            ("64 MiB", 64 << 20),
            ("1G", 1 << 30),
        ];
        for (text, expected) in good {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        // A decimal prefix would be ambiguous, so it is not taken for a binary one.
        for text in [
            "",
            "M",
            "-1",
            "1.5M",
            "64MB",
            "64Q",
            "99999999999999999999",
            "99999999999G",
        ] {
            assert_eq!(bytes(text), Err(ValueError::Size), "{text}");
        }
    }

    /// Goal: a duration is read with its unit, and one without is told which to write.
    #[test]
    fn durations() {
        let good = [
            ("500ms", 500),
            ("20s", 20_000),
            ("1m", 60_000),
            ("2h", 7_200_000),
            ("0s", 0),
        ];
        for (text, milliseconds) in good {
            assert_eq!(
                duration(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        assert_eq!(duration("20"), Err(ValueError::DurationUnit(20)));
        for text in ["", "s", "-1s", "1.5s", "1d", "20S", "18446744073709551615h"] {
            assert_eq!(duration(text), Err(ValueError::Duration), "{text}");
        }
    }

    /// Goal: counts are whole numbers, and a switch knows the usual words for on and off.
    #[test]
    fn counts_and_switches() {
        assert_eq!(count("1000"), Ok(1000));
        for text in ["", "-1", "1.0", "1k", "ten"] {
            assert_eq!(count(text), Err(ValueError::Count), "{text}");
        }
        for (text, expected) in [("true", true), ("1", true), ("ON", true), ("0", false)] {
            assert_eq!(switch(text), Ok(expected), "{text}");
        }
        assert_eq!(switch("maybe"), Err(ValueError::Switch));
    }
}
