//! How far a client has read, by its answers to pings: what the kernel here calls delivered may lie for long in
//! the socket of whoever is there, or with a proxy before it.
//!
//! A client that is sent much is pinged behind it, and of its rooms no more is sent beyond the last answer than
//! it reads in a second and a half. So nothing that it waits for lies behind much more than that, and SDKs wait
//! five seconds for a reply.

use crate::session::send::SEND_BYTES_MAX;
use crate::session::tick::{TICKS_PER_SECOND, Tick};

/// How often, in bytes that it is sent of its rooms, one is looked at that reads quickly. It costs the answer to one
/// send, for messages of a hundred bytes one in 160; and so much may be under way unseen.
pub(crate) const LOOK_BYTES: u32 = 16 << 10;

/// What is sent beyond the last answer, in the time that it takes to read it: as little as leaves time to spare where
/// a client stops now and then, and as much as a way of a second there and back needs, which is not to be taken for
/// slow reading.
const AHEAD_TICKS: u32 = 3 * TICKS_PER_SECOND / 2;

/// The same of one that nothing is known of: so much that it is asked when it is looked at, and before it is sent
/// nothing more.
const AHEAD_BYTES: u32 = LOOK_BYTES + LOOK_BYTES / 8;
/// The least: what the slowest reader that is still answered in time, at 8 kB/s, reads in two seconds.
const AHEAD_BYTES_MIN: u32 = 16 << 10;
/// The most: what a socket takes in one go. Who reads as fast as it comes is pinged once for so much, which costs
/// nothing beside it.
const AHEAD_BYTES_MAX: u32 = 4 << 20;
const _: () = assert!(AHEAD_BYTES_MAX as u64 == SEND_BYTES_MAX);

/// Whoever may be sent no more than this beyond its last answer is looked at with each send: what others are sent
/// before they are looked at again would be much beside it.
const SLOW_BYTES: u32 = 4 * LOOK_BYTES;

/// What has become of the bytes that a client was sent of its rooms, by a count that goes on modulo 2^32.
#[derive(Debug)]
pub(crate) struct Reach {
    /// Where the count stood at the last ping that was answered.
    read: u32,
    /// What may be sent beyond, once it is known how it reads.
    ahead_bytes: Option<u32>,
    /// Where it stood at the ping whose answer is awaited, and when that was.
    asked: Option<(u32, Tick)>,
    /// Pings that were sent behind that one.
    behind: u32,
    /// Answers to come that belong to earlier ones.
    stray: u32,
}

impl Reach {
    /// Of one that was sent much beyond `sent` bytes.
    #[must_use]
    pub(crate) fn new(sent: u32) -> Self {
        Self {
            read: sent,
            ahead_bytes: None,
            asked: None,
            behind: 0,
            stray: 0,
        }
    }

    /// How much of its rooms one may be sent in one go of whom no more is known.
    #[must_use]
    pub(crate) fn unknown_bytes() -> u32 {
        AHEAD_BYTES
    }

    /// How much more of its rooms it may be sent, after `sent`.
    #[must_use]
    pub(crate) fn left_bytes(&self, sent: u32) -> u32 {
        self.ahead_bytes().saturating_sub(self.unread_bytes(sent))
    }

    fn ahead_bytes(&self) -> u32 {
        self.ahead_bytes.unwrap_or(AHEAD_BYTES)
    }

    /// How much of what it was sent it may still have to read.
    #[must_use]
    pub(crate) fn unread_bytes(&self, sent: u32) -> u32 {
        sent.wrapping_sub(self.read)
    }

    /// Whether it is to be pinged to see how far it has come: somewhat before it is sent nothing more, so that its
    /// answer may come in time.
    #[must_use]
    pub(crate) fn must_ask(&self, sent: u32) -> bool {
        self.asked.is_none() && self.unread_bytes(sent) >= asking(self.ahead_bytes())
    }

    /// Whether each of its sends counts: it has yet to say how it reads, or reads slowly and has something to read.
    #[must_use]
    pub(crate) fn is_slow(&self, sent: u32) -> bool {
        let is_known_to = self.ahead_bytes.is_some_and(|ahead| ahead < SLOW_BYTES);
        self.asked.is_some() || is_known_to && self.unread_bytes(sent) > 0
    }

