//! What a session keeps that says by commands which rooms it is in: how far it has come, who it is, what it waits
//! for and until when. It knows neither the session nor what commands look like.

mod cooling;
mod held;
mod holding;
mod publishing;
mod pulse;
pub(crate) mod reach;
mod reading;
mod subscriptions;

use std::num::NonZeroU32;
use std::sync::Arc;

use self::cooling::Cooling;
use self::held::Held;
pub(crate) use self::held::{Said, patience};
use self::publishing::Publishing;
pub(crate) use self::publishing::PutOff;
use self::pulse::Pulse;
use self::reach::Reach;
pub(super) use self::subscriptions::SUBSCRIPTION_BYTES;
use self::subscriptions::Subscriptions;
pub(crate) use self::subscriptions::{By, Kept, Subscription};
use super::tick::{Moment, Tick};
use crate::id::{MembershipId, Ticket};
use crate::room::history::Position;
use crate::room::presence::About;
use crate::room::rendition::Protocol;

/// How far a client has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It has yet to say who it is, until some time.
    New(Tick),
    /// It has said so, and the rooms that it is put into have yet to answer.
    Connecting,
    /// Whatever it asks for is done.
    Connected,
    /// It was told to go, or to come back with something else, and has until some time to do so.
    Refused(Tick),
}

/// The command that those behind it wait for.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// It says who it is, and was put into rooms.
    Connect(Box<Arrivals>),
    /// It wants to be in a room.
    Subscribe(Box<Subscribing>),
    /// It asks the home of a room.
    Ask(Asking),
    /// It says who it is, and is not let in before it is known whether its user may have another connection.
    Seat,
    /// It shows a token whose key was asked for, and has its turn again when that is known.
    Key,
}

/// A wish to be in a room.
#[derive(Debug)]
pub(crate) struct Subscribing {
    /// The command's number.
    pub(crate) id: u32,
    /// The membership that is to come of it.
    pub(crate) membership: MembershipId,
    /// The place in the room's history from which on it wants what it has missed.
    pub(crate) since: Option<u64>,
    /// Whether it is told where the room's history stands.
    pub(crate) standing: Standing,
    /// In how many seconds it is to renew it.
    pub(crate) expires_s: Option<NonZeroU32>,
    /// What the application says to it.
    pub(crate) data: Box<[u8]>,
}

/// Whether a client is told where a room's history stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It may come back to what it has missed.
    Recoverable,
    /// It hears of what it has missed.
    Positioned,
    /// It is not.
    Hidden,
}

/// A question that a client has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asking {
    /// The command's number.
    pub(crate) id: u32,
}

/// What has become of the rooms that a client is put into by the server.
#[derive(Debug)]
pub(crate) struct Arrivals {
    /// The number of the command that said who it is.
    pub(crate) id: u32,
    /// In how many seconds it is to show that it may stay.
    pub(crate) expires_s: Option<NonZeroU32>,
    /// Those that have answered, each with where its history stands and whether that was recovered.
    pub(crate) there: Vec<(Subscribing, Option<Position>, Recovered)>,
    /// Those that have not.
    pub(crate) awaited: Vec<Subscribing>,
}

/// What a client is told of what it has missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recovered {
    /// It did not ask.
    NotAsked,
    /// Not all of it is there.
    No,
    /// It gets all of it.
    Yes,
}

/// Who a client is.
#[derive(Debug)]
pub(crate) struct Identity {
    /// What others are told of it.
    pub(crate) about: Arc<About>,
    /// Stands for the rooms that its token gives it.
    pub(crate) grants: u64,
    /// When it has to go unless it shows that it may stay.
    pub(crate) ends: Option<Tick>,
}

/// The state of a session that says by commands which rooms it is in.
#[derive(Debug)]
pub(crate) struct Client {
    protocol: Protocol,
    stage: Stage,
    pulse: Pulse,
    /// How far it has read, once it was sent much.
    reach: Option<Box<Reach>>,
    /// Since when its socket has taken nothing of what there is for it.
    stuck: Moment,
    /// When the kernel is to be asked how far its peer has come.
    look: Moment,
    /// Who it is, once it has said so.
    identity: Option<Box<Identity>>,
    waiting: Option<Waiting>,
    subscriptions: Subscriptions,
    held: Option<Box<Held>>,
    publishing: Option<Box<Publishing>>,
    cooling: Option<Box<Cooling>>,
}

