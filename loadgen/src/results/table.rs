//! The final table: what a person reads when a run is over.

mod machines;
mod server;
mod workload;

use std::fmt::{Display, Formatter, Result as Written};

use super::distribution::Distribution;
use super::model::agents::sign;
use super::model::asked::Parameters;
use super::model::latency::Latency;
use super::model::slowest::Laggard;
use super::model::{Results, Verdict};
use super::units::{by_code, bytes, count, date, ms, of, rate, time};

impl Display for Results {
    fn fmt(&self, f: &mut Formatter<'_>) -> Written {
        self.write_head(f)?;
        self.write_latency(f)?;
        self.write_slowest(f)?;
        if self.window.length_ns > 0 && !self.is_idle() {
            self.write_messages(f)?;
        }
        if self.counts.planned > 0 {
            self.write_judgement(f)?;
        }
        self.write_sessions(f)?;
        self.write_workload(f)?;
        self.write_generator(f)?;
        machines::write(self.machines.as_ref(), f)?;
        self.write_held_back(f)?;
        if let Some(server) = &self.server {
            server::write(server, f)?;
        }
        self.write_verdict(f)
    }
}

impl Results {
    fn write_head(&self, f: &mut Formatter<'_>) -> Written {
        let (target, parameters) = (&self.target, &self.parameters);
        writeln!(
            f,
            "{} on {}{} ({}): {}",
            parameters.workload,
            target.address,
            target.path,
            target.protocol,
            load(parameters)
        )?;
        let here = &self.environment;
        let (date, host) = (date(here.started_unix_ms), &here.host);
        writeln!(f, "begun {date} on {host}, fanload {}", here.version)
    }

    fn write_latency(&self, f: &mut Formatter<'_>) -> Written {
        let rows: Vec<Row<'_>> = latency_rows(&self.latency).collect();
        if rows.is_empty() {
            return Ok(());
        }
        writeln!(
            f,
            "\n{:10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>14}",
            "ms", "p50", "p90", "p99", "p99.9", "max", "mean", "count"
        )?;
        let machines = self.machines.as_ref();
        for (name, times) in rows {
            write_row(name, times, |ns| sign(machines, name, ns), f)?;
        }
        writeln!(f)
    }

    /// Who waited longest, where there are several who could have.
    fn write_slowest(&self, f: &mut Formatter<'_>) -> Written {
        let figure = |ns| {
            let sign = sign(self.machines.as_ref(), "delivery", ns);
            format!("{sign}{:.3}", ms(ns))
        };
        let named = |one: &Laggard| {
            let number = one.session.unwrap_or(one.room);
            format!("{number} {} ({})", figure(one.mean_ns), figure(one.max_ns))
        };
        let (sessions, rooms) = (&self.slowest.sessions, &self.slowest.rooms);
        for (what, slowest) in [("sessions", sessions), ("rooms", rooms)] {
            if slowest.len() > 1 {
                let all: Vec<_> = slowest.iter().map(named).collect();
                writeln!(f, "slowest    {what}, mean (max) ms: {}", all.join(", "))?;
            }
        }
        Ok(())
    }

    fn is_idle(&self) -> bool {
        self.parameters.workload == "idle"
    }

    fn write_messages(&self, f: &mut Formatter<'_>) -> Written {
        let (window, rates) = (&self.window, &self.rates);
        let planned = match self.parameters.closed {
            Some(_) => "closed loop".to_owned(),
            None => format!(
                "{} planned ({}/s)",
                count(window.planned),
                rate(rates.planned)
            ),
        };
        writeln!(
            f,
            "messages   {planned}, {} sent ({}/s), {} complete ({}/s)",
            count(window.sent),
            rate(rates.sent),
            count(window.completed),
            rate(rates.achieved)
        )?;
        writeln!(
            f,
            "delivered  {} ({}/s, {:.1} MB/s of payload)",
            count(window.delivered),
            rate(rates.deliveries),
            rates.payload_bytes / 1e6
        )
    }

