//! In which line of a text something is.

/// The ends of a text's lines.
#[derive(Debug)]
pub(super) struct Lines {
    ends: Vec<usize>,
}

impl Lines {
    /// Those of this text.
    pub(super) fn of(text: &str) -> Self {
        let ends = text.bytes().enumerate();
        let ends = ends.filter_map(|(at, byte)| (byte == b'\n').then_some(at));
        Self {
            ends: ends.collect(),
        }
    }

    /// The line, from 1, of what stands so many bytes after the beginning.
    pub(super) fn at(&self, offset: usize) -> usize {
        self.ends.partition_point(|&end| end < offset) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;

    /// Goal: lines count from 1, and a line's end is part of it.
    #[test]
    fn lines_count_from_one() {
        let lines = Lines::of("ab\n\nc");
        let found: Vec<usize> = (0..=5).map(|offset| lines.at(offset)).collect();
        assert_eq!(found, [1, 1, 1, 2, 3, 3]);
        assert_eq!(Lines::of("").at(0), 1);
    }
}
