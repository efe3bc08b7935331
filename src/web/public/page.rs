//! The chat page that is compiled in, served when there is no `--static`.

use hyper::header::{CACHE_CONTROL, ETAG, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode};

use crate::web::http::conditions::{Validators, Verdict};
use crate::web::http::reply::{self, Reply};

/// One file of the page.
struct Asset {
    path: &'static [&'static str],
    content_type: &'static str,
    content: &'static [u8],
    /// Hash of the content, for the entity tag.
    fingerprint: u64,
}

/// Folders from the start down to where a page is missed, beyond which the way back is not spelled out.
const STEPS_MAX: usize = 32;

const HTML: &str = "text/html; charset=utf-8";

static ASSETS: [Asset; 6] = [
    asset(&[], HTML, include_bytes!("page/index.html")),
    asset(&["index.html"], HTML, include_bytes!("page/index.html")),
    asset(
        &["app.js"],
        "text/javascript; charset=utf-8",
        include_bytes!("page/app.js"),
    ),
    asset(
        &["view.js"],
        "text/javascript; charset=utf-8",
        include_bytes!("page/view.js"),
    ),
    asset(
        &["style.css"],
        "text/css; charset=utf-8",
        include_bytes!("page/style.css"),
    ),
    asset(
        &["favicon.svg"],
        "image/svg+xml",
        include_bytes!("page/favicon.svg"),
    ),
];

const fn asset(
    path: &'static [&'static str],
    content_type: &'static str,
    content: &'static [u8],
) -> Asset {
    Asset {
        path,
        content_type,
        content,
        fingerprint: fnv1a(content),
    }
}

/// FNV-1a, 64 bits: tells versions of the page apart; not meant to withstand anyone.
const fn fnv1a(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut index = 0;
    while index < bytes.len() {
        hash = (hash ^ bytes[index] as u64).wrapping_mul(0x0100_0000_01b3);
        index += 1;
    }
    hash
}

/// The file of the page at `path`, or `None` if the page has no such file.
pub(super) fn answer(method: &Method, path: &[&str], headers: &HeaderMap) -> Option<Reply> {
    let asset = ASSETS.iter().find(|asset| asset.path == path)?;
    let etag = format!("\"{:016x}\"", asset.fingerprint);
    let tag = HeaderValue::try_from(&etag).expect("hexadecimal digits are visible ASCII");
    let validators = Validators {
        etag,
        modified: None,
    };
    let mut reply = match validators.judge(headers) {
        Verdict::Proceed => reply::bytes(method, StatusCode::OK, asset.content_type, asset.content),
        Verdict::NotModified => reply::not_modified(),
        Verdict::Failed => reply::precondition_failed(method),
    };
    reply.headers_mut().insert(ETAG, tag);
    reply
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Some(reply)
}

/// The page that says there is no such page. Its way to the start counts the steps back, because a
/// proxy may show this server below a path of its own.
pub(super) fn not_found(method: &Method, path: &str) -> Reply {
    let steps = path.matches('/').count().saturating_sub(1);
    let start = match steps {
        0 => "./".to_owned(),
        1..=STEPS_MAX => "../".repeat(steps),
        _ => "/".to_owned(),
    };
    let content = include_str!("page/404.html").replace("{start}", &start);
    reply::bytes(method, StatusCode::NOT_FOUND, HTML, content)
}
