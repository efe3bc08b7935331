//! The mesh: a bounded single-producer single-consumer ring for each ordered pair of threads.
//!
//! Nothing is ever dropped. A message that finds its ring full is parked with its sender until there
//! is room. How much may be under way is not decided here: shards bound it in bytes, by credit. A
//! consumer always takes what has arrived, whatever its own rings look like, so no circle of full
//! rings can stop for good.

mod doorbell;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use self::doorbell::Doorbell;
use rtrb::{Consumer, Producer, RingBuffer};

/// Messages a ring holds.
pub const RING_MESSAGES_MAX: usize = 1024;

/// Which thread: the shards count from 0, the web thread comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ThreadId(pub u16);

/// One thread's end of the mesh.
#[derive(Debug)]
pub struct Endpoint<M> {
    me: ThreadId,
    outgoing: Vec<Option<Producer<M>>>,
    incoming: Vec<Option<Consumer<M>>>,
    parked: Vec<VecDeque<M>>,
    parked_count: usize,
    doorbells: Arc<[Doorbell]>,
    stop: Arc<AtomicBool>,
    stop_taken: bool,
}

/// Tells every thread of a mesh to stop, from any thread, and waits for none of them.
#[derive(Debug, Clone)]
pub struct Stopper {
    doorbells: Arc<[Doorbell]>,
    stop: Arc<AtomicBool>,
}

impl Stopper {
    /// Says it; once is enough.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        // As with a message, they look for it after they have announced their sleep.
        for doorbell in &*self.doorbells {
            doorbell.ring();
        }
    }
}

/// The ends of a mesh of `threads`, in their order.
///
/// # Errors
/// When a doorbell cannot be made for want of descriptors.
pub fn connect<M>(threads: u16) -> io::Result<Vec<Endpoint<M>>> {
    let doorbells: Arc<[Doorbell]> = (0..threads)
        .map(|_| Doorbell::new())
        .collect::<io::Result<Vec<_>>>()?
        .into();
    let stop = Arc::new(AtomicBool::new(false));
    let count = usize::from(threads);
    let mut endpoints: Vec<Endpoint<M>> = (0..threads)
        .map(|me| Endpoint {
            me: ThreadId(me),
            outgoing: (0..count).map(|_| None).collect(),
            incoming: (0..count).map(|_| None).collect(),
            parked: (0..count).map(|_| VecDeque::new()).collect(),
            parked_count: 0,
            doorbells: Arc::clone(&doorbells),
            stop: Arc::clone(&stop),
            stop_taken: false,
        })
        .collect();
    for from in 0..count {
        for to in (0..count).filter(|&to| to != from) {
            let (producer, consumer) = RingBuffer::new(RING_MESSAGES_MAX);
            endpoints[from].outgoing[to] = Some(producer);
            endpoints[to].incoming[from] = Some(consumer);
        }
    }
    Ok(endpoints)
}

impl<M> Endpoint<M> {
    /// The doorbell that the others ring for this thread.
    #[must_use]
    pub fn doorbell(&self) -> &Doorbell {
        &self.doorbells[usize::from(self.me.0)]
    }

