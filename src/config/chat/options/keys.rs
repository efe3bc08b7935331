//! The keys of a channel's options, under `channel.without_namespace` and for each namespace.

use super::draft::Draft;
use super::{DataFormat, RecoveryMode};
use crate::config::chat::key::{Absent, Group, Key};
use crate::config::chat::values;
use crate::config::tree::Node;

/// A key that is off by default and turns on one thing.
macro_rules! switch {
    ($name:literal, $help:literal, $($place:ident).+) => {
        Key::new($name, "false", $help, |node, draft: &mut Draft| {
            values::put(node, &mut draft.options.$($place).+)
        })
    };
}

/// The keys of `channel.without_namespace` and of each of `channel.namespaces`.
pub(crate) const OPTIONS: Group<Draft> = Group {
    keys: &[
        switch!(
            "presence",
            "Whether it can be asked who is in a channel",
            presence
        ),
        switch!(
            "join_leave",
            "Whether members cause join and leave events",
            join_leave
        ),
        switch!(
            "force_push_join_leave",
            "Whether all members are told of joins and leaves, and not only those that ask",
            force_push_join_leave
        ),
        Key::new(
            "history_size",
            "0",
            "Publications that are kept for history and recovery; history_ttl belongs to it",
            |node, draft| {
                draft.history_size = values::count(node)?;
                Ok(())
            },
        ),
        Key::new(
            "history_ttl",
            "\"0s\"",
            "How long publications are kept after the newest one",
            |node, draft| {
                draft.history_ttl = values::seconds(node)?;
                Ok(())
            },
        ),
        Key::new(
            "history_meta_ttl",
            "\"0s\"",
            "How long a channel's position outlives them; 0s is what channel.history_meta_ttl says",
            |node, draft| {
                draft.history_meta_ttl = values::seconds(node)?;
                Ok(())
            },
        ),
        switch!(
            "force_positioning",
            "Whether all members are told the position, and that nothing is missing",
            force_positioning
        ),
        switch!(
            "allow_positioning",
            "Whether members that ask for it are told the position",
            allow_positioning
        ),
        switch!(
            "force_recovery",
            "Whether all members recover what they missed",
            force_recovery
        ),
        switch!(
            "allow_recovery",
            "Whether members that ask for it recover what they missed",
            allow_recovery
        ),
        Key::new(
            "force_recovery_mode",
            "\"\"",
            "What is recovered: stream (also the default) all that was missed, cache the newest \
             publication only",
            |node, draft| {
                draft.options.recovery_mode = recovery_mode(node)?;
                Ok(())
            },
        ),
        switch!(
            "auto_cache_recover",
            "Whether every subscriber gets the newest publication unasked; with force_recovery and \
             the mode cache",
            auto_cache_recover
        ),
        switch!(
            "allow_subscribe_for_client",
            "Whether users may subscribe without a token",
            subscribe.client
        ),
        switch!(
            "allow_subscribe_for_anonymous",
            "Whether anonymous clients may subscribe where users may",
            subscribe.anonymous
        ),
        switch!(
            "allow_publish_for_client",
            "Whether users may publish",
            publish.client
        ),
        switch!(
            "allow_publish_for_subscriber",
            "Whether users that are subscribed may publish",
            publish.subscriber
        ),
        switch!(
            "allow_publish_for_anonymous",
            "Whether anonymous clients may publish where users may",
            publish.anonymous
        ),
        switch!(
            "allow_presence_for_client",
            "Whether users may ask who is there",
            read_presence.client
        ),
        switch!(
            "allow_presence_for_subscriber",
            "Whether users that are subscribed may ask who is there",
            read_presence.subscriber
        ),
        switch!(
            "allow_presence_for_anonymous",
            "Whether anonymous clients may ask who is there where users may",
            read_presence.anonymous
        ),
        switch!(
            "allow_history_for_client",
            "Whether users may read the history",
            read_history.client
        ),
        switch!(
            "allow_history_for_subscriber",
            "Whether users that are subscribed may read the history",
            read_history.subscriber
        ),
        switch!(
            "allow_history_for_anonymous",
            "Whether anonymous clients may read the history where users may",
            read_history.anonymous
        ),
        switch!(
            "allow_user_limited_channels",
            "Whether a name may end with the users it is for, as in dialog#42,43",
            allow_user_limited_channels
        ),
        Key::new(
            "channel_regex",
            "\"\"",
            "What the part of a name behind its namespace must match; without one, names are ASCII",
            |node, draft| {
                draft.options.channel_regex = values::regex(node)?;
                Ok(())
            },
        ),
        Key::new(
            "publication_data_format",
            "\"\"",
            "What may be published: json, json_object, binary (also nothing at all); empty is what \
             channel.publication_data_format says",
            |node, draft| {
                draft.publication_data_format = data_format(node)?;
                Ok(())
            },
        ),
        switch!(
            "allow_plain",
            "Fanring's own: whether /ws, /sse and /rooms lead into these channels too, within what the \
             other options allow to anonymous clients or to the user of a token",
            allow_plain
        ),
    ],
    absent: &[
        Absent::refused(
            "allowed_delta_types",
            "there is no delta compression; remove it, and clients get whole publications",
        ),
        Absent::refused(
            "delta_publish",
            "there is no delta compression; remove it, and clients get whole publications",
        ),
        Absent::refused(
            "allow_tags_filter",
            "publications are not filtered by tags; remove it, and let clients leave out what they \
             don't want",
        ),
        Absent::refused("subscribe_proxy_enabled", NO_HOOKS),
        Absent::refused("publish_proxy_enabled", NO_HOOKS),
        Absent::refused("sub_refresh_proxy_enabled", NO_HOOKS),
        Absent::refused("subscribe_stream_proxy_enabled", NO_HOOKS),
        Absent::refused("subscribe_stream_proxy_bidirectional", NO_HOOKS),
        Absent::told("subscribe_proxy_name", NO_HOOKS).but_for(&[("", "default")]),
        Absent::told("publish_proxy_name", NO_HOOKS).but_for(&[("", "default")]),
        Absent::told("sub_refresh_proxy_name", NO_HOOKS).but_for(&[("", "default")]),
        Absent::told("subscribe_stream_proxy_name", NO_HOOKS).but_for(&[("", "default")]),
        Absent::refused(
            "subscription_type",
            "channels are streams only; remove it, or write stream",
        )
        .but_for(&[("", "stream")]),
        Absent::refused("map", NO_MAPS).but_for(&[
            ("publish_proxy_name", "default"),
            ("remove_proxy_name", "default"),
        ]),
        Absent::refused("shared_poll", NO_MAPS),
        Absent::refused("map_clients_presence_channel_prefix", NO_MAPS),
        Absent::refused("map_users_presence_channel_prefix", NO_MAPS),
    ],
    sections: &[],
};

pub(crate) const NO_HOOKS: &str = "the application is not asked by HTTP or gRPC; remove it, and \
     decide with tokens and the allow_ options";
pub(crate) const NO_MAPS: &str = "channels are streams only; remove it, and let clients make their \
     state of publications";

/// The format that a word stands for; the empty one stands for none.
pub(crate) fn data_format(node: &Node) -> Result<Option<DataFormat>, String> {
    match values::text(node)?.as_str() {
        "" => Ok(None),
        "json" => Ok(Some(DataFormat::Json)),
        "json_object" => Ok(Some(DataFormat::JsonObject)),
        "binary" => Ok(Some(DataFormat::Binary)),
        _ => Err("which is not known: write json, json_object or binary".to_owned()),
    }
}

fn recovery_mode(node: &Node) -> Result<RecoveryMode, String> {
    match values::text(node)?.as_str() {
        "" | "stream" => Ok(RecoveryMode::Stream),
        "cache" => Ok(RecoveryMode::Cache),
        _ => Err("which is not known: write stream or cache".to_owned()),
    }
}
