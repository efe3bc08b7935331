//! Signals: what each of them does to the server, on a thread of their own.
//!
//! The first SIGINT, SIGTERM or SIGHUP asks every thread to stop; a SIGINT or SIGTERM after that
//! ends the process in the signal's own handler, whatever is stuck. Signals that come together are
//! one: timeout(1) and many a wrapper send theirs to the process and to its group. SIGHUP never ends
//! it: a terminal that closes sends it more than once, and who used `nohup` wants none of it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use tracing::{error, info};

use crate::mesh::Stopper;
use crate::process::is_signal_ignored;

/// How long further signals are taken for the same request.
const ECHOES_TIMEOUT: Duration = Duration::from_millis(300);

/// How long the last line may take.
const LAST_LINE_TIMEOUT: Duration = Duration::from_millis(200);

/// Takes over the signals; from now on they reach `stopper`, and the process ends `stop_timeout`
/// after the first of them if it has not done so by itself.
///
/// # Errors
/// When a handler, its pipe or the thread cannot be had.
pub(crate) fn stop_with(stopper: Stopper, stop_timeout: Duration) -> io::Result<()> {
    let ends_at_once = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&ends_at_once))?;
    }
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    if !is_signal_ignored(SIGHUP) {
        signals.add_signal(SIGHUP)?;
    }
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for _ in signals.forever() {
                if !ends_at_once.load(Ordering::Relaxed) {
                    stopper.stop();
                    info!("stopping; a second SIGINT or SIGTERM ends it at once");
                    std::thread::sleep(ECHOES_TIMEOUT);
                    ends_at_once.store(true, Ordering::Relaxed);
                    // Without a thread for it, a stuck stop is left to a second signal.
                    let _ = std::thread::Builder::new().spawn(move || end_late(stop_timeout));
                }
            }
        })?;
    Ok(())
}

/// Ends the process if it is still there.
fn end_late(stop_timeout: Duration) {
    std::thread::sleep(stop_timeout.saturating_sub(ECHOES_TIMEOUT));
    error!("a thread did not stop within {stop_timeout:?}; ending without it");
    std::thread::sleep(LAST_LINE_TIMEOUT);
    signal_hook::low_level::exit(1);
}
