//! How a process ended, and which ends count as success.

use super::signal::Signal;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It called exit with this code.
    Exited(u8),
    /// A signal ended it.
    Killed(Signal),
}

impl Status {
    /// The code that a shell would report: its own, or 128 plus the signal's number.
    pub fn code(self) -> u8 {
        match self {
            Status::Exited(code) => code,
            Status::Killed(signal) => 128 + signal.number(),
        }
    }
}

/// A set of exit codes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Codes([u64; 4]);

impl Codes {
    /// Adds a code.
    pub fn add(&mut self, code: u8) {
        self.0[usize::from(code >> 6)] |= 1 << (code & 63);
    }

    /// Whether `code` is in the set.
    pub fn has(&self, code: u8) -> bool {
        self.0[usize::from(code >> 6)] & 1 << (code & 63) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_a_shell() {
        assert_eq!(Status::Exited(3).code(), 3);
        assert_eq!(Status::Killed(Signal::KILL).code(), 137);
        assert_eq!(Status::Killed(Signal::new(64).unwrap()).code(), 192);
    }

    #[test]
    fn sets_hold_every_code_by_itself() {
        for code in 0..=255 {
            let mut codes = Codes::default();
            codes.add(code);
            assert!((0..=255).all(|other| codes.has(other) == (other == code)));
        }
    }
}
