//! Where encoders write: to the end of a buffer, to the front of a place that is given, or nowhere, to
//! learn how long it will be. The same code does all three, so that they can't disagree.

/// Takes bytes.
pub(super) trait Sink {
    /// Takes these, behind those before.
    fn put(&mut self, bytes: &[u8]);

    /// Takes what `write` writes, which is so many bytes: they need not be counted again.
    #[inline]
    fn put_counted(&mut self, _: usize, write: impl FnOnce(&mut Self)) {
        write(self);
    }
}

impl Sink for Vec<u8> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Counts what it is given.
#[derive(Debug, Default)]
struct Count(usize);

impl Sink for Count {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }

    #[inline]
    fn put_counted(&mut self, bytes: usize, _: impl FnOnce(&mut Self)) {
        self.0 += bytes;
    }
}

/// Something that can be written.
pub(super) trait Write {
    /// Writes all of it.
    fn write(&self, sink: &mut impl Sink);

    /// Its length.
    #[inline]
    fn bytes(&self) -> usize {
        let mut count = Count::default();
        self.write(&mut count);
        count.0
    }
}

/// Writes to the front of a place, and not behind what is written.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    out: &'a mut [u8],
    bytes: usize,
}

impl<'a> Cursor<'a> {
    /// One that stands at the beginning.
    pub(super) const fn new(out: &'a mut [u8]) -> Self {
        Self { out, bytes: 0 }
    }

    /// So many bytes have been written.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Sink for Cursor<'_> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        let end = self.bytes + bytes.len();
        self.out[self.bytes..end].copy_from_slice(bytes);
        self.bytes = end;
    }
}
