//! One HTTP connection on the web thread, from the bytes a shard read to its end or to its way
//! back to a shard.
//!
//! The way back: a reverse proxy keeps connections open and sends whatever comes next on them,
//! so an upgrade can arrive here. It cannot be answered here, because a session belongs to a
//! shard's ring. The connection is then taken apart instead: hyper is stopped at the moment when
//! all earlier answers have left and no later byte was interpreted, and the socket goes to the
//! shard with the request's head, written out again, and all bytes read after it.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::io;
use std::os::fd::OwnedFd;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Incoming};
use hyper::header::{HeaderMap, UPGRADE};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response, Version};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::link::{Activity, Link};
use super::reply::Content;
use super::routes;
use super::site::{Backend, Site};
use crate::config::Config;
use crate::wire::http::{HEADERS_MAX, Refusal};

/// Serves one connection until it ends or goes back to a shard. Must run on a tokio-uring
/// runtime.
///
/// `socket` is a connected TCP socket, as accepted; `head` are the bytes already read from it,
/// normally a whole request head that is no upgrade. That first request is always answered
/// here, so a connection cannot go to and fro.
///
/// Errors end the connection and are logged at debug level: they are the peer's.
pub async fn serve<B: Backend>(site: Rc<Site<B>>, socket: OwnedFd, head: Vec<u8>) {
    let activity = Activity::new();
    let Some(place) = site.places.take(&activity, is_health_check(&head)).await else {
        refuse(&socket, &head);
        return;
    };
    let stream = match adopt_socket(socket) {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%error, "a connection could not be taken over");
            return;
        }
    };
    let service = Answers {
        site: Rc::clone(&site),
        activity: Rc::clone(&activity),
        may_leave: Cell::new(head.is_empty()),
    };
    let mut connection = http1::Builder::new()
        .half_close(true)
        .header_read_timeout(None)
        .keep_alive(!place.is_for_one_answer() && !site.is_stopping())
        .max_headers(HEADERS_MAX)
        .max_buf_size(site.config.head_bytes_max)
        .serve_connection(Link::new(stream, head, Rc::clone(&activity)), service);

    let end = drive(&site, &activity, Pin::new(&mut connection)).await;
    let parts = connection.into_parts();
    let (stream, unread) = parts.io.into_parts();
    match end {
        End::Upgrade(mut bytes) => {
            bytes.extend_from_slice(&parts.read_buf);
            bytes.extend_from_slice(&unread);
            match release_socket(stream) {
                Ok(socket) => site.backend.adopt(socket, bytes),
                Err(error) => tracing::debug!(%error, "a connection could not be handed back"),
            }
        }
        // It had one request, and that was read.
        End::Closed(_) if place.is_for_one_answer() => {}
        End::Closed(result) => {
            if let Err(error) = result {
                tracing::debug!(%error, "a connection ended early");
            }
            let is_asked = activity.is_giving_way();
            activity.begin_linger();
            tokio::select! {
                () = linger(&stream, &site.config), if !is_asked => {}
                () = activity.asked_to_give_way(), if !is_asked => site.places.note_way_given(),
                else => site.places.note_way_given(),
            }
        }
        End::TimedOut => tracing::debug!("a connection took too long"),
        End::GaveWay => site.places.note_way_given(),
    }
}

/// Whether a connection begins with the request that must get through whatever happens.
fn is_health_check(head: &[u8]) -> bool {
    let mut words = head.split(|&byte| matches!(byte, b' ' | b'?' | b'\r' | b'\n'));
    words.nth(1) == Some(b"/healthz")
}

/// How a connection's time here ended.
enum End {
    Closed(hyper::Result<()>),
    TimedOut,
    /// Another connection needed its place.
    GaveWay,
    /// It goes back to a shard, with this request head in front.
    Upgrade(Vec<u8>),
}

type Connection<B> = http1::Connection<Link, Answers<B>>;

async fn drive<B: Backend>(
    site: &Site<B>,
    activity: &Activity,
    mut connection: Pin<&mut Connection<B>>,
) -> End {
    let mut patience = pin!(sleep_until(activity.deadline(&site.config)));
    let mut asked = pin!(activity.asked_to_give_way());
    let mut stopped = pin!(site.stopped());
    // One that comes now ends with its first answer anyway, and must get that far.
    let mut is_stopping = site.is_stopping();
    poll_fn(|context| {
        if !is_stopping && stopped.as_mut().poll(context).is_ready() {
            is_stopping = true;
            connection.as_mut().graceful_shutdown();
        }
        while asked.as_mut().poll(context).is_ready() {
            asked.set(activity.asked_to_give_way());
        }
        let was_asked = activity.is_giving_way();
        if let Poll::Ready(result) = connection.as_mut().poll(context) {
            return Poll::Ready(End::Closed(result));
        }
        if was_asked {
            if activity.is_giving_way() && activity.can_give_way(site.config.http_give_way_after) {
                return Poll::Ready(End::GaveWay);
            }
            activity.stay();
            site.places.look_again();
        }
        site.places.note_turn(activity);
        if let Some(head) = activity.take_upgrade() {
            return Poll::Ready(End::Upgrade(head));
        }
        ready!(poll_deadline(
            activity,
            &site.config,
            patience.as_mut(),
            context
        ));
        Poll::Ready(End::TimedOut)
    })
    .await
}

