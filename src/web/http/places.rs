//! Places: how many connections the web thread holds, and which of them gives way when another
//! one needs its place.
//!
//! A kept connection costs nothing until there are too many, so it may stay for long; what it must
//! not do is to keep a visitor out. A health check gets in even when nobody can give way.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use slab::Slab;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::activity::Activity;
use crate::config::Config;

/// How often it is said aloud that connections are refused.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// All places and who has them.
#[derive(Debug)]
pub(crate) struct Places {
    guests: RefCell<Slab<Rc<Activity>>>,
    guests_max: usize,
    health_checks: Cell<usize>,
    health_checks_max: usize,
    give_way_after: Duration,
    /// Connections that wait for a place, as many as there are guests at most.
    waiting: Cell<usize>,
    wait_max: Duration,
    /// A guest has left, has become idle, or will stay.
    changed: Notify,
    gave_way: Cell<u64>,
    refused: Cell<u64>,
    warned: Cell<Option<Instant>>,
}

/// What a connection gets when it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seat {
    Guest(usize),
    /// One of the reserve, for one health check.
    HealthCheck,
}

/// One connection's place, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Rc<Places>,
    seat: Seat,
}

impl Places {
    pub(super) fn new(config: &Config) -> Rc<Self> {
        Rc::new(Self {
            guests: RefCell::default(),
            guests_max: config.web_connections_max,
            health_checks: Cell::new(0),
            health_checks_max: config.web_health_connections_max(),
            give_way_after: config.http_give_way_after,
            waiting: Cell::new(0),
            wait_max: config.http_wait_max,
            changed: Notify::new(),
            gave_way: Cell::new(0),
            refused: Cell::new(0),
            warned: Cell::new(None),
        })
    }

    /// Connections held now.
    pub(super) fn taken(&self) -> usize {
        self.guests.borrow().len() + self.health_checks.get()
    }

    /// Whether a request is being read or answered.
    pub(super) fn is_busy(&self) -> bool {
        let guests = self.guests.borrow();
        self.health_checks.get() + self.waiting.get() > 0
            || guests.iter().any(|(_, activity)| !activity.is_idle())
    }

    /// Names and figures for `/healthz`.
    pub(crate) fn figures(&self) -> [(&'static str, u64); 3] {
        [
            ("http_connections", self.taken() as u64),
            ("http_gave_way", self.gave_way.get()),
            ("http_refused", self.refused.get()),
        ]
    }

    /// A place for a new connection, or `None` if all are taken and nobody gives way in time.
    pub(super) async fn take(
        self: &Rc<Self>,
        activity: &Rc<Activity>,
        is_health_check: bool,
    ) -> Option<Place> {
        let deadline = Instant::now() + self.wait_max;
        // Whoever waits already comes first.
        let mut may_sit = self.waiting.get() == 0;
        loop {
            if may_sit && self.guests.borrow().len() < self.guests_max {
                let number = self.guests.borrow_mut().insert(Rc::clone(activity));
                return Some(self.place(Seat::Guest(number)));
            }
            if is_health_check && self.health_checks.get() < self.health_checks_max {
                self.health_checks.set(self.health_checks.get() + 1);
                return Some(self.place(Seat::HealthCheck));
            }
            if self.waiting.get() >= self.guests_max {
                break;
            }
            self.ask_one();
            self.waiting.set(self.waiting.get() + 1);
            let changed = timeout_at(deadline, self.changed.notified()).await;
            self.waiting.set(self.waiting.get() - 1);
            if changed.is_err() {
                break;
            }
            may_sit = true;
        }
        self.note_refusal();
        None
    }

    /// A guest may have become idle.
    pub(super) fn note_turn(&self, activity: &Activity) {
        if self.waiting.get() > 0 && activity.is_idle() {
            self.look_again();
        }
    }

    /// Whoever was asked has work to do again: somebody else is to be asked.
    pub(super) fn look_again(&self) {
        self.changed.notify_one();
    }

    /// A guest leaves for another.
    pub(super) fn note_way_given(&self) {
        self.gave_way.set(self.gave_way.get() + 1);
        tracing::debug!("a connection gave way to another");
    }

    fn place(self: &Rc<Self>, seat: Seat) -> Place {
        Place {
            places: Rc::clone(self),
            seat,
        }
    }

    /// Asks the guest that has waited for its peer longest, if there is one: an idle one before one
    /// that is stuck in its request or answer.
    fn ask_one(&self) {
        let guests = self.guests.borrow();
        let guests = || guests.iter().map(|(_, activity)| activity);
        let asked = guests().filter(|activity| activity.is_giving_way()).count();
        if asked > self.waiting.get() {
            return;
        }
        let next = guests()
            .filter(|activity| !activity.is_giving_way())
            .filter(|activity| activity.can_give_way(self.give_way_after))
            .min_by_key(|activity| (!activity.is_idle(), activity.since()));
        if let Some(activity) = next {
            activity.ask_to_give_way();
        }
    }

    fn note_refusal(&self) {
        self.refused.set(self.refused.get() + 1);
        let now = Instant::now();
        let is_news = |warned: Instant| now.duration_since(warned) >= WARNING_INTERVAL;
        if self.warned.get().is_none_or(is_news) {
            self.warned.set(Some(now));
            tracing::warn!(
                refused = self.refused.get(),
                "all {} HTTP connections are busy: new ones are answered 503; raise \
                 --http-connections-max if they should not be",
                self.guests_max
            );
        }
    }
}

impl Place {
    /// Whether the connection must end after its first answer.
    pub(super) fn is_for_one_answer(&self) -> bool {
        self.seat == Seat::HealthCheck
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let places = &self.places;
        match self.seat {
            Seat::Guest(number) => {
                places.guests.borrow_mut().remove(number);
                places.changed.notify_one();
            }
            Seat::HealthCheck => places.health_checks.set(places.health_checks.get() - 1),
        }
    }
}
