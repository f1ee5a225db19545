//! What is in an image: root file systems of pidlet, the static payload and, where a case wants a shell,
//! busybox.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::support::pidlet;
use crate::tool::unique;

/// Debian's busybox-static.
pub const BUSYBOX: &str = "/bin/busybox";

/// Commands that leave behind three orphans and a child in another session, and one that takes the stop
/// signal and ends with 3.
pub const LEAVERS: [&str; 12] = [
    "/probe",
    "orphans",
    "3",
    "--report",
    "---",
    "/probe",
    "setsid-child",
    "---",
    "/probe",
    "signals",
    "--exit-on",
    "15=3",
];

/// The payload of the tests, linked statically, in a target directory of its own. Cargo decides whether it is
/// up to date.
pub fn static_probe() -> &'static Path {
    static PROBE: OnceLock<PathBuf> = OnceLock::new();
    PROBE.get_or_init(|| {
        let top = env!("CARGO_MANIFEST_DIR");
        let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("static");
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--release", "--example", "probe"]);
        build.args(["--target", &target, "--target-dir"]);
        build.arg(&directory).current_dir(top);
        build.env("RUSTFLAGS", "-Ctarget-feature=+crt-static");
        let done = build.status().expect("cannot run cargo");
        assert!(done.success(), "cannot build the static payload");
        directory.join(target).join("release/examples/probe")
    })
}

/// A directory that becomes a container's root or an image. It stays as long as the box.
pub struct Rootfs {
    path: PathBuf,
}

impl Rootfs {
    pub fn empty() -> Rootfs {
        let path = crate::scratch().join(unique("rootfs"));
        std::fs::create_dir_all(&path).expect("cannot make a directory");
        Rootfs { path }
    }

    /// `/pidlet` and `/probe`, and nothing else.
    pub fn scratch() -> Rootfs {
        let rootfs = Rootfs::empty();
        rootfs
            .program(pidlet(), "pidlet")
            .program(static_probe(), "probe")
    }

    /// Copies a program to `/name`, in directories that are made for it.
    pub fn program(self, from: &Path, name: &str) -> Rootfs {
        let to = self.place(name);
        // Not by ourselves: a descriptor that another thread's child has inherited keeps a file busy.
        let copied = Command::new("cp").arg(from).arg(&to).status();
        assert!(
            copied.is_ok_and(|status| status.success()),
            "cannot copy {}",
            from.display()
        );
        self
    }

    pub fn file(self, name: &str, content: impl AsRef<[u8]>, mode: u32) -> Rootfs {
        let to = self.place(name);
        std::fs::write(&to, content).expect("cannot write a file");
        std::fs::set_permissions(&to, std::fs::Permissions::from_mode(mode))
            .expect("cannot set a mode");
        self
    }

    pub fn directory(self, name: &str) -> Rootfs {
        std::fs::create_dir_all(self.path.join(name)).expect("cannot make a directory");
        self
    }

    pub fn link(self, target: &str, name: &str) -> Rootfs {
        symlink(target, self.place(name)).expect("cannot make a symbolic link");
        self
    }

    /// Busybox as `/bin/busybox`, under these names as well.
    pub fn busybox(self, names: &[&str]) -> Rootfs {
        let rootfs = self.program(Path::new(BUSYBOX), "bin/busybox");
        names.iter().fold(rootfs, |rootfs, name| {
            rootfs.link("/bin/busybox", &format!("bin/{name}"))
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn place(&self, name: &str) -> PathBuf {
        let to = self.path.join(name);
        let parent = to.parent().expect("a name has a directory");
        std::fs::create_dir_all(parent).expect("cannot make a directory");
        to
    }
}