/// Ends when the connection's deadline has passed. The timer is moved only when it fires or is
/// too late, not with every byte.
fn poll_deadline(
    activity: &Activity,
    config: &Config,
    mut patience: Pin<&mut Sleep>,
    context: &mut Context<'_>,
) -> Poll<()> {
    if activity.deadline(config) < patience.deadline() {
        patience.as_mut().reset(activity.deadline(config));
    }
    loop {
        ready!(patience.as_mut().poll(context));
        let deadline = activity.deadline(config);
        if deadline <= Instant::now() {
            return Poll::Ready(());
        }
        patience.as_mut().reset(deadline);
    }
}

/// hyper's service: one request in, one answer out, or an upgrade noted and never answered.
struct Answers<B> {
    site: Rc<Site<B>>,
    activity: Rc<Activity>,
    /// Whether an upgrade may go to a shard: not the first request, which came from one.
    may_leave: Cell<bool>,
}

impl<B: Backend> Service<Request<Incoming>> for Answers<B> {
    type Response = Response<Content>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Content>, Infallible>>>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.activity.begin_answer();
        let may_leave = self.may_leave.replace(true);
        let (request, body) = request.into_parts();
        // A body would have been read and decoded in part by now; no WebSocket client sends one.
        let is_upgrade = is_upgrade(&request.headers);
        if is_upgrade && may_leave && body.is_end_stream() {
            self.activity.leave(write_head(&request));
            return Box::pin(pending());
        }
        let site = Rc::clone(&self.site);
        let activity = Rc::clone(&self.activity);
        Box::pin(async move {
            let reply = if is_upgrade {
                routes::upgrade_required(&request.method)
            } else {
                routes::answer(&*site, &request).await
            };
            Ok(reply.map(|payload| Content::new(payload, activity)))
        })
    }
}

/// Whether a request asks for a WebSocket, well-formed or not: the shard is to say what is wrong
/// with it.
fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.get_all(UPGRADE).iter().any(|value| {
        let mut protocols = value.as_bytes().split(|&byte| byte == b',');
        protocols.any(|protocol| protocol.trim_ascii().eq_ignore_ascii_case(b"websocket"))
    })
}

/// A request head as it may have been received: field names in lower case, everything else as
/// it was.
fn write_head(request: &Parts) -> Vec<u8> {
    let version = if request.version == Version::HTTP_10 {
        "HTTP/1.0"
    } else {
        "HTTP/1.1"
    };
    let mut head = format!("{} {} {version}\r\n", request.method, request.uri).into_bytes();
    for (name, value) in &request.headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// Accepted sockets block; tokio's must not.
fn adopt_socket(socket: OwnedFd) -> io::Result<TcpStream> {
    let stream = std::net::TcpStream::from(socket);
    stream.set_nonblocking(true)?;
    // A file's last chunk would otherwise wait for the peer's delayed acknowledgement.
    stream.set_nodelay(true)?;
    TcpStream::from_std(stream)
}

/// Blocking again, as a shard's ring wants it.
fn release_socket(stream: TcpStream) -> io::Result<OwnedFd> {
    let stream = stream.into_std()?;
    stream.set_nonblocking(false)?;
    Ok(stream.into())
}

/// Closes in the order that lets the peer read the last answer: closing a socket with unread
/// bytes sends a reset, which may overtake it.
async fn linger(stream: &TcpStream, config: &Config) {
    if rustix::net::shutdown(stream, rustix::net::Shutdown::Write).is_err() {
        return;
    }
    let drain = async {
        let mut buffer = [0; 4096];
        let mut total = 0;
        while total < config.http_linger_bytes_max {
            if stream.readable().await.is_err() {
                return;
            }
            match stream.try_read(&mut buffer) {
                Ok(0) => return,
                Ok(count) => total += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    };
    // Running out of patience is one of the ways this ends.
    let _ = timeout(config.http_linger_timeout, drain).await;
}

/// Says 503 if the socket takes it at once, and closes.
fn refuse(socket: &OwnedFd, head: &[u8]) {
    let mut answer = Vec::new();
    let sentence = "All HTTP connections of this server are busy: try again in a second.";
    Refusal::new(503, sentence)
        .with_header("Retry-After", "1")
        .encode(head, &mut answer);
    let flags = rustix::net::SendFlags::DONTWAIT | rustix::net::SendFlags::NOSIGNAL;
    // A peer that cannot even take this is closed without it.
    let _ = rustix::net::send(socket, &answer, flags);
}
