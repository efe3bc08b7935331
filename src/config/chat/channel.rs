//! The section `channel`: what names mean, and the options of each namespace.

use std::collections::HashMap;
use std::time::Duration;

use super::key::{Absent, Group, Key};
use super::names::{NAME_BYTES_MAX, Names};
use super::options::keys::{NO_HOOKS, data_format};
use super::options::{DataFormat, Options};
use super::values;

/// All channels there may be.
#[derive(Debug, Clone, Default)]
pub(crate) struct Channels {
    /// What letters of a name mean.
    pub(crate) names: Names,
    /// The options of channels without a namespace.
    pub(super) without_namespace: Options,
    /// Those of the others, by namespace.
    pub(super) namespaces: HashMap<String, Options>,
}

/// Why there can't be a channel of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChannelRefusal {
    /// Nobody has configured its namespace: error 102.
    Unknown,
    /// The name is not one: error 107.
    BadName,
}

impl Channels {
    /// The options of a channel, which may be none.
    ///
    /// # Errors
    /// When its namespace is not there, or has no channel of such a name.
    pub(super) fn options(&self, name: &str) -> Result<&Options, ChannelRefusal> {
        if name.is_empty() || name.len() > self.names.bytes_max {
            return Err(ChannelRefusal::BadName);
        }
        let (namespace, rest) = self.names.parts(name);
        let options = match namespace {
            "" => Some(&self.without_namespace),
            namespace => self.namespaces.get(namespace),
        };
        let options = options.ok_or(ChannelRefusal::Unknown)?;
        let is_good = match &options.channel_regex {
            Some(regex) => regex.is_match(rest),
            None => name.is_ascii(),
        };
        if is_good {
            Ok(options)
        } else {
            Err(ChannelRefusal::BadName)
        }
    }
}

/// The section's own keys as they are read.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) names: Names,
    /// How long positions are kept where a namespace does not say.
    pub(super) history_meta_ttl: Duration,
    /// What may be published where a namespace does not say.
    pub(super) publication_data_format: DataFormat,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            names: Names::default(),
            history_meta_ttl: Duration::from_hours(720),
            publication_data_format: DataFormat::default(),
        }
    }
}

pub(super) const CHANNEL: Group<Draft> = Group {
    keys: &[
        Key::new(
            "history_meta_ttl",
            "\"720h\"",
            "How long a channel's position outlives its publications",
            |node, draft| {
                let ttl = values::seconds(node)?;
                if ttl.is_zero() {
                    return Err("which is no time at all; the default is 720h".to_owned());
                }
                draft.history_meta_ttl = ttl;
                Ok(())
            },
        ),
        Key::new(
            "publication_data_format",
            "\"\"",
            "What may be published: json, json_object, binary (also nothing at all); empty is \
             anything but nothing",
            |node, draft| {
                draft.publication_data_format = data_format(node)?.unwrap_or_default();
                Ok(())
            },
        ),
        Key::new(
            "max_length",
            "255",
            "Longest name of a channel in bytes, at most 255",
            |node, draft| {
                let asked = values::limit(node)?.map_or(NAME_BYTES_MAX, usize::from);
                if asked > NAME_BYTES_MAX {
                    return Err(format!(
                        "which is more than a room's name may have; lower it to {NAME_BYTES_MAX}"
                    ));
                }
                draft.names.bytes_max = asked;
                Ok(())
            },
        ),
        Key::new(
            "private_prefix",
            "\"$\"",
            "What begins the name of a channel whose subscribers need a token; empty is nothing",
            |node, draft| values::put_text(node, &mut draft.names.private_prefix),
        ),
        Key::new(
            "namespace_boundary",
            "\":\"",
            "What ends the name of the namespace; empty is nothing",
            |node, draft| values::put_text(node, &mut draft.names.namespace_boundary),
        ),
        Key::new(
            "user_boundary",
            "\"#\"",
            "What stands before the users that a name is for; empty is nothing",
            |node, draft| values::put_text(node, &mut draft.names.user_boundary),
        ),
        Key::new(
            "user_separator",
            "\",\"",
            "What stands between those users; empty is nothing",
            |node, draft| values::put_text(node, &mut draft.names.user_separator),
        ),
    ],
    absent: &[Absent::refused("proxy", NO_HOOKS).but_for(&[
        ("subscribe.timeout", "1s"),
        ("publish.timeout", "1s"),
        ("sub_refresh.timeout", "1s"),
        ("subscribe_stream.timeout", "1s"),
        ("map_publish.timeout", "1s"),
        ("map_remove.timeout", "1s"),
        ("shared_poll_refresh.timeout", "1s"),
    ])],
    sections: &["without_namespace", "namespaces"],
};
