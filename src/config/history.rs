//! What rooms keep when nobody is there, or was not there when it was said.

use super::Config;
use super::setting::{Asked, Preset, Refusal, Section, Setting, Shape};
use super::units;

pub(super) const SECTION: Section = Section {
    heading: "History",
    settings: &[HISTORY_BYTES_MAX, POSITIONS_MAX],
};

const HISTORY_BYTES_MAX: Setting = Setting {
    name: "history_bytes_max",
    shape: Shape::One("SIZE"),
    help: "Memory of a shard for the histories of all its rooms; beyond it the oldest messages give \
           way. At least four of the largest messages",
    default: Preset::Bytes(HISTORY_BYTES_MAX_DEFAULT),
    rule: history_bytes_max,
};

pub(super) const HISTORY_BYTES_MAX_DEFAULT: usize = 64 << 20;
/// Most of it, so that sums of several don't overflow.
const HISTORY_BYTES_MOST: usize = 1 << 40;

/// At least a few messages, or a room would recover nothing whatever its options say.
fn history_bytes_max(asked: &mut Asked<'_>, config: &mut Config) -> Result<(), Refusal> {
    let least = config.message_bytes_max.saturating_mul(4);
    let Some(bytes) = asked.one(units::bytes)? else {
        config.history_bytes_max = HISTORY_BYTES_MAX_DEFAULT.max(least);
        return Ok(());
    };
    if bytes < least {
        return asked.refuse(format!(
            "which is less than four of the largest messages; raise it to {least} or more, or \
             lower --message-bytes-max"
        ));
    }
    if bytes > HISTORY_BYTES_MOST {
        return asked.refuse("which is more than a machine has; lower it to 1024GiB or less");
    }
    config.history_bytes_max = bytes;
    Ok(())
}

const POSITIONS_MAX: Setting = Setting {
    name: "positions_max",
    shape: Shape::One("COUNT"),
    help: "Empty rooms of a shard of which the last offset is remembered, so that who comes back \
           knows it missed nothing; beyond it the oldest are forgotten",
    default: Preset::Count(POSITIONS_MAX_DEFAULT),
    rule: |asked, config| {
        config.positions_max = asked.count()?.unwrap_or(config.positions_max);
        if config.positions_max > POSITIONS_MOST {
            return asked.refuse(format!(
                "which is more than a shard has rooms; lower it to {POSITIONS_MOST}"
            ));
        }
        Ok(())
    },
};

pub(super) const POSITIONS_MAX_DEFAULT: usize = 1 << 16;
const POSITIONS_MOST: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use crate::config::testing::{accepts, refuses};

    /// Goal: histories have room for a few messages, by default too.
    #[test]
    fn history_bytes_max() {
        let bytes = |lines| accepts(lines).history_bytes_max;
        assert_eq!(bytes(&[]), 64 << 20);
        assert_eq!(bytes(&[("history_bytes_max", "1MiB")]), 1 << 20);
        let large = [("log_bytes", "1GiB"), ("message_bytes_max", "128MiB")];
        assert_eq!(bytes(&large), 512 << 20);
        refuses(
            &[("history_bytes_max", "1000")],
            "less than four of the largest messages; raise it to 262144 or more",
        );
        refuses(&[("history_bytes_max", "1025G")], "lower it to 1024GiB");
    }

    /// Goal: as many positions are remembered as one says, of as many rooms as there may be.
    #[test]
    fn positions_max() {
        assert_eq!(accepts(&[("positions_max", "5")]).positions_max, 5);
        for (text, expected) in [
            ("0", "must be at least 1; the default is 65536"),
            (
                "1048577",
                "more than a shard has rooms; lower it to 1048576",
            ),
        ] {
            refuses(&[("positions_max", text)], expected);
        }
    }
}
