//! crun, called directly. Where a bundle names no cgroup it kills everything in the one that it finds, so
//! bundles name theirs, and are never run outside of a box.

use crate::bundle::Runtime;
use crate::bundle_cases;

static CRUN: Runtime = Runtime {
    program: "/usr/bin/crun",
    options: &[],
    goes_without_proc: true,
};

bundle_cases!(CRUN);
