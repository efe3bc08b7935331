//! The layering table: which module may import which, read off the paths in the sources.

use crate::finding::{Finding, lines};
use crate::paths::{self, Path};
use crate::source::Source;

/// Where files are, and what they may name besides what is there: a module, or one part of it.
/// The first place that fits decides, so parts stand before their modules. A module that is not
/// here may not exist: whoever adds one says first where it belongs. docs/ARCHITECTURE.md says the same.
pub(crate) const LAYERS: &[(&str, &[&str])] = &[
    (
        "src/main.rs",
        &["cli", "doctor", "logs", "process", "server"],
    ),
    ("src/lib.rs", &[]),
    ("src/auth", &["config"]),
    ("src/cli", &["config", "process", "auth"]),
    ("src/config", &["process"]),
    ("src/id", &[]),
    ("src/metrics", &[]),
    ("src/logs", &["metrics"]),
    ("src/signals", &["mesh", "process"]),
    ("src/process", &[]),
    ("src/ring", &["process"]),
    ("src/socket", &["ring::sockopt"]),
    ("src/listener", &[]),
    ("src/doctor", &["process", "ring", "socket", "config"]),
    ("src/wire", &[]),
    ("src/message", &["id"]),
    ("src/room", &["id", "wire", "message"]),
    (
        "src/protocol",
        &["id", "wire", "message", "room::rendition"],
    ),
    ("src/transport", &[]),
    ("src/session", &["id", "wire", "room", "transport"]),
    ("src/mesh", &["id"]),
    (
        "src/talk",
        &[
            "id",
            "message",
            "auth::settings",
            "room::congestion",
            "room::history",
            "room::home",
            "room::presence",
        ],
    ),
    (
        "src/shard",
        &[
            "auth",
            "id",
            "wire",
            "message",
            "room",
            "protocol",
            "session",
            "transport",
            "talk",
            "metrics",
            "config",
        ],
    ),
    (
        "src/drive",
        &[
            "auth", "id", "ring", "socket", "listener", "mesh", "talk", "logs", "shard",
        ],
    ),
    ("src/web/http", &["wire", "metrics", "logs", "config"]),
    (
        "src/web/public",
        &["wire", "metrics", "logs", "config", "web::http"],
    ),
    (
        "src/web",
        &[
            "id",
            "wire",
            "room::homes",
            "mesh",
            "metrics",
            "config",
            "talk",
        ],
    ),
    (
        "src/budget",
        &[
            "config", "auth", "mesh", "ring", "message", "room", "session", "talk", "wire",
        ],
    ),
    (
        "src/server",
        &[
            "auth", "id", "process", "ring", "socket", "listener", "mesh", "talk", "metrics",
            "config", "room", "shard", "drive", "web", "signals", "budget",
        ],
    ),
    ("loadgen/src", &["process", "ring", "socket", "wire"]),
];

pub(crate) fn imports(source: &Source) -> Vec<Finding> {
    let is_judged = source.path.starts_with("src/") || source.path.starts_with("loadgen/src/");
    if !is_judged {
        return Vec::new();
    }
    let layer = LAYERS.iter().find(|(place, _)| source.is_in(place));
    let Some((place, may_import)) = layer else {
        return vec![Finding::new(
            source,
            0,
            "give the module a line in tests/tidy/layers.rs",
        )];
    };
    let own = own_module(place);
    let named = named(source);
    let broken = named.iter().filter(|path| {
        let allowed = may_import.iter().any(|entry| path.is_in(entry));
        !allowed && !own.as_ref().is_some_and(|own| path.is_in(own))
    });
    let fix = |path: &str| {
        format!(
            "`{path}` is not below this module: it may import {}",
            list(may_import)
        )
    };
    broken
        .map(|path| Finding::new(source, path.at, fix(&path.text)))
        .collect()
}

/// What the table allows and nobody does.
pub(crate) fn unused(sources: &[Source]) -> Vec<Finding> {
    let place_of = |source: &Source| LAYERS.iter().position(|(place, _)| source.is_in(place));
    let mut named_by: Vec<Vec<Path>> = LAYERS.iter().map(|_| Vec::new()).collect();
    for source in sources {
        if let Some(place) = place_of(source) {
            named_by[place].extend(named(source));
        }
    }
    let rows = LAYERS.iter().zip(&named_by);
    rows.flat_map(|((place, may_import), named)| {
        let idle = (may_import.iter()).filter(|entry| !named.iter().any(|path| path.is_in(entry)));
        idle.map(move |entry| {
            let fix = format!("nothing in {place} imports `{entry}`: take it out of LAYERS");
            Finding::at("tests/tidy/layers.rs", 1, fix)
        })
    })
    .collect()
}

