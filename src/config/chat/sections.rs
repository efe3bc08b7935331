//! From the sections of a file to the settings of the chat backend, or to all that is wrong.

use std::collections::HashMap;

use super::channel::{CHANNEL, Draft};
use super::client::CLIENT;
use super::elsewhere::FILE;
use super::key::Listed;
use super::names::is_namespace;
use super::options::Options;
use super::options::draft::Draft as OptionsDraft;
use super::options::keys::OPTIONS;
use super::personal::PERSONAL;
use super::reader::Reader;
use super::token::{ENABLED, TOKEN, TokenKeys};
use super::values;
use super::websocket::WEBSOCKET;
use super::{Channels, Chat};
use crate::config::mistake::Mistake;
use crate::config::tree::{Node, Table, Value};

const CLIENT_PATH: &str = "client";
const TOKEN_PATH: &str = "client.token";
const SUBSCRIPTION_TOKEN_PATH: &str = "client.subscription_token";
const PERSONAL_PATH: &str = "client.subscribe_to_user_personal_channel";
const CHANNEL_PATH: &str = "channel";
const WITHOUT_NAMESPACE_PATH: &str = "channel.without_namespace";
const NAMESPACES_PATH: &str = "channel.namespaces";
const WEBSOCKET_PATH: &str = "websocket";

/// What the sections of a file come to.
#[derive(Debug)]
pub(crate) struct Sections {
    /// The settings; of no use if anything is wrong.
    pub(crate) chat: Chat,
    /// All that is wrong.
    pub(crate) mistakes: Vec<Mistake>,
    /// Sentences for the log: what changes nothing, and what may not be meant.
    pub(crate) notices: Vec<String>,
}

/// All sections there are, with their keys, for who prints or compares them.
pub(crate) fn listed() -> Vec<Listed> {
    let mut subscription_token = TOKEN.listed(SUBSCRIPTION_TOKEN_PATH);
    subscription_token
        .keys
        .splice(0..0, ENABLED.listed("").keys);
    vec![
        CLIENT.listed(CLIENT_PATH),
        TOKEN.listed(TOKEN_PATH),
        subscription_token,
        PERSONAL.listed(PERSONAL_PATH),
        CHANNEL.listed(CHANNEL_PATH),
        OPTIONS.listed(WITHOUT_NAMESPACE_PATH),
        WEBSOCKET.listed(WEBSOCKET_PATH),
        FILE.listed(""),
    ]
}

/// Names that may stand in a file beside the settings that are also flags.
pub(crate) fn file_keys() -> impl Iterator<Item = &'static str> {
    FILE.names()
}

/// The section that has a key of this name, if one has.
pub(crate) fn section_with(key: &str) -> Option<&'static str> {
    let has = |listed: &Listed| listed.keys.iter().any(|about| about.name == key);
    listed().into_iter().find(has).map(|listed| listed.path)
}

impl Sections {
    /// Reads those of the sections that a file has; what else it has is not looked at.
    pub(crate) fn read(file: &Table) -> Self {
        let mut reader = Reader::new(listed());
        // What is not of these names is somebody else's to judge.
        let own: Vec<(String, Node)> = (file.iter())
            .filter(|(key, _)| file_keys().any(|name| name == *key))
            .map(|(key, node)| (key.to_owned(), node.clone()))
            .collect();
        reader.read("", &Table::new(own), &FILE, &mut ());
        let has_section = ["client", "channel"].map(|key| file.get(key).is_some());
        let mut chat = match has_section {
            [false, false] => Chat::default(),
            _ => Chat::settled(),
        };
        if let Some(table) = reader.below("", file, "client") {
            read_client(&mut reader, table, &mut chat);
        }
        if let Some(table) = reader.below("", file, "channel") {
            chat.channel = read_channel(&mut reader, table);
        }
        if let Some(table) = reader.below("", file, "websocket") {
            reader.read(WEBSOCKET_PATH, table, &WEBSOCKET, &mut chat.websocket);
        }
        check_personal(&mut reader, file, &chat);
        let mut notices = reader.notices;
        notices.extend(unreachable(&chat));
        Self {
            chat,
            mistakes: reader.mistakes,
            notices,
        }
    }
}

fn read_client(reader: &mut Reader, table: &Table, chat: &mut Chat) {
    reader.read(CLIENT_PATH, table, &CLIENT, &mut chat.client);
    let (ping, pong) = (chat.client.ping_interval, chat.client.pong_timeout);
    if pong >= ping {
        let (key, problem) = match table.get("pong_timeout") {
            Some(_) => (
                "pong_timeout",
                format!("which is not shorter than ping_interval ({ping:?}); lower it"),
            ),
            None => (
                "ping_interval",
                format!("which is not longer than pong_timeout ({pong:?}); raise it"),
            ),
        };
        if let Some(node) = table.get(key) {
            reader.refuse(CLIENT_PATH, key, node, &problem);
        }
    }
    if let Some(table) = reader.below(CLIENT_PATH, table, "token") {
        chat.token = read_token(reader, TOKEN_PATH, table);
    }
    if let Some(table) = reader.below(CLIENT_PATH, table, "subscription_token") {
        let mut enabled = false;
        let switch = table.get("enabled").cloned();
        let only = switch.map(|node| ("enabled".to_owned(), node));
        let only = Table::new(only.into_iter().collect());
        reader.read(SUBSCRIPTION_TOKEN_PATH, &only, &ENABLED, &mut enabled);
        let keys = read_token(reader, SUBSCRIPTION_TOKEN_PATH, &table.without("enabled"));
        chat.subscription_token = enabled.then_some(keys);
    }
    if let Some(table) = reader.below(CLIENT_PATH, table, "subscribe_to_user_personal_channel") {
        reader.read(PERSONAL_PATH, table, &PERSONAL, &mut chat.personal);
    }
}