    fn write_judgement(&self, f: &mut Formatter<'_>) -> Written {
        let counts = &self.counts;
        writeln!(
            f,
            "judged     {} skipped, {} outstanding, {} cut off, {} duplicated, {} reordered, {} \
             corrupted{}{}",
            count(counts.skipped),
            count(counts.outstanding),
            count(counts.cut_off),
            count(counts.duplicated),
            count(counts.reordered),
            count(counts.corrupted),
            match counts.wrong_type {
                0 => String::new(),
                some => format!(", {} of the wrong type", count(some)),
            },
            match counts.rejected {
                0 => String::new(),
                some => format!(", {} rejected by the server", count(some)),
            }
        )?;
        if counts.joins > 0 || counts.leaves > 0 {
            writeln!(
                f,
                "notices    {} of joins, {} of leaves",
                count(counts.joins),
                count(counts.leaves)
            )?;
        }
        if counts.acknowledged > 0 || counts.unanswered > 0 {
            writeln!(
                f,
                "answered   {} acknowledged, {} rejected, {} not answered",
                count(counts.acknowledged),
                count(counts.rejected),
                count(counts.unanswered)
            )?;
        }
        writeln!(
            f,
            "           ({} of {} expected with the warm-up, {} foreign, {} replayed)",
            count(counts.delivered),
            count(counts.expected),
            count(counts.foreign),
            count(counts.replayed)
        )?;
        if counts.outstanding > 0 {
            writeln!(
                f,
                "backlog    {} outstanding when the drain ended, the oldest for {}; more --drain tells \
                 whether they come",
                count(counts.outstanding),
                time(counts.outstanding_age_ns)
            )?;
        }
        if counts.too_late > 0 {
            writeln!(
                f,
                "window     {} came over {} messages late: too late to tell from repeated ones",
                count(counts.too_late),
                count(self.generator.reorder_window)
            )?;
        }
        Ok(())
    }

    fn write_sessions(&self, f: &mut Formatter<'_>) -> Written {
        let sessions = &self.sessions;
        write!(f, "sessions   {} opened", count(sessions.opened))?;
        if sessions.unopened > 0 {
            write!(f, ", {} could not be, as allowed", count(sessions.unopened))?;
        }
        if sessions.failed > 0 {
            write!(f, ", {} failed to", count(sessions.failed))?;
        }
        if sessions.heard_nothing > 0 {
            write!(f, ", {} heard nothing", count(sessions.heard_nothing))?;
        }
        writeln!(
            f,
            ", {} ended early{}",
            count(sessions.ended_early),
            match &sessions.first_cause {
                Some(cause) => format!("; first: {cause}"),
                None => String::new(),
            }
        )?;
        for (name, numbers) in [
            ("refusals", &sessions.refusals),
            ("closes", &sessions.closes),
        ] {
            if !numbers.is_empty() {
                writeln!(f, "{name:10} {}", by_code(numbers))?;
            }
        }
        Ok(())
    }

    fn write_workload(&self, f: &mut Formatter<'_>) -> Written {
        if let Some(storm) = &self.storm {
            let recovery = match storm.recovery_ns {
                Some(ns) => format!("all back after {:.3} ms", ms(ns)),
                None => "not all came back".to_owned(),
            };
            writeln!(
                f,
                "storm      {} dropped, {} returned, {recovery}; each p50 {:.3} p99 {:.3} max {:.3} ms",
                count(storm.dropped),
                count(storm.returned),
                ms(storm.return_ns.at(0.5)),
                ms(storm.return_ns.at(0.99)),
                ms(storm.return_ns.0.max())
            )?;
        }
        if let Some(recovery) = &self.recovery {
            workload::write_recovery(recovery, f)?;
        }
        if let Some(churn) = &self.churn {
            let (joined, left) = (count(churn.joined), count(churn.left));
            writeln!(f, "churn      {joined} joined, {left} left")?;
        }
        if let Some(slow) = &self.slow {
            writeln!(
                f,
                "slow       {} stopped reading, {} of them closed by the server, {} not taken",
                count(slow.stopped),
                count(slow.closed),
                of(slow.untaken, "delivery").replace("deliverys", "deliveries")
            )?;
        }
        Ok(())
    }

    fn write_generator(&self, f: &mut Formatter<'_>) -> Written {
        let generator = &self.generator;
        if generator.workers.is_empty() || self.is_idle() {
            return Ok(());
        }
        let shares: Vec<_> = generator
            .workers
            .iter()
            .map(|worker| format!("{:.1}%", worker.cpu_share * 100.0))
            .collect();
        let overflows: u64 = generator.workers.iter().map(|w| w.cq_overflows).sum();
        writeln!(
            f,
            "generator  CPU {} ({:.0} ns per message received), publish lag p99 {:.3} max {:.3} ms, \
             {}",
            shares.join(" + "),
            generator.cpu_ns_per_received,
            ms(generator.publish_lag_ns.at(0.99)),
            ms(generator.publish_lag_ns.0.max()),
            of(overflows, "queue overflow")
        )
    }

