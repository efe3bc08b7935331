//! What `find-max` looks for the most of.

use clap::ValueEnum;

/// What a search varies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Over {
    /// Messages a second.
    #[default]
    Rate,
    /// Subscribers.
    Sessions,
    /// Rooms, each with its members and its share of the rate.
    Rooms,
}

impl Over {
    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Sessions => "sessions",
            Self::Rooms => "rooms",
        }
    }

    /// The least that is tried.
    pub(crate) fn floor(self) -> f64 {
        match self {
            Self::Rate => 0.1,
            Self::Sessions | Self::Rooms => 1.0,
        }
    }

    /// The nearest value there can be.
    pub(crate) fn round(self, value: f64) -> f64 {
        match self {
            Self::Rate => value,
            Self::Sessions | Self::Rooms => value.round(),
        }
    }

    /// A value with its unit.
    pub(crate) fn value(self, value: f64) -> String {
        match self {
            Self::Rate => format!("{value:.1}/s"),
            Self::Sessions if value == 1.0 => "1 session".to_owned(),
            Self::Sessions => format!("{value} sessions"),
            Self::Rooms if value == 1.0 => "1 room".to_owned(),
            Self::Rooms => format!("{value} rooms"),
        }
    }
}
