//! runc, called directly.

use crate::bundle::Runtime;
use crate::bundle_cases;

static RUNC: Runtime = Runtime {
    program: "/usr/sbin/runc",
    // The box is no session keyring, and others' containers would share the quota of keys.
    options: &["--no-new-keyring"],
    goes_without_proc: false,
};

bundle_cases!(RUNC);
