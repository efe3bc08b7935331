//! The files below `--static DIR`: finding them without ever leaving the folder.
//!
//! Opening is an ordinary `openat2` call, because `RESOLVE_BENEATH` is what keeps paths and
//! symlinks inside and tokio-uring cannot say it; on a local disk it does not block noticeably.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use hyper::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, LAST_MODIFIED, LOCATION,
};
use hyper::{Method, StatusCode, Uri};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::media;
use super::page;
use super::target::Target;
use crate::logs::may_tell;
use crate::web::http::body::{FileBody, Payload};
use crate::web::http::conditions::{Span, Validators, Verdict, whole_seconds};
use crate::web::http::reply::{self, Reply};

/// Times an open is tried again when a rename elsewhere in the tree disturbed it (openat2(2),
/// EAGAIN).
const OPEN_RETRIES_MAX: usize = 4;

/// A folder of files to serve.
#[derive(Debug)]
pub(super) struct Folder {
    /// Opened anew for each request, so that a folder that is replaced as a whole, as build
    /// tools do, is served without a restart.
    path: PathBuf,
    /// The content security policy of the files, if they have one.
    policy: Option<HeaderValue>,
}

/// An open regular file and what is known of it.
struct Found {
    file: OwnedFd,
    stat: Stat,
    content_type: HeaderValue,
}

/// What a path turned out to be.
enum Entry {
    File(OwnedFd, Stat),
    Folder,
}

impl Folder {
    /// # Errors
    /// When `path` cannot be opened as a folder, or `policy` can't stand in a header.
    pub(super) fn open(path: &Path, policy: Option<&str>) -> io::Result<Self> {
        open_root(path)?;
        let policy = policy.map(HeaderValue::try_from).transpose();
        Ok(Self {
            path: path.to_owned(),
            policy: policy.map_err(io::Error::other)?,
        })
    }

    /// Answers a GET or HEAD for `target`, which `uri` spells.
    pub(super) fn answer(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        target: &Target,
    ) -> Reply {
        match self.find(target) {
            Ok(Some(found)) => found.answer(method, headers, self.policy.as_ref()),
            Ok(None) => redirect_to_folder(method, uri),
            Err(error) => refuse(method, uri, error),
        }
    }

    /// The file of `target`, or `None` if that is a folder without its last slash.
    fn find(&self, target: &Target) -> Result<Option<Found>, Errno> {
        let root = open_root(&self.path)?;
        let mut path = target.segments.join(&b'/');
        let entry = open_entry(&root, if path.is_empty() { b"." } else { &path })?;
        let (file, stat) = match entry {
            Entry::File(..) if target.is_folder => return Err(Errno::NOTDIR),
            Entry::File(file, stat) => (file, stat),
            Entry::Folder if !target.is_folder => return Ok(None),
            Entry::Folder => {
                path.extend_from_slice(if path.is_empty() {
                    b"index.html"
                } else {
                    b"/index.html"
                });
                match open_entry(&root, &path)? {
                    Entry::File(file, stat) => (file, stat),
                    Entry::Folder => return Err(Errno::ISDIR),
                }
            }
        };
        Ok(Some(Found {
            file,
            stat,
            content_type: media::content_type(&path),
        }))
    }
}

impl Found {
    fn answer(self, method: &Method, headers: &HeaderMap, policy: Option<&HeaderValue>) -> Reply {
        let size = u64::try_from(self.stat.st_size).expect("no file is shorter than empty");
        let validators = validators(&self.stat);
        let short = match validators.judge(headers) {
            Verdict::Proceed => None,
            Verdict::NotModified => Some(reply::not_modified()),
            Verdict::Failed => Some(reply::precondition_failed(method)),
        };
        if let Some(mut reply) = short {
            describe(&mut reply, &validators, policy);
            return reply;
        }
        // Range is defined for GET alone (RFC 9110 section 14.2).
        let is_get = method == Method::GET;
        let span = if is_get {
            validators.span(headers, size)
        } else {
            Span::Whole
        };
        let (status, start, length) = match span {
            Span::Whole => (StatusCode::OK, 0, size),
            Span::Part { start, length } => (StatusCode::PARTIAL_CONTENT, start, length),
            Span::Unsatisfiable => return unsatisfiable(method, size),
        };
        let payload = if is_get && length > 0 {
            Payload::File(FileBody::new(self.file, start, length))
        } else {
            Payload::Empty
        };
        let mut reply = reply::reply(status, payload);
        describe(&mut reply, &validators, policy);
        let headers = reply.headers_mut();
        headers.insert(CONTENT_TYPE, self.content_type);
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        if status == StatusCode::PARTIAL_CONTENT {
            let range = format!("bytes {start}-{}/{size}", start + length - 1);
            headers.insert(CONTENT_RANGE, visible(&range));
        }
        reply
    }
}