impl Client {
    /// One that reads and writes in `protocol`, and has to say who it is by `deadline`.
    #[must_use]
    pub(crate) fn new(protocol: Protocol, deadline: Tick) -> Self {
        Self {
            protocol,
            stage: Stage::New(deadline),
            pulse: Pulse::default(),
            reach: None,
            stuck: Moment::NONE,
            look: Moment::NONE,
            identity: None,
            waiting: None,
            subscriptions: Subscriptions::default(),
            held: None,
            publishing: None,
            cooling: None,
        }
    }

    /// In which form it reads and writes.
    #[must_use]
    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    // How far it has come.

    /// How far it has come.
    #[must_use]
    pub(crate) fn stage(&self) -> Stage {
        self.stage
    }

    /// It has said who it is.
    pub(crate) fn connect(&mut self, identity: Identity) {
        assert!(matches!(self.stage, Stage::New(_)), "it says so once");
        self.stage = Stage::Connecting;
        self.identity = Some(Box::new(identity));
    }

    /// It may ask for anything from now on, and is first pinged at `ping`.
    pub(crate) fn connected(&mut self, ping: Tick) {
        assert_eq!(self.stage, Stage::Connecting);
        self.stage = Stage::Connected;
        self.pulse.begin(ping);
    }

    /// It was told why it can't be here, and has to go by `deadline`.
    pub(crate) fn refuse(&mut self, deadline: Tick) {
        assert!(matches!(self.stage, Stage::New(_)), "it is refused at once");
        self.stage = Stage::Refused(deadline);
        self.held = None;
    }

    /// What others are told of it; nothing before it has said who it is.
    #[must_use]
    pub(crate) fn about(&self) -> Option<&Arc<About>> {
        self.identity.as_ref().map(|identity| &identity.about)
    }

    /// Others are told this of it from now on, but where its place in a room has words of its own.
    pub(crate) fn call(&mut self, about: Arc<About>) {
        if let Some(identity) = &mut self.identity {
            identity.about = about;
        }
    }

    /// What stands for the rooms that its token gives it.
    #[must_use]
    pub(crate) fn grants(&self) -> Option<u64> {
        self.identity.as_ref().map(|identity| identity.grants)
    }

    /// It may stay until `ends`, or for ever.
    pub(crate) fn prolong(&mut self, ends: Option<Tick>) {
        if let Some(identity) = &mut self.identity {
            identity.ends = ends;
        }
    }

    /// When it has to go.
    #[must_use]
    pub(crate) fn ends(&self) -> Option<Tick> {
        self.identity.as_ref().and_then(|identity| identity.ends)
    }

    // The command that others wait for.

    /// Those behind this command have to wait for it.
    pub(crate) fn wait(&mut self, waiting: Waiting) {
        assert!(self.waiting.is_none(), "one command is under way at a time");
        self.waiting = Some(waiting);
    }

    /// The command that others wait for.
    #[must_use]
    pub(crate) fn waiting(&self) -> Option<&Waiting> {
        self.waiting.as_ref()
    }

    /// Like [`Self::waiting`].
    pub(crate) fn waiting_mut(&mut self) -> Option<&mut Waiting> {
        self.waiting.as_mut()
    }

    /// That command is done.
    pub(crate) fn take_waiting(&mut self) -> Option<Waiting> {
        self.waiting.take()
    }

    // What it has published.

    /// Whether nothing that it has published is yet to be told of.
    #[must_use]
    pub(crate) fn has_published_all(&self) -> bool {
        self.publishing.is_none()
    }

    /// Whether another message of its may be under way.
    #[must_use]
    pub(crate) fn may_publish(&self) -> bool {
        (self.publishing.as_ref()).is_none_or(|publishing| publishing.has_room())
    }

    /// The message of the command `id` is under way to `room`, and may be until some time; it is told of by this
    /// ticket.
    pub(crate) fn publish(&mut self, id: u32, room: Arc<str>, until: Tick) -> Ticket {
        let publishing = self.publishing.get_or_insert_default();
        publishing.begin(id, room, until)
    }

    /// The next message that has been under way for too long, and to which room: it is to be taken back.
    pub(crate) fn next_late(&mut self, now: Tick) -> Option<(Ticket, Arc<str>)> {
        self.publishing.as_mut()?.next_late(now)
    }

