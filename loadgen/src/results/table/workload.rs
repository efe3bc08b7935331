//! The lines of the table about what sessions did besides listening.

use std::fmt::{Formatter, Result as Written};

use crate::results::model::recovery::Recovery;
use crate::results::units::{count, ms, of};

/// Tells what became of sessions that came back.
pub(super) fn write_recovery(recovery: &Recovery, f: &mut Formatter<'_>) -> Written {
    write!(
        f,
        "recovery   {} came back: {} recovered, {} refused",
        count(recovery.came_back),
        count(recovery.recovered),
        count(recovery.refused)
    )?;
    if recovery.resubscribed > 0 {
        let resubscribed = count(recovery.resubscribed);
        write!(f, "; {resubscribed} on connections that were there")?;
    }
    if recovery.forgone > 0 {
        let forgone = count(recovery.forgone);
        write!(f, "; {forgone} deliveries not expected for that")?;
    }
    write!(
        f,
        "\nrecovered  {} given back, {} lost, {} twice",
        of(recovery.messages, "message"),
        count(recovery.lost),
        count(recovery.repeated)
    )?;
    let times = &recovery.caught_up_ns;
    match times.is_empty() {
        true => writeln!(f),
        false => writeln!(
            f,
            "; all of it after p50 {:.3} p99 {:.3} max {:.3} ms",
            ms(times.at(0.5)),
            ms(times.at(0.99)),
            ms(times.0.max())
        ),
    }
}
