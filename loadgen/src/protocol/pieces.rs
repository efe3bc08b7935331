//! Units of a protocol that keep to no message: one may come in several, and several in one.

/// The most of a unit that is kept until the rest of it comes, in bytes.
const REST_BYTES_MAX: usize = 32 << 20;

/// What has come of a unit that is not whole.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    rest: Vec<u8>,
}

impl Pieces {
    /// Takes a message. `take` is called with what there is, says how many bytes the unit at its start has, and has
    /// dealt with it then; 0 if it is not whole.
    ///
    /// # Errors
    /// What `take` says, or that a unit does not end.
    pub(crate) fn feed(
        &mut self,
        message: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<usize, String>,
    ) -> Result<(), String> {
        let joined;
        let mut bytes = message;
        if !self.rest.is_empty() {
            self.rest.extend_from_slice(message);
            joined = std::mem::take(&mut self.rest);
            bytes = &joined;
        }
        while !bytes.is_empty() {
            match take(bytes)? {
                0 => break,
                taken => bytes = &bytes[taken..],
            }
        }
        if bytes.len() > REST_BYTES_MAX {
            return Err(format!(
                "the server sent something that is longer than {REST_BYTES_MAX} bytes"
            ));
        }
        self.rest = bytes.to_vec();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes units that end with a full stop.
    fn feed(pieces: &mut Pieces, message: &str, units: &mut Vec<String>) {
        let fed = pieces.feed(message.as_bytes(), |bytes| {
            let end = bytes.iter().position(|byte| *byte == b'.');
            let Some(end) = end else { return Ok(0) };
            units.push(String::from_utf8_lossy(&bytes[..end]).into_owned());
            Ok(end + 1)
        });
        fed.unwrap();
    }

    /// Goal: units are whole wherever messages are cut.
    #[test]
    fn cuts_do_not_matter() {
        let text = "one.two.three.";
        for first in 0..text.len() {
            for second in first..text.len() {
                let (mut pieces, mut units) = (Pieces::default(), Vec::new());
                for piece in [&text[..first], &text[first..second], &text[second..]] {
                    feed(&mut pieces, piece, &mut units);
                }
                assert_eq!(
                    units,
                    ["one", "two", "three"],
                    "cut at {first} and {second}"
                );
            }
        }
    }

    /// Goal: what does not end is given up, and what can't be read is told.
    #[test]
    fn endless_units_are_given_up() {
        let mut pieces = Pieces::default();
        let half = vec![b'x'; REST_BYTES_MAX / 2 + 1];
        pieces.feed(&half, |_| Ok(0)).unwrap();
        assert!(pieces.feed(&half, |_| Ok(0)).is_err());
        let error = Pieces::default().feed(b"x", |_| Err("no".to_owned()));
        assert_eq!(error.unwrap_err(), "no");
    }
}
