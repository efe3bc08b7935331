//! What a shard waits for on each socket, and what epoll has been told of that.
//!
//! Epoll is told lazily: an interest that has ended is taken back only when it fires in vain, so a session that
//! is received from again and again costs no epoll_ctl(2).

use std::os::fd::{BorrowedFd, OwnedFd, RawFd};

use fanring::id::SessionKey;
use rustix::event::epoll::{self, EventData, EventFlags};

/// The receive a shard has asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Receive {
    #[default]
    None,
    Once,
    Multishot,
}

/// One socket, by its descriptor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    pub(crate) key: SessionKey,
    pub(crate) receive: Receive,
    pub(crate) writable: bool,
    /// What epoll watches for; `None` when it does not know the socket.
    told: Option<EventFlags>,
}

impl Default for Waiting {
    fn default() -> Self {
        Self {
            key: SessionKey {
                slot: 0,
                generation: 0,
            },
            receive: Receive::None,
            writable: false,
            told: None,
        }
    }
}

/// All sockets of a shard.
pub(crate) struct Interests {
    epoll: OwnedFd,
    by_fd: Vec<Waiting>,
}

impl Interests {
    pub(crate) fn new(epoll: OwnedFd) -> Self {
        Self {
            epoll,
            by_fd: Vec::new(),
        }
    }

    pub(crate) fn epoll(&self) -> &OwnedFd {
        &self.epoll
    }

    pub(crate) fn at(&mut self, fd: RawFd) -> &mut Waiting {
        let place = usize::try_from(fd).expect("no descriptor is negative");
        if self.by_fd.len() <= place {
            self.by_fd.resize_with(place + 1, Waiting::default);
        }
        &mut self.by_fd[place]
    }

    /// The socket was closed, by which epoll has forgotten it.
    pub(crate) fn forget(&mut self, fd: RawFd) {
        *self.at(fd) = Waiting::default();
    }

    /// Makes sure that epoll watches for at least what is waited for.
    pub(crate) fn extend(&mut self, socket: BorrowedFd<'_>, fd: RawFd) {
        let waiting = self.at(fd);
        let wanted = waiting.wanted();
        if !waiting.told.unwrap_or(EventFlags::empty()).contains(wanted) {
            self.tell(socket, fd, wanted);
        }
    }

    /// Makes epoll watch for exactly what is waited for.
    pub(crate) fn restrict(&mut self, socket: BorrowedFd<'_>, fd: RawFd) {
        let waiting = self.at(fd);
        let wanted = waiting.wanted();
        if waiting.told.is_some_and(|told| told != wanted) {
            self.tell(socket, fd, wanted);
        }
    }

    fn tell(&mut self, socket: BorrowedFd<'_>, fd: RawFd, wanted: EventFlags) {
        let data = EventData::new_u64(u64::try_from(fd).expect("no descriptor is negative"));
        let told = self.at(fd).told;
        // A hang-up is told whatever is asked for, so nobody may be asked who waits for nothing.
        let done = match (told, wanted.is_empty()) {
            (None, true) => Ok(()),
            (None, false) => epoll::add(&self.epoll, socket, data, wanted),
            (Some(_), true) => epoll::delete(&self.epoll, socket),
            (Some(_), false) => epoll::modify(&self.epoll, socket, data, wanted),
        };
        self.at(fd).told = (done.is_ok() && !wanted.is_empty()).then_some(wanted);
    }
}

impl Waiting {
    fn wanted(&self) -> EventFlags {
        let mut wanted = EventFlags::empty();
        wanted.set(EventFlags::IN, self.receive != Receive::None);
        wanted.set(EventFlags::OUT, self.writable);
        wanted
    }
}
