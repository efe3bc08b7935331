//! Two members of a room that nobody attacks: how fast their messages arrive meanwhile.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::support::client::Client;
use crate::support::frame::TEXT;

/// Pause between two messages.
const PACE: Duration = Duration::from_millis(10);
/// The longest that a message may be under way on a machine that has other things to do.
const WORST_MAX: Duration = Duration::from_secs(5);

/// The pair, in a thread of its own.
pub(crate) struct Bystander {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Duration>>,
}

/// How a bystander was served.
#[derive(Debug)]
pub(crate) struct Served {
    delays: Vec<Duration>,
}

impl Bystander {
    /// Opens both sessions and begins.
    #[track_caller]
    pub(crate) fn start(address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let target = "/ws/bystander?presence=0";
        let talker = Client::connect(address, target);
        let listener = Client::connect(address, target);
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || talk(talker, listener, &stopped));
        Self { stop, thread }
    }

    /// Ends the talk; panics when a session was lost or a message came out of order.
    #[track_caller]
    pub(crate) fn stop(self) -> Served {
        self.stop.store(true, Ordering::Relaxed);
        let mut delays = self
            .thread
            .join()
            .expect("the bystander is served to its end");
        delays.sort_unstable();
        Served { delays }
    }
}

fn talk(mut talker: Client, mut listener: Client, stopped: &AtomicBool) -> Vec<Duration> {
    let mut delays = Vec::new();
    while !stopped.load(Ordering::Relaxed) || delays.is_empty() {
        let text = format!("message {}", delays.len());
        let begun = Instant::now();
        talker.text(&text);
        listener.expect(TEXT, &text);
        delays.push(begun.elapsed());
        thread::sleep(PACE);
    }
    talker.leave(1000);
    listener.leave(1000);
    delays
}

impl Served {
    /// Half of the messages were faster.
    pub(crate) fn median(&self) -> Duration {
        self.delays[self.delays.len() / 2]
    }

    /// The slowest message.
    pub(crate) fn worst(&self) -> Duration {
        *self.delays.last().expect("one message at least")
    }

    /// Insists that no message was stuck.
    #[track_caller]
    pub(crate) fn check(&self, attack: &str) {
        assert!(self.worst() <= WORST_MAX, "{attack}: {self}");
    }
}

impl fmt::Display for Served {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "bystander: {} messages, {:?} at the median, {:?} at worst",
            self.delays.len(),
            self.median(),
            self.worst()
        )
    }
}
