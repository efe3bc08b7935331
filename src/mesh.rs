//! The mesh: a bounded single-producer single-consumer ring for each ordered pair of threads.
//!
//! Nothing is ever dropped. A message that finds its ring full is parked with its sender until there
//! is room. How much may be under way is not decided here: shards bound it in bytes, by credit. A
//! consumer always takes what has arrived, whatever its own rings look like, so no circle of full
//! rings can stop for good. What the messages mean is not known here.

mod doorbell;
mod lane;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rtrb::RingBuffer;

pub(crate) use self::doorbell::Doorbell;
pub(crate) use self::lane::{Inbox, Lane, RING_MESSAGES_MAX};
use crate::id::ShardId;

/// A shard's end of the mesh: shards are told `S`, the web thread `W`.
#[derive(Debug)]
pub struct ShardEnd<S, W> {
    /// To the other shards; none to itself.
    pub(crate) shards: Vec<Option<Lane<S>>>,
    /// To the web thread.
    pub(crate) web: Lane<W>,
    /// From all of them.
    pub inbox: Inbox<S>,
    /// How it is woken.
    pub bell: Bell,
}

/// The web thread's end.
#[derive(Debug)]
pub struct WebEnd<S, W> {
    /// To the shards.
    pub(crate) shards: Vec<Lane<S>>,
    /// From them.
    pub(crate) inbox: Inbox<W>,
    /// How it is woken.
    pub(crate) bell: Bell,
}

/// What a thread sleeps on.
#[derive(Debug)]
pub struct Bell {
    doorbell: Arc<Doorbell>,
    stopper: Stopper,
    stop_taken: bool,
}

/// Tells every thread of a mesh to stop, from any thread, and waits for none of them.
#[derive(Debug, Clone)]
pub(crate) struct Stopper {
    doorbells: Arc<[Arc<Doorbell>]>,
    stop: Arc<AtomicBool>,
}

impl Stopper {
    /// Says it; once is enough.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.wake();
    }

    /// Has every thread of the mesh look whether there is news for it. As with a message, it looks after it has
    /// announced its sleep.
    pub(crate) fn wake(&self) {
        for doorbell in &*self.doorbells {
            doorbell.ring();
        }
    }
}

impl Bell {
    /// The doorbell that the others ring for this thread.
    #[must_use]
    pub fn doorbell(&self) -> &Doorbell {
        &self.doorbell
    }

    /// What tells this thread and all others to stop.
    #[must_use]
    pub(crate) fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Whether the threads were told to stop and this one did not yet know.
    pub(crate) fn take_stop(&mut self) -> bool {
        let news = self.has_stop_news();
        self.stop_taken |= news;
        news
    }

    fn has_stop_news(&self) -> bool {
        !self.stop_taken && self.stopper.stop.load(Ordering::Acquire)
    }

    /// Whether there is nothing to receive from `inbox`, and no news of a stop.
    #[must_use]
    pub(crate) fn is_quiet<M>(&self, inbox: &Inbox<M>) -> bool {
        !self.has_stop_news() && inbox.is_empty()
    }
}

/// All ends of a mesh: of its shards, in their order, and of the web thread.
pub type Ends<S, W> = (Vec<ShardEnd<S, W>>, WebEnd<S, W>);

/// Joins `shards` and a web thread.
///
/// # Errors
/// When a doorbell cannot be made for want of descriptors.
pub fn connect<S, W>(shards: u16) -> io::Result<Ends<S, W>> {
    let doorbells: Arc<[Arc<Doorbell>]> = (0..=shards)
        .map(|_| Doorbell::new().map(Arc::new))
        .collect::<io::Result<Vec<_>>>()?
        .into();
    let stop = Arc::new(AtomicBool::new(false));
    let stopper = Stopper {
        doorbells: Arc::clone(&doorbells),
        stop,
    };
    let bell = |number: usize| Bell {
        doorbell: Arc::clone(&doorbells[number]),
        stopper: stopper.clone(),
        stop_taken: false,
    };
    let web_number = usize::from(shards);
    let mut web = WebEnd {
        shards: Vec::new(),
        inbox: Inbox::default(),
        bell: bell(web_number),
    };
    let mut ends: Vec<ShardEnd<S, W>> = Vec::new();
    for me in ShardId::all(shards) {
        let mut inbox = Inbox::default();
        web.shards.push(lane(&doorbells[me.index()], &mut inbox));
        ends.push(ShardEnd {
            shards: Vec::new(),
            web: lane(&doorbells[web_number], &mut web.inbox),
            inbox,
            bell: bell(me.index()),
        });
    }
    for from in 0..ends.len() {
        for to in 0..ends.len() {
            let lane = (to != from).then(|| lane(&doorbells[to], &mut ends[to].inbox));
            ends[from].shards.push(lane);
        }
    }
    Ok((ends, web))
}

/// A lane to the thread that has `inbox` and is woken by `doorbell`.
fn lane<M>(doorbell: &Arc<Doorbell>, inbox: &mut Inbox<M>) -> Lane<M> {
    let (producer, consumer) = RingBuffer::new(RING_MESSAGES_MAX);
    inbox.add(consumer);
    Lane::new(producer, Arc::clone(doorbell))
}

