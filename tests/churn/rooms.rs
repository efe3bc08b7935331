//! The rooms, and the settings that make them what they are.

use std::time::Duration;

use crate::support::chat::chronicle::Kept;
use crate::support::chat::room::{Announced, Room, Rules};

/// How many there are.
pub(crate) const ROOMS: usize = 20;

/// How long the server may not have had a processor, which its clock leaves out.
const STANDSTILL_MAX: Duration = Duration::from_secs(20);

/// The settings.
pub(crate) const FILE: &str = r#"
[websocket]
message_size_limit = 8192
[client]
insecure = true
[channel.without_namespace]
allow_plain = true
history_size = 100
history_ttl = "60s"
force_recovery = true
presence = true
join_leave = true
force_push_join_leave = true
[[channel.namespaces]]
name = "small"
allow_plain = true
history_size = 10
history_ttl = "60s"
force_recovery = true
presence = true
[[channel.namespaces]]
name = "brief"
allow_plain = true
history_size = 200
history_ttl = "1s"
force_recovery = true
presence = true
"#;

/// All of them.
pub(crate) fn rooms() -> Vec<Room> {
    let room = |number: usize| {
        let (prefix, messages, seconds) =
            [("", 100, 60), ("small:", 10, 60), ("brief:", 200, 1)][number % 3];
        let rules = Rules {
            kept: Some(Kept {
                messages,
                time: Duration::from_secs(seconds),
                recovered: u64::MAX,
            }),
            is_cache: false,
            has_presence: true,
            tells_clients: prefix.is_empty(),
            announced: Announced::All,
        };
        let mut room = Room::new(&format!("{prefix}room{number}"), rules);
        room.chronicle.standstill_max = STANDSTILL_MAX;
        room
    };
    (0..ROOMS).map(room).collect()
}
