//! The peer of the speed check: the design Fanring grew out of, in its best idiomatic form.
//!
//! One hub task owns every session in a map and takes commands; each session has an unbounded
//! channel and a task that writes what comes out of it. A message is copied by reference into the
//! channels, and a session writes all that waits for it with one flush. It has no limits or deadlines,
//! which is to its advantage in a comparison. Rooms go by path.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use peer_options::Options;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{self, Receiver, Sender, UnboundedReceiver, UnboundedSender};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::{Error, Message};
use uuid::Uuid;

/// Commands that wait for the hub; a session that finds the queue full waits in turn.
const COMMANDS_MAX: usize = 1024;

/// What a session asks of the hub.
enum Command {
    /// Take it in; `outbox` leads to its task.
    Add {
        id: Uuid,
        room: Arc<str>,
        outbox: UnboundedSender<Message>,
    },
    /// Forget it.
    Remove { id: Uuid, room: Arc<str> },
    /// Send `message` to everyone in the room but `from`.
    Broadcast {
        from: Uuid,
        room: Arc<str>,
        message: Message,
    },
}

fn main() -> ExitCode {
    peer_options::run(env!("CARGO_PKG_NAME"), |options| {
        options.runtime()?.block_on(serve(options))
    })
}

async fn serve(options: Options) -> anyhow::Result<()> {
    let listener = options.listener()?;
    let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
    tokio::spawn(hub(inbox));
    loop {
        // Out of descriptors, most likely: those who are in stay in.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let commands = commands.clone();
        tokio::spawn(async move {
            if let Err(error) = session(stream, commands).await {
                report(&error);
            }
        });
    }
}

/// A client that goes away without a word is nothing to write about.
fn report(error: &Error) {
    if !matches!(
        error,
        Error::ConnectionClosed | Error::Io(_) | Error::Protocol(_)
    ) {
        let _ = writeln!(std::io::stderr(), "session: {error}");
    }
}

async fn hub(mut inbox: Receiver<Command>) {
    let mut rooms: HashMap<Arc<str>, HashMap<Uuid, UnboundedSender<Message>>> = HashMap::new();
    while let Some(command) = inbox.recv().await {
        match command {
            Command::Add { id, room, outbox } => {
                rooms.entry(room).or_default().insert(id, outbox);
            }
            Command::Remove { id, room } => {
                if let Entry::Occupied(mut members) = rooms.entry(room) {
                    members.get_mut().remove(&id);
                    if members.get().is_empty() {
                        members.remove();
                    }
                }
            }
            Command::Broadcast {
                from,
                room,
                message,
            } => {
                for (id, outbox) in rooms.get(&room).into_iter().flatten() {
                    if *id != from {
                        // A session that ended just now is removed by its next command.
                        let _ = outbox.send(message.clone());
                    }
                }
            }
        }
    }
}

async fn session(stream: TcpStream, commands: Sender<Command>) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let mut path = Arc::from("");
    #[expect(clippy::result_large_err, reason = "the library's signature")]
    let note_path = |request: &Request, response: Response| {
        path = Arc::from(request.uri().path());
        Ok(response)
    };
    let socket = tokio_tungstenite::accept_hdr_async(stream, note_path).await?;
    let (outbox, messages) = mpsc::unbounded_channel();
    let (id, room) = (Uuid::new_v4(), path);
    // The hub ends with the process only, so a failed send has nobody to tell.
    let added = Command::Add {
        id,
        room: Arc::clone(&room),
        outbox,
    };
    let _ = commands.send(added).await;
    let result = relay(id, &room, socket, messages, &commands).await;
    let _ = commands.send(Command::Remove { id, room }).await;
    result
}

/// Moves messages both ways until the client leaves.
async fn relay(
    id: Uuid,
    room: &Arc<str>,
    mut socket: WebSocketStream<TcpStream>,
    mut messages: UnboundedReceiver<Message>,
    commands: &Sender<Command>,
) -> Result<(), Error> {
    loop {
        tokio::select! {
            received = socket.next() => match received {
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                    let room = Arc::clone(room);
                    let _ = commands.send(Command::Broadcast { from: id, room, message }).await;
                }
                // The library answers pings and closes by itself.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => return Ok(()),
            },
            Some(message) = messages.recv() => {
                socket.feed(message).await?;
                while let Ok(message) = messages.try_recv() {
                    socket.feed(message).await?;
                }
                socket.flush().await?;
            }
        }
    }
}
