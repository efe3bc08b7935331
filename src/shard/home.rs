//! What happens at the home of a room: members of any shard come and go, and it says what has to be told of that.

use std::num::NonZeroUsize;
use std::sync::Arc;

use super::Shard;
use super::parts::queues::Delivery;
use crate::config::chat::options::{self as config, Options};
use crate::id::{MemberId, RoomId, ShardId};
use crate::message::{Event, Message, Origin};
use crate::room::history::{Otherwise, Recover, Recovery, RecoveryMode, Retention};
use crate::room::home::{Announcement, Customs, Guest, News, Visible};
use crate::room::presence::{Asker, Census, Names, Present, Round};
use crate::talk::{Answer, Arrival, JoinAnswer, Refused, ToShard, Welcome};

impl Shard {
    /// What the room called `name` does for clients; of a name that no channel has, nothing.
    pub(super) fn options(&self, name: &str) -> Option<&Options> {
        self.config().chat.options(name).ok()
    }

    /// What it keeps of what is said, if it is anything.
    fn retention(&self, name: &str) -> Option<Retention> {
        let chat = &self.config().chat;
        let options = self.options(name)?;
        let history = options.history?;
        let recovered_max = chat.client.recovery_max_publication_limit;
        Some(Retention {
            messages_max: history.size.get(),
            messages_time: history.ttl,
            position_time: history.meta_ttl,
            mode: match options.recovery_mode {
                config::RecoveryMode::Stream => RecoveryMode::Stream,
                config::RecoveryMode::Cache => RecoveryMode::Cache,
            },
            recovered_max: recovered_max.map(NonZeroUsize::get),
        })
    }

    fn customs(&self) -> Customs {
        Customs {
            announced_members_max: self.config().presence_members_max,
            spread_members_min: self.config().spread_members_min,
        }
    }

    /// From now on a room that has its home here does what it does for clients: one has come, as a member or not.
    /// Where somebody has said what rooms do, they do it from the beginning.
    pub(super) fn serve_clients(&mut self, room: RoomId) {
        let here = self.rooms.get(room);
        if here.home.as_ref().is_none_or(|home| home.serves_clients()) {
            return;
        }
        let retention = self.retention(&here.name);
        let presence = self
            .options(&here.name)
            .is_some_and(|options| options.presence);
        self.rooms.home_mut(room).serve_clients();
        if let Some(retention) = retention {
            self.tell_of_clients(room);
            self.rooms.begin_history(room, retention, self.now);
        }
        if presence {
            let census = self.rooms.home_mut(room).begin_presence();
            self.take_census(room, census);
        }
    }

    /// Tells those shards that have members of a room that clients have come, once.
    fn tell_of_clients(&mut self, room: RoomId) {
        let (me, here) = (self.setup.number, self.rooms.get_mut(room));
        if !here.facts.begin_clients() {
            return;
        }
        let home = here.home.as_ref().expect("this is its home");
        for shard in home.shards_except(me) {
            let room = Arc::clone(&here.name);
            self.mail.tell(shard, ToShard::Clients { room });
        }
    }

    /// The home of a room says that clients have come.
    pub(super) fn clients_have_come(&mut self, name: &str) {
        if let Some(room) = self.rooms.find(name) {
            self.rooms.get_mut(room).facts.begin_clients();
        }
    }

    // Coming and going.

    /// A session of any shard joins.
    pub(super) fn join(&mut self, name: &Arc<str>, guest: Guest, recover: Option<&Recover>) {
        let answer = self.let_in(name, &guest, recover);
        let (room, shard) = (Arc::clone(name), guest.member.shard);
        let joined = ToShard::Joined {
            room,
            guest,
            answer,
        };
        self.mail.tell(shard, joined);
    }

    fn let_in(&mut self, name: &Arc<str>, guest: &Guest, recover: Option<&Recover>) -> JoinAnswer {
        let Some(room) = self.find_or_create(name) else {
            return JoinAnswer::Full;
        };
        let mut arrival = None;
        if guest.about.is_some() {
            self.serve_clients(room);
            self.tell_of_clients(room);
            let since = recover.map(|recover| &recover.since);
            arrival = self.rooms.arrive(room, since, self.now);
        }
        let refuses = recover.is_some_and(|recover| recover.otherwise == Otherwise::Refuse);
        if refuses && matches!(arrival, None | Some((_, Recovery::Lost))) {
            self.rooms.release(room);
            return JoinAnswer::Unrecoverable;
        }
        let customs = self.customs();
        let home = self.rooms.home_mut(room);
        let news = home.join(guest, &customs);
        let held = home.is_held();
        let has_clients = self.rooms.get(room).facts.has_clients();
        self.say(room, news, guest.member, Event::Joined(guest.info()));
        JoinAnswer::Welcome(Welcome {
            held,
            has_clients,
            arrival: arrival.map(|(position, recovery)| Box::new(Arrival { position, recovery })),
        })
    }

