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
use tracing::info;

use crate::mesh::Stopper;

/// How long further signals are taken for the same request.
const ECHOES_TIMEOUT: Duration = Duration::from_millis(300);

/// Takes over the signals; from now on they reach `stopper`.
///
/// # Errors
/// When a handler, its pipe or the thread cannot be had.
pub fn stop_with(stopper: Stopper) -> io::Result<()> {
    let ends_at_once = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&ends_at_once))?;
    }
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    if !is_ignored(SIGHUP) {
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
                }
            }
        })?;
    Ok(())
}

/// Whether whoever started the process has had a signal ignored (proc_pid_status(5), `SigIgn`).
fn is_ignored(signal: i32) -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        return false;
    };
    let mask = (status.lines())
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