fn read_token(reader: &mut Reader, path: &str, table: &Table) -> TokenKeys {
    let mut keys = TokenKeys::default();
    reader.read(path, table, &TOKEN, &mut keys);
    for (expected, regex) in [
        (&keys.audience, "audience_regex"),
        (&keys.issuer, "issuer_regex"),
    ] {
        let both = expected.regex.is_some() && !expected.text.is_empty();
        if let Some(node) = table.get(regex).filter(|_| both) {
            let other = regex.trim_end_matches("_regex");
            let problem = format!("but {other} is written too; remove one of them");
            reader.refuse(path, regex, node, &problem);
        }
    }
    keys
}

fn read_channel(reader: &mut Reader, table: &Table) -> Channels {
    let mut draft = Draft::default();
    reader.read(CHANNEL_PATH, table, &CHANNEL, &mut draft);
    let without_namespace = match reader.below(CHANNEL_PATH, table, "without_namespace") {
        Some(table) => read_options(reader, WITHOUT_NAMESPACE_PATH, table, &draft),
        None => read_options(reader, WITHOUT_NAMESPACE_PATH, &Table::default(), &draft),
    };
    let namespaces = read_namespaces(reader, table, &draft);
    Channels {
        names: draft.names,
        without_namespace,
        namespaces,
    }
}

fn read_options(reader: &mut Reader, path: &str, table: &Table, channel: &Draft) -> Options {
    let mut draft = OptionsDraft::default();
    reader.read(path, table, &OPTIONS, &mut draft);
    let format = channel.publication_data_format;
    match draft.finish(channel.history_meta_ttl, format) {
        Ok(options) => options,
        Err((key, problem)) => {
            if let Some(node) = table.get(key) {
                reader.refuse(path, key, node, &problem);
            }
            Options::default()
        }
    }
}

fn read_namespaces(
    reader: &mut Reader,
    table: &Table,
    channel: &Draft,
) -> HashMap<String, Options> {
    let mut namespaces = HashMap::new();
    let Some(node) = table.get("namespaces") else {
        return namespaces;
    };
    let Value::List(items) = &node.value else {
        let problem = "where a list is wanted: write [[channel.namespaces]] before each";
        reader.refuse(CHANNEL_PATH, "namespaces", node, problem);
        return namespaces;
    };
    for (item, number) in items.iter().zip(1..) {
        let Value::Table(table) = &item.value else {
            let key = format!("namespaces[{number}]");
            let problem = "where a section is wanted: write [[channel.namespaces]] before it";
            reader.refuse(CHANNEL_PATH, &key, item, problem);
            continue;
        };
        let name = namespace_name(reader, item, table, number, channel.names.boundary());
        let path = match &name {
            Some(name) => format!("{NAMESPACES_PATH}[{name}]"),
            None => format!("{NAMESPACES_PATH}[{number}]"),
        };
        let options = read_options(reader, &path, &table.without("name"), channel);
        let is_second = name.is_some_and(|name| namespaces.insert(name, options).is_some());
        if let Some(node) = table.get("name").filter(|_| is_second) {
            let problem = "which there is twice; rename one or remove it";
            reader.refuse(&path, "name", node, problem);
        }
    }
    namespaces
}

/// The name of a namespace, if it has one that is good.
fn namespace_name(
    reader: &mut Reader,
    item: &Node,
    table: &Table,
    number: usize,
    boundary: &str,
) -> Option<String> {
    let path = format!("{NAMESPACES_PATH}[{number}]");
    let Some(node) = table.get("name") else {
        let sentence = format!("{path} has no name: write name = \"...\"");
        reader.mistakes.push(Mistake::at(item.line, sentence));
        return None;
    };
    let problem = match values::text(node) {
        Ok(name) if !is_namespace(&name) => {
            "which is no name: write two or more letters, digits, hyphens, dots or _".to_owned()
        }
        Ok(name) if !boundary.is_empty() && name.contains(boundary) => {
            format!("in which channel.namespace_boundary (`{boundary}`) can't stand; rename it")
        }
        Ok(name) => return Some(name),
        Err(problem) => problem,
    };
    reader.refuse(&path, "name", node, &problem);
    None
}

/// A personal channel is of a namespace that there is.
fn check_personal(reader: &mut Reader, file: &Table, chat: &Chat) {
    let namespace = &chat.personal.namespace;
    let is_there = namespace.is_empty() || chat.channel.namespaces.contains_key(namespace);
    if !chat.personal.enabled || is_there {
        return;
    }
    let client = file.table("client");
    let section = client.and_then(|table| table.table("subscribe_to_user_personal_channel"));
    let key = "personal_channel_namespace";
    if let Some(node) = section.and_then(|table| table.get(key)) {
        let problem = "which is none of channel.namespaces; add it there";
        reader.refuse(PERSONAL_PATH, key, node, problem);
    }
}

/// That nobody could connect, which is rarely meant.
fn unreachable(chat: &Chat) -> Option<String> {
    let is_open = chat.may_connect_without_token() || chat.token.has_any();
    (!is_open).then(|| {
        "nobody can connect to /connection/websocket: write a key into [client.token], or \
         allow_anonymous_connect_without_token = true into [client]"
            .to_owned()
    })
}
