//! What another process of this machine uses: processor time and memory, from `/proc`.

use std::fs;
use std::time::Duration;

use serde::Serialize;

/// A process by its number.
#[derive(Clone, Copy, Debug)]
pub struct Process(pub u32);

/// What it used so far, and holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Usage {
    /// Processor time of all its threads.
    pub processor: Duration,
    /// Octets of memory that are its own: anonymous pages, so mostly heap.
    pub memory: u64,
}

impl Process {
    /// What it uses; `None` when it is gone, or where the system does not tell.
    #[must_use]
    pub fn usage(self) -> Option<Usage> {
        let mut processor = Duration::ZERO;
        for task in fs::read_dir(format!("/proc/{}/task", self.0)).ok()?.flatten() {
            // A thread may end between the two reads.
            let told = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            let nanos = told.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0);
            processor += Duration::from_nanos(nanos);
        }
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).ok()?;
        let memory = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
        let kilobytes: u64 = memory.trim().trim_end_matches("kB").trim().parse().ok()?;
        Some(Usage { processor, memory: kilobytes * 1024 })
    }
}

/// Processor time of the thread that asks.
pub(super) fn own_time() -> Duration {
    let told = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(told.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0))
}

/// Datagrams that the system threw away because the sockets at these ports were full.
pub(super) fn dropped_at(ports: &[u16]) -> u64 {
    let dropped = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let port = u16::from_str_radix(fields.get(1)?.rsplit_once(':')?.1, 16).ok()?;
        ports.contains(&port).then(|| fields.last()?.parse::<u64>().ok()).flatten()
    };
    let tables =
        ["/proc/net/udp", "/proc/net/udp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    tables.iter().flat_map(|table| table.lines().skip(1)).filter_map(dropped).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_runs_uses_something_and_one_that_is_gone_nothing() {
        if let Some(usage) = Process(std::process::id()).usage() {
            assert!(usage.memory > 0 && usage.processor > Duration::ZERO);
        }
        assert_eq!(Process(u32::MAX).usage(), None);
    }
}
