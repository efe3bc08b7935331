//! A doorbell: wakes a thread that sleeps on its ring, and costs nothing while it is awake.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering, fence};

use rustix::event::{EventfdFlags, eventfd};

/// An eventfd and the flag that says whether ringing it is of any use.
///
/// The consumer announces its sleep, *then* looks at its rings once more; the producer pushes,
/// *then* looks at the flag. With a sequentially consistent fence between the two steps on both
/// sides at least one of them sees the other, so no push is slept through.
#[derive(Debug)]
pub struct Doorbell {
    eventfd: OwnedFd,
    sleeping: AtomicBool,
}

impl Doorbell {
    /// A doorbell whose owner is awake (eventfd(2)).
    ///
    /// # Errors
    /// When no descriptor is to be had.
    pub(crate) fn new() -> io::Result<Self> {
        // Not NONBLOCK: a ring would then answer EAGAIN instead of waiting.
        let eventfd = eventfd(0, EventfdFlags::CLOEXEC)?;
        Ok(Self {
            eventfd,
            sleeping: AtomicBool::new(false),
        })
    }

    /// For the owner to keep a READ of 8 bytes armed on.
    #[must_use]
    pub(crate) fn raw_fd(&self) -> RawFd {
        self.eventfd.as_raw_fd()
    }

    /// The owner is about to sleep: it must look at its rings after this and before it sleeps.
    pub(crate) fn announce_sleep(&self) {
        self.sleeping.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The owner is awake.
    pub fn awake(&self) {
        self.sleeping.store(false, Ordering::Relaxed);
    }

    /// Something was pushed: wakes the owner if it sleeps.
    pub(crate) fn ring(&self) {
        fence(Ordering::SeqCst);
        if self.sleeping.load(Ordering::Relaxed) && self.sleeping.swap(false, Ordering::Relaxed) {
            // It cannot fail, and blocks only at 2^64 - 2 unread rings.
            let _ = rustix::io::write(&self.eventfd, &1u64.to_ne_bytes());
        }
    }
}

impl AsFd for Doorbell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.eventfd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustix::event::{PollFd, PollFlags, poll};

    use super::Doorbell;

    /// Goal: a consumer that sleeps by the protocol sees every one of many pushes, and the producer does
    /// not ring for a consumer that is awake.
    #[test]
    fn no_push_is_slept_through() {
        const PUSHES: u32 = 20_000;
        let doorbell = Arc::new(Doorbell::new().unwrap());
        let (mut producer, mut consumer) = rtrb::RingBuffer::<u32>::new(8);
        let ringer = Arc::clone(&doorbell);
        let pusher = std::thread::spawn(move || {
            for number in 0..PUSHES {
                while producer.push(number).is_err() {
                    std::thread::yield_now();
                }
                ringer.ring();
            }
        });
        let mut expected = 0;
        while expected < PUSHES {
            while let Ok(number) = consumer.pop() {
                assert_eq!(number, expected);
                expected += 1;
            }
            doorbell.announce_sleep();
            if consumer.is_empty() && expected < PUSHES {
                let wait = rustix::time::Timespec {
                    tv_sec: 60,
                    tv_nsec: 0,
                };
                let mut fds = [PollFd::new(&*doorbell, PollFlags::IN)];
                assert_eq!(
                    poll(&mut fds, Some(&wait)).unwrap(),
                    1,
                    "slept through a push"
                );
                rustix::io::read(&*doorbell, &mut [0u8; 8]).unwrap();
            }
            doorbell.awake();
        }
        pusher.join().unwrap();
    }

    /// Goal: ringing an owner that is awake makes no system call that it would have to answer.
    #[test]
    fn an_awake_owner_is_not_rung() {
        let doorbell = Doorbell::new().unwrap();
        doorbell.ring();
        let now = rustix::time::Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        assert_eq!(
            poll(&mut [PollFd::new(&doorbell, PollFlags::IN)], Some(&now)).unwrap(),
            0
        );
        doorbell.announce_sleep();
        doorbell.ring();
        doorbell.ring();
        let mut count = [0u8; 8];
        rustix::io::read(&doorbell, &mut count).unwrap();
        assert_eq!(u64::from_ne_bytes(count), 1);
    }
}
