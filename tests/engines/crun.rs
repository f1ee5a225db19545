//! crun, called directly. It kills all of a cgroup that a bundle does not name, so bundles do, and never
//! outside of a box.

use crate::bundle::Runtime;
use crate::bundle_cases;

static CRUN: Runtime = Runtime {
    program: "/usr/bin/crun",
    options: &[],
    goes_without_proc: true,
};

bundle_cases!(CRUN);
