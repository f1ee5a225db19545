//! runc, called directly.

use crate::bundle::Runtime;
use crate::bundle_cases;

static RUNC: Runtime = Runtime {
    program: "/usr/sbin/runc",
    // The box does not separate session keyrings, so that all containers would share one quota of keys.
    options: &["--no-new-keyring"],
    goes_without_proc: false,
};

bundle_cases!(RUNC);
