//! Processes and what they started: a server may be several.

use std::collections::BTreeMap;
use std::{fs, process};

/// The most processes that are watched.
const PROCESSES_MAX: usize = 4096;

/// The processes with these ids, and all that they or their children started, as far as they are there. This process is
/// none of the server's, whoever started it.
pub(crate) fn family(roots: &[u32]) -> Vec<u32> {
    let mut members = roots.to_vec();
    if roots.is_empty() {
        return members;
    }
    let mut parents = parents();
    parents.remove(&process::id());
    let mut at = 0;
    while at < members.len() && members.len() < PROCESSES_MAX {
        let children = parents.iter().filter(|(_, parent)| **parent == members[at]);
        let children: Vec<_> = children.map(|(pid, _)| *pid).collect();
        for pid in children {
            if !members.contains(&pid) {
                members.push(pid);
            }
        }
        at += 1;
    }
    members
}

/// The name of a process.
pub(crate) fn name(pid: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm"));
    name.unwrap_or_default().trim().to_owned()
}

/// The parent of every process there is.
fn parents() -> BTreeMap<u32, u32> {
    let mut parents = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // A process may end between the listing and the reading.
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        if let Some(parent) = parent(&stat) {
            parents.insert(pid, parent);
        }
    }
    parents
}

/// The fourth field of `/proc/PID/stat`; the second is a name in parentheses that may hold anything.
fn parent(stat: &str) -> Option<u32> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use rustix::process::{Pid, Signal, kill_process};

    use super::*;

    /// Goal: children and what they start are found, each once; a process that is not there is left to whoever
    /// looks at it.
    #[test]
    fn children_are_found() {
        assert_eq!(parent("7 (a) b (c) S 42 2 3"), Some(42));
        let mut shell = Command::new("sh")
            .args(["-c", "sleep 60 & echo $!; wait"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let out = shell.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        let grandchild: u32 = line.trim().parse().unwrap();
        let own = process::id();
        let members = family(&[own, shell.id()]);
        let count = |pid: u32| members.iter().filter(|member| **member == pid).count();
        assert_eq!(
            (count(own), count(shell.id()), count(grandchild)),
            (1, 1, 1)
        );
        assert_eq!(name(shell.id()), "sh");
        shell.kill().unwrap();
        shell.wait().unwrap();
        let sleeper = Pid::from_raw(grandchild.cast_signed()).unwrap();
        let _ = kill_process(sleeper, Signal::KILL);
        assert!(!family(&[1]).contains(&own));
        assert_eq!(family(&[]), Vec::<u32>::new());
        assert_eq!(family(&[u32::MAX]), [u32::MAX]);
    }
}
