//! Lines for stderr: a bounded queue, and the one thread that writes.
//!
//! Whoever has something to say leaves it here and goes on: a stderr that is full, closed or never
//! read costs lines, which are counted, and nothing else. What is worth a line is decided
//! elsewhere. Nothing else of the process may write to stderr, since a write may block for ever.

mod rate;

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::panic::PanicHookInfo;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

pub(crate) use self::rate::{leave_out, may_tell};
use crate::metrics::LOG_LINES_LOST;

/// Bytes of lines that wait to be written; as many again may be on their way.
const WAITING_BYTES_MAX: usize = 256 << 10;

/// A longer line of the log is cut: a peer may have a say in it.
const LINE_BYTES_MAX: usize = 4096;

/// The queue; its clones share it. As a writer it takes one line with each write.
#[derive(Debug, Clone, Default)]
pub struct Logs(Arc<Queue>);

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    /// The writer holds lines that it has not written yet.
    writing: bool,
    /// Lines lost since the last line that says how many.
    lost: u64,
}

impl Logs {
    /// A queue, and the thread that empties it.
    ///
    /// # Errors
    /// When there can be no further thread.
    pub fn start() -> io::Result<Self> {
        // A log file that has reached its limit (setrlimit(2)) fails a write instead of the process.
        signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default())?;
        let logs = Self::default();
        let queue = Arc::clone(&logs.0);
        std::thread::Builder::new()
            .name("logs".to_owned())
            .spawn(move || queue.write_on(&io::stderr()))?;
        Ok(logs)
    }

    /// Leaves a line of the process's own, without its end, to be written. Never waits for whoever
    /// reads it.
    pub fn say(&self, line: &str) {
        self.0.put(line.as_bytes());
    }

    /// Has every panic of the process said here, and not on a stderr that may block.
    pub fn tell_panics(&self) {
        let logs = self.clone();
        std::panic::set_hook(Box::new(move |panic| logs.say(&described(panic))));
    }

    /// Waits until everything was written, but no longer than `patience`.
    pub fn finish(&self, patience: Duration) {
        let end = Instant::now() + patience;
        let mut state = self.0.state();
        while state.writing || !state.waiting.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = (self.0.changed.wait_timeout(state, left))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl Write for Logs {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = line.trim_ascii_end();
        self.0.put(&text[..text.len().min(LINE_BYTES_MAX)]);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Queue {
    /// A thread that panicked cannot have left it half changed.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, line: &[u8]) {
        let mut state = self.state();
        if state.waiting.len() + line.len() >= WAITING_BYTES_MAX {
            state.lost += 1;
            drop(state);
            LOG_LINES_LOST.add(1);
            return;
        }
        let idle = state.waiting.is_empty();
        state.waiting.extend_from_slice(line);
        state.waiting.push(b'\n');
        drop(state);
        if idle {
            self.changed.notify_all();
        }
    }

    fn write_on(&self, stderr: &impl AsFd) {
        let mut lines = Vec::new();
        loop {
            let mut state = self.state();
            state.writing = false;
            self.changed.notify_all();
            while state.waiting.is_empty() {
                state = (self.changed.wait(state)).unwrap_or_else(PoisonError::into_inner);
            }
            lines.clear();
            std::mem::swap(&mut lines, &mut state.waiting);
            if std::mem::take(&mut state.lost) > 0 {
                let total = LOG_LINES_LOST.get();
                lines.extend_from_slice(
                    format!("fanring: log lines were lost here, {total} in all\n").as_bytes(),
                );
            }
            state.writing = true;
            drop(state);
            let unwritten = write_all(stderr, &lines);
            if unwritten > 0 {
                let lost = lines[lines.len() - unwritten..].iter();
                let lost = lost.filter(|&&byte| byte == b'\n').count() as u64;
                self.state().lost += lost;
                LOG_LINES_LOST.add(lost);
            }
        }
    }
}

/// Writes as much as can be written and says how many bytes could not: an error is final for
/// these bytes, not for those that come later, since a disk may have room again.
fn write_all(stderr: &impl AsFd, mut bytes: &[u8]) -> usize {
    while !bytes.is_empty() {
        match rustix::io::write(stderr, bytes) {
            Ok(0) => break,
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            // Whoever shares the pipe has made it non-blocking.
            Err(Errno::AGAIN) => wait_for_room(stderr),
            Err(_) => break,
        }
    }
    bytes.len()
}

fn wait_for_room(stderr: &impl AsFd) {
    let second = Timespec {
        tv_sec: 1,
        tv_nsec: 0,
    };
    // Whatever it says, the next write says it again.
    let _ = poll(&mut [PollFd::new(stderr, PollFlags::OUT)], Some(&second));
}

/// What the standard hook says, in one piece.
fn described(panic: &PanicHookInfo<'_>) -> String {
    use std::backtrace::{Backtrace, BacktraceStatus};
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("<unnamed>");
    let message = panic.payload_as_str().unwrap_or("a panic without words");
    let place = panic.location().map(ToString::to_string);
    let place = place.as_deref().unwrap_or("an unknown place");
    let trace = Backtrace::capture();
    let trace = match trace.status() {
        BacktraceStatus::Captured => format!("\n{trace}"),
        _ => String::new(),
    };
    format!("fanring: thread {name} panicked at {place}: {message}{trace}")
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use rustix::pipe::{PipeFlags, pipe_with};

    use super::*;

    fn writing_to(stderr: impl AsFd + Send + 'static) -> Logs {
        let logs = Logs::default();
        let queue = Arc::clone(&logs.0);
        std::thread::spawn(move || queue.write_on(&stderr));
        logs
    }

    /// Goal: lines come out whole and in order, and `finish` waits for the last of them.
    #[test]
    fn lines_come_out_in_order() {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let mut logs = writing_to(writer);
        for number in 0..100 {
            logs.say(&format!("line {number}"));
        }
        logs.write_all(b"from tracing\n").unwrap();
        logs.write_all("x".repeat(2 * LINE_BYTES_MAX).as_bytes())
            .unwrap();
        logs.finish(Duration::from_secs(20));
        let mut bytes = vec![0; 64 << 10];
        let count = std::fs::File::from(reader).read(&mut bytes).unwrap();
        let text = String::from_utf8(bytes[..count].to_vec()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 102);
        assert_eq!((lines[0], lines[99]), ("line 0", "line 99"));
        assert_eq!((lines[100], lines[101].len()), ("from tracing", 4096));
    }

    /// Goal: a pipe that nobody reads holds up nobody, holds no more than the bound, and says how
    /// much was lost once it is read. Non-blocking pipes lose nothing for it.
    #[test]
    fn a_pipe_that_nobody_reads_costs_lines_only() {
        for flags in [PipeFlags::CLOEXEC, PipeFlags::CLOEXEC | PipeFlags::NONBLOCK] {
            let (reader, writer) = pipe_with(flags).unwrap();
            rustix::fs::fcntl_setfl(&reader, rustix::fs::OFlags::empty()).unwrap();
            let logs = writing_to(writer);
            let line = "y".repeat(1000);
            for _ in 0..2000 {
                logs.say(&line);
            }
            logs.finish(Duration::from_millis(1));
            assert!(logs.0.state().waiting.len() <= WAITING_BYTES_MAX);
            let mut reader = std::io::BufReader::new(std::fs::File::from(reader));
            let mut whole = 0;
            loop {
                let mut text = String::new();
                std::io::BufRead::read_line(&mut reader, &mut text).unwrap();
                if text.contains("lines were lost here") {
                    break;
                }
                assert_eq!(text.trim_end(), line);
                whole += 1;
                // A line after the loss brings the news of it.
                logs.say(&line);
            }
            assert!(whole > 60, "{whole}");
        }
    }

    /// Goal: what can't be written is counted and forgotten.
    #[test]
    fn a_full_disk_costs_lines_only() {
        let full = std::fs::File::options().write(true).open("/dev/full");
        let logs = writing_to(full.unwrap());
        let before = LOG_LINES_LOST.get();
        logs.say("one\ntwo");
        logs.finish(Duration::from_secs(20));
        assert!(LOG_LINES_LOST.get() >= before + 2);
    }
}
