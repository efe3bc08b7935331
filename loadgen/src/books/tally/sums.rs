//! What the books say of all sessions together.

use super::returns::Returns;
use super::{Receiver, Tally, pairs};
use crate::books::backlog::Reach;
use crate::books::per_publisher::PerPublisher;
use crate::load::layout::Role;
use crate::results::model::counts::Counts;

impl Tally {
    /// Everything so far, of what was sent so far. For a session that comes and goes that is what came
    /// from its first message to its last.
    pub(crate) fn counts(&self, sent: &PerPublisher) -> Counts {
        let (mut living, mut ended) = (0, 0);
        for publisher in 0..self.layout.publishers {
            let room = self.listeners[self.layout.room_of(publisher) as usize];
            living += room.living * sent.of(publisher);
            ended += room.ended * sent.of(publisher);
        }
        for receiver in self.receivers.iter().filter(|r| r.role == Role::Subscriber) {
            if let Some(own) = receiver.own.filter(|_| !self.layout.self_delivery) {
                match receiver.ended {
                    true => ended -= sent.of(own),
                    false => living -= sent.of(own),
                }
            }
        }
        let (counts, stays) = (self.counts, &self.stays);
        let reached = self.reach().living + self.ended_reached;
        Counts {
            expected: living + ended + stays.expected() - self.forgone(),
            skipped: counts.skipped + stays.expected() - stays.delivered(),
            // Another worker may not have noted yet that it has sent what is here already.
            outstanding: (living + self.ended_reached).saturating_sub(reached),
            cut_off: ended.saturating_sub(self.ended_reached),
            ..counts
        }
    }

    /// How far the deliveries to sessions are that are to stay.
    pub(crate) fn reach(&self) -> Reach {
        let delivered = self.counts.delivered - self.stays.delivered();
        let reached = delivered + self.counts.skipped + self.forgone();
        Reach {
            living: reached - self.ended_reached,
            ended: self.ended_reached,
        }
    }

    /// What sessions that are to stay will not have, because they came back and were refused it.
    fn forgone(&self) -> u64 {
        self.returns.as_ref().map_or(0, Returns::forgone)
    }

    /// Whether nothing is waited for of what was sent so far.
    pub(crate) fn is_complete(&self, sent: &PerPublisher) -> bool {
        let counts = self.counts(sent);
        counts.skipped == 0 && counts.outstanding == 0
    }

    /// The oldest message of each publisher that is outstanding, by its sequence.
    pub(crate) fn oldest_outstanding(&self, sent: &PerPublisher) -> Vec<(u32, u64)> {
        let mut oldest = vec![u64::MAX; self.layout.publishers as usize];
        let lasting = |r: &&Receiver| r.role == Role::Subscriber && !r.ended;
        for &receiver in self.receivers.iter().filter(lasting) {
            let own = receiver.own.filter(|_| !self.layout.self_delivery);
            for (publisher, pair) in pairs(&self.layout, receiver) {
                let next = self.tracks.next(pair);
                if Some(publisher) != own && next < sent.of(publisher) {
                    let oldest = &mut oldest[publisher as usize];
                    *oldest = next.min(*oldest);
                }
            }
        }
        let all = (0..).zip(oldest);
        all.filter(|(_, oldest)| *oldest != u64::MAX).collect()
    }

    /// Pairs that have had a message which was never sent. With publishers in other processes that is known only when
    /// all have told what they sent.
    pub(crate) fn impossible(&self, sent: &PerPublisher) -> u64 {
        let checked = self.receivers.iter().filter(|receiver| receiver.checked);
        let pairs = checked.flat_map(|&receiver| pairs(&self.layout, receiver));
        let is_over =
            |(publisher, pair): &(u32, usize)| self.tracks.next(*pair) > sent.of(*publisher);
        pairs.filter(is_over).count() as u64
    }
}