/// The headers a file has whether its bytes are sent or not.
fn describe(reply: &mut Reply, validators: &Validators, policy: Option<&HeaderValue>) {
    let headers = reply.headers_mut();
    match policy {
        Some(policy) => headers.insert(CONTENT_SECURITY_POLICY, policy.clone()),
        None => headers.remove(CONTENT_SECURITY_POLICY),
    };
    headers.insert(ETAG, visible(&validators.etag));
    if let Some(modified) = validators.modified {
        headers.insert(LAST_MODIFIED, visible(&httpdate::fmt_http_date(modified)));
    }
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    // Kept, but asked about each time: a new build of a site shows at once.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
}

fn unsatisfiable(method: &Method, size: u64) -> Reply {
    let text = "The file has no such range.\n";
    let mut reply = reply::sentence(method, StatusCode::RANGE_NOT_SATISFIABLE, text);
    reply
        .headers_mut()
        .insert(CONTENT_RANGE, visible(&format!("bytes */{size}")));
    reply
}

fn redirect_to_folder(method: &Method, uri: &Uri) -> Reply {
    let query = uri
        .query()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    // From where the client is, not from the start: a proxy may show this server below a path of
    // its own. The dot keeps a name with a colon from being a scheme.
    let name = uri.path().rsplit('/').next().unwrap_or_default();
    let Ok(location) = HeaderValue::try_from(format!("./{name}/{query}")) else {
        return page::not_found(method, uri.path());
    };
    let text = "A folder's address ends in a slash.\n";
    let mut reply = reply::sentence(method, StatusCode::PERMANENT_REDIRECT, text);
    reply.headers_mut().insert(LOCATION, location);
    reply
}

/// What names nothing, lies outside, or may not be read is not there; the rest is our fault.
fn refuse(method: &Method, uri: &Uri, error: Errno) -> Reply {
    match error {
        Errno::NOENT
        | Errno::NOTDIR
        | Errno::ISDIR
        | Errno::ACCESS
        | Errno::XDEV
        | Errno::LOOP
        | Errno::NAMETOOLONG
        | Errno::INVAL
        | Errno::NXIO => page::not_found(method, uri.path()),
        Errno::AGAIN | Errno::MFILE | Errno::NFILE | Errno::NOMEM => {
            if may_tell() {
                tracing::warn!(path = uri.path(), %error, "no file could be opened");
            }
            let text = "Too busy for this file; try again.\n";
            reply::sentence(method, StatusCode::SERVICE_UNAVAILABLE, text)
        }
        error => {
            if may_tell() {
                tracing::error!(path = uri.path(), %error, "a file could not be opened");
            }
            let text = "The file could not be opened; the server's log says why.\n";
            reply::sentence(method, StatusCode::INTERNAL_SERVER_ERROR, text)
        }
    }
}

fn open_root(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
}

/// Opens `path`, a file or folder that lies below `root` even after every symlink on the way.
fn open_entry(root: &OwnedFd, path: &[u8]) -> Result<Entry, Errno> {
    // A named pipe without NONBLOCK would hold up the whole thread until someone writes to it.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let mut retries = 0;
    let file = loop {
        match rustix::fs::openat2(root, path, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) if retries < OPEN_RETRIES_MAX => retries += 1,
            result => break result?,
        }
    };
    let stat = rustix::fs::fstat(&file)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Ok(Entry::Folder),
        FileType::RegularFile => {
            // A ring read of a file opened without blocking may answer EAGAIN instead of waiting.
            rustix::fs::fcntl_setfl(&file, OFlags::empty())?;
            Ok(Entry::File(file, stat))
        }
        _ => Err(Errno::NOENT),
    }
}

/// A tag of the size and the time at which the kernel saw the last change, to the nanosecond. What a
/// file says of its own time doesn't tell versions apart where builds set it to the same for all.
fn validators(stat: &Stat) -> Validators {
    let etag = format!(
        "\"{:x}-{:x}-{:x}\"",
        stat.st_ctime, stat.st_ctime_nsec, stat.st_size
    );
    Validators {
        etag,
        modified: whole_seconds(stat.st_mtime),
    }
}

fn visible(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("tags, dates and ranges are visible ASCII")
}
