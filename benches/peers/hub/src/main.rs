//! The peer of the speed check: the design Fanring grew out of, in its best idiomatic form.
//!
//! One hub task owns every session in a map and takes commands; each session has an unbounded
//! channel and a task that writes what comes out of it. A message is copied by reference into the
//! channels, and a session writes all that waits for it with one flush. It has no rooms, limits or
//! deadlines, which is to its advantage in a comparison.

use std::collections::HashMap;
use std::net::SocketAddr;

use anyhow::{Context, bail};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{self, Receiver, Sender, UnboundedReceiver, UnboundedSender};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use uuid::Uuid;

/// Commands that wait for the hub; a session that finds the queue full waits in turn.
const COMMANDS_MAX: usize = 1024;

/// What a session asks of the hub.
enum Command {
    /// Take it in; `outbox` leads to its task.
    Add {
        id: Uuid,
        outbox: UnboundedSender<Message>,
    },
    /// Forget it.
    Remove { id: Uuid },
    /// Send `message` to everyone but `from`.
    Broadcast { from: Uuid, message: Message },
}

struct Options {
    listen: SocketAddr,
    threads: usize,
}

fn main() -> anyhow::Result<()> {
    let options = options(std::env::args().skip(1))?;
    runtime(options.threads)?.block_on(serve(options.listen))
}

fn options(mut args: impl Iterator<Item = String>) -> anyhow::Result<Options> {
    let mut options = Options {
        listen: SocketAddr::from(([127, 0, 0, 1], 9002)),
        threads: 1,
    };
    while let Some(flag) = args.next() {
        let value = args
            .next()
            .with_context(|| format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--listen" => options.listen = value.parse().context("--listen takes address:port")?,
            "--threads" => options.threads = value.parse().context("--threads takes a count")?,
            _ => bail!("unknown option {flag}; there are --listen ADDR and --threads N"),
        }
    }
    Ok(options)
}

/// One thread gets the runtime without work stealing, which is faster on one processor.
fn runtime(threads: usize) -> anyhow::Result<Runtime> {
    let mut builder = match threads {
        0 => bail!("--threads must be at least 1"),
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    if threads > 1 {
        builder.worker_threads(threads);
    }
    builder
        .enable_io()
        .build()
        .context("can't start the runtime")
}

async fn serve(listen: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("bind {listen}"))?;
    eprintln!("listening on {}", listener.local_addr()?);
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
        eprintln!("session: {error}");
    }
}

async fn hub(mut inbox: Receiver<Command>) {
    let mut sessions: HashMap<Uuid, UnboundedSender<Message>> = HashMap::new();
    while let Some(command) = inbox.recv().await {
        match command {
            Command::Add { id, outbox } => {
                sessions.insert(id, outbox);
            }
            Command::Remove { id } => {
                sessions.remove(&id);
            }
            Command::Broadcast { from, message } => {
                for (id, outbox) in &sessions {
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
    let socket = tokio_tungstenite::accept_async(stream).await?;
    let (outbox, messages) = mpsc::unbounded_channel();
    let id = Uuid::new_v4();
    // The hub ends with the process only, so a failed send has nobody to tell.
    let _ = commands.send(Command::Add { id, outbox }).await;
    let result = relay(id, socket, messages, &commands).await;
    let _ = commands.send(Command::Remove { id }).await;
    result
}

/// Moves messages both ways until the client leaves.
async fn relay(
    id: Uuid,
    mut socket: WebSocketStream<TcpStream>,
    mut messages: UnboundedReceiver<Message>,
    commands: &Sender<Command>,
) -> Result<(), Error> {
    loop {
        tokio::select! {
            received = socket.next() => match received {
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                    let _ = commands.send(Command::Broadcast { from: id, message }).await;
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
