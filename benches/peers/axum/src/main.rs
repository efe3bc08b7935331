//! A broadcast server on axum as its chat example shows it: tokio's broadcast channel for each room, a task that reads
//! and one that writes for each session.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::Uri;
use axum::response::Response;
use axum::routing::any;
use axum::serve::ListenerExt;
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use peer_options::{Options, Rooms};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

/// A message, and which session it is from.
type Said = (u64, Message);

static SESSIONS: AtomicU64 = AtomicU64::new(0);

fn main() -> ExitCode {
    peer_options::run(env!("CARGO_PKG_NAME"), serve)
}

fn serve(options: Options) -> anyhow::Result<()> {
    options.runtime()?.block_on(async {
        let listener = options.listener()?.tap_io(|stream| {
            // Without it small messages wait for others.
            let _ = stream.set_nodelay(true);
        });
        let rooms: Arc<Rooms<Said>> = Arc::default();
        let app = Router::new().fallback(any(upgrade)).with_state(rooms);
        Ok(axum::serve(listener, app).await?)
    })
}

async fn upgrade(
    State(rooms): State<Arc<Rooms<Said>>>,
    uri: Uri,
    upgrade: WebSocketUpgrade,
) -> Response {
    let room = rooms.join(uri.path());
    // The session listens before its handshake is answered, so that it misses nothing after it.
    let messages = room.subscribe();
    upgrade.on_upgrade(async move |socket: WebSocket| {
        let id = SESSIONS.fetch_add(1, Ordering::Relaxed);
        let (sink, mut stream) = socket.split();
        let mut writing = tokio::spawn(write(id, sink, messages));
        let mut reading = tokio::spawn(async move {
            while let Some(Ok(message)) = stream.next().await {
                if matches!(message, Message::Text(_) | Message::Binary(_)) {
                    // Nobody may listen any more, which is no error.
                    let _ = room.send((id, message));
                }
            }
        });
        tokio::select! {
            _ = &mut writing => reading.abort(),
            _ = &mut reading => writing.abort(),
        }
    })
}

async fn write(id: u64, mut sink: SplitSink<WebSocket, Message>, mut messages: Receiver<Said>) {
    loop {
        let sent = match messages.recv().await {
            Ok((from, _)) if from == id => continue,
            Ok((_, message)) => sink.send(message).await,
            // It was too slow: the connection ends, rather than miss messages silently.
            Err(RecvError::Lagged(_)) => {
                let close = CloseFrame {
                    code: 4001,
                    reason: "too slow".into(),
                };
                let _ = sink.send(Message::Close(Some(close))).await;
                return;
            }
            Err(RecvError::Closed) => return,
        };
        if sent.is_err() {
            return;
        }
    }
}