    /// A member of any shard left.
    pub(super) fn left(&mut self, name: &Arc<str>, guest: &Guest) {
        let (customs, now) = (self.customs(), self.now);
        let room = self.rooms.find(name).expect("it has a member at least");
        let news = self.rooms.home_mut(room).leave(guest, &customs, now);
        self.say(room, news, guest.member, Event::Left(guest.info()));
        self.rooms.visit(room, now);
        self.rooms.release(room);
    }

    /// Does what the home of a room says is to be told after `member` has come or gone.
    fn say(&mut self, room: RoomId, news: News, member: MemberId, event: Event<'_>) {
        // At the end of the server all leave, and those who go last need not hear of each.
        if news.announcement == Announcement::Member && !self.ending.is_stopping() {
            let notice = Message::new(event, Origin::Exclude(member));
            self.queues.stage(&mut self.rooms, room, &notice);
        }
        if let Some(spread) = news.spread {
            let name = Arc::clone(&self.rooms.get(room).name);
            self.tell_shards(|| ToShard::Spread {
                room: Arc::clone(&name),
                spread,
            });
        }
        self.tell_hold(room, news.hold);
        self.rooms.note_deadline(room, self.now);
        if news.is_crowded {
            self.note_crowd(room);
        }
        for asker in news.in_vain {
            self.tell_asker(asker, Answer::Refused(Refused::NotKept));
        }
        self.take_census(room, news.census);
    }

    /// Something is due at the home of a room.
    pub(super) fn home_has_time(&mut self, room: RoomId) {
        let (count, hold) = self.rooms.home_mut(room).handle_time(self.now);
        if let Some(count) = count {
            let notice = Message::new(Event::Members(count), Origin::Nobody);
            self.queues.stage(&mut self.rooms, room, &notice);
        }
        self.tell_hold(room, hold);
        self.rooms.note_deadline(room, self.now);
    }

    // Who is there.

    /// Asks these shards who of a room is there.
    fn take_census(&mut self, room: RoomId, census: Census) {
        for shard in census.on.iter() {
            let ask = ToShard::Census {
                from: self.setup.number,
                room: Arc::clone(&self.rooms.get(room).name),
                round: census.round,
            };
            self.mail.tell(shard, ask);
        }
    }

    /// The home of a room wants to know who of it is here: by what it has said so far, which may wait here.
    pub(super) fn census_asked(&mut self, from: ShardId, room: Arc<str>, round: Round) {
        if from == self.setup.number {
            return self.take_part_in_census(from, room, round);
        }
        self.home_delivers(Delivery::Census { from, room, round });
    }

    /// Says who of a room is here and takes part in presence.
    pub(super) fn take_part_in_census(&mut self, home: ShardId, room: Arc<str>, round: Round) {
        let here = self.rooms.find(&room).map(|room| self.rooms.get(room));
        // The home counts those, too, until it hears that they have left.
        let departures = here.into_iter().flat_map(|here| here.departures());
        let leaving = departures.map(|departure| departure.guest.clone());
        let audiences = here.into_iter().flat_map(|here| here.audiences());
        let members = (audiences.flat_map(|audience| audience.members()))
            .map(|member| self.guest(member.slot(), member.membership()))
            .chain(leaving)
            .filter(|guest| guest.visible != Visible::No)
            .map(|guest| guest.present())
            .collect();
        let counted = ToShard::Counted {
            from: self.setup.number,
            room,
            round,
            members,
        };
        self.mail.tell(home, counted);
    }

    /// A shard has said who of a room is there: whoever has waited for that is answered.
    pub(super) fn counted(
        &mut self,
        from: ShardId,
        name: &str,
        round: Round,
        members: Vec<Present>,
    ) {
        let Some(room) = self.rooms.find(name) else {
            return;
        };
        let askers = self.rooms.home_mut(room).told(from, round, members);
        for asker in askers {
            self.tell_names(room, asker);
        }
    }

    /// Tells somebody who is in a room, at once or once that is known.
    pub(super) fn tell_names(&mut self, room: RoomId, asker: Asker) {
        let customs = self.customs();
        match self.rooms.home_mut(room).names(asker, &customs) {
            Some(Names::All(all)) => self.tell_asker(asker, Answer::Presence(all)),
            Some(Names::Gathering) => {}
            Some(Names::Crowded) | None => {
                self.tell_asker(asker, Answer::Refused(Refused::NotKept));
            }
        }
    }
}

#[cfg(test)]
mod tests;
