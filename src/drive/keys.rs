//! Where keys of tokens come from that are fetched: who keeps them is asked, and tells all shards.

use std::io;

use rtrb::{Consumer, Producer, RingBuffer};

use crate::auth::Keys;
use crate::auth::jwks::cache::KeyNews;
use crate::auth::jwks::keeper::Keeper;
use crate::auth::settings::Section;
use crate::mesh::Stopper;

/// News that a shard has yet to take; of more it misses some, and each has all keys.
const NEWS_MAX: usize = 16;

/// A shard's end: whom to ask, and what was told.
#[derive(Debug, Default)]
pub(crate) struct KeysEnd {
    keepers: Vec<(Section, Keeper)>,
    news: Vec<Consumer<KeyNews>>,
}

/// Starts whoever keeps the keys that are fetched; gives each of `shards` its end.
///
/// # Errors
/// When no thread can be had.
pub(crate) fn keep(keys: &Keys, shards: u16, waker: &Stopper) -> io::Result<Vec<KeysEnd>> {
    let mut ends: Vec<KeysEnd> = (0..shards).map(|_| KeysEnd::default()).collect();
    for (section, endpoint) in keys.endpoints() {
        let mut told: Vec<Producer<KeyNews>> = Vec::with_capacity(ends.len());
        for end in &mut ends {
            let (producer, consumer) = RingBuffer::new(NEWS_MAX);
            told.push(producer);
            end.news.push(consumer);
        }
        let waker = waker.clone();
        let keeper = Keeper::start(section, endpoint.clone(), move |news| {
            for shard in &mut told {
                let _ = shard.push(news.clone());
            }
            waker.wake();
        })?;
        for end in &mut ends {
            end.keepers.push((section, keeper.clone()));
        }
    }
    Ok(ends)
}

impl KeysEnd {
    /// Asks for a key.
    pub(super) fn ask(&self, section: Section, key_id: &str) {
        let mut keepers = self.keepers.iter();
        if let Some((_, keeper)) = keepers.find(|(of, _)| *of == section) {
            keeper.ask(key_id);
        }
    }

    /// Whether nothing was told.
    pub(super) fn is_quiet(&self) -> bool {
        self.news.iter().all(Consumer::is_empty)
    }

    /// What was told, one by one.
    pub(super) fn take(&mut self) -> Option<KeyNews> {
        self.news.iter_mut().find_map(|news| news.pop().ok())
    }
}
