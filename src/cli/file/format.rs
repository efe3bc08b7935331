//! In which format a settings file is written, and what is wrong with it as such.

use std::path::Path;

/// A format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// TOML 1.1.
    Toml,
    /// JSON (RFC 8259).
    Json,
    /// YAML, which is known and not read.
    Yaml,
}

/// Why a file is not in its format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Malformed {
    /// The line, from 1.
    pub(super) line: usize,
    /// The parser's words.
    pub(super) problem: String,
}

impl Format {
    /// The one that a file's name ends with, or the one that its text looks like.
    pub(super) fn of(path: &Path, text: &str) -> Self {
        let suffix = path.extension().map(|suffix| suffix.to_ascii_lowercase());
        match suffix.as_ref().and_then(|suffix| suffix.to_str()) {
            Some("toml") => Self::Toml,
            Some("json") => Self::Json,
            Some("yaml" | "yml") => Self::Yaml,
            // No key and no table of TOML begins so.
            _ if text.trim_start().starts_with('{') => Self::Json,
            _ => Self::Toml,
        }
    }

    /// Its name, and what to write in it.
    pub(super) fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::Toml => ("TOML", "write it as key = value"),
            Self::Json => ("JSON", "write one object as {\"key\": value}"),
            Self::Yaml => ("TOML or JSON", "name a file that ends in .toml or .json"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Format;

    /// Goal: the file's name decides, and where it says nothing, the text.
    #[test]
    fn the_name_decides_before_the_text() {
        let of = |path: &str, text| Format::of(Path::new(path), text);
        assert_eq!(of("a.toml", "{}"), Format::Toml);
        assert_eq!(of("a.JSON", "x = 1"), Format::Json);
        assert_eq!(of("a.yml", ""), Format::Yaml);
        assert_eq!(of("a.conf", " \n{\"a\": 1}"), Format::Json);
        assert_eq!(of("a", "[client]"), Format::Toml);
        assert_eq!(of("a", ""), Format::Toml);
    }
}