    /// It is pinged, for whatever reason.
    pub(crate) fn ping(&mut self, sent: u32, now: Tick) {
        match self.asked {
            None => self.asked = Some((sent, now)),
            Some(_) => self.behind += 1,
        }
    }

    /// It has answered a ping.
    pub(crate) fn pong(&mut self, now: Tick) {
        if self.stray > 0 {
            self.stray -= 1;
            return;
        }
        let Some((sent, at)) = self.asked.take() else {
            return;
        };
        self.stray = std::mem::take(&mut self.behind);
        let bytes = sent.wrapping_sub(self.read);
        self.read = sent;
        // With little before it a ping says how long its way is, and nothing of how fast one reads.
        if bytes >= asking(AHEAD_BYTES_MIN) {
            self.judge(bytes, now.0.saturating_sub(at.0));
        }
    }

    /// It has read so much in that time, or less: it may have rested, or the ping was long on its way.
    fn judge(&mut self, bytes: u32, ticks: u32) {
        let ahead = u64::from(bytes) * u64::from(AHEAD_TICKS) / u64::from(ticks.max(1));
        // Saturates: the limit is below.
        let ahead = u32::try_from(ahead).unwrap_or(u32::MAX);
        // When it was quicker than it need be, it could have read more if there had been more.
        let ahead = match ticks < asking(AHEAD_TICKS) {
            true => ahead.max(self.ahead_bytes()),
            false => ahead,
        };
        self.ahead_bytes = Some(ahead.clamp(AHEAD_BYTES_MIN, AHEAD_BYTES_MAX));
    }

    /// The count goes on from elsewhere.
    pub(crate) fn shift(&mut self, bytes: u32) {
        self.read = self.read.wrapping_add(bytes);
        if let Some((sent, _)) = &mut self.asked {
            *sent = sent.wrapping_add(bytes);
        }
    }
}

/// Of all that may be sent beyond an answer, behind how much one is pinged.
const fn asking(ahead: u32) -> u32 {
    ahead / 4 * 3
}

const _: () = assert!(asking(AHEAD_BYTES) <= LOOK_BYTES && LOOK_BYTES < AHEAD_BYTES);

#[cfg(test)]
mod tests {
    use super::{AHEAD_BYTES, AHEAD_BYTES_MAX, AHEAD_BYTES_MIN, LOOK_BYTES, Reach, Tick};

    /// Goal: one that reads slowly is sent about what it reads in a second and a half beyond its last answer, one that
    /// answers at once far more, and nobody too little to go on.
    #[test]
    fn it_is_sent_what_it_reads_in_a_second_and_a_half() {
        for (ticks, wanted, is_slow) in [
            (13, 18_904, true),
            (80, AHEAD_BYTES_MIN, true),
            (0, 245_760, false),
            (3, 81_920, false),
            (9, 27_306, true),
        ] {
            let mut reach = Reach::new(LOOK_BYTES);
            assert!(!reach.must_ask(LOOK_BYTES + 9));
            let sent = 2 * LOOK_BYTES;
            assert!(reach.must_ask(sent) && !reach.is_slow(sent));
            reach.ping(sent, Tick(100));
            assert!(reach.is_slow(sent), "it has yet to answer");
            assert!(!reach.must_ask(u32::MAX / 2), "one ping at a time");
            assert_eq!(reach.left_bytes(LOOK_BYTES + AHEAD_BYTES), 0);
            assert_eq!(reach.left_bytes(LOOK_BYTES + AHEAD_BYTES - 10), 10);
            reach.pong(Tick(100 + ticks));
            assert_eq!(
                (reach.left_bytes(sent), reach.is_slow(sent + 7)),
                (wanted, is_slow),
                "{ticks}"
            );
            assert_eq!(reach.unread_bytes(sent + 7), 7);
            assert!(!reach.is_slow(sent), "it has read all");
        }
    }

