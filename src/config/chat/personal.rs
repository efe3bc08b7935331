//! The section `client.subscribe_to_user_personal_channel`: a channel of each user's own.

use super::key::{Absent, Group, Key};
use super::values;

/// Whether users have channels of their own, and in which namespace.
#[derive(Debug, Clone, Default)]
pub(crate) struct Personal {
    /// Whether all are subscribed to theirs as they connect.
    pub(super) enabled: bool,
    /// The namespace, empty for none.
    pub(super) namespace: String,
}

pub(super) const PERSONAL: Group<Personal> = Group {
    keys: &[
        Key::new(
            "enabled",
            "false",
            "Whether each user is subscribed to a channel of its own as it connects: #<user>",
            |node, personal| values::put(node, &mut personal.enabled),
        ),
        Key::new(
            "personal_channel_namespace",
            "\"\"",
            "The namespace of those channels; empty is none",
            |node, personal| values::put_text(node, &mut personal.namespace),
        ),
    ],
    absent: &[Absent::refused(
        "single_connection",
        "a user's earlier connections are not ended by a new one; remove it, or refuse the new one \
         with client.user_connection_limit = 1",
    )],
    sections: &[],
};
