//! The part of the table that tells which processes and machines made the run, and how well their clocks agree.

use std::fmt::{Formatter, Result as Written};

use crate::results::model::agents::Machines;
use crate::results::units::{ms, of};

/// Tells of all of them, if there were several.
pub(super) fn write(machines: Option<&Machines>, f: &mut Formatter<'_>) -> Written {
    let Some(machines) = machines else {
        return Ok(());
    };
    let all = machines.agents.iter().map(|agent| {
        let host = match agent.host.as_str() {
            "" => String::new(),
            host => format!(" on {host}"),
        };
        let sessions = match &agent.lost {
            Some(_) => "LOST".to_owned(),
            None => of(agent.sessions, "session"),
        };
        format!("{}{host}: {sessions}", agent.name)
    });
    writeln!(f, "agents     {}", all.collect::<Vec<_>>().join("; "))?;
    let uncertainty_ns = machines.clock_uncertainty_ns;
    if uncertainty_ns == 0 {
        return Ok(());
    }
    write!(
        f,
        "clocks     compared to within {:.3} ms",
        ms(uncertainty_ns)
    )?;
    match machines.uncertain.is_empty() {
        true => writeln!(f),
        false => writeln!(
            f,
            "; with ~ what is below three times that, and may be nothing but the clocks: {}",
            machines.uncertain.join(", ")
        ),
    }
}
