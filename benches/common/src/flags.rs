//! Flags of a server of the comparison: `--name VALUE`, each with a value.

use std::net::SocketAddr;
use std::str::FromStr;

use anyhow::{Context, bail};

/// The flags of this process.
#[derive(Clone, Debug)]
pub struct Flags {
    given: Vec<(String, String)>,
}

impl Flags {
    /// Reads them; `known` are those there are, such as `--listen ADDR`.
    ///
    /// # Errors
    /// One sentence for an unknown flag, or one without a value.
    pub fn from_args(known: &[&str]) -> anyhow::Result<Self> {
        Self::parse(std::env::args().skip(1), known)
    }

    fn parse(args: impl IntoIterator<Item = String>, known: &[&str]) -> anyhow::Result<Self> {
        let mut args = args.into_iter();
        let mut given = Vec::new();
        while let Some(flag) = args.next() {
            if !known
                .iter()
                .any(|known| known.split(' ').next() == Some(&flag))
            {
                bail!("unknown option {flag}; there is {}", known.join(", "));
            }
            let value = (args.next()).with_context(|| format!("{flag} needs a value"))?;
            given.push((flag, value));
        }
        Ok(Self { given })
    }

    /// The value of a flag, which is `what` it takes; of several the last one counts.
    ///
    /// # Errors
    /// One sentence when the value is none.
    pub fn value<T: FromStr>(&self, flag: &str, what: &str, default: T) -> anyhow::Result<T> {
        let Some((_, value)) = self.given.iter().rfind(|(name, _)| name == flag) else {
            return Ok(default);
        };
        (value.parse().ok()).with_context(|| format!("{flag} takes {what}"))
    }

    /// Where to listen: `--listen`, or this port of the loopback interface.
    ///
    /// # Errors
    /// As [`Self::value`].
    pub fn listen(&self, port: u16) -> anyhow::Result<SocketAddr> {
        let default = SocketAddr::from(([127, 0, 0, 1], port));
        self.value("--listen", "address:port", default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 2] = ["--listen ADDR", "--threads N"];

    fn parse(line: &str) -> anyhow::Result<Flags> {
        Flags::parse(line.split_whitespace().map(str::to_owned), &KNOWN)
    }

    /// Goal: what is given is read, what is not has its default.
    #[test]
    fn values_are_read() {
        let flags = parse("--threads 3 --threads 4").unwrap();
        assert_eq!(flags.value("--threads", "a count", 1).unwrap(), 4);
        assert_eq!(flags.listen(9).unwrap(), "127.0.0.1:9".parse().unwrap());
    }

    /// Goal: each mistake is one sentence that says what would be right.
    #[test]
    fn mistakes_are_told() {
        let unknown = parse("--help").unwrap_err().to_string();
        assert_eq!(
            unknown,
            "unknown option --help; there is --listen ADDR, --threads N"
        );
        let cut = parse("--listen").unwrap_err().to_string();
        assert_eq!(cut, "--listen needs a value");
        let wrong = parse("--listen here").unwrap().listen(9).unwrap_err();
        assert_eq!(wrong.to_string(), "--listen takes address:port");
    }
}