    /// A message has its place, or has none; returns its command.
    pub(crate) fn published(&mut self, ticket: Ticket) -> Option<u32> {
        let id = self.publishing.as_mut()?.end(ticket);
        self.publishing.take_if(|publishing| publishing.is_idle());
        id
    }

    /// A command that publishes is to be tried again until some time.
    pub(crate) fn put_off(&mut self, command: &[u8], until: Tick) {
        let publishing = self.publishing.get_or_insert_default();
        publishing.put_off(command, until);
    }

    /// Until when a command that publishes is tried again, if there is one.
    #[must_use]
    pub(crate) fn put_off_until(&self) -> Option<Tick> {
        self.publishing.as_ref()?.put_off_until()
    }

    /// The command that was put off, to be tried again or refused.
    pub(crate) fn take_put_off(&mut self) -> Option<PutOff> {
        let put_off = self.publishing.as_mut()?.take_put_off();
        self.publishing.take_if(|publishing| publishing.is_idle());
        put_off
    }

    /// It has to wait on.
    pub(crate) fn return_put_off(&mut self, put_off: PutOff) {
        let publishing = self.publishing.get_or_insert_default();
        publishing.return_put_off(put_off);
    }

    // Its rooms.

    /// Its subscriptions.
    #[must_use]
    pub(crate) fn subscriptions(&self) -> &Subscriptions {
        &self.subscriptions
    }

    /// Like [`Self::subscriptions`].
    pub(crate) fn subscriptions_mut(&mut self) -> &mut Subscriptions {
        &mut self.subscriptions
    }

    /// It is subscribed to the room of a membership.
    pub(crate) fn subscribe(&mut self, id: MembershipId, subscription: Subscription) {
        let common = self.identity.as_ref().map(|identity| &identity.about);
        self.subscriptions.add(id, subscription, common);
    }

    /// What others in the room of a membership are told of it.
    #[must_use]
    pub(crate) fn about_in(&self, id: MembershipId) -> Option<&Arc<About>> {
        self.subscriptions.apart(id).or(self.about())
    }

    /// It is put out of `room`, which it reads too slowly.
    pub(crate) fn fell_behind(&mut self, room: &Arc<str>, now: Tick) {
        self.cooling.get_or_insert_default().fell_behind(room, now);
    }

    /// Whether it has to wait before it joins `room` again.
    #[must_use]
    pub(crate) fn has_to_cool(&self, room: &str, now: Tick) -> bool {
        (self.cooling.as_ref()).is_some_and(|cooling| cooling.refuses(room, now))
    }

    /// It asks for such a room by the command `id`: false if that is to be refused at once.
    #[must_use]
    pub(crate) fn refuse_later(&mut self, room: &str, id: u32, now: Tick) -> bool {
        (self.cooling.as_mut()).is_some_and(|cooling| cooling.refuse_later(room, id, now))
    }

    /// A command that is to be refused by now.
    pub(crate) fn take_refusal(&mut self, now: Tick) -> Option<u32> {
        self.cooling.as_mut()?.take_refusal(now)
    }

    // All of it.

    /// When something of it is due, if ever.
    #[must_use]
    pub(crate) fn next_due(&self, pong_ticks: u32) -> Option<Tick> {
        let stage = match self.stage {
            Stage::New(deadline) | Stage::Refused(deadline) => Some(deadline),
            Stage::Connecting | Stage::Connected => None,
        };
        [
            stage,
            self.pulse.next(),
            self.look_at(pong_ticks),
            self.ends(),
            self.subscriptions.next_end(),
            (self.publishing.as_ref()).and_then(|publishing| publishing.next_due()),
            (self.held.as_ref()).and_then(|held| held.next_came().map(patience)),
            (self.cooling.as_ref()).and_then(|cooling| cooling.next_refusal()),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Memory that it holds besides itself for its peer's sake, in bytes.
    #[must_use]
    pub(crate) fn held_bytes(&self) -> usize {
        let held = self.held.as_ref().map_or(0, |held| held.held_bytes());
        let publishing = (self.publishing.as_ref()).map_or(0, |all| all.held_bytes());
        let cooling = (self.cooling.as_ref()).map_or(0, |all| all.held_bytes());
        let reach = self.reach.as_ref().map_or(0, |_| size_of::<Reach>());
        held + publishing + cooling + reach
    }
}

/// Whether a socket took any of the bytes that were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Took {
    /// It did.
    Some,
    /// It was full.
    Nothing,
}

#[cfg(test)]
mod tests;
