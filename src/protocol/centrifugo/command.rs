//! What clients ask for.

use std::borrow::Cow;

use super::codes::Disconnect;
use super::payload::Payload;

/// Something that a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command<'a> {
    /// What the reply is to be called by: 0 where there is none.
    pub id: u32,
    /// What it asks for.
    pub request: Request<'a>,
}

impl<'a> Command<'a> {
    /// What it is to say `request` with that `id`. With neither an id nor something that takes no reply,
    /// nobody could be answered, whatever is asked for: clients mean to answer a ping.
    ///
    /// # Errors
    /// [`Disconnect::BadRequest`] when a reply is wanted to nothing that is known.
    pub(super) fn of(id: u32, request: Option<Request<'a>>) -> Result<Self, Disconnect> {
        let request = match request {
            Some(request @ Request::Send { .. }) => request,
            Some(request) if id != 0 => request,
            None if id == 0 => Request::Pong,
            // What is to be answered has a number, and what has one asks for something.
            Some(_) | None => return Err(Disconnect::BadRequest),
        };
        Ok(Self { id, request })
    }
}

/// What is asked for. A name of a channel may be empty: no channel has that one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request<'a> {
    /// To be let in. Boxed, as what is asked for often is small.
    Connect(Box<Connect<'a>>),
    /// To be told what is published in a channel.
    Subscribe(Box<Subscribe<'a>>),
    /// To be told no more.
    Unsubscribe {
        /// Of this channel.
        channel: Cow<'a, str>,
    },
    /// To tell others.
    Publish(Publish<'a>),
    /// Who is in a channel.
    Presence {
        /// In this one.
        channel: Cow<'a, str>,
    },
    /// How many are.
    PresenceStats {
        /// In this one.
        channel: Cow<'a, str>,
    },
    /// What was published in a channel.
    History(History<'a>),
    /// To have a procedure called.
    Rpc {
        /// Which.
        method: Cow<'a, str>,
        /// With what.
        data: Option<Payload<'a>>,
    },
    /// That something is taken, without a reply.
    Send {
        /// This.
        data: Option<Payload<'a>>,
    },
    /// To stay, with another token.
    Refresh {
        /// That token.
        token: Cow<'a, str>,
    },
    /// To stay subscribed.
    SubRefresh(SubRefresh<'a>),
    /// Nothing: it is the answer to a ping.
    Pong,
}

/// To be let in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connect<'a> {
    /// Who is there, by the word of the application; may be empty.
    pub token: Cow<'a, str>,
    /// What the application is told.
    pub data: Option<Payload<'a>>,
    /// What the server subscribed the client to before the connection was lost. A channel may be there
    /// more than once.
    pub subs: Vec<Subscribe<'a>>,
    /// What the client calls itself.
    pub name: Cow<'a, str>,
    /// Its version.
    pub version: Cow<'a, str>,
    /// What the client would say in headers if it could; a name may be there more than once.
    pub headers: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// To be told what is published in a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subscribe<'a> {
    /// Which channel.
    pub channel: Cow<'a, str>,
    /// That the client may; empty where it has no token for it.
    pub token: Cow<'a, str>,
    /// From where on, if the client was there before.
    pub recover: Option<Since<'a>>,
    /// What the application is told.
    pub data: Option<Payload<'a>>,
    /// The client wants to be told when it missed something.
    pub positioned: bool,
    /// It wants to come back to where it was.
    pub recoverable: bool,
    /// It wants to hear of others who come and go.
    pub join_leave: bool,
    /// How it would take what is published as changes; empty where it would not.
    pub delta: Cow<'a, str>,
    /// It wants only what has certain tags.
    pub has_filter: bool,
    /// It would rather be refused than not have all that it missed.
    pub refuse_without_recovery: bool,
    /// Which kind of subscription: 0 is to a stream of publications.
    pub kind: i32,
}

/// The bit of a subscribe's `flag` that is [`Subscribe::refuse_without_recovery`].
pub(super) const REFUSE_WITHOUT_RECOVERY: i64 = 2;

/// The last that a client knows of a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Since<'a> {
    /// The offset of the last publication it has; 0 for none.
    pub offset: u64,
    /// The stream that this is of; empty where the client does not know.
    pub epoch: Cow<'a, str>,
}

/// To tell others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Publish<'a> {
    /// In which channel.
    pub channel: Cow<'a, str>,
    /// What; `None` where it says nothing.
    pub data: Option<Payload<'a>>,
    /// Which kind of publication: 0 is one of a stream.
    pub kind: i32,
}

/// What was published in a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History<'a> {
    /// Which channel.
    pub channel: Cow<'a, str>,
    /// So many publications at most: all for a negative number, none for 0.
    pub limit: i32,
    /// Those after that, or before it with `reverse`.
    pub since: Option<Since<'a>>,
    /// The newest first.
    pub reverse: bool,
}

/// To stay subscribed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubRefresh<'a> {
    /// To which channel.
    pub channel: Cow<'a, str>,
    /// With which token.
    pub token: Cow<'a, str>,
    /// What is refreshed: 0 is the subscription.
    pub kind: i32,
}
