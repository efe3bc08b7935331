//! A type for each thing that is counted by the number it has on the wire, such as a status.

/// A type with a counter for each of the numbers, and one for all others.
macro_rules! tally {
    ($(#[doc = $doc:literal])+ $name:ident as $prefix:literal: $($number:literal),+) => {
        $(#[doc = $doc])+
        #[derive(Debug, Default)]
        pub struct $name {
            known: [$crate::metrics::Counter; [$($number),+].len()],
            other: $crate::metrics::Counter,
        }

        impl $name {
            /// Counts one more; only the owning thread may call this.
            pub(crate) fn count(&self, number: u16) {
                let place = [$($number),+].iter().position(|&known| known == number);
                place.map_or(&self.other, |place| &self.known[place]).add(1);
            }

            /// Every figure with its name, those of unexpected numbers last and together.
            pub fn figures(&self) -> impl Iterator<Item = (&'static str, u64)> {
                let names = [$(concat!($prefix, "_", $number)),+];
                let known = names.into_iter().zip(&self.known);
                known
                    .chain([(concat!($prefix, "_other"), &self.other)])
                    .map(|(name, counter)| (name, counter.get()))
            }
        }
    };
}
pub(super) use tally;
