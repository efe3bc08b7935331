//! What the tests of the sections ask: a configuration or a sentence, for what is written.

use super::setting::{Given, Written};
use super::{Config, Resolved, Shape, resolve, settings};
use crate::process::{AddressSpace, Machine};

pub(super) const MACHINE: Machine = Machine {
    descriptors_max: 20_000,
    processors: 4,
    page_bytes: 4096,
    address_space: AddressSpace::Free,
};

/// Settings as the file would name them; lists have commas.
pub(super) type Lines<'a> = &'a [(&'static str, &'a str)];

/// What becomes of `lines` on that machine.
pub(super) fn resolved(lines: Lines<'_>, machine: &Machine) -> Result<Resolved, String> {
    let given = |&(name, text): &(&'static str, &str)| {
        let setting = settings().find(|setting| setting.name == name);
        let values = match setting.expect(name).shape {
            Shape::Many(_) => text.split(',').map(str::to_owned).collect(),
            _ => vec![text.to_owned()],
        };
        let place = name.to_owned();
        (name, Given { place, values })
    };
    let written: Written = lines.iter().map(given).collect();
    resolve(&written, machine).map_err(|refusals| refusals[0].to_string())
}

/// The configuration that `lines` make on [`MACHINE`], without anything to be told.
#[track_caller]
pub(super) fn accepts(lines: Lines<'_>) -> Config {
    let Resolved { config, notices } = resolved(lines, &MACHINE).expect("it is accepted");
    assert!(notices.is_empty(), "{notices:?}");
    config
}

/// Checks that `lines` are refused with one sentence that has these parts, between bars.
#[track_caller]
pub(super) fn refuses(lines: Lines<'_>, parts: &str) {
    let sentence = resolved(lines, &MACHINE).expect_err("it is refused");
    assert!(
        !sentence.contains('\n') && !sentence.ends_with('.'),
        "{sentence:?}"
    );
    for part in parts.split('|') {
        assert!(
            sentence.contains(part),
            "{lines:?}: {sentence:?} lacks {part:?}"
        );
    }
}
