//! Frames: four bytes of length, the highest first, and as much JSON.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest frame: the books of 256 workers with a dozen full histograms each, or the waits of a million sessions.
pub(super) const FRAME_BYTES_MAX: u32 = 64 << 20;

/// The longest frame of somebody who has not shown a token.
pub(super) const GREETING_BYTES_MAX: u32 = 1024;

/// Writes one.
///
/// # Errors
/// Those of the stream; and one that is too long.
pub(super) fn write(mut out: impl Write, frame: &impl Serialize) -> io::Result<()> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, frame)?;
    let length = u32::try_from(bytes.len() - 4).ok();
    let length = length.filter(|length| *length <= FRAME_BYTES_MAX);
    let length = length.ok_or_else(|| io::Error::other("a frame is too long"))?;
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    out.write_all(&bytes)
}

/// Reads one of at most so many bytes. Takes memory for what came and not for what was announced.
///
/// # Errors
/// Those of the stream; and one that is too long, or not what it should be.
pub(super) fn read<T: DeserializeOwned>(mut from: impl Read, bytes_max: u32) -> io::Result<T> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > bytes_max {
        return Err(io::Error::other("a frame is too long"));
    }
    let mut bytes = Vec::new();
    from.take(length.into()).read_to_end(&mut bytes)?;
    if bytes.len() < length as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_slice(&bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: frames come back as they went; those that are cut, too long or nonsense are errors.
    #[test]
    fn frames_are_read_back() {
        let mut bytes = Vec::new();
        write(&mut bytes, &["one", "two"]).unwrap();
        write(&mut bytes, &7).unwrap();
        let mut rest = bytes.as_slice();
        let words: Vec<String> = read(&mut rest, 100).unwrap();
        assert_eq!(words, ["one", "two"]);
        assert_eq!(read::<u32>(&mut rest, 100).unwrap(), 7);
        assert!(read::<u32>(&mut rest, 100).is_err(), "the end");
        assert!(read::<Vec<String>>(&bytes[..9], 100).is_err(), "cut");
        assert!(read::<Vec<String>>(&bytes[..], 5).is_err(), "too long");
        assert!(read::<u32>(&bytes[..], 100).is_err(), "something else");
        let announced = [0xff, 0xff, 0xff, 0xff, b'1'];
        assert!(read::<u32>(&announced[..], FRAME_BYTES_MAX).is_err());
    }
}
