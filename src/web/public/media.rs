//! The content type of a file by its name.
//!
//! The list of types is new_mime_guess's; what stands here is what it has not, or what browsers want
//! to have otherwise. `nosniff` is sent with every answer, so a wrong type is a file that does not work.

use hyper::header::HeaderValue;

/// Types that go before the list's, by extension.
const TYPES: [(&str, &str); 8] = [
    // RFC 9239: modules and scripts are of one type.
    ("mjs", "text/javascript"),
    ("cjs", "text/javascript"),
    // RFC 8216 section 4.
    ("m3u8", "application/vnd.apple.mpegurl"),
    ("m4v", "video/mp4"),
    ("topojson", "application/json"),
    ("jsonl", "application/jsonl"),
    ("ndjson", "application/x-ndjson"),
    ("vcf", "text/vcard"),
];

/// Names without an extension whose readers insist on a type.
const NAMES: [(&str, &str); 1] = [
    // Apple's universal links, below `/.well-known/`.
    ("apple-app-site-association", "application/json"),
];

/// The value of `Content-Type` for a file at this path; unknown ones are plain bytes, and text is
/// in UTF-8.
pub(super) fn content_type(path: &[u8]) -> HeaderValue {
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
    let content_type = (std::str::from_utf8(name).ok())
        .and_then(of_name)
        .unwrap_or("application/octet-stream");
    if content_type.starts_with("text/") {
        let with_charset = format!("{content_type}; charset=utf-8");
        return HeaderValue::try_from(with_charset).expect("types are visible ASCII");
    }
    HeaderValue::from_static(content_type)
}

fn of_name(name: &str) -> Option<&'static str> {
    let listed = |list: &[(&str, &'static str)], key: &str| {
        (list.iter())
            .find(|(entry, _)| entry.eq_ignore_ascii_case(key))
            .map(|&(_, content_type)| content_type)
    };
    let Some((_, extension)) = name.rsplit_once('.') else {
        return listed(&NAMES, name);
    };
    listed(&TYPES, extension).or_else(|| new_mime_guess::from_ext(extension).first_raw())
}

#[cfg(test)]
mod tests {
    use super::content_type;

    /// Goal: the last extension alone, in any case, gives the types a browser acts on.
    #[test]
    fn knows_what_sites_are_made_of() {
        let table = [
            ("index.html", "text/html; charset=utf-8"),
            ("a.htm", "text/html; charset=utf-8"),
            ("a.xhtml", "application/xhtml+xml"),
            ("style.css", "text/css; charset=utf-8"),
            ("APP.MIN.JS", "text/javascript; charset=utf-8"),
            ("module.mjs", "text/javascript; charset=utf-8"),
            ("node.cjs", "text/javascript; charset=utf-8"),
            ("data.json", "application/json"),
            ("app.js.map", "application/json"),
            ("a.jsonld", "application/ld+json"),
            ("a.geojson", "application/geo+json"),
            ("site.webmanifest", "application/manifest+json"),
            ("code.wasm", "application/wasm"),
            ("feed.xml", "application/xml"),
            ("feed.rss", "application/rss+xml"),
            ("feed.atom", "application/atom+xml"),
            ("a.txt", "text/plain; charset=utf-8"),
            ("a.log", "text/plain; charset=utf-8"),
            ("README.md", "text/markdown; charset=utf-8"),
            ("a.csv", "text/csv; charset=utf-8"),
            ("a.ics", "text/calendar; charset=utf-8"),
            ("a.vcf", "text/vcard; charset=utf-8"),
            ("captions.vtt", "text/vtt; charset=utf-8"),
            ("a.svg", "image/svg+xml"),
            ("a.png", "image/png"),
            ("a.apng", "image/apng"),
            ("a.jpeg", "image/jpeg"),
            ("a.gif", "image/gif"),
            ("a.webp", "image/webp"),
            ("a.avif", "image/avif"),
            ("a.jxl", "image/jxl"),
            ("favicon.ico", "image/vnd.microsoft.icon"),
            ("a.woff", "font/woff"),
            ("a.woff2", "font/woff2"),
            ("a.ttf", "font/ttf"),
            ("a.otf", "font/otf"),
            ("a.mp3", "audio/mpeg"),
            ("a.ogg", "audio/ogg"),
            ("a.opus", "audio/ogg"),
            ("a.wav", "audio/wav"),
            ("a.flac", "audio/flac"),
            ("a.m4a", "audio/mp4"),
            ("a.mp4", "video/mp4"),
            ("a.m4v", "video/mp4"),
            ("a.webm", "video/webm"),
            ("a.mov", "video/quicktime"),
            ("list.m3u8", "application/vnd.apple.mpegurl"),
            ("part.ts", "video/mp2t"),
            ("a.mpd", "application/dash+xml"),
            ("a.glb", "model/gltf-binary"),
            ("a.gltf", "model/gltf+json"),
            ("a.pdf", "application/pdf"),
            ("a.zip", "application/zip"),
            ("data.tar.gz", "application/gzip"),
            ("a.zst", "application/zstd"),
            ("README", "application/octet-stream"),
            ("odd.", "application/octet-stream"),
            ("v1.2/README", "application/octet-stream"),
            (".well-known/apple-app-site-association", "application/json"),
        ];
        for (path, expected) in table {
            assert_eq!(content_type(path.as_bytes()), expected, "{path}");
        }
        assert_eq!(content_type(b"\xff.html"), "application/octet-stream");
    }
}