    /// Sends a reader as much as it may be sent, for a minute: what it was sent by then, and the longest that a byte
    /// lay before it was read.
    fn serve(bytes_per_tick: u32, way_ticks: u32) -> (u32, u32) {
        let mut reach = Reach::new(0);
        let (mut sent, mut read, mut lay_max) = (0, 0, 0);
        let mut pings = std::collections::VecDeque::new();
        for now in 0..600 {
            read = (read + bytes_per_tick).min(sent);
            while let Some(&(at, since)) = pings.front()
                && read >= at
                && now >= since + way_ticks
            {
                pings.pop_front();
                reach.pong(Tick(now));
            }
            sent += reach.left_bytes(sent);
            lay_max = lay_max.max((sent - read) / bytes_per_tick);
            if reach.must_ask(sent) {
                reach.ping(sent, Tick(now));
                pings.push_back((sent, now));
            }
        }
        (read, lay_max)
    }

    /// Goal: readers of every pace are kept busy, whatever the way to them takes up to a second, and what they are
    /// sent lies for three seconds at most.
    #[test]
    fn readers_of_every_pace_are_kept_busy() {
        for way_ticks in [0, 1, 3, 7, 10] {
            for bytes_per_s in [8_000, 20_000, 40_000, 100_000, 1_000_000, 4_000_000] {
                let bytes_per_tick = bytes_per_s / 10;
                let (read, lay_max) = serve(bytes_per_tick, way_ticks);
                let could = 600 * bytes_per_tick;
                assert!(read > could / 4 * 3, "{read} of {could}, {way_ticks}");
                let since = lay_max.saturating_sub(way_ticks);
                assert!(since <= 25, "{bytes_per_s}, {way_ticks}: {lay_max}");
            }
        }
    }

    /// Goal: a ping behind little that is answered late, by who was asleep or far away, takes nothing from who reads
    /// quickly; nobody is sent more ahead than a socket takes.
    #[test]
    fn a_late_answer_behind_little_says_nothing() {
        let mut reach = Reach::new(0);
        let mut sent = 0;
        for _ in 0..6 {
            sent += reach.left_bytes(sent);
            reach.ping(sent, Tick(0));
            reach.pong(Tick(0));
        }
        assert_eq!(reach.left_bytes(sent), AHEAD_BYTES_MAX);
        reach.ping(sent + 5_000, Tick(0));
        reach.pong(Tick(70));
        assert_eq!(reach.left_bytes(sent + 5_000), AHEAD_BYTES_MAX);
        assert!(!reach.is_slow(sent + 5_000));
    }

    /// Goal: an answer counts for the ping that it belongs to, although others were sent behind that.
    #[test]
    fn answers_belong_to_their_pings() {
        let mut reach = Reach::new(0);
        reach.ping(LOOK_BYTES, Tick(0));
        reach.ping(2 * LOOK_BYTES, Tick(5));
        reach.pong(Tick(16));
        assert_eq!(reach.unread_bytes(LOOK_BYTES), 0);
        reach.ping(2 * LOOK_BYTES, Tick(17));
        reach.pong(Tick(17));
        assert_eq!(
            reach.unread_bytes(LOOK_BYTES),
            0,
            "that was the second one's"
        );
        reach.pong(Tick(33));
        assert_eq!(reach.unread_bytes(2 * LOOK_BYTES), 0);
        reach.pong(Tick(34));
        assert_eq!(
            reach.left_bytes(2 * LOOK_BYTES),
            AHEAD_BYTES_MIN,
            "nobody asked"
        );
    }

    /// Goal: nothing changes when the count of what was sent goes on from elsewhere.
    #[test]
    fn the_count_may_go_on_from_elsewhere() {
        let mut reach = Reach::new(0_u32.wrapping_sub(LOOK_BYTES));
        reach.ping(0, Tick(0));
        assert_eq!(reach.unread_bytes(0), LOOK_BYTES);
        reach.shift(1000);
        assert_eq!(reach.unread_bytes(1000), LOOK_BYTES);
        reach.pong(Tick(40));
        assert_eq!(reach.left_bytes(1000), AHEAD_BYTES_MIN);
    }
}
