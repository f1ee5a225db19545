//! The keys of a service's section (pidlet.conf(5)): one table for reader, suggestions and tests.

use crate::words::packed::Text;
use crate::words::text::{place, take};

/// Declares each key once: its variant, and a line with its name, its kind, and what may be chosen.
macro_rules! keys {
    ($($key:ident $line:literal)*) => {
        /// A key of a section.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Key {
            $(#[doc = $line] $key,)*
            /// No key.
            None,
        }

        /// The lines of the keys in order.
        const LINES: &str = concat!($($line, "\n"),*);

        const ORDER: &[Key] = &[$(Key::$key),*];
    };
}

// The kinds: `w` words, `p` a path or another single word, `c` a choice, `b` yes or no, `D` a
// duration, `n` an integer in a range, `s` a size, `r` a resource limit, `o` an octal mode, `x` stop
// signals, `t` tries, `k` backoff, `y` a check, `v` capabilities, `O` a standard stream, `N` names of
// services, `e` variables; `u` user, `g` groups, `f` env-file, `F` env-dir and `R` run-parts need
// files of the image. What may be chosen follows; for the kinds `D`, `r`, `y` and `O`, how this key differs
// from others of its kind, as the report of a wrong value puts it.
// A user's variables (`A`) and groups (`M`) have no name, since no file can set them. Limits come last,
// in the order of their numbers: see `Key::resource`.
keys! {
    Run "run w"
    RunParts "run-parts R"
    Type "type c service oneshot daemon"
    Essential "essential c yes no on-failure"
    After "after N"
    Before "before N"
    Ready "ready y , fd:N, notify"
    ReadyTimeout "ready-timeout D ; not 0"
    Health "health y"
    HealthEvery "health-every D ; not 0"
    HealthTries "health-tries n 1 to 1000"
    Watchdog "watchdog D ; not 0"
    Restart "restart c no on-failure always"
    Backoff "backoff k"
    Tries "tries t"
    Stable "stable D"
    Stop "stop x"
    StopTimeout "stop-timeout D"
    Kill "kill c process group"
    Finish "finish w"
    User "user u"
    Groups "groups g"
    Dir "dir p"
    Umask "umask o"
    Env "env e"
    EnvFile "env-file f"
    EnvDir "env-dir F"
    ClearEnv "clear-env b"
    Nice "nice n -20 to 19"
    OomScoreAdj "oom-score-adj n -1000 to 1000"
    NoNewPrivs "no-new-privs b"
    Caps "caps v"
    Tty "tty b"
    Stdin "stdin O"
    Stdout "stdout O , service:NAME"
    Stderr "stderr O , service:NAME"
    LogSize "log-size s"
    LogKeep "log-keep n 0 to 999"
    Pidfile "pidfile p"
    Instances "instances n 1 to 1000"
    Disabled "disabled b"
    Sockets "sockets b"
    Account " A"
    Member " M"
    LimitCpu "cpu r , in seconds"
    LimitFileSize "fsize r"
    LimitData "data r"
    LimitStack "stack r"
    LimitCore "core r"
    LimitResident "rss r"
    LimitProcesses "nproc r"
    LimitFiles "nofile r"
    LimitLocked "memlock r"
    LimitMemory "as r"
    LimitLocks "locks r"
    LimitSignals "sigpending r"
    LimitQueues "msgqueue r"
}

/// Capabilities in the order of their numbers, from 0 (linux/capability.h).
const CAPABILITIES: Text = text!(
    "chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable \
    net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio \
    sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time \
    sys_tty_config mknod lease audit_write audit_control setfcap mac_override mac_admin syslog \
    wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore"
);

impl Key {
    /// The key of this name, its kind, and what may be chosen.
    pub fn find(name: &[u8]) -> Option<(Key, u8, &'static [u8])> {
        let mut rest = LINES.as_bytes();
        for key in ORDER {
            let mut line = take(&mut rest, b'\n');
            if take(&mut line, b' ') == name && !name.is_empty() {
                let kind = take(&mut line, b' ');
                return Some((*key, *kind.first()?, line));
            }
        }
        None
    }

    /// Its name.
    #[inline(never)]
    pub fn name(self) -> &'static [u8] {
        let mut rest = LINES.as_bytes();
        for _ in 0..self as u8 {
            take(&mut rest, b'\n');
        }
        take(&mut rest, b' ')
    }

    /// The name of key `n`, counted from 0, if there is one.
    pub fn nth_name(n: usize) -> Option<&'static [u8]> {
        ORDER.get(n).map(|key| key.name())
    }

    /// Whether keys of this kind may be repeated in a section. So may `env-file` and `env-dir`, whose
    /// variables are recorded as `env`.
    pub fn repeats(kind: u8) -> bool {
        matches!(kind, b'N' | b'e')
    }

    /// Whether its value is a command, or may be one: the kinds `w` and `y`.
    pub fn is_command(self) -> bool {
        matches!(self, Key::Run | Key::Ready | Key::Health | Key::Finish)
    }

    /// The number of the resource that it limits (asm-generic/resource.h), if it is a limit.
    pub fn resource(self) -> Option<u8> {
        (self as u8)
            .checked_sub(Key::LimitCpu as u8)
            .filter(|_| self < Key::None)
    }
}

/// The number of a capability, with or without `CAP_`.
pub fn capability(name: &[u8]) -> Option<usize> {
    let behind = match name.split_at_checked(4) {
        Some((prefix, behind)) if place(text!("cap_"), prefix).is_some() => behind,
        _ => name,
    };
    place(CAPABILITIES, behind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_found_by_its_name_and_has_a_kind() {
        for key in ORDER {
            let Some((found, kind, choices)) = Key::find(key.name()) else {
                assert_eq!(key.name(), b"");
                continue;
            };
            assert_eq!(found, *key);
            assert!(b"wpcbDnsroxtkyvONeugfFR".contains(&kind), "{key:?}");
            assert!(choices.is_empty() || b"cnDryO".contains(&kind), "{key:?}");
            assert_eq!(key.is_command(), b"wy".contains(&kind), "{key:?}");
        }
        assert_eq!(ORDER.len(), Key::None as usize);
        assert_eq!((Key::find(b""), Key::find(b"ru")), (None, None));
    }

    #[test]
    #[allow(
        clippy::unnecessary_cast,
        reason = "it is another type with other libraries"
    )]
    fn limits_are_numbered_as_the_kernel_does() {
        // asm-generic/resource.h, from 0 on.
        let limits = [
            Key::LimitCpu,
            Key::LimitFileSize,
            Key::LimitData,
            Key::LimitStack,
            Key::LimitCore,
            Key::LimitResident,
            Key::LimitProcesses,
            Key::LimitFiles,
            Key::LimitLocked,
            Key::LimitMemory,
            Key::LimitLocks,
            Key::LimitSignals,
            Key::LimitQueues,
        ];
        for (number, key) in limits.iter().enumerate() {
            assert_eq!(key.resource().map(usize::from), Some(number));
        }
        assert_eq!(
            (Key::Sockets.resource(), Key::None.resource()),
            (None, None)
        );
    }

    #[test]
    fn capabilities_are_numbered_as_the_kernel_does() {
        assert_eq!(capability(b"chown"), Some(0));
        assert_eq!(capability(b"CAP_NET_BIND_SERVICE"), Some(10));
        assert_eq!(capability(b"cap_net_bind_service"), Some(10));
        assert_eq!(capability(b"NET_BIND_SERVICE"), Some(10));
        assert_eq!(capability(b"checkpoint_restore"), Some(40));
    }
}
