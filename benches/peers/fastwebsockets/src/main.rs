//! A broadcast server on fastwebsockets and tokio: a channel for each room, and two tasks for each session, one
//! that reads and publishes, one that writes what the channel brings.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use fastwebsockets::upgrade::{self, UpgradeFut};
use fastwebsockets::{
    FragmentCollectorRead, Frame, OpCode, Payload, WebSocketError, WebSocketWrite,
};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use peer_options::{Options, Rooms};
use tokio::io::WriteHalf;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender};

/// A message, and which session it is from.
#[derive(Clone)]
struct Message {
    from: u64,
    text: bool,
    payload: Bytes,
}

static SESSIONS: AtomicU64 = AtomicU64::new(0);

fn main() -> ExitCode {
    peer_options::run(env!("CARGO_PKG_NAME"), |options| {
        options.runtime()?.block_on(serve(options))
    })
}

async fn serve(options: Options) -> anyhow::Result<()> {
    let listener = options.listener()?;
    let rooms: Arc<Rooms<Message>> = Arc::default();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        stream.set_nodelay(true)?;
        let rooms = Arc::clone(&rooms);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, Arc::clone(&rooms)));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            let _ = connection.with_upgrades().await;
        });
    }
}

async fn answer(
    mut request: Request<Incoming>,
    rooms: Arc<Rooms<Message>>,
) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let (response, upgraded) = upgrade::upgrade(&mut request)?;
    let room = rooms.join(request.uri().path());
    // The session listens before its handshake is answered, so that it misses nothing after it.
    let messages = room.subscribe();
    tokio::spawn(async move {
        // A client that goes away without a word is nothing to write about.
        let _ = session(upgraded, room, messages).await;
    });
    Ok(response)
}

async fn session(
    upgraded: UpgradeFut,
    room: Sender<Message>,
    messages: Receiver<Message>,
) -> Result<(), WebSocketError> {
    let id = SESSIONS.fetch_add(1, Ordering::Relaxed);
    let (reader, writer) = upgraded.await?.split(tokio::io::split);
    let mut reader = FragmentCollectorRead::new(reader);
    let writing = tokio::spawn(write(id, writer, messages));
    loop {
        // Pongs and closes are not sent, as in the library's own example of two halves.
        let mut ignore = |_| async { Ok::<_, WebSocketError>(()) };
        let Ok(frame) = reader.read_frame(&mut ignore).await else {
            break;
        };
        match frame.opcode {
            OpCode::Text | OpCode::Binary => {
                // Nobody may listen any more, which is no error.
                let _ = room.send(Message {
                    from: id,
                    text: frame.opcode == OpCode::Text,
                    payload: Bytes::copy_from_slice(&frame.payload),
                });
            }
            OpCode::Close => break,
            _ => {}
        }
    }
    writing.abort();
    Ok(())
}

async fn write(
    id: u64,
    mut writer: WebSocketWrite<WriteHalf<TokioIo<Upgraded>>>,
    mut messages: Receiver<Message>,
) {
    loop {
        let message = match messages.recv().await {
            Ok(message) if message.from == id => continue,
            Ok(message) => message,
            // It was too slow: the connection ends, rather than miss messages silently.
            Err(RecvError::Lagged(_)) => {
                let _ = writer.write_frame(Frame::close(4001, b"too slow")).await;
                return;
            }
            Err(RecvError::Closed) => return,
        };
        let payload = Payload::Borrowed(&message.payload);
        let frame = match message.text {
            true => Frame::text(payload),
            false => Frame::binary(payload),
        };
        if writer.write_frame(frame).await.is_err() {
            return;
        }
    }
}
