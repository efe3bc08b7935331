//! What a shard counts.

use super::arrivals::Arrivals;
use super::tally::tally;
use super::{Counter, ForeignCounter, Gauge};

tally! {
    /// Requests that a shard refused, by the status of the answer.
    Refusals as "refused": 400, 401, 403, 404, 405, 408, 426, 431, 503, 505
}

tally! {
    /// Sessions that the server closed, by the code of its Close frame.
    Closes as "closed": 1001, 1002, 1007, 1008, 1009, 1013, 3001, 3004, 3005, 3008, 3010, 3012, 3500,
    3501, 3502, 3504, 3505, 3507, 3508, 4001, 4002
}

tally! {
    /// Commands of clients that were answered with an error, by its code.
    CommandRefusals as "commands_refused": 100, 102, 103, 105, 106, 107, 108, 109, 110, 111, 112
}

macro_rules! commands {
    ($($(#[doc = $doc:literal])+ $kind:ident as $name:literal,)+) => {
        /// What a client asks for with a command.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum CommandKind {
            $($(#[doc = $doc])+ $kind,)+
        }

        impl CommandKind {
            /// All of them.
            const ALL: &[Self] = &[$(Self::$kind),+];

            /// The name of the figure that counts those.
            const fn figure(self) -> &'static str {
                match self {
                    $(Self::$kind => concat!("commands_", $name),)+
                }
            }
        }

        /// Commands of clients that had their turn, by kind, whatever has become of them.
        #[derive(Debug, Default)]
        pub struct Commands([Counter; [$(CommandKind::$kind),+].len()]);
    };
}

commands! {
    /// To be let in.
    Connect as "connect",
    /// To be in a room.
    Subscribe as "subscribe",
    /// To be there no longer.
    Unsubscribe as "unsubscribe",
    /// To say something.
    Publish as "publish",
    /// Who is there.
    Presence as "presence",
    /// How many are.
    PresenceStats as "presence_stats",
    /// What was said.
    History as "history",
    /// A procedure.
    Rpc as "rpc",
    /// That something is taken.
    Send as "send",
    /// To stay.
    Refresh as "refresh",
    /// To stay in a room.
    SubRefresh as "sub_refresh",
    /// Nothing: an answer to a ping.
    Pong as "pong",
    /// Nobody knows what.
    Malformed as "malformed",
}

impl Commands {
    /// Counts one more; only the owning thread may call this.
    pub(crate) fn count(&self, kind: CommandKind) {
        self.0[kind as usize].add(1);
    }

    /// Every figure with its name.
    fn figures(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let kinds = CommandKind::ALL.iter().zip(&self.0);
        kinds.map(|(kind, counter)| (kind.figure(), counter.get()))
    }
}

macro_rules! shard_metrics {
    ($($(#[doc = $doc:literal])+ $name:ident: $kind:ident,)+) => {
        /// What one shard counts.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub struct ShardMetrics {
            $($(#[doc = $doc])+ pub $name: $kind,)+
            /// The same as `refused`, by status.
            pub refusals: Refusals,
            /// Sessions closed, by code.
            pub closes: Closes,
            /// Clients of Centrifugo's protocol that have come lately, for the other shards.
            pub(crate) arrivals: Arrivals,
            /// Commands of clients, by kind.
            pub commands: Commands,
            /// The same as `commands_refused`, by code.
            pub command_refusals: CommandRefusals,
        }

        impl ShardMetrics {
            /// Every figure with its name, in declaration order.
            #[must_use]
            pub fn figures(&self) -> Vec<(&'static str, u64)> {
                let mut figures = vec![$((stringify!($name), self.$name.get()),)+];
                figures.extend(self.refusals.figures());
                figures.extend(self.closes.figures());
                figures.extend(self.commands.figures());
                figures.extend(self.command_refusals.figures());
                figures
            }
        }
    };
}

shard_metrics! {
    /// Connections that hold a slot, in whatever state.
    connections: Gauge,
    /// Sessions past their handshake and not yet closing.
    sessions: Gauge,
    /// Operations the kernel still owes an answer to, over all connections.
    operations: Gauge,
    /// Rooms with at least one member here, or homed here.
    rooms: Gauge,
    /// Connections accepted.
    accepted: Counter,
    /// Requests refused, by whatever status.
    refused: Counter,
    /// Sessions opened.
    opened: Counter,
    /// Sessions that ended because the peer said so with a Close frame.
    peer_closed: Counter,
    /// Sessions whose connection ended without a Close frame from either side.
    lost: Counter,
    /// Sessions closed because nothing was heard of them.
    idle_closed: Counter,
    /// Connections that the web thread handed back for an upgrade.
    adopted_from_web: Counter,
    /// Messages published by sessions of this shard.
    published: Counter,
    /// Rooms that clients came into by their commands, or the server put them into.
    subscribed: Counter,
    /// Commands of clients that were refused.
    commands_refused: Counter,
    /// Tokens of clients that were refused, or could not be judged yet.
    tokens_refused: Counter,
    /// Payload and header bytes appended to the log.
    appended_bytes: Counter,
    /// Sends submitted.
    sends: Counter,
    /// Bytes the kernel took.
    sent_bytes: Counter,
    /// Sends that met a full socket.
    send_blocked: Counter,
    /// Sessions closed because they fell behind.
    slow_closed: Counter,
    /// Times a session was moved to the head because it fell behind.
    slow_skipped: Counter,
    /// Times a client was put out of a room because it fell behind.
    slow_unsubscribed: Counter,
    /// Sessions dropped because what was half received or not read took too much memory.
    holders_dropped: Counter,
    /// Receives that found no free buffer.
    receive_no_buffers: Counter,
    /// Accepts put off because a limit was reached.
    accept_backoffs: Counter,
    /// Published messages that crossed to another shard, on the way to their room's home or from it.
    mesh_publishes: Counter,
    /// Messages parked because another thread's ring was full.
    mesh_parked: Counter,
    /// Times the completion queue overflowed; the kernel keeps the entries.
    completion_overflows: ForeignCounter,
}
