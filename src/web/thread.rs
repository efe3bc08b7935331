//! The web thread itself: its end of the mesh.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio_uring::fs::File;

use super::http::connection::serve;
use super::http::responder::Responder;
use super::public::site::{Backend, Members, Site};
use crate::config::Config;
use crate::id::{ShardId, ThreadId};
use crate::mesh::WebEnd;
use crate::metrics::ShardMetrics;
use crate::room::homes::Homes;
use crate::talk::{Count, Handover, ToShard, ToWeb};
use crate::wire::handshake::ROOM_BYTES_MAX;

/// Messages taken from each mesh ring before tasks get their turn.
const MESH_MESSAGES_MAX: usize = 256;

/// How often parked messages are tried again.
const UNPARK_INTERVAL: Duration = Duration::from_millis(1);

/// How long health checks are answered with 503 at least, if the server may take that long to end.
const DRAIN_MIN: Duration = Duration::from_secs(1);

/// How often it is looked whether the last answers have left.
const DRAIN_INTERVAL: Duration = Duration::from_millis(20);

/// The shards, as the web thread sees them.
#[derive(Clone)]
struct Shards {
    mesh: Rc<RefCell<WebEnd<ToShard, ToWeb>>>,
    metrics: Arc<[ShardMetrics]>,
    homes: Homes,
    next_shard: Rc<Cell<u16>>,
    next_ticket: Rc<Cell<u64>>,
    /// Whether a task looks for room for parked messages.
    is_unparking: Rc<Cell<bool>>,
    /// Member counts asked for, at most one for each connection.
    questions: Rc<RefCell<HashMap<u64, oneshot::Sender<Count>>>>,
}

/// A question that is forgotten when nobody waits for its answer any more.
struct Question {
    ticket: u64,
    answer: oneshot::Receiver<Count>,
    shards: Shards,
}

impl Drop for Question {
    fn drop(&mut self) {
        self.shards.questions.borrow_mut().remove(&self.ticket);
    }
}

impl Shards {
    fn count(&self) -> u16 {
        u16::try_from(self.metrics.len()).expect("SHARDS_MAX at most")
    }

    /// What finds no room waits, and somebody must look for room again: the thread itself may
    /// sleep for longer.
    fn send(&self, shard: ShardId, message: ToShard) {
        let mut mesh = self.mesh.borrow_mut();
        mesh.shards[shard.index()].send(message);
        if mesh.is_congested() && !self.is_unparking.replace(true) {
            tokio_uring::spawn(unpark(self.clone()));
        }
    }
}

impl Backend for Shards {
    fn adopt(&self, socket: OwnedFd, bytes: Vec<u8>) {
        let shard = self.next_shard.get();
        self.next_shard.set((shard + 1) % self.count());
        self.send(
            ShardId::new(shard),
            ToShard::Adopt {
                from: ThreadId::Web,
                connection: Handover { socket, bytes },
                placed: false,
            },
        );
    }

    fn health(&self) -> Vec<(&'static str, u64)> {
        let mut sums = vec![("shards", u64::from(self.count()))];
        for (number, metrics) in self.metrics.iter().enumerate() {
            for (position, (name, figure)) in metrics.figures().into_iter().enumerate() {
                match sums.get_mut(position + 1) {
                    Some((_, sum)) if number > 0 => *sum += figure,
                    _ => sums.push((name, figure)),
                }
            }
        }
        sums
    }

    fn members(&self, room: &str, token: Option<String>) -> impl Future<Output = Members> {
        // No room has a longer name, and a message to a shard must be small.
        let question = (room.len() <= ROOM_BYTES_MAX).then(|| {
            let (asked, answer) = oneshot::channel();
            let ticket = self.next_ticket.replace(self.next_ticket.get() + 1);
            self.questions.borrow_mut().insert(ticket, asked);
            let question = ToShard::CountMembers {
                room: room.into(),
                token: token.map(String::into_boxed_str),
                ticket,
            };
            self.send(self.homes.of(room), question);
            Question {
                ticket,
                answer,
                shards: self.clone(),
            }
        });
        async move {
            let Some(mut question) = question else {
                return Members::NoRoom;
            };
            match (&mut question.answer).await {
                Ok(Count::Members(count)) => Members::Count(u64::from(count)),
                Ok(Count::Refused(status)) => Members::Refused(status),
                Ok(Count::NoRoom) | Err(_) => Members::NoRoom,
            }
        }
    }
}

