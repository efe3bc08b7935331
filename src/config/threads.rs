//! Shard threads and the processors they run on.

use std::num::NonZeroUsize;

use super::Config;
use super::setting::{Asked, Preset, Refusal, Section, Setting, Shape};
use super::units::{self, ValueError};

pub(super) const SECTION: Section = Section {
    heading: "Threads",
    settings: &[SHARDS, PIN],
};

const SHARDS: Setting = Setting {
    name: "shards",
    shape: Shape::One("N|auto"),
    help: "Shard threads, 1 to 64; auto is one for each processor this process may use",
    default: Preset::Word("auto"),
    rule: shards,
};

/// Shards a process may run; the mesh grows with the square of their number.
pub(crate) const SHARDS_MAX: usize = 64;

fn shards(asked: &mut Asked<'_>, config: &mut Config) -> Result<(), Refusal> {
    let auto = asked.machine().processors.min(SHARDS_MAX);
    let shards = asked.one(|text| match text {
        "auto" => Ok(None),
        number => match units::count(number) {
            Ok(count) => Ok(Some(count)),
            Err(_) => Err(ValueError::Word("a number from 1 to 64, or auto")),
        },
    })?;
    let shards = shards.flatten().unwrap_or(auto);
    match NonZeroUsize::new(shards) {
        Some(shards) if shards.get() <= SHARDS_MAX => config.shards = shards,
        _ => return asked.refuse(format!("which is not from 1 to {SHARDS_MAX}; try auto")),
    }
    Ok(())
}

const PIN: Setting = Setting {
    name: "pin",
    shape: Shape::Either("no-pin"),
    help: "Bind each shard to a processor of its own, or leave that to the kernel",
    default: Preset::Text("bound when there is one shard for each processor"),
    rule: pin,
};

/// Bound by default only where each processor gets one shard: then binding moves no load, it
/// just keeps caches warm. With fewer shards, two servers would meet on the first processor.
fn pin(asked: &mut Asked<'_>, config: &mut Config) -> Result<(), Refusal> {
    let (shards, processors) = (config.shards.get(), asked.machine().processors);
    let pin = asked.one(units::switch)?;
    if pin == Some(true) && shards > processors {
        return asked.refuse(format!(
            "but {shards} shards cannot have one of {processors} processors each; lower --shards \
             or use --no-pin"
        ));
    }
    config.pin = pin.unwrap_or(shards == processors);
    Ok(())
}

#[cfg(test)]
mod tests {

    use crate::config::testing::{MACHINE, accepts, refuses, resolved};
    use crate::process::Machine;

    /// Goal: there are as many shards as one says, or as there are processors, within the limit.
    #[test]
    fn shards() {
        let many = Machine {
            processors: 100,
            ..MACHINE
        };
        let shards = |text, machine| {
            resolved(&[("shards", text)], machine)
                .unwrap()
                .config
                .shards
        };
        assert_eq!(shards("3", &MACHINE).get(), 3);
        assert_eq!(shards("auto", &MACHINE).get(), 4);
        assert_eq!(shards("auto", &many).get(), 64);
        for (text, expected) in [
            ("0", "shards is 0, which is not from 1 to 64; try auto"),
            ("65", "which is not from 1 to 64"),
            (
                "many",
                "which is not known: write a number from 1 to 64, or auto",
            ),
        ] {
            refuses(&[("shards", text)], expected);
        }
    }

    /// Goal: shards are pinned where that moves no load or somebody asked for it, and only where
    /// each can have a processor.
    #[test]
    fn pin() {
        assert!(accepts(&[]).pin);
        assert!(!accepts(&[("shards", "3")]).pin);
        assert!(!accepts(&[("shards", "8")]).pin);
        assert!(accepts(&[("shards", "3"), ("pin", "true")]).pin);
        assert!(!accepts(&[("pin", "false")]).pin);
        refuses(
            &[("shards", "5"), ("pin", "true")],
            "5 shards cannot have one of 4 processors each; lower --shards",
        );
    }
}
