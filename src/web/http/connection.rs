//! One HTTP connection on the web thread, from the bytes a shard read to its end or to its way
//! back to a shard.
//!
//! The way back: a reverse proxy keeps connections open and sends whatever comes next on them,
//! so an upgrade can arrive here. It cannot be answered here, because a session belongs to a
//! shard's ring. The gate does not show it to hyper then; once all earlier answers have left, the
//! socket goes to a shard with every byte that was read from that request on.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tracing::{Level, enabled};

use super::activity::Activity;
use super::body::Content;
use super::gate::{self, Gate};
use super::link::Link;
use super::responder::{Reception, Responder};
use crate::config::Config;
use crate::logs::may_tell;
use crate::wire::http::{HEADERS_MAX, Refusal};

/// How late a timer is only when the process stood still.
const STALL_MIN: Duration = Duration::from_millis(500);

/// Serves one connection until it ends or goes back to a shard. Must run on a tokio-uring
/// runtime.
///
/// `socket` is a connected TCP socket, as accepted; `head` are the bytes already read from it,
/// a whole request head that is no upgrade and what came behind it. That first request is always
/// answered here, so a connection cannot go to and fro.
///
/// Errors end the connection and are logged at debug level: they are the peer's.
pub(crate) async fn serve<R: Responder>(responder: Rc<R>, socket: OwnedFd, head: Vec<u8>) {
    let reception = responder.reception();
    let activity = Activity::new();
    let Some(place) = reception
        .places
        .take(&activity, is_health_check(&head))
        .await
    else {
        refuse(reception, &socket, &head, &busy());
        return;
    };
    let stream = match adopt_socket(socket) {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%error, "a connection could not be taken over");
            return;
        }
    };
    if let Err(refusal) = gate::check_first(&head) {
        refuse(reception, &stream, &head, &refusal);
        return linger_unless_asked(&stream, reception, &activity).await;
    }
    let service = Answers {
        responder: Rc::clone(&responder),
        activity: Rc::clone(&activity),
    };
    let gate = Gate::new(Arc::clone(&reception.config), head);
    let mut connection = http1::Builder::new()
        .half_close(true)
        .header_read_timeout(None)
        .keep_alive(!place.is_for_one_answer())
        .max_headers(HEADERS_MAX)
        .max_buf_size(reception.config.head_bytes_max)
        .serve_connection(Link::new(stream, gate, Rc::clone(&activity)), service);

    let end = drive(reception, &activity, Pin::new(&mut connection)).await;
    // hyper has what it was shown: heads of requests it has answered.
    let (stream, unread) = connection.into_parts().io.into_parts();
    match end {
        End::Leaves => match release_socket(stream) {
            Ok(socket) => responder.adopt(socket, unread),
            Err(error) => tracing::debug!(%error, "a connection could not be handed back"),
        },
        // It had one request, and that was read.
        End::Closed(_) if place.is_for_one_answer() => {}
        End::Closed(result) => {
            if let Err(error) = result
                && is_told()
            {
                tracing::debug!(%error, "a connection ended early");
            }
            linger_unless_asked(&stream, reception, &activity).await;
        }
        End::TimedOut if activity.awaits_head() && !unread.is_empty() => {
            refuse(reception, &stream, &unread, &Refusal::timeout());
            linger_unless_asked(&stream, reception, &activity).await;
        }
        End::TimedOut if is_told() => tracing::debug!("a connection took too long"),
        End::TimedOut => {}
        End::GaveWay => reception.places.note_way_given(),
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
    /// It goes to a shard, which is to answer the next request.
    Leaves,
}

type Connection<R> = http1::Connection<Link, Answers<R>>;

async fn drive<R: Responder>(
    reception: &Reception,
    activity: &Activity,
    mut connection: Pin<&mut Connection<R>>,
) -> End {
    let mut patience = pin!(sleep_until(activity.deadline(&reception.config)));
    let mut asked = pin!(activity.asked_to_give_way());
    poll_fn(|context| {
        while asked.as_mut().poll(context).is_ready() {
            asked.set(activity.asked_to_give_way());
        }
        let was_asked = activity.is_giving_way();
        if let Poll::Ready(result) = connection.as_mut().poll(context) {
            return Poll::Ready(End::Closed(result));
        }
        if was_asked {
            if activity.is_giving_way()
                && activity.can_give_way(reception.config.http_give_way_after)
            {
                return Poll::Ready(End::GaveWay);
            }
            activity.stay();
            reception.places.look_again();
        }
        reception.places.note_turn(activity);
        if activity.may_leave() {
            return Poll::Ready(End::Leaves);
        }
        ready!(poll_deadline(
            activity,
            &reception.config,
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
        let late = patience.deadline().elapsed();
        if late > STALL_MIN {
            // What came in while the process stood still was not looked at yet.
            activity.forgive(late + STALL_MIN);
        }
        let deadline = activity.deadline(config);
        if deadline <= Instant::now() {
            return Poll::Ready(());
        }
        patience.as_mut().reset(deadline);
    }
}

/// hyper's service: one request in, one answer out.
struct Answers<R> {
    responder: Rc<R>,
    activity: Rc<Activity>,
}

impl<R: Responder> Service<Request<Incoming>> for Answers<R> {
    type Response = Response<Content>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Content>, Infallible>>>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.activity.begin_answer();
        let (request, _body) = request.into_parts();
        let responder = Rc::clone(&self.responder);
        let activity = Rc::clone(&self.activity);
        Box::pin(async move {
            let mut reply = responder.answer(&request).await;
            let reception = responder.reception();
            if reply.status().is_client_error() || reply.status().is_server_error() {
                let status = reply.status().as_u16();
                reception.refusals.count(status);
                tell(status, request.method.as_str(), request.uri.path());
            }
            // A connection in wait is not closed when the server stops: a request may be on its way,
            // and whoever sends it had better hear that there will be no other.
            if activity.is_last() || reception.is_stopping() {
                let close = HeaderValue::from_static("close");
                reply.headers_mut().insert(CONNECTION, close);
            }
            Ok(reply.map(|payload| Content::new(payload, activity)))
        })
    }
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

/// Lingers until another connection needs the place.
async fn linger_unless_asked(stream: &TcpStream, reception: &Reception, activity: &Activity) {
    let is_asked = activity.is_giving_way();
    activity.begin_linger();
    tokio::select! {
        () = linger(stream, &reception.config), if !is_asked => {}
        () = activity.asked_to_give_way(), if !is_asked => reception.places.note_way_given(),
        else => reception.places.note_way_given(),
    }
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

/// Refuses the request that begins with `head`, if the socket takes that at once.
fn refuse(reception: &Reception, socket: &impl AsFd, head: &[u8], refusal: &Refusal) {
    reception.refusals.count(refusal.status);
    tell(refusal.status, "", "");
    let mut answer = Vec::new();
    refusal.encode(head, &mut answer);
    let flags = rustix::net::SendFlags::DONTWAIT | rustix::net::SendFlags::NOSIGNAL;
    // A peer that cannot even take this is closed without it.
    let _ = rustix::net::send(socket, &answer, flags);
}

fn tell(status: u16, method: &str, path: &str) {
    if is_told() {
        tracing::debug!(status, method, path, "refused");
    }
}

/// Whether there is to be a debug line.
fn is_told() -> bool {
    enabled!(Level::DEBUG) && may_tell()
}

/// 503: nobody gives way.
fn busy() -> Refusal {
    let sentence = "All HTTP connections of this server are busy: try again in a second.";
    Refusal::new(503, sentence).with_header("Retry-After", "1")
}
