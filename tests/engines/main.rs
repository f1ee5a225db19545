//! pidlet in real container engines: Docker, Podman, runc and crun from Debian's packages.
//!
//! Run by `make test-engines`, in a box (`box.sh`): namespaces and cgroups of their own, where an engine can
//! do no harm. A plain `cargo test` leaves these tests out. No registry is asked: images are made of what
//! `rootfs.rs` puts together, pidlet and the static payload first of all.

// Each engine uses only part of what they share.
#![allow(dead_code)]

#[path = "../support/mod.rs"]
mod support;

mod bundle;
mod crun;
mod docker;
mod podman;
mod readme;
mod rootfs;
mod runc;
mod tool;

use std::path::PathBuf;

/// The view of the cgroups in our box, `v1`, `v2` or `hyb`; `None` outside of a box. The PID namespace tells
/// a box from a mere copy of its environment.
fn view() -> Option<String> {
    let said = std::env::var("PIDLET_BOX").ok()?;
    let (view, namespace) = said.split_once(' ')?;
    let ours = std::fs::read_link("/proc/self/ns/pid").ok()?;
    (ours.to_str() == Some(namespace)).then(|| view.to_owned())
}

/// A directory on disk that the box removes at its end.
fn scratch() -> PathBuf {
    let path = std::env::var_os("PIDLET_BOX_DIR").expect("box.sh sets it");
    PathBuf::from(path)
}

/// Skips a test, loudly, outside of a box or where one of the programs is missing.
#[macro_export]
macro_rules! needs {
    ($($program:expr),*) => {
        if $crate::view().is_none() {
            $crate::skip!("engines run in a box only; `make test-engines` makes one");
        }
        $(if !std::path::Path::new($program).exists() {
            $crate::skip!("{} is missing", $program);
        })*
    };
}