/// Why the web thread can't serve.
#[derive(Debug)]
pub(crate) enum WebError {
    /// The static folder can't be opened.
    Folder(io::Error),
    /// The runtime can't be had, or has failed.
    Runtime(io::Error),
}

/// Serves until the process ends; `started` is called once everything is in place.
///
/// # Errors
/// When the static folder or the runtime cannot be had.
pub(crate) fn run(
    config: Arc<Config>,
    metrics: Arc<[ShardMetrics]>,
    homes: Homes,
    mesh: WebEnd<ToShard, ToWeb>,
    started: impl FnOnce(),
) -> Result<(), WebError> {
    let shards = Shards {
        mesh: Rc::new(RefCell::new(mesh)),
        metrics,
        homes,
        next_shard: Rc::default(),
        next_ticket: Rc::default(),
        is_unparking: Rc::default(),
        questions: Rc::default(),
    };
    let site = Rc::new(Site::new(shards.clone(), config).map_err(WebError::Folder)?);
    // Not `tokio_uring::start`, which panics where there is no ring to be had.
    let runtime = tokio_uring::Runtime::new(&tokio_uring::builder()).map_err(WebError::Runtime)?;
    let served: io::Result<()> = runtime.block_on(async move {
        let doorbell = File::from_std(std::fs::File::from(
            shards
                .mesh
                .borrow()
                .bell
                .doorbell()
                .as_fd()
                .try_clone_to_owned()?,
        ));
        started();
        loop {
            take_messages(&shards, &site);
            sleep(&shards, &doorbell).await?;
        }
    });
    served.map_err(WebError::Runtime)
}

fn take_messages(shards: &Shards, site: &Rc<Site<Shards>>) {
    let mut mesh = shards.mesh.borrow_mut();
    mesh.inbox
        .receive(MESH_MESSAGES_MAX, |message| match message {
            ToWeb::Serve(Handover { socket, bytes }) => {
                tokio_uring::spawn(serve(Rc::clone(site), socket, bytes));
            }
            ToWeb::MembersCounted { ticket, members } => {
                if let Some(asked) = shards.questions.borrow_mut().remove(&ticket) {
                    // Whoever asked may have gone away.
                    let _ = asked.send(members);
                }
            }
        });
    if mesh.bell.take_stop() {
        site.reception().stop();
        tokio_uring::spawn(drain(shards.clone(), Rc::clone(site)));
    }
}

/// Tells the shards when nobody waits for an answer any more, so that they close their listeners
/// and end. Not before health checks could see that the server stops.
async fn drain(shards: Shards, site: Rc<Site<Shards>>) {
    let start = Instant::now();
    let reception = site.reception();
    let drain_timeout = reception.config.drain_timeout;
    tokio::time::sleep(drain_timeout.min(DRAIN_MIN)).await;
    while reception.is_busy() && start.elapsed() < drain_timeout {
        tokio::time::sleep(DRAIN_INTERVAL).await;
    }
    for shard in ShardId::all(shards.count()) {
        shards.send(shard, ToShard::Drained);
    }
}

async fn unpark(shards: Shards) {
    let is_congested = || {
        let mut mesh = shards.mesh.borrow_mut();
        mesh.unpark();
        mesh.is_congested()
    };
    while is_congested() {
        tokio::time::sleep(UNPARK_INTERVAL).await;
    }
    shards.is_unparking.set(false);
}

/// Waits for the doorbell, unless there is something to do already.
async fn sleep(shards: &Shards, doorbell: &File) -> io::Result<()> {
    let is_quiet = {
        let mesh = shards.mesh.borrow();
        mesh.bell.doorbell().announce_sleep();
        mesh.is_quiet()
    };
    if is_quiet {
        doorbell.read_at(vec![0; 8], 0).await.0?;
    } else {
        tokio::task::yield_now().await;
    }
    shards.mesh.borrow().bell.doorbell().awake();
    Ok(())
}

#[cfg(test)]
mod tests;
