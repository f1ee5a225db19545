//! Signals and sets of them, with their usual names.
//!
//! Numbers are those of asm-generic/signal.h, which x86, arm, riscv, powerpc, s390 and loongarch
//! share; of the architectures that Linux still supports only mips, parisc, sparc and alpha differ.

use core::num::NonZeroU8;

use super::packed::Text;
use super::text::{leading_integer, number, place, take};

/// A signal's number, 1 to 64. Never 0, so that an `Option` of it is no larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signal(NonZeroU8);

/// The names of the signals 1 to 31, in order.
const NAMES: &str = "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT \
    CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS";

/// The first real-time signal that programs may use. The kernel's own first is 32, but glibc and
/// Docker count from 34, and `RTMIN+3` is always meant so (signal(7)).
const RTMIN: u8 = 34;
const RTMAX: u8 = 64;

impl Signal {
    /// Hang-up.
    pub const HUP: Signal = Signal::known(1);
    /// Interrupt, Ctrl-C.
    pub const INT: Signal = Signal::known(2);
    /// Quit, Ctrl-\.
    pub const QUIT: Signal = Signal::known(3);
    /// Kill, not to be caught.
    pub const KILL: Signal = Signal::known(9);
    /// A pipe without a reader was written to.
    pub const PIPE: Signal = Signal::known(13);
    /// Terminate: the polite request to end.
    pub const TERM: Signal = Signal::known(15);
    /// A child ended or stopped.
    pub const CHLD: Signal = Signal::known(17);
    /// Continue.
    pub const CONT: Signal = Signal::known(18);
    /// Stop, not to be caught.
    pub const STOP: Signal = Signal::known(19);
    /// Stop from the terminal, Ctrl-Z.
    pub const TSTP: Signal = Signal::known(20);
    /// A background process read from the terminal.
    pub const TTIN: Signal = Signal::known(21);
    /// A background process wrote to the terminal.
    pub const TTOU: Signal = Signal::known(22);
    /// A file would exceed the file size limit.
    pub const XFSZ: Signal = Signal::known(25);
    /// Power is failing; LXC's way to say halt.
    pub const PWR: Signal = Signal::known(30);
    /// SIGRTMIN+3: halt, as systemd understands it and Podman and LXC send it.
    pub const HALT: Signal = Signal::known(RTMIN + 3);

    const fn known(number: u8) -> Signal {
        match NonZeroU8::new(number) {
            Some(number) => Signal(number),
            None => panic!("0 is no signal"),
        }
    }

    /// The signal with this number, if there is one.
    pub const fn new(number: u32) -> Option<Signal> {
        if number <= RTMAX as u32 {
            match NonZeroU8::new(number as u8) {
                Some(number) => Some(Signal(number)),
                None => None,
            }
        } else {
            None
        }
    }

    /// The kernel's number.
    pub const fn number(self) -> u8 {
        self.0.get()
    }

    /// The name without `SIG`, for 1 to 31.
    pub fn name(self) -> Option<&'static [u8]> {
        let mut rest = NAMES.as_bytes();
        let mut name = take(&mut rest, b' ');
        for _ in 1..self.number() {
            name = take(&mut rest, b' ');
        }
        (!name.is_empty()).then_some(name)
    }

    /// How far from SIGRTMIN a real-time signal is.
    pub const fn real_time(self) -> Option<u8> {
        self.number().checked_sub(RTMIN)
    }

    /// Reads `TERM`, `SIGTERM`, `15`, `RTMIN+3` or `RTMAX-1`, in either case.
    pub fn parse(text: &[u8]) -> Option<Signal> {
        if let Some(number) = number(text) {
            return Signal::new(u32::try_from(number).ok()?);
        }
        let name = match text.split_at_checked(3) {
            Some((prefix, name)) if place(text!("SIG"), prefix).is_some() => name,
            _ => text,
        };
        if let Some(place) = place(Text::plain(NAMES), name) {
            return Signal::new(place as u32 + 1);
        }
        let (base, offset) = name.split_at_checked(5)?;
        let base = match place(text!("RTMIN RTMAX"), base)? {
            0 => RTMIN,
            _ => RTMAX,
        };
        let mut rest = offset;
        let offset = match offset {
            [] => 0,
            [b'+' | b'-', ..] => leading_integer(&mut rest).filter(|_| rest.is_empty())?,
            _ => return None,
        };
        let number = u32::try_from(offset.checked_add(base.into())?).ok()?;
        Signal::new(number).filter(|signal| signal.real_time().is_some())
    }
}

/// A set of signals with the kernel's layout: bit n-1 is signal n.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalSet(pub u64);

impl SignalSet {
    /// No signal.
    pub const NONE: SignalSet = SignalSet(0);
    /// All 64.
    pub const ALL: SignalSet = SignalSet(!0);
    /// The signals by which a terminal stops a process.
    pub const TERMINAL_STOPS: SignalSet = SignalSet::NONE
        .with(Signal::TSTP)
        .with(Signal::TTIN)
        .with(Signal::TTOU);
    /// The signals that ask a container to stop (pidlet(8), Signals).
    pub const STOP: SignalSet = SignalSet::NONE
        .with(Signal::TERM)
        .with(Signal::INT)
        .with(Signal::QUIT)
        .with(Signal::PWR)
        .with(Signal::HALT);

    /// The set with `signal` added.
    pub const fn with(self, signal: Signal) -> SignalSet {
        SignalSet(self.0 | 1 << (signal.number() - 1))
    }

    /// The set without `signal`.
    pub const fn without(self, signal: Signal) -> SignalSet {
        SignalSet(self.0 & !SignalSet::NONE.with(signal).0)
    }

    /// Whether `signal` is in the set.
    pub const fn has(self, signal: Signal) -> bool {
        self.0 & 1 << (signal.number() - 1) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        for (text, number) in [
            ("TERM", Some(15)),
            ("SIGTERM", Some(15)),
            ("sigterm", Some(15)),
            ("15", Some(15)),
            ("64", Some(64)),
            ("HUP", Some(1)),
            ("SYS", Some(31)),
            ("RTMIN", Some(34)),
            ("RTMIN+3", Some(37)),
            ("SIGRTMIN+3", Some(37)),
            ("RTMAX", Some(64)),
            ("RTMAX-2", Some(62)),
            ("RTMIN+30", Some(64)),
            ("RTMIN+31", None),
            ("RTMIN-1", None),
            ("RTMIN+", None),
            ("RTMIN+3x", None),
            ("RTMIN+999", None),
            ("RTM", None),
            ("", None),
            ("0", None),
            ("65", None),
            ("-1", None),
            ("SIG", None),
            ("TERMINATE", None),
        ] {
            assert_eq!(
                Signal::parse(text.as_bytes()).map(Signal::number),
                number,
                "{text:?}"
            );
        }
    }

    #[test]
    fn every_name_reads_back() {
        for number in 1..=31 {
            let signal = Signal::new(number).unwrap();
            assert_eq!(Signal::parse(signal.name().unwrap()), Some(signal));
        }
        assert_eq!(Signal::new(32).unwrap().name(), None);
        assert_eq!(Signal::new(65), None);
    }

    #[test]
    fn kernel_layout() {
        assert_eq!(SignalSet::NONE.with(Signal::HUP).0, 1);
        assert!(SignalSet::STOP.has(Signal::HALT) && !SignalSet::STOP.has(Signal::HUP));
        assert!(SignalSet::ALL.has(Signal::new(64).unwrap()));
    }
}
