//! The lines of the table about the server's processes.

use std::fmt::{Formatter, Result as Written};

use crate::results::model::server::ServerUse;
use crate::results::units::{bytes, count, ms, of};

/// Processes of a server that are told by name.
const PROCESSES_TOLD: usize = 8;

/// Writes what they used.
pub(super) fn write(server: &ServerUse, f: &mut Formatter<'_>) -> Written {
    if server.cpu_ns_per_delivery > 0.0 {
        writeln!(
            f,
            "server     {:.0} ns of CPU per delivery, CPU {:.1}%, context switches: {} voluntary, {} not",
            server.cpu_ns_per_delivery,
            server.cpu_share * 100.0,
            count(server.switches_voluntary),
            count(server.switches_involuntary)
        )?;
    }
    if let Some(storm) = &server.storm {
        writeln!(
            f,
            "return     {:.0} ms of CPU until all were back, {} resident before, {} at most",
            ms(storm.cpu_ns),
            bytes(storm.rss_bytes_before),
            bytes(storm.rss_bytes_peak)
        )?;
    }
    if server.processes.len() > 1 {
        let told = server.processes.iter().take(PROCESSES_TOLD);
        let told = told.map(|process| {
            let (pid, name) = (process.pid, &process.name);
            format!(
                "{pid} {name} {:.0} ms of CPU, {}",
                ms(process.cpu_ns),
                bytes(process.rss_bytes_after)
            )
        });
        let told: Vec<_> = told.collect();
        let processes =
            of(server.processes.len() as u64, "process").replace("processs", "processes");
        writeln!(f, "processes  {processes}: {}", told.join("; "))?;
    }
    writeln!(
        f,
        "memory     {} resident before, {} after, {} at most: {:.0} bytes per session",
        bytes(server.rss_bytes_before),
        bytes(server.rss_bytes_after),
        bytes(server.rss_bytes_peak),
        server.bytes_per_connection
    )?;
    if server.tcp_pages_peak > 0 {
        writeln!(
            f,
            "kernel     {} pages of TCP memory before, {} at most",
            count(server.tcp_pages_before),
            count(server.tcp_pages_peak)
        )?;
    }
    Ok(())
}
