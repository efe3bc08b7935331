//! How often what this simulation is for has happened, so that a run proves that it did.

/// A struct of counts, each with how often it happens in a thousand seeds at least.
macro_rules! counts {
    ($Counts:ident: $($(#[doc = $doc:literal])+ $name:ident: $least:literal,)+) => {
        /// What happened in a run, or in several.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub(crate) struct $Counts {
            $($(#[doc = $doc])+ pub(crate) $name: u64,)+
        }

        impl std::ops::AddAssign for $Counts {
            fn add_assign(&mut self, other: Self) {
                $(self.$name += other.$name;)+
            }
        }

        impl $Counts {
            /// What happened too seldom in so many seeds: its name, how often it did and should have. Few
            /// seeds prove nothing.
            pub(crate) fn lacking(&self, seeds: u64) -> $crate::seeds::Lacking {
                [$((stringify!($name), self.$name, $least * (seeds / 20) / 50),)+]
                    .into_iter()
                    .filter(|&(_, count, least)| count < least)
                    .collect()
            }
        }
    };
}

pub(crate) use counts;

counts! { Counts:
    /// Joins of further rooms that were confirmed.
    joins: 5000,
    /// Those of them whose home was another shard.
    joins_elsewhere: 1500,
    /// Those that were asked for while the socket was full.
    joins_of_the_full: 1000,
    /// Those that were asked for while the room was held.
    joins_while_held: 150,
    /// Joins that were given up before they were confirmed.
    joins_given_up: 1000,
    /// Joins and leaves that were refused because the session did not speak.
    refused_to_the_mute: 3000,
    /// Leaves of further rooms.
    leaves: 5000,
    /// Those of them in the middle of a frame of that room.
    leaves_within_a_frame: 200,
    /// Those of sessions whose sockets were full.
    leaves_of_the_full: 800,
    /// Sends that carried frames of several rooms.
    sends_of_several: 1000,
    /// Times that somebody in several rooms was told that it was spared messages.
    gaps_of_several: 10,
    /// Notices that were heard in further rooms.
    notices_elsewhere: 250,
    /// Clients that left with their request.
    left_at_once: 200,
    /// Clients that left with something they said.
    left_with_a_word: 250,
    /// Rooms that everybody left while they were held.
    left_while_held: 60,
    /// Those of them that were there again after they had been gone.
    come_back: 25,
}