    fn write_held_back(&self, f: &mut Formatter<'_>) -> Written {
        let held = &self.held_back;
        if held.messages == 0 {
            return Ok(());
        }
        write!(
            f,
            "held back  {} by the server, {:.3} ms at most",
            of(held.messages, "message"),
            ms(held.longest_ns)
        )?;
        match held.left_messages {
            0 => writeln!(f),
            left => writeln!(
                f,
                "; {} not sent in the end, {} of them queued",
                of(left, "message"),
                bytes(held.left_bytes)
            ),
        }
    }

    fn write_verdict(&self, f: &mut Formatter<'_>) -> Written {
        if let Some(slo) = &self.slo {
            let outcome = if slo.held { "held" } else { "MISSED" };
            write!(f, "slo        {} {outcome}", slo.demand)?;
            match slo.misses.is_empty() {
                true => writeln!(f)?,
                false => writeln!(f, ": {}", slo.misses.join("; "))?,
            }
        }
        let damage = self.damage();
        match &self.verdict {
            Verdict::Valid if damage.is_empty() => {
                return write!(f, "verdict    valid: the generator kept up");
            }
            Verdict::Valid => write!(f, "verdict    the generator kept up")?,
            Verdict::Invalid { why } => write!(f, "INVALID: {}", why.join("; "))?,
        }
        match damage.is_empty() {
            true => Ok(()),
            false => write!(f, "\nFAILED: {}", damage.join("; ")),
        }
    }
}

/// A series of times and its name.
pub(crate) type Row<'a> = (&'static str, &'a Distribution);

/// The series of which there is something to tell.
pub(crate) fn latency_rows(latency: &Latency) -> impl Iterator<Item = Row<'_>> {
    let rows = latency.series().into_iter();
    rows.filter(|(_, times)| !times.is_empty())
}

/// What was asked, in one line.
pub(crate) fn load(parameters: &Parameters) -> String {
    let sizes: Vec<_> = parameters.sizes_bytes.iter().map(u32::to_string).collect();
    let Some(pace) = pace(parameters) else {
        return of(parameters.subscribers.into(), "session");
    };
    let guests = parameters.session_stages.iter().map(|stage| stage.target);
    let guests = match guests.fold(0.0, f64::max) {
        0.0 => String::new(),
        most => format!(" and up to {most} that come and go"),
    };
    let rooms = match parameters.rooms {
        0 | 1 => String::new(),
        several => format!(" in {several} rooms"),
    };
    let missed = match parameters.missed {
        0 => String::new(),
        missed => format!(" after {missed} that each room missed"),
    };
    format!(
        "{}{guests}{rooms}, {}, {pace} of {} bytes{missed}, {} s after {} s",
        of(parameters.subscribers.into(), "subscriber"),
        of(parameters.publishers.into(), "publisher"),
        sizes.join("/"),
        parameters.duration_seconds,
        parameters.warmup_seconds
    )
}

/// How fast messages are published; none if there are none.
fn pace(parameters: &Parameters) -> Option<String> {
    if let Some(outstanding) = parameters.closed {
        let think = match parameters.think_seconds.as_slice() {
            [least, most] if least < most => format!(" after pauses of {least} to {most} s"),
            [least, ..] => format!(" after pauses of {least} s"),
            [] => String::new(),
        };
        return Some(format!("{outstanding} messages outstanding{think}"));
    }
    let stages = parameters.stages.iter().map(|stage| stage.target);
    let rates: Vec<_> = [parameters.rate?]
        .into_iter()
        .chain(stages)
        .map(rate)
        .collect();
    let arrivals = &parameters.arrivals;
    Some(format!("{} messages/s ({arrivals})", rates.join(" to ")))
}

fn write_row(
    name: &str,
    times: &Distribution,
    sign: impl Fn(u64) -> &'static str,
    f: &mut Formatter<'_>,
) -> Written {
    write!(f, "{name:10}")?;
    let quantiles = [0.5, 0.9, 0.99, 0.999, 1.0].map(|quantile| times.at(quantile));
    for ns in quantiles.into_iter().chain([times.mean_ns()]) {
        let figure = format!("{}{:.3}", sign(ns), ms(ns));
        write!(f, "{figure:>10}")?;
    }
    writeln!(f, "{:>14}", count(times.0.len()))
}

#[cfg(test)]
mod tests;
