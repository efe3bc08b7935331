//! The final table: what a person reads when a run is over.

mod server;

use std::fmt::{Display, Formatter, Result as Written};

use super::distribution::Distribution;
use super::model::asked::Parameters;
use super::model::slowest::Laggard;
use super::model::{Latency, Results, Verdict};
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
        for (name, times) in rows {
            write_row(name, times, f)?;
        }
        writeln!(f)
    }

    /// Who waited longest, where there are several who could have.
    fn write_slowest(&self, f: &mut Formatter<'_>) -> Written {
        let named = |one: &Laggard| {
            let number = one.session.unwrap_or(one.room);
            format!("{number} {:.3} ({:.3})", ms(one.mean_ns), ms(one.max_ns))
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
    format!(
        "{}{guests}{rooms}, {}, {pace} of {} bytes, {} s after {} s",
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

fn write_row(name: &str, times: &Distribution, f: &mut Formatter<'_>) -> Written {
    write!(f, "{name:10}")?;
    for quantile in [0.5, 0.9, 0.99, 0.999, 1.0] {
        write!(f, "{:10.3}", ms(times.at(quantile)))?;
    }
    let mean = times.0.mean() / 1e6;
    writeln!(f, "{mean:10.3}{:>14}", count(times.0.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::model::asked::{Slo, Stage};
    use crate::results::model::counts::Counts;
    use crate::results::model::server::{ProcessUse, ServerUse};
    use crate::results::model::{Churn, HeldBack, Slow, Storm};
    use crate::results::sample;

    /// Goal: a load is told in full, with every series and separators in the counts.
    #[test]
    fn a_load_is_told_in_full() {
        let (mut results, _) = sample::run(10);
        results.server = Some(ServerUse {
            cpu_ns: 5_000_000,
            cpu_ns_per_delivery: 250.0,
            tcp_pages_peak: 12,
            processes: [(7, "nginx"), (8, "app")]
                .map(|(pid, name)| ProcessUse {
                    pid,
                    name: name.to_owned(),
                    cpu_ns: 3_000_000,
                    rss_bytes_after: 1 << 20,
                    ..ProcessUse::default()
                })
                .to_vec(),
            ..ServerUse::default()
        });
        results.environment.started_unix_ms = 1_000_000_000_000;
        let text = results.to_string();
        let begun = "\nbegun 2001-09-09 01:46:40 UTC on ";
        assert!(text.contains(begun), "{text}");
        for part in [
            "fanout on 127.0.0.1:9001/ws (plain): 20 subscribers, 1 publisher, 100.0 messages/s",
            "\ncompletion ",
            "1,000 planned (100.0/s), 1,000 sent (100.0/s), 1,000 complete (100.0/s)",
            "judged     0 skipped, 0 outstanding, 0 cut off, 0 duplicated, 0 reordered, 0 corrupted\n",
            "(22,000 of 22,000 expected with the warm-up, 0 foreign, 0 replayed)",
            "sessions   21 opened, 0 ended early",
            "\nslowest    sessions, mean (max) ms: 3 2.000 (50.000), 17 1.500 (9.000)\n",
            "server     250 ns of CPU per delivery",
            "processes  2 processes: 7 nginx 3 ms of CPU, 1.0 MiB; 8 app 3 ms of CPU, 1.0 MiB",
            "verdict    valid",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(
            !text.contains("backlog") && !text.contains("window"),
            "{text}"
        );
        assert!(text.lines().all(|line| line.len() < 160), "{text}");
    }

    /// Goal: a load that changes over time is told with its stages and pauses.
    #[test]
    fn changing_loads_are_told() {
        let (results, _) = sample::run(10);
        let mut parameters = results.parameters;
        let stage = |seconds, target| Stage { seconds, target };
        parameters.stages = vec![stage(5.0, 2_000.0), stage(5.0, 0.0)];
        parameters.session_stages = vec![stage(5.0, 40.0), stage(5.0, 0.0)];
        let text = load(&parameters);
        assert!(
            text.starts_with("20 subscribers and up to 40 that come and go, "),
            "{text}"
        );
        assert!(
            text.contains(", 100.0 to 2,000 to 0.0 messages/s (uniform) of 64"),
            "{text}"
        );
        parameters.closed = Some(3);
        parameters.think_seconds = vec![1.0, 2.5];
        let text = load(&parameters);
        assert!(
            text.contains("3 messages outstanding after pauses of 1 to 2.5 s"),
            "{text}"
        );
        parameters.think_seconds = vec![1.0, 1.0];
        assert!(
            load(&parameters).contains("after pauses of 1 s of 64"),
            "{text}"
        );
    }

    /// Goal: what is missing is told by its reason, a backlog with its age, and what was too late with the
    /// window that it fell out of.
    #[test]
    fn what_is_missing_is_told_by_its_reason() {
        let (mut results, _) = sample::run(2);
        results.counts = Counts {
            skipped: 12,
            outstanding: 1_084_304,
            outstanding_age_ns: 3_250_000_000,
            cut_off: 7,
            too_late: 110,
            ..results.counts
        };
        results.generator.reorder_window = 65_536;
        results.sessions.failed = 60;
        results.sessions.unopened = 1_000;
        results.sessions.refusals.insert(503, 60);
        let text = results.to_string();
        for part in [
            "judged     12 skipped, 1,084,304 outstanding, 7 cut off, 0 duplicated",
            "\nbacklog    1,084,304 outstanding when the drain ended, the oldest for 3.25 s; more --drain",
            "\nwindow     110 came over 65,536 messages late: too late to tell",
            "opened, 1,000 could not be, as allowed, 60 failed to, 0 ended early",
            "\nrefusals   503: 60\n",
            "FAILED: 12 skipped (later ones came); 1,084,304 outstanding when the drain ended, the \
             oldest for 3.25 s; 7 cut off with their sessions; 110 too late to tell; 60 joins failed",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    /// Goal: what is wrong with a run can't be missed.
    #[test]
    fn trouble_is_told() {
        let (mut results, _) = sample::run(2);
        results.sessions.ended_early = 3;
        results.sessions.closes.insert(4001, 2);
        results.sessions.closes.insert(1006, 1);
        results.sessions.first_cause = Some("it was closed with 4001".to_owned());
        results.storm = Some(Storm::default());
        results.churn = Some(Churn { joined: 7, left: 6 });
        results.slow = Some(Slow {
            stopped: 2,
            closed: 1,
            untaken: 1_500,
        });
        results.slo = Some(Slo {
            demand: "p99=1ms".to_owned(),
            held: false,
            misses: vec!["p99 was 2 ms".to_owned()],
            parts: Vec::new(),
        });
        results.verdict = Verdict::Invalid {
            why: vec!["worker 0 was busy all the time".to_owned()],
        };
        results.held_back = HeldBack {
            messages: 1_200,
            longest_ns: 3_000_000_000,
            left_messages: 7,
            left_bytes: 7 << 20,
        };
        let text = results.to_string();
        for part in [
            "held back  1,200 messages by the server, 3000.000 ms at most; 7 messages not sent in the end, 7.0 MiB",
            "3 ended early; first: it was closed with 4001",
            "closes     1006: 1, 4001: 2",
            "not all came back",
            "churn      7 joined, 6 left",
            "1,500 deliveries",
            "slo        p99=1ms MISSED: p99 was 2 ms",
            "INVALID: worker 0 was busy all the time",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
}
