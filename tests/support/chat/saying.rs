//! What is published: messages that say who wrote them and which of theirs they are, in every form that members
//! may be handed them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Which message: the so-and-so-many-th of an author, who is one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct MessageId {
    pub(crate) author: u32,
    pub(crate) number: u32,
}

/// How a message is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A JSON object in one line.
    Object,
    /// The same in two lines.
    TwoLines,
    /// A text that is no JSON.
    Text,
    /// Bytes that are no text.
    Bytes,
}

impl Form {
    pub(crate) const ALL: [Self; 4] = [Self::Object, Self::TwoLines, Self::Text, Self::Bytes];
}

/// What precedes a message of bytes.
const NO_TEXT: u8 = 0xff;

/// Letters that depend on who wrote how much, so that no message has a piece of another.
fn filling(id: MessageId, bytes: usize) -> String {
    let first = id.author.wrapping_mul(7).wrapping_add(id.number) % 26;
    let letters = (0u8..26).cycle().skip(first as usize);
    letters
        .take(bytes)
        .map(|at| char::from(b'a' + at))
        .collect()
}

/// A message with so many letters besides.
pub(crate) fn compose(id: MessageId, form: Form, bytes: usize) -> Vec<u8> {
    let MessageId { author, number } = id;
    let filling = filling(id, bytes);
    match form {
        Form::Object => format!(r#"{{"a":{author},"n":{number},"x":"{filling}"}}"#).into_bytes(),
        Form::TwoLines => {
            format!("{{\"a\":{author},\n\"n\":{number},\"x\":\"{filling}\"}}").into_bytes()
        }
        Form::Text => format!("{author}:{number}:{filling}").into_bytes(),
        Form::Bytes => {
            let mut message = vec![NO_TEXT];
            message.extend(format!("{author}:{number}:{filling}").into_bytes());
            message
        }
    }
}

/// Which message that is, as any member may be handed it; an error when it is not, byte for byte, one that somebody
/// may have written.
pub(crate) fn identify(data: &[u8]) -> Result<MessageId, String> {
    let shown = || String::from_utf8_lossy(&data[..data.len().min(80)]).into_owned();
    let found = match data.first() {
        Some(b'{') => of_object(data),
        Some(b'"') => serde_json::from_slice::<String>(data)
            .ok()
            .and_then(|text| of_text(text.as_bytes())),
        Some(&NO_TEXT) => of_text(&data[1..]),
        _ => of_text(data),
    };
    found.ok_or_else(|| format!("nobody wrote {:?}", shown()))
}

fn of_object(data: &[u8]) -> Option<MessageId> {
    let value: Value = serde_json::from_slice(data).ok()?;
    if let Some(encoded) = value.get("b64") {
        let bytes = STANDARD.decode(encoded.as_str()?).ok()?;
        return of_text(bytes.strip_prefix(&[NO_TEXT]).unwrap_or(&bytes));
    }
    let number = |key: &str| u32::try_from(value[key].as_u64()?).ok();
    let id = MessageId {
        author: number("a")?,
        number: number("n")?,
    };
    let bytes = value["x"].as_str()?.len();
    let forms = [Form::Object, Form::TwoLines];
    let is_whole = forms.iter().any(|&form| compose(id, form, bytes) == data);
    is_whole.then_some(id)
}

fn of_text(text: &[u8]) -> Option<MessageId> {
    let text = std::str::from_utf8(text).ok()?;
    let mut parts = text.splitn(3, ':');
    let id = MessageId {
        author: parts.next()?.parse().ok()?,
        number: parts.next()?.parse().ok()?,
    };
    let bytes = parts.next()?.len();
    (compose(id, Form::Text, bytes) == text.as_bytes()).then_some(id)
}
