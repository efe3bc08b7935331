//! A server that stands still between two turns, and is driven as the real one is.

use std::convert::Infallible;
use std::os::fd::OwnedFd;
use std::time::Duration;

use fanring::id::SessionKey;
use fanring::shard::clock::Clock;
use fanring::shard::drive::{Driver, turn};
use fanring::shard::{Action, FlushBatch, Measured, Received, Shard};
use fanring::talk::Letter;

use crate::bench::Bench;

/// One connection, whose socket takes everything and whose peer reads nothing.
#[derive(Default)]
struct World {
    clock: Clock,
    elapsed: Duration,
    key: Option<SessionKey>,
    /// What the peer says next.
    says: Option<Vec<u8>>,
    sent: Vec<u8>,
    is_shut: bool,
}

impl Driver for World {
    type Error = Infallible;

    fn send(&mut self, shard: &mut Shard, batch: &FlushBatch) -> Result<(), Infallible> {
        for (place, send) in batch.sends.iter().enumerate() {
            let bytes = shard.slices(batch, send).collect::<Vec<_>>().concat();
            self.sent.extend_from_slice(&bytes);
            if !send.is_quiet() {
                shard.handle_sent(batch, place, u32::try_from(bytes.len()).ok());
            }
        }
        Ok(())
    }

    fn now(&mut self) -> Duration {
        self.clock.read(self.elapsed)
    }

    fn tell_events(&mut self, shard: &mut Shard) {
        if let Some((key, mut says)) = self.key.zip(self.says.take()) {
            shard.handle_received(key, Received::Data(&mut says), false);
        }
    }

    fn tell_messages(&mut self, _shard: &mut Shard) {}

    fn post(&mut self, _shard: &Shard, _letter: Letter) {}

    fn act(&mut self, shard: &mut Shard, action: Action) {
        match action {
            Action::ReceiveOnce(key, _) => self.key = Some(key),
            Action::Measure(key) => {
                let outstanding = self.sent.len() as u64;
                let measured = Measured {
                    outstanding,
                    ..Measured::default()
                };
                shard.handle_measured(key, measured);
            }
            Action::Shutdown(_) => self.is_shut = true,
            _ => {}
        }
    }

    fn rest(&mut self, shard: &Shard, deadline: Option<Duration>) {
        match shard.has_work() {
            true => self.clock.await_turn(),
            false => self.clock.await_deadline(deadline),
        }
    }
}

/// Goal: a refusal that was to leave at once has all of its time from when it does, however long the server
/// stood still in between.
#[test]
fn a_refusal_that_waited_for_the_server_has_its_time() {
    let mut bench = Bench::new(1);
    let mut batch = FlushBatch::new(16);
    let socket: OwnedFd = std::fs::File::open("/dev/null").unwrap().into();
    bench.shards[0].handle_accepted(socket);
    let mut world = World::default();
    let shard = &mut bench.shards[0];
    let mut pass = |world: &mut World, milliseconds| {
        world.elapsed += Duration::from_millis(milliseconds);
        let Ok(()) = turn(shard, &mut batch, world);
    };
    pass(&mut world, 1);
    world.says = Some(b"POST /ws HTTP/1.1\r\n\r\n".to_vec());
    pass(&mut world, 1);
    assert!(world.sent.is_empty(), "it is to leave in the next turn");
    pass(&mut world, 20_000);
    assert!(world.sent.starts_with(b"HTTP/1.1 4"));
    for _ in 0..40 {
        assert!(!world.is_shut);
        pass(&mut world, 100);
    }
    pass(&mut world, 2000);
    assert!(world.is_shut, "it has had its five seconds");
}
