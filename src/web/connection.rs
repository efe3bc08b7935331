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
use std::time::Duration;

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
use super::site::{Backend, Limits, Site};

/// How long a closed connection is read on, so that the last answer is not lost to a reset.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// What a closed connection may still send before it is reset.
const LINGER_BYTES_MAX: usize = 256 << 10;

/// Serves one connection until it ends or goes back to a shard. Must run on a tokio-uring
/// runtime.
///
/// `socket` is a connected TCP socket, as accepted; `head` are the bytes already read from it,
/// normally a whole request head that is no upgrade. That first request is always answered
/// here, so a connection cannot go to and fro.
///
/// Errors end the connection and are logged at debug level: they are the peer's.
pub async fn serve<B: Backend>(site: Rc<Site<B>>, socket: OwnedFd, head: Vec<u8>) {
    let Some(_place) = site.take_place() else {
        refuse(&socket);
        return;
    };
    let stream = match adopt_socket(socket) {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%error, "a connection could not be taken over");
            return;
        }
    };
    let activity = Activity::new();
    let service = Answers {
        site: Rc::clone(&site),
        activity: Rc::clone(&activity),
        may_leave: Cell::new(head.is_empty()),
    };
    let mut connection = http1::Builder::new()
        .half_close(true)
        .header_read_timeout(None)
        .max_headers(site.limits.headers_max)
        .max_buf_size(site.limits.head_bytes_max)
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
        End::Closed(Ok(())) => linger(stream).await,
        End::Closed(Err(error)) => {
            tracing::debug!(%error, "a connection ended early");
            linger(stream).await;
        }
        End::TimedOut => tracing::debug!("a connection took too long"),
    }
}

/// How a connection's time here ended.
enum End {
    Closed(hyper::Result<()>),
    TimedOut,
    /// It goes back to a shard, with this request head in front.
    Upgrade(Vec<u8>),
}

type Connection<B> = http1::Connection<Link, Answers<B>>;

async fn drive<B: Backend>(
    site: &Site<B>,
    activity: &Activity,
    mut connection: Pin<&mut Connection<B>>,
) -> End {
    let mut patience = pin!(sleep_until(activity.deadline(&site.limits)));
    let mut stopped = pin!(site.stopped());
    let mut is_stopping = false;
    poll_fn(|context| {
        if !is_stopping && stopped.as_mut().poll(context).is_ready() {
            is_stopping = true;
            connection.as_mut().graceful_shutdown();
        }
        if let Poll::Ready(result) = connection.as_mut().poll(context) {
            return Poll::Ready(End::Closed(result));
        }
        if let Some(head) = activity.take_upgrade() {
            return Poll::Ready(End::Upgrade(head));
        }
        ready!(poll_deadline(
            activity,
            &site.limits,
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
    limits: &Limits,
    mut patience: Pin<&mut Sleep>,
    context: &mut Context<'_>,
) -> Poll<()> {
    if activity.deadline(limits) < patience.deadline() {
        patience.as_mut().reset(activity.deadline(limits));
    }
    loop {
        ready!(patience.as_mut().poll(context));
        let deadline = activity.deadline(limits);
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
async fn linger(stream: TcpStream) {
    if rustix::net::shutdown(&stream, rustix::net::Shutdown::Write).is_err() {
        return;
    }
    let drain = async {
        let mut buffer = [0; 4096];
        let mut total = 0;
        while total < LINGER_BYTES_MAX {
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
    let _ = timeout(LINGER_TIMEOUT, drain).await;
}

/// Says 503 if the socket takes it at once, and closes.
fn refuse(socket: &OwnedFd) {
    const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\
        Content-Length: 0\r\nConnection: close\r\n\r\n";
    let flags = rustix::net::SendFlags::DONTWAIT | rustix::net::SendFlags::NOSIGNAL;
    // A peer that cannot even take this is closed without it.
    let _ = rustix::net::send(socket, ANSWER, flags);
}
