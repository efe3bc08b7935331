//! Options as they are read, before those that belong together are held against each other.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::{DataFormat, History, Options, RecoveryMode};

/// Options of which some make sense only together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Draft {
    /// All that make sense alone.
    pub(crate) options: Options,
    /// The history's size, 0 for none.
    pub(crate) history_size: usize,
    /// Its time, 0 for none.
    pub(crate) history_ttl: Duration,
    /// That of its position, 0 for the one of `channel`.
    pub(crate) history_meta_ttl: Duration,
    /// The format, if it is another one than that of `channel`.
    pub(crate) publication_data_format: Option<DataFormat>,
}

impl Draft {
    /// The options, once those fit that belong together; else a key and what is wrong with it, which
    /// goes on from "`key` is `value`, ".
    pub(crate) fn finish(
        self,
        meta_ttl: Duration,
        data_format: DataFormat,
    ) -> Result<Options, (&'static str, String)> {
        let mut options = self.options;
        options.publication_data_format = self.publication_data_format.unwrap_or(data_format);
        options.history = match (NonZeroUsize::new(self.history_size), self.history_ttl) {
            (None, Duration::ZERO) => None,
            (None, _) => return Err(("history_ttl", "but history_size is 0: write both".into())),
            (_, Duration::ZERO) => {
                return Err(("history_size", "but history_ttl is 0s: write both".into()));
            }
            (Some(size), ttl) => Some(History {
                size,
                ttl,
                meta_ttl: match self.history_meta_ttl {
                    Duration::ZERO => meta_ttl,
                    own => own,
                },
            }),
        };
        if let Some(History { ttl, meta_ttl, .. }) = options.history
            && ttl > meta_ttl
        {
            let problem = format!(
                "which is longer than positions are kept ({meta_ttl:?}); lower it or raise \
                 history_meta_ttl"
            );
            return Err(("history_ttl", problem));
        }
        if options.force_recovery && options.history.is_none() {
            let problem = "but nothing is kept: write history_size and history_ttl too";
            return Err(("force_recovery", problem.to_owned()));
        }
        let is_cache = options.force_recovery && options.recovery_mode == RecoveryMode::Cache;
        if options.auto_cache_recover && !is_cache {
            let problem = "but recovers the newest publication only with force_recovery = true and \
                           force_recovery_mode = \"cache\": write both";
            return Err(("auto_cache_recover", problem.to_owned()));
        }
        Ok(options)
    }
}