    /// What tells this thread and all others to stop.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper {
            doorbells: Arc::clone(&self.doorbells),
            stop: Arc::clone(&self.stop),
        }
    }

    /// Whether the threads were told to stop and this one did not yet know.
    pub fn take_stop(&mut self) -> bool {
        let news = self.has_stop_news();
        self.stop_taken |= news;
        news
    }

    /// Sends `message` to another thread; when its ring is full the message waits here, in order.
    pub fn send(&mut self, to: ThreadId, message: M) {
        let number = usize::from(to.0);
        let ring = self.outgoing[number]
            .as_mut()
            .expect("no thread sends to itself");
        if self.parked[number].is_empty() {
            match ring.push(message) {
                Ok(()) => self.doorbells[number].ring(),
                Err(rtrb::PushError::Full(message)) => self.park(number, message),
            }
        } else {
            self.park(number, message);
        }
    }

    fn park(&mut self, number: usize, message: M) {
        self.parked[number].push_back(message);
        self.parked_count += 1;
    }

    /// Moves parked messages to rings that have room again; returns how many are left.
    pub fn unpark(&mut self) -> usize {
        if self.parked_count == 0 {
            return 0;
        }
        for number in 0..self.parked.len() {
            let Some(ring) = &mut self.outgoing[number] else {
                continue;
            };
            let mut moved = 0;
            while ring.slots() > 0 {
                let Some(message) = self.parked[number].pop_front() else {
                    break;
                };
                assert!(ring.push(message).is_ok(), "a free slot was seen");
                moved += 1;
            }
            if moved > 0 {
                self.parked_count -= moved;
                self.doorbells[number].ring();
            }
        }
        self.parked_count
    }

    /// Whether messages are parked: who causes more of them should be slowed down.
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.parked_count > 0
    }

    fn has_stop_news(&self) -> bool {
        !self.stop_taken && self.stop.load(Ordering::Acquire)
    }

    /// How many messages to another thread were not taken by it yet.
    #[must_use]
    pub fn waiting(&self, to: ThreadId) -> usize {
        let number = usize::from(to.0);
        let ring = self.outgoing[number].as_ref();
        let free = ring.map_or(RING_MESSAGES_MAX, Producer::slots);
        self.parked[number].len() + RING_MESSAGES_MAX - free
    }

    /// Takes the next message of each other thread in turn, at most `count_max` of each, and gives
    /// it to `receive` with its sender; returns how many there were.
    pub fn receive(&mut self, count_max: usize, mut receive: impl FnMut(ThreadId, M)) -> usize {
        let mut count = 0;
        for (from, ring) in (0u16..).zip(&mut self.incoming) {
            let Some(ring) = ring else { continue };
            for _ in 0..count_max {
                let Ok(message) = ring.pop() else { break };
                receive(ThreadId(from), message);
                count += 1;
            }
        }
        count
    }

    /// Whether there is nothing to receive, and no news of a stop.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        !self.has_stop_news() && self.incoming.iter().flatten().all(Consumer::is_empty)
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::{Endpoint, RING_MESSAGES_MAX, ThreadId, connect};

    /// Messages beyond a full ring are parked, and all arrive once, in order.
    #[test]
    fn a_full_ring_parks_and_loses_nothing() {
        let mut ends: Vec<Endpoint<usize>> = connect(2).unwrap();
        let (mut second, mut first) = (ends.pop().unwrap(), ends.pop().unwrap());
        let count = 3 * RING_MESSAGES_MAX + 5;
        for number in 0..count {
            first.send(ThreadId(1), number);
        }
        assert!(first.is_congested());
        assert_eq!(first.waiting(ThreadId(1)), count);
        let mut got = Vec::new();
        while got.len() < count {
            second.receive(100, |from, number| {
                assert_eq!(from, ThreadId(0));
                got.push(number);
            });
            first.unpark();
        }
        assert!(!first.is_congested() && second.is_quiet());
        assert_eq!(first.waiting(ThreadId(1)), 0);
        assert!(got.into_iter().eq(0..count));
    }

    /// A stop is news to every thread once, and nobody sleeps on it.
    #[test]
    fn a_stop_is_heard_once_by_everyone() {
        let mut ends: Vec<Endpoint<()>> = connect(3).unwrap();
        assert!(
            ends.iter_mut()
                .all(|end| end.is_quiet() && !end.take_stop())
        );
        ends[1].stopper().stop();
        for end in &mut ends {
            assert!(!end.is_quiet() && end.take_stop());
            assert!(end.is_quiet() && !end.take_stop());
        }
    }

    /// A consumer that took all there was and went to sleep is woken for the messages that were parked:
    /// nobody else may ever have anything to tell it.
    #[test]
    fn parked_messages_wake_a_consumer_that_sleeps() {
        let mut ends: Vec<Endpoint<usize>> = connect(2).unwrap();
        let (mut second, mut first) = (ends.pop().unwrap(), ends.pop().unwrap());
        let mut sent = 0;
        while !first.is_congested() {
            first.send(ThreadId(1), sent);
            sent += 1;
        }
        let mut got = 0;
        second.receive(usize::MAX, |_, _| got += 1);
        assert_eq!(got, sent - 1);
        second.doorbell().announce_sleep();
        assert!(second.is_quiet() && !has_rung(&second));
        first.unpark();
        assert!(has_rung(&second) && !second.is_quiet());
    }

    fn has_rung(end: &Endpoint<usize>) -> bool {
        let now = Timespec::default();
        let mut descriptors = [PollFd::new(end.doorbell(), PollFlags::IN)];
        poll(&mut descriptors, Some(&now)).unwrap() == 1
    }
}