impl<S, W> ShardEnd<S, W> {
    /// The lane to another shard.
    pub fn to_shard(&mut self, to: ShardId) -> &mut Lane<S> {
        let lane = self.shards[to.index()].as_mut();
        lane.expect("what a shard says to itself stays with it")
    }

    /// Moves parked messages to rings that have room again.
    pub(crate) fn unpark(&mut self) {
        self.shards.iter_mut().flatten().for_each(Lane::unpark);
        self.web.unpark();
    }

    /// Whether messages are parked.
    #[must_use]
    pub(crate) fn is_congested(&self) -> bool {
        self.web.is_congested() || self.shards.iter().flatten().any(Lane::is_congested)
    }

    /// Whether there is nothing to receive, and no news of a stop.
    #[must_use]
    pub(crate) fn is_quiet(&self) -> bool {
        self.bell.is_quiet(&self.inbox)
    }
}

impl<S, W> WebEnd<S, W> {
    /// Moves parked messages to rings that have room again.
    pub(crate) fn unpark(&mut self) {
        self.shards.iter_mut().for_each(Lane::unpark);
    }

    /// Whether messages are parked.
    #[must_use]
    pub(crate) fn is_congested(&self) -> bool {
        self.shards.iter().any(Lane::is_congested)
    }

    /// Whether there is nothing to receive, and no news of a stop.
    #[must_use]
    pub(crate) fn is_quiet(&self) -> bool {
        self.bell.is_quiet(&self.inbox)
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::{Bell, RING_MESSAGES_MAX, ShardEnd, WebEnd, connect};
    use crate::id::ShardId;

    const ONE: ShardId = ShardId::new(1);

    fn two_shards() -> (ShardEnd<usize, ()>, ShardEnd<usize, ()>, WebEnd<usize, ()>) {
        let (mut ends, web) = connect(2).unwrap();
        let (second, first) = (ends.pop().unwrap(), ends.pop().unwrap());
        (first, second, web)
    }

    /// Goal: messages beyond a full ring are parked, and all arrive once, in order.
    #[test]
    fn a_full_ring_parks_and_loses_nothing() {
        let (mut first, mut second, _web) = two_shards();
        let count = 3 * RING_MESSAGES_MAX + 5;
        for number in 0..count {
            first.to_shard(ONE).send(number);
        }
        assert!(first.is_congested());
        assert_eq!(first.to_shard(ONE).waiting(), count);
        let mut got = Vec::new();
        while got.len() < count {
            second.inbox.receive(100, |number| got.push(number));
            first.unpark();
        }
        assert!(!first.is_congested() && second.is_quiet());
        assert_eq!(first.to_shard(ONE).waiting(), 0);
        assert!(got.into_iter().eq(0..count));
    }

    /// Goal: whoever says something, it arrives where it is meant for and nowhere else.
    #[test]
    fn everybody_reaches_everybody() {
        let (mut ends, mut web) = connect::<(usize, usize), usize>(3).unwrap();
        for (from, end) in ends.iter_mut().enumerate() {
            for to in (0..3).filter(|&to| to != from) {
                let shard = ShardId::new(u16::try_from(to).unwrap());
                end.to_shard(shard).send((from, to));
            }
            end.web.send(from);
            web.shards[from].send((3, from));
        }
        for (me, end) in ends.iter_mut().enumerate() {
            let mut heard = Vec::new();
            end.inbox.receive(10, |(from, to)| {
                assert_eq!(to, me);
                heard.push(from);
            });
            heard.sort_unstable();
            let others: Vec<usize> = (0..4).filter(|&other| other != me).collect();
            assert_eq!(heard, others);
        }
        let mut heard = Vec::new();
        web.inbox.receive(10, |from| heard.push(from));
        assert_eq!(heard, [0, 1, 2]);
    }

    /// Goal: a stop is news to every thread once, and nobody sleeps on it.
    #[test]
    fn a_stop_is_heard_once_by_everyone() {
        let (mut first, mut second, mut web) = two_shards();
        first.bell.stopper().stop();
        assert!(!first.is_quiet() && !second.is_quiet() && !web.is_quiet());
        for bell in [&mut first.bell, &mut second.bell, &mut web.bell] {
            assert!(bell.take_stop() && !bell.take_stop());
        }
        assert!(first.is_quiet() && second.is_quiet() && web.is_quiet());
    }

    /// Goal: a consumer that took all there was and went to sleep is woken for the messages that were parked:
    /// nobody else may ever have anything to tell it.
    #[test]
    fn parked_messages_wake_a_consumer_that_sleeps() {
        let (mut first, mut second, _web) = two_shards();
        let mut sent = 0;
        while !first.is_congested() {
            first.to_shard(ONE).send(sent);
            sent += 1;
        }
        let mut got = 0;
        second.inbox.receive(usize::MAX, |_| got += 1);
        assert_eq!(got, sent - 1);
        second.bell.doorbell().announce_sleep();
        assert!(second.is_quiet() && !has_rung(&second.bell));
        first.unpark();
        assert!(has_rung(&second.bell) && !second.is_quiet());
    }

    fn has_rung(bell: &Bell) -> bool {
        let now = Timespec::default();
        let mut descriptors = [PollFd::new(bell.doorbell(), PollFlags::IN)];
        poll(&mut descriptors, Some(&now)).unwrap() == 1
    }
}
