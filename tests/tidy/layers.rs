//! The layering table: which module may import which, read off the paths in the sources.

use crate::finding::{Finding, lines};
use crate::source::Source;

/// Where files are, and what they may name besides what is there: a module, or one part of it.
/// `shard::Message` is `shard::message::Message` under its short name.
/// The first place that fits decides, so parts stand before their modules. A module that is not
/// here may not exist: whoever adds one says first where it belongs.
const LAYERS: &[(&str, &[&str])] = &[
    (
        "src/main.rs",
        &["cli", "doctor", "logs", "process", "server"],
    ),
    ("src/lib.rs", &[]),
    ("src/cli", &["config", "process"]),
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
    ("src/mesh", &[]),
    ("src/room", &["id", "wire"]),
    ("src/session", &["id", "wire", "room"]),
    (
        "src/shard/event_loop",
        &[
            "id", "ring", "socket", "listener", "wire", "mesh", "metrics", "logs", "config",
            "room", "session", "shard",
        ],
    ),
    (
        "src/shard",
        &["id", "wire", "mesh", "metrics", "config", "room", "session"],
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
            "logs",
            "config",
            "shard::message",
            "shard::Message",
        ],
    ),
    ("src/auth", &["wire", "config"]),
    (
        "src/backplane",
        &[
            "id",
            "wire",
            "mesh",
            "metrics",
            "config",
            "shard::message",
            "shard::Message",
        ],
    ),
    (
        "src/server",
        &[
            "id", "process", "ring", "socket", "listener", "wire", "mesh", "metrics", "config",
            "room", "shard", "web", "signals",
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
    let broken = named.iter().filter(|(_, path)| {
        let allowed = may_import.iter().any(|entry| is_path_in(path, entry));
        !allowed && !own.as_ref().is_some_and(|own| is_path_in(path, own))
    });
    let fix = |path: &str| {
        format!(
            "`{path}` is not below this module: it may import {}",
            list(may_import)
        )
    };
    broken
        .map(|(at, path)| Finding::new(source, *at, fix(path)))
        .collect()
}

fn list(may_import: &[&str]) -> String {
    if may_import.is_empty() {
        "no other module".to_owned()
    } else {
        may_import.join(", ")
    }
}

fn is_path_in(path: &str, module: &str) -> bool {
    path.strip_prefix(module)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The module of the library that a place is.
fn own_module(place: &str) -> Option<String> {
    let module = place.strip_prefix("src/")?;
    (!module.ends_with(".rs")).then(|| module.replace('/', "::"))
}

/// Every path into the library that the code names, from the crate's root, with its position.
fn named(source: &Source) -> Vec<(usize, String)> {
    let root = if source.path.starts_with("src/") && source.path != "src/main.rs" {
        "crate"
    } else {
        "fanring"
    };
    let mut found = Vec::new();
    for at in source.words(root) {
        follow(source, at + root.len(), String::new(), &mut found);
    }
    for at in source.words("super") {
        if let Some(end) = climb_to_root(source, at) {
            follow(source, end, String::new(), &mut found);
        }
    }
    found
}

/// Adds what stands behind `before` from `at` on: `::name::name`, or a list in braces.
fn follow(source: &Source, at: usize, before: String, found: &mut Vec<(usize, String)>) {
    let at = source.skip_space(at);
    if !source.code[at..].starts_with(b"::") {
        if !before.is_empty() {
            found.push((at, before));
        }
        return;
    }
    let at = source.skip_space(at + 2);
    if source.code.get(at) == Some(&b'{') {
        let mut item = at + 1;
        for comma in commas(source, at) {
            branch(source, item, &before, found);
            item = comma + 1;
        }
        branch(source, item, &before, found);
        return;
    }
    branch(source, at, &before, found);
}

fn branch(source: &Source, at: usize, before: &str, found: &mut Vec<(usize, String)>) {
    let at = source.skip_space(at);
    let name = source.identifier(at);
    if name.is_empty() {
        return;
    }
    let path = if before.is_empty() {
        name.to_owned()
    } else {
        format!("{before}::{name}")
    };
    follow(source, at + name.len(), path, found);
}

/// The commas between the items of the list that opens at `open`.
fn commas(source: &Source, open: usize) -> Vec<usize> {
    let end = source.closing(open);
    let mut commas = Vec::new();
    let mut at = open + 1;
    while at < end {
        match source.code[at] {
            b',' => commas.push(at),
            b'{' => at = source.closing(at),
            _ => {}
        }
        at += 1;
    }
    commas
}

/// Where a chain of `super` that begins at `at` ends, if it climbs to the crate's root.
fn climb_to_root(source: &Source, at: usize) -> Option<usize> {
    // A `super` behind another one was counted with the first.
    if source.code[..at].trim_ascii_end().ends_with(b"::") {
        return None;
    }
    let (mut steps, mut end) = (1, at + 5);
    while source.code[end..].starts_with(b"::super") {
        steps += 1;
        end += 7;
    }
    (steps >= file_depth(&source.path) + inline_depth(source, at)).then_some(end)
}

/// How deep a file's module is: 0 for the root, 1 for `src/cli.rs`.
fn file_depth(path: &str) -> usize {
    let path = path.trim_start_matches("loadgen/").trim_end_matches(".rs");
    let path = path.trim_end_matches("/mod");
    match path {
        "src/lib" | "src/main" => 0,
        _ => path.matches('/').count(),
    }
}

/// How many `mod name {` of the same file stand around a position.
fn inline_depth(source: &Source, at: usize) -> usize {
    let around = |start: &usize| {
        let name = source.identifier(start + 3);
        let name_at = source.skip_space(start + 3);
        let open = source.skip_space(name_at + name.len());
        source.code.get(open) == Some(&b'{') && open < at && at < source.closing(open)
    };
    source
        .words("mod")
        .iter()
        .filter(|start| around(start))
        .count()
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
            "src/shard/event_loop.rs",
            "use crate::ring::Ring;\nuse crate::web;",
            &[2],
        ),
        (
            "src/web/thread.rs",
            "use crate::shard::message::Message;\nuse crate::shard::Shard;\nuse crate::web::http;",
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
