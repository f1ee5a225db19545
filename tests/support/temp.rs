//! Directories that live as long as a test.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// An empty directory below cargo's `target/tmp`, removed when dropped.
pub struct Temp {
    path: PathBuf,
}

impl Temp {
    pub fn new() -> Temp {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let all = Path::new(env!("CARGO_TARGET_TMPDIR"));
        std::fs::create_dir_all(all).expect("cannot make cargo's temporary directory");
        let path = loop {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("t{}-{number}", std::process::id());
            let path = all.join(name);
            match std::fs::create_dir(&path) {
                Ok(()) => break path,
                // Left behind by a killed test run that had the same process id, or in use in another PID
                // namespace.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                Err(error) => panic!("cannot make {}: {error}", path.display()),
            }
        };
        // Payloads that run as another user must get in.
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&path, open).expect("cannot open up a temporary directory");
        Temp { path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of something in here, as text for a command line.
    pub fn join(&self, name: impl AsRef<OsStr>) -> String {
        let path = self.path.join(Path::new(name.as_ref()));
        path.to_str().expect("a temporary path is UTF-8").to_owned()
    }

    /// A named pipe, and its reading end, which never blocks.
    pub fn pipe(&self) -> (String, File) {
        let path = self.join("pipe");
        let name = std::ffi::CString::new(path.as_str()).unwrap();
        // SAFETY: makes a pipe of this name.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        let mut open = File::options();
        let reader = open.read(true).custom_flags(libc::O_NONBLOCK).open(&path);
        (path, reader.unwrap())
    }

    /// Writes a file with the given mode, by way of another process: a file that we write ourselves stays
    /// busy while a child that another thread has just forked holds our descriptor, and a busy file cannot be
    /// executed.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>, mode: u32) -> String {
        let path = self.join(name);
        let mut install = Command::new("install");
        install
            .args(["-m", &format!("{mode:o}"), "/dev/stdin", &path])
            .stdin(Stdio::piped());
        let mut install = install.spawn().expect("cannot run install");
        let mut stdin = install.stdin.take().expect("a pipe was asked for");
        stdin
            .write_all(content.as_ref())
            .expect("cannot write to install");
        drop(stdin);
        assert!(
            install.wait().is_ok_and(|status| status.success()),
            "cannot write {path}"
        );
        path
    }

    /// `program` under another name, as a symbolic link.
    pub fn symlink(&self, program: &Path, name: &str) -> String {
        let link = self.join(name);
        symlink(program, &link).expect("cannot make a symbolic link");
        link
    }

    /// `program` under another name, as a hard link, or as a copy if it is on another file system.
    pub fn hard_link(&self, program: &Path, name: &str) -> String {
        let link = self.join(name);
        if std::fs::hard_link(program, &link).is_err() {
            let copied = Command::new("cp").arg(program).arg(&link).status();
            assert!(
                copied.is_ok_and(|status| status.success()),
                "cannot copy a program"
            );
        }
        link
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        // What cannot be removed stays in `target/tmp` and does no harm there.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// The whole lines of a file so far; none if it does not exist yet.
pub fn lines_of(path: impl AsRef<Path>) -> Vec<String> {
    let content = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&content);
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    text[..whole].lines().map(str::to_owned).collect()
}