/// The modules of an entry, as a sentence names them.
pub(crate) fn list(may_import: &[&str]) -> String {
    if may_import.is_empty() {
        "no other module".to_owned()
    } else {
        may_import.join(", ")
    }
}

/// The module of the library that a place is.
fn own_module(place: &str) -> Option<String> {
    let module = place.strip_prefix("src/")?;
    (!module.ends_with(".rs")).then(|| module.replace('/', "::"))
}

/// Every path into the library that the code names.
fn named(source: &Source) -> Vec<Path> {
    if source.path.starts_with("src/") && source.path != "src/main.rs" {
        paths::own(source)
    } else {
        paths::into(source, "fanring")
    }
}

/// Goal: imports of what is not below a module are found, in every form a path has.
#[test]
fn an_import_from_above_is_found() {
    let cases: [(&str, &str, &[usize]); 14] = [
        ("src/wire/frame.rs", "use crate::ring::Ring;", &[1]),
        (
            "src/wire/frame.rs",
            "use crate::{\n    wire::mask,\n    room::{Room, log},\n};",
            &[3, 3],
        ),
        (
            "src/wire/frame.rs",
            "fn a() { crate::config::Config::default() }",
            &[1],
        ),
        (
            "src/wire/frame.rs",
            "// crate::ring\nuse crate::wire::{mask, close};",
            &[],
        ),
        (
            "src/room/log.rs",
            "use crate::session;\nuse crate::wire;",
            &[1],
        ),
        ("src/shard.rs", "use crate::ring::Ring;", &[1]),
        (
            "src/drive.rs",
            "use crate::ring::Ring;\nuse crate::web;",
            &[2],
        ),
        (
            "src/web/thread.rs",
            "use crate::talk::ToShard;\nuse crate::shard::Shard;\nuse crate::web::http;",
            &[2],
        ),
        (
            "src/web/http/link.rs",
            "use crate::web::http::gate;\nuse crate::web::public;",
            &[2],
        ),
        (
            "src/web/public/routes.rs",
            "use crate::web::http::gate;",
            &[],
        ),
        ("src/main.rs", "use fanring::cli;\nuse fanring::ring;", &[2]),
        (
            "loadgen/src/client.rs",
            "use fanring::{wire, shard};\nuse crate::plan;",
            &[1],
        ),
        ("src/newcomer.rs", "", &[1]),
        ("tests/sim/main.rs", "use fanring::shard::Shard;", &[]),
    ];
    for (path, text, expected) in cases {
        assert_eq!(lines(imports, path, text), expected, "{path}: {text}");
    }
}

/// Goal: no chain of `super` leads round the table.
#[test]
fn a_way_round_by_super_is_found() {
    let cases: [(&str, &str, &[usize]); 7] = [
        ("src/wire.rs", "use super::ring;", &[1]),
        ("src/wire/frame.rs", "use super::mask;", &[]),
        ("src/wire/frame.rs", "use super::super::ring;", &[1]),
        (
            "src/wire/frame.rs",
            "mod tests { use super::*; use super::super::mask; }",
            &[],
        ),
        (
            "src/wire/frame.rs",
            "mod tests { use super::super::super::ring; }",
            &[1],
        ),
        (
            "src/wire/a/b.rs",
            "use super::super::mask;\nuse super::super::super::ring;",
            &[2],
        ),
        (
            "src/config.rs",
            "mod tests {\n    use super::Config;\n}\nuse super::cli;",
            &[4],
        ),
    ];
    for (path, text, expected) in cases {
        assert_eq!(lines(imports, path, text), expected, "{path}: {text}");
    }
}

/// Goal: what nobody needs is found, by each of its places, and what somebody needs is not.
#[test]
fn an_idle_permission_is_found() {
    let all: usize = LAYERS.iter().map(|(_, may_import)| may_import.len()).sum();
    assert_eq!(unused(&[]).len(), all);
    let source = |path: &str, text: &str| Source::new(path, text.to_owned());
    let sources = [
        source("src/room/log.rs", "use crate::wire::frame;"),
        source("src/wire.rs", "// crate::id"),
    ];
    assert_eq!(unused(&sources).len(), all - 1);
}
