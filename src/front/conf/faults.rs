//! What can be wrong with a plan file besides its values.

use crate::words::packed::Text;

/// Declares each fault once: its name, and its text.
macro_rules! faults {
    ($($fault:ident $line:literal)*) => {
        /// What is wrong. Just a number, so that the many places that name one stay small.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Fault {
            $(#[doc = concat!("`", $line, "`")] $fault,)*
        }

        const TEXTS: Text = text!(concat!($($line, "\n"),*));
    };
}

faults! {
    Nul "a NUL byte: this is not text"
    NoSection "it stands before the first [section]"
    Neither "neither a [section] nor an unindented key = value"
    NoService "there is no service to run"
    Services "more than 65535 services"
    NotOneWord "expected one word"
    NoOption "there is no such option for a file"
    Name "a name has letters, digits and _ - . @ only"
    NoKey "there is no such key"
    NoValue "it has no value"
    Repeated "it is already set in this section"
    Run "it needs run or run-parts, not both"
    Pidfile "type = daemon and pidfile go together"
    Oneshot "a oneshot has no ready, health or watchdog"
    Daemon "a daemon has no ready = fd:N"
    Parts "run-parts is for type = oneshot, without instances"
    Section "another section has this name"
    Terminal "only one service can have the terminal"
    Unknown "there is no such service, or it is disabled"
    Reader "it names several services, or a oneshot"
    Circle "these wait for each other: "
    Quote "a ' is not closed"
    DoubleQuote "a \" is not closed"
    Braces "expected ${NAME} or ${NAME:-default}"
    Shell "quote | & ; < > ` $(, or write sh -c '...'"
    Unset "this variable is not set"
    NoUser "not in /etc/passwd"
    NoGroup "not in /etc/group"
    Dependencies "more than 16777216 dependencies"
    Programs "more than 1000 programs"
    NoName "neither NAME nor NAME=VALUE"
    Unreadable "cannot read it: "
}

impl Fault {
    /// Its text.
    pub fn text(self) -> Text {
        TEXTS.line(self as usize)
    }
}
