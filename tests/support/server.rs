//! The real server as a child process on ports of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::http;
use super::wait::{Deadline, PATIENCE};

/// Silence a test's server allows unless the test sets it: nobody is pinged or closed because the
/// machine was slow, and nothing that waits for a timer by mistake is woken by one.
const UNHURRIED: [(&str, &str); 2] = [
    ("FANRING_PING_INTERVAL", "10m"),
    ("FANRING_IDLE_TIMEOUT", "20m"),
];

/// A running `fanring serve`; dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    addresses: Vec<SocketAddr>,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

/// The binary under test: the one built with the tests, or the one `FANRING_TEST_BINARY` names,
/// to run the same tests against another build.
pub(crate) fn binary() -> String {
    std::env::var("FANRING_TEST_BINARY")
        .unwrap_or_else(|_| env!("CARGO_BIN_EXE_fanring").to_owned())
}

/// `fanring` with `arguments` and without any setting from the environment.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FANRING_")) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

impl Server {
    /// Starts `fanring serve` on one free port of 127.0.0.1 with further `arguments`, and waits
    /// for its start line.
    #[track_caller]
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_on(&["127.0.0.1:0"], arguments)
    }

    /// The same with these listeners.
    #[track_caller]
    pub(crate) fn start_on(listeners: &[&str], arguments: &[&str]) -> Self {
        let mut all = vec!["serve"];
        all.extend(listeners.iter().flat_map(|listener| ["--listen", listener]));
        all.extend(arguments);
        let mut command = command(&all);
        let sets_silence =
            |argument: &&&str| argument.starts_with("--ping-int") || argument.starts_with("--idle");
        if arguments.iter().find(sets_silence).is_none() {
            command.envs(UNHURRIED);
        }
        Self::run(command, listeners.len())
    }

    /// The same as [`Self::start`], where the kernel lets the process open `descriptors_max`
    /// descriptors.
    #[track_caller]
    pub(crate) fn start_with_descriptors(descriptors_max: usize, arguments: &[&str]) -> Self {
        Self::start_under(&format!("-n {descriptors_max}"), arguments)
    }

    /// The same as [`Self::start`], under a limit of `ulimit`.
    #[track_caller]
    pub(crate) fn start_under(limit: &str, arguments: &[&str]) -> Self {
        let script = format!("ulimit {limit} && exec \"$@\"");
        let inner = command(&[]);
        let mut shell = Command::new("sh");
        for (name, _) in inner.get_envs() {
            shell.env_remove(name);
        }
        shell
            .args(["-c", &script, "sh"])
            .arg(inner.get_program())
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdin(Stdio::null());
        Self::run(shell, 1)
    }

    #[track_caller]
    pub(crate) fn run(mut command: Command, listeners: usize) -> Self {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server's binary starts");
        let log = Arc::new(Mutex::new(String::new()));
        let (found, addresses) = mpsc::channel();
        let lines = BufReader::new(child.stderr.take().expect("a pipe was asked for"));
        let reader = {
            let log = Arc::clone(&log);
            std::thread::spawn(move || {
                for line in lines.lines().map_while(Result::ok) {
                    if let Some(address) = address_in(&line) {
                        // A listener announced after the test has what it needs is no news.
                        let _ = found.send(address);
                    }
                    let mut log = log.lock().expect("no panic while logging");
                    log.push_str(&line);
                    log.push('\n');
                }
            })
        };
        let mut server = Self {
            child,
            addresses: Vec::new(),
            log,
            reader: Some(reader),
        };
        server.await_addresses(&addresses, listeners);
        server
    }

    #[track_caller]
    fn await_addresses(&mut self, found: &Receiver<SocketAddr>, count: usize) {
        while self.addresses.len() < count {
            match found.recv_timeout(PATIENCE) {
                Ok(address) => self.addresses.push(address),
                Err(error) => panic!("no start line ({error}) but: {}", self.log()),
            }
        }
    }

    /// The address of the first listener.
    pub(crate) fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// The addresses of all listeners in the order of their start lines.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// What it wrote to stderr so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("no panic while logging").clone()
    }

    /// What `/healthz` says.
    #[track_caller]
    pub(crate) fn healthz(&self) -> Value {
        let response = http::request(self.address(), "GET", "/healthz", &[]);
        assert_eq!(response.status, 200, "/healthz");
        serde_json::from_slice(&response.body).expect("/healthz is JSON")
    }

    /// A figure of `/healthz` by name.
    #[track_caller]
    pub(crate) fn figure(&self, name: &str) -> u64 {
        let health = self.healthz();
        health[name]
            .as_u64()
            .unwrap_or_else(|| panic!("no figure {name} in {health}"))
    }

    /// Waits until a figure of `/healthz` is what `wanted` asks for, and returns it.
    #[track_caller]
    pub(crate) fn await_figure(&self, name: &str, wanted: impl Fn(u64) -> bool) -> u64 {
        let deadline = Deadline::after(PATIENCE);
        loop {
            let figure = self.figure(name);
            if wanted(figure) {
                return figure;
            }
            deadline.check(|| format!("{name} as awaited, in {}", self.healthz()));
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Resident bytes of the process.
    pub(crate) fn rss_bytes(&self) -> u64 {
        self.status_bytes("VmRSS")
    }

    /// A size in the process's status, like `VmHWM`, the most that was ever resident.
    #[track_caller]
    pub(crate) fn status_bytes(&self, name: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("the server's /proc status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .unwrap_or_else(|| panic!("no {name} in {status}"));
        let kib = line.trim().trim_end_matches(" kB").parse::<u64>();
        kib.unwrap_or_else(|error| panic!("{name}: {line:?}: {error}")) << 10
    }

    /// Processor time all its threads have used, which other processes don't lengthen.
    pub(crate) fn processor_time(&self) -> Duration {
        let tasks = format!("/proc/{}/task", self.child.id());
        let used: u64 = std::fs::read_dir(tasks)
            .expect("the server's /proc task")
            .flatten()
            .map(|task| {
                let path = task.path().join("schedstat");
                let text = std::fs::read_to_string(path).expect("a thread's schedstat");
                let first = text.split(' ').next().expect("nanoseconds on a processor");
                first.parse::<u64>().expect("a number")
            })
            .sum();
        Duration::from_nanos(used)
    }

    /// Descriptors the process has open.
    pub(crate) fn descriptors(&self) -> usize {
        let path = format!("/proc/{}/fd", self.child.id());
        std::fs::read_dir(path)
            .expect("the server's /proc fd")
            .count()
    }

    /// Stops the process as a suspended machine would (SIGSTOP).
    pub(crate) fn freeze(&self) {
        kill_process(self.pid(), Signal::STOP).expect("the server takes a signal");
    }

    /// Lets it go on (SIGCONT).
    pub(crate) fn thaw(&self) {
        kill_process(self.pid(), Signal::CONT).expect("the server takes a signal");
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        kill_process(self.pid(), Signal::TERM).expect("the server takes a signal");
    }

    /// Kills the process at once and waits for it.
    pub(crate) fn kill(&mut self) {
        // It may have exited already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits for the process to exit by itself.
    #[track_caller]
    pub(crate) fn await_exit(&mut self, allowed: Duration) -> ExitStatus {
        let deadline = Deadline::after(allowed);
        loop {
            if let Some(status) = self.child.try_wait().expect("the server is a child") {
                return status;
            }
            deadline.check(|| format!("the server exits; its log: {}", self.log()));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Panics when the process has exited.
    #[track_caller]
    pub(crate) fn assert_alive(&mut self) {
        let status = self.child.try_wait().expect("the server is a child");
        assert!(
            status.is_none(),
            "the server exited ({status:?}): {}",
            self.log()
        );
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let exited = self.child.try_wait().ok().flatten();
        self.kill();
        if let Some(reader) = self.reader.take() {
            // The pipe ended with the process, so the reader has too.
            let _ = reader.join();
        }
        if std::thread::panicking() {
            eprintln!(
                "server exited by itself: {exited:?}, its log:\n{}",
                self.log()
            );
        }
    }
}

/// The address in a start line such as `listening on http://127.0.0.1:9001`.
fn address_in(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("listening on http://")?;
    let end = rest.find(|c: char| !(c.is_ascii_hexdigit() || ".:[]".contains(c)));
    rest[..end.unwrap_or(rest.len())].parse().ok()
}
