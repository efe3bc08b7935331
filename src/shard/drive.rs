//! Who makes the calls of a shard, in the order that [`Shard`] asks for: one function for the ring, for
//! epoll, for the simulation and for the benches. What they do in between is a [`Driver`]'s.

use std::time::Duration;

use super::Shard;
use super::parts::action::Action;
use super::parts::batch::FlushBatch;
use super::parts::report::Report;
use crate::talk::Letter;

/// The world around a shard.
pub trait Driver {
    /// Why there is no use in going on.
    type Error;

    /// Makes the sends of `batch` and tells the shard what became of them, see [`Shard::handle_sent`]. If
    /// the shard has no work and nothing has happened, this is where to wait until something does.
    ///
    /// # Errors
    /// When nothing can be sent or waited for any more.
    fn send(&mut self, shard: &mut Shard, batch: &FlushBatch) -> Result<(), Self::Error>;

    /// The time since the shard began, see [`super::clock`].
    fn now(&mut self) -> Duration;

    /// The time since the beginning of 1970, as far as this machine knows: tokens are good by that alone.
    fn unix_time(&mut self) -> Duration {
        Duration::ZERO
    }

    /// Tells the shard of everything that has happened to sockets by now.
    fn tell_events(&mut self, shard: &mut Shard);

    /// Tells the shard what other threads say, and how much the web thread has yet to take.
    fn tell_messages(&mut self, shard: &mut Shard);

    /// Says something to another thread.
    fn post(&mut self, shard: &Shard, letter: Letter);

    /// Hears of something that deserves a line.
    fn report(&mut self, shard: &Shard, report: Report) {
        let _ = (shard, report);
    }

    /// Hears how many reports were left out.
    fn reports_left_out(&mut self, count: u64) {
        let _ = count;
    }

    /// Does something to a socket; it may be answered at once.
    fn act(&mut self, shard: &mut Shard, action: Action);

    /// The turn is over. The shard has something to do at once if it has work, else at `deadline`, if
    /// nothing happens before.
    fn rest(&mut self, shard: &Shard, deadline: Option<Duration>);
}

/// One turn of a shard.
///
/// # Errors
/// The driver's own.
pub fn turn<D: Driver>(
    shard: &mut Shard,
    batch: &mut FlushBatch,
    driver: &mut D,
) -> Result<(), D::Error> {
    shard.poll_flush(batch);
    driver.send(shard, batch)?;
    shard.handle_flushed();
    shard.handle_clock(driver.now());
    shard.handle_unix_time(driver.unix_time());
    driver.tell_events(shard);
    driver.tell_messages(shard);
    shard.handle_time();
    shard.handle_turn();
    shard.publish_gauges();
    while let Some(letter) = shard.poll_letter() {
        driver.post(shard, letter);
    }
    while let Some(report) = shard.poll_report() {
        driver.report(shard, report);
    }
    driver.reports_left_out(shard.take_left_out());
    while let Some(action) = shard.poll_action() {
        driver.act(shard, action);
    }
    driver.rest(shard, shard.next_deadline());
    Ok(())
}
