//! What /proc says of a process, seen from outside its namespace.

use std::os::unix::fs::MetadataExt;

/// One process. All numbers but `inner` are those outside its namespace.
#[derive(Clone, Debug)]
pub struct Info {
    pub pid: i32,
    /// Its number in its own PID namespace.
    pub inner: i32,
    pub ppid: i32,
    pub comm: String,
    /// `R` running, `S` sleeping, `T` stopped, `Z` zombie...
    pub state: char,
    pub pgid: i32,
    pub sid: i32,
    /// Foreground group of its controlling terminal; -1 without one.
    pub tpgid: i32,
    /// Bit n-1 is signal n. While a process is in `sigtimedwait`, the signals that it waits for show as not
    /// blocked.
    pub blocked: u64,
    pub ignored: u64,
    pub caught: u64,
    pub pending: u64,
}

impl Info {
    /// `None` when the process is gone.
    pub fn of(pid: i32) -> Option<Info> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name))?;
            Some(line[name.len()..].trim().to_owned())
        };
        let set = |name: &str| u64::from_str_radix(&field(name)?, 16).ok();
        // The name may hold blanks and brackets, so count from the last one.
        let close = stat.rfind(')')?;
        let rest: Vec<&str> = stat[close + 1..].split_whitespace().collect();
        let number = |at: usize| rest.get(at)?.parse::<i32>().ok();
        Some(Info {
            pid,
            inner: field("NSpid:")?.split_whitespace().last()?.parse().ok()?,
            ppid: number(1)?,
            comm: stat[stat.find('(')? + 1..close].to_owned(),
            state: rest.first()?.chars().next()?,
            pgid: number(2)?,
            sid: number(3)?,
            tpgid: number(5)?,
            blocked: set("SigBlk:")?,
            ignored: set("SigIgn:")?,
            caught: set("SigCgt:")?,
            pending: set("SigPnd:")? | set("ShdPnd:")?,
        })
    }

    pub fn blocks(&self, signal: i32) -> bool {
        self.blocked & bit(signal) != 0
    }

    pub fn ignores(&self, signal: i32) -> bool {
        self.ignored & bit(signal) != 0
    }

    pub fn catches(&self, signal: i32) -> bool {
        self.caught & bit(signal) != 0
    }

    pub fn is_zombie(&self) -> bool {
        self.state == 'Z'
    }

    pub fn is_stopped(&self) -> bool {
        self.state == 'T'
    }
}

/// The bit of a signal in the kernel's sets.
pub fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// What identifies the PID namespace of a process; `None` when the process is gone.
pub fn pid_namespace(pid: i32) -> Option<u64> {
    Some(std::fs::metadata(format!("/proc/{pid}/ns/pid")).ok()?.ino())
}

/// How many zombies there are in the PID namespace of a process.
pub fn zombies_around(pid: i32) -> usize {
    let namespace = pid_namespace(pid).expect("it runs");
    let all = in_namespace(namespace);
    all.iter().filter(|info| info.is_zombie()).count()
}

/// All processes of a PID namespace, in the order of their numbers.
pub fn in_namespace(namespace: u64) -> Vec<Info> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let mut pids: Vec<i32> = pids
        .filter(|&pid| pid_namespace(pid) == Some(namespace))
        .collect();
    pids.sort_unstable();
    pids.into_iter().filter_map(Info::of).collect()
}
