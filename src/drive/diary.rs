//! Lines for what a shard reports, as many a second as a log can take: for debugging, but for what whoever runs
//! the server may want to change.

use tracing::{Level, debug, enabled, warn};

use crate::logs;
use crate::shard::{End, Report, ReportEvent, Shard};
use crate::socket;

/// Writes what the shard has to report, if anybody wants to read it.
pub(super) fn write(shard: &Shard, report: &Report) {
    let is_read = match report.event {
        ReportEvent::Crowded { .. } => enabled!(Level::WARN),
        ReportEvent::Refused { .. } | ReportEvent::Ended { .. } => enabled!(Level::DEBUG),
    };
    if is_read && logs::may_tell() {
        tell(shard, report);
    }
}

/// So many reports were not made.
pub(super) fn leave_out(count: u64) {
    if count > 0 && enabled!(Level::DEBUG) {
        logs::leave_out(count);
    }
}

fn tell(shard: &Shard, report: &Report) {
    let socket = report.key.and_then(|key| shard.socket(key));
    let peer = socket.and_then(|socket| socket::peer_address(socket).ok());
    let peer = peer.map(tracing::field::display);
    match &report.event {
        ReportEvent::Refused {
            status,
            sentence,
            request,
        } => debug!(
            status,
            reason = sentence.as_str(),
            peer,
            path = path(request),
            host = field(request, "host"),
            origin = field(request, "origin"),
            "refused"
        ),
        ReportEvent::Crowded { room } => warn!(
            room = &**room,
            "more members than --presence-members-max: joins and leaves are not told any more"
        ),
        ReportEvent::Ended { id, room, end } => {
            let room = room.as_deref();
            match end {
                End::Closed(code, reason) => {
                    let reason = reason.as_str();
                    debug!(code = code.get(), reason, %id, room, peer, "closed by the server");
                }
                End::Left(code) => {
                    debug!(code = code.map(|code| code.get()), %id, room, peer, "closed by the peer");
                }
                End::Lost => debug!(%id, room, peer, "ended without a close frame"),
            }
        }
    }
}

/// The path that was asked for, without the query, in which people put secrets.
fn path(request: &[u8]) -> Option<String> {
    let line = request
        .split(|&byte| matches!(byte, b'\r' | b'\n'))
        .next()?;
    let target = line.split(|&byte| byte == b' ').nth(1)?;
    let path = target.split(|&byte| byte == b'?').next()?;
    Some(String::from_utf8_lossy(path).into_owned())
}

/// The first value of a header field, if the request came so far and is one.
fn field(request: &[u8], name: &str) -> Option<String> {
    let lines = request.split(|&byte| byte == b'\n').skip(1);
    let mut fields = lines.filter_map(|line| {
        let colon = line.iter().position(|&byte| byte == b':')?;
        Some((&line[..colon], &line[colon + 1..]))
    });
    let (_, value) = fields.find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))?;
    Some(String::from_utf8_lossy(value.trim_ascii()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::{field, path};

    /// Goal: what is told of a request is what it said, and no secret of it; anything may come.
    #[test]
    fn requests_are_told_without_their_secrets() {
        let head =
            b"GET /ws/a?token=secret HTTP/1.1\r\nHost: chat.example\r\nORIGIN:http://a\r\n\r\n";
        assert_eq!(path(head).as_deref(), Some("/ws/a"));
        assert_eq!(field(head, "host").as_deref(), Some("chat.example"));
        assert_eq!(field(head, "origin").as_deref(), Some("http://a"));
        assert_eq!(field(head, "cookie"), None);
        for odd in [&b""[..], b"\x16\x03\x01", b"GET", b"GET ", b"a b\n:\n"] {
            assert_eq!(field(odd, "host"), None);
            assert!(path(odd).is_none_or(|path| path.len() < 2));
        }
        assert_eq!(path(b"GET \xff").as_deref(), Some("\u{fffd}"));
    }
}
