//! A list that is nearly always short: up to three stand in it, and need no memory elsewhere.

/// As many as take no more than where others would be, if each takes four bytes.
const INLINE_MAX: usize = 3;

/// Values in some order.
#[derive(Debug)]
pub(super) enum Few<T> {
    /// They stand here.
    Here { count: u8, places: [T; INLINE_MAX] },
    /// They came to be too many for that.
    #[expect(clippy::box_collection, reason = "of many lists few are long")]
    There(Box<Vec<T>>),
}

impl<T: Copy + Default> Default for Few<T> {
    fn default() -> Self {
        Self::Here {
            count: 0,
            places: [T::default(); INLINE_MAX],
        }
    }
}

impl<T: Copy + Default> Few<T> {
    /// All of them.
    #[inline]
    pub(super) fn as_slice(&self) -> &[T] {
        match self {
            Self::Here { count, places } => &places[..usize::from(*count)],
            Self::There(all) => all,
        }
    }

    /// Adds one behind all others.
    pub(super) fn push(&mut self, one: T) {
        match self {
            Self::Here { count, places } => {
                if let Some(place) = places.get_mut(usize::from(*count)) {
                    *place = one;
                    *count += 1;
                } else {
                    let mut all = Vec::with_capacity(2 * (INLINE_MAX + 1));
                    all.extend_from_slice(places);
                    all.push(one);
                    *self = Self::There(Box::new(all));
                }
            }
            Self::There(all) => all.push(one),
        }
    }

    /// Takes out the one at `at`, into whose place the last one moves. Of those that come and go around three, the
    /// memory stays.
    pub(super) fn swap_remove(&mut self, at: usize) {
        match self {
            Self::Here { count, places } => {
                let last = usize::from(*count) - 1;
                places[..=last].swap(at, last);
                *count -= 1;
            }
            Self::There(all) => {
                all.swap_remove(at);
                if let &[only] = &all[..] {
                    *self = Self::default();
                    self.push(only);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Few, INLINE_MAX};

    const _: () = assert!(size_of::<Few<u32>>() == 16);

    /// Goal: it holds what a list holds that is always elsewhere, and while that is little it needs no memory elsewhere.
    #[test]
    fn it_is_a_list() {
        let (mut few, mut all) = (Few::default(), Vec::new());
        let mut rng = fastrand::Rng::with_seed(7);
        for number in 0..2000u32 {
            // Up and down, to none and to many.
            let grows = rng.u32(..40) < (number % 400) / 10;
            if grows {
                few.push(number);
                all.push(number);
            } else if !all.is_empty() {
                let at = rng.usize(..all.len());
                few.swap_remove(at);
                all.swap_remove(at);
            }
            assert_eq!(few.as_slice(), all);
            if all.len() <= 1 {
                assert!(matches!(few, Few::Here { .. }));
            }
        }
        let mut few = Few::default();
        for number in 0..INLINE_MAX {
            few.push(number);
        }
        assert!(matches!(few, Few::Here { .. }));
    }

    /// Goal: nobody takes out who is not there.
    #[test]
    #[should_panic(expected = "out of bounds")]
    fn what_is_not_there_is_not_taken_out() {
        let mut few = Few::default();
        few.push(1);
        few.push(2);
        few.swap_remove(1);
        few.swap_remove(1);
    }
}
