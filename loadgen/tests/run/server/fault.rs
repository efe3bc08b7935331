//! What can be wrong with a server. Messages are counted from 0, and "one member" is the first that connected. Members
//! have the numbers that they connect with (`i=` in their path), or those of their connections.

use std::time::Duration;

/// What goes wrong, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// One member does not get the message with this number.
    Drop(u64),
    /// Every member misses one message in 100, each another one.
    DropHundredth,
    /// One member gets it twice.
    Repeat(u64),
    /// Every member gets one message in ten twice, each another one.
    RepeatTenth,
    /// One member gets it after the one that follows.
    Swap(u64),
    /// One member gets it with one byte changed.
    Damage(u64),
    /// One member gets it without its last byte.
    Truncate(u64),
    /// One member gets it with one byte more.
    Lengthen(u64),
    /// One member gets it as a binary message, if it was text.
    OtherType(u64),
    /// One member gets a word of the server before it.
    Notice(u64),
    /// One delivery in 1,000 comes this much later than the others.
    Delay(Duration),
    /// The member with this number gets everything this much later than the others.
    Late(usize, Duration),
    /// Everything is delivered a moment after it came, but nothing before so long after the first message.
    SlowStart(Duration),
    /// Who connects from this number on gets nothing, ever.
    Mute(usize),
    /// One member gets the message with the first number when so many later ones have come.
    Overtaken(u64, u64),
    /// The member with number 0 gets everything so much later, and each further one so much more.
    Staggered(Duration, Duration),
    /// When the message with this number arrives, nothing is delivered to anybody for so long.
    Stall(u64, Duration),
    /// Whoever sends the message with this number is not read from for so long.
    Deaf(u64, Duration),
    /// Each upgrade is answered so late, one after the other.
    SlowUpgrade(Duration),
    /// Every message takes so long before it is delivered.
    Slow(Duration),
    /// One member gets it when it says goodbye, before the answer.
    AtGoodbye(u64),
    /// Everyone gets it in two fragments, a ping in between, one byte at a time.
    Dribble(u64),
    /// So many messages are delivered as one, in an envelope.
    Bundle(usize),
    /// Everyone gets their own messages too.
    Echo,
    /// Everyone gets their own messages and no others.
    EchoAlone,
    /// Nobody gets anything before having said so: `join ROOM`. Then, what the room gets.
    Join,
    /// As above, and with manners: a welcome, a word that somebody has joined, and a question how they are
    /// that wants an answer, all as messages.
    Polite,
    /// Speaks as Phoenix does: lets everybody join, and answers whatever is published with an error.
    Reject,
    /// Who joins gets the first ten messages there ever were, as far as they are not of this moment.
    History,
    /// All connections are dropped when it arrives.
    Die(u64),
    /// One member is closed when it arrives, with this code or without one.
    Close(u64, Option<u16>),
    /// One member's connection is dropped when it arrives.
    HangUpAt(u64),
    /// One member gets a frame that there is not when it arrives.
    Break(u64),
    /// Who published it is closed with 4002.
    ClosePublisher(u64),
    /// Everyone is closed with 4001 in one piece with the answer to the handshake.
    CloseAtOnce,
    /// Upgrades are answered with a page.
    Page,
    /// Upgrades are answered with a head that does not end.
    LongHead,
    /// Upgrades are answered with 503.
    Refuse,
    /// Upgrades are answered with 503 while so many connections are open.
    Full(usize),
    /// So many upgrades from this connection on are answered with 503.
    RefuseSome(usize, usize),
    /// Upgrades from this connection on are answered with 403, and with the path and the credentials they came with.
    Parrot(usize),
    /// Upgrades are answered with another place to go to, and the connection stays.
    Redirect,
    /// Upgrades are not answered at all.
    Silence,
    /// Upgrades are not answered from this connection on.
    SilenceFrom(usize),
    /// Connections are ended instead of an answer.
    HangUp,
}
