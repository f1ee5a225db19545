//! What is compared: pidlet, its peers as Debian has them, and the limit.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{self, Temp};
use crate::tools::Tools;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Limit,
    /// pidlet with commands on its command line.
    Pidlet,
    /// pidlet with a plan file.
    Plan,
    /// Programs that run one command: `tini -- COMMAND`.
    One,
    S6,
    Runit,
    Supervisor,
    Dinit,
}

pub struct Contestant {
    pub name: &'static str,
    pub kind: Kind,
    pub program: PathBuf,
    pub version: String,
}

/// Name, kind, path, Debian package.
const PEERS: [(&str, Kind, &str, &str); 8] = [
    ("tini", Kind::One, "/usr/bin/tini", "tini"),
    ("tini-static", Kind::One, "/usr/bin/tini-static", "tini"),
    ("dumb-init", Kind::One, "/usr/bin/dumb-init", "dumb-init"),
    ("catatonit", Kind::One, "/usr/bin/catatonit", "catatonit"),
    ("s6", Kind::S6, "/usr/bin/s6-svscan", "s6"),
    ("runit", Kind::Runit, "/usr/bin/runsvdir", "runit"),
    (
        "supervisord",
        Kind::Supervisor,
        "/usr/bin/supervisord",
        "supervisor",
    ),
    ("dinit", Kind::Dinit, "/usr/bin/dinit", "dinit"),
];

/// All contestants that are installed.
pub fn found(tools: &Tools, also: Option<PathBuf>) -> Vec<Contestant> {
    let ours = |name, kind, program: &Path| Contestant {
        name,
        kind,
        program: program.to_owned(),
        version: env!("CARGO_PKG_VERSION").into(),
    };
    let mut all = vec![
        ours("limit", Kind::Limit, &tools.limit),
        ours("pidlet", Kind::Pidlet, support::pidlet()),
        ours("pidlet -c", Kind::Plan, support::pidlet()),
    ];
    all.extend(also.map(|path| ours("other pidlet", Kind::Pidlet, &path)));
    for (name, kind, program, package) in PEERS {
        if !Path::new(program).exists() {
            missing(name, package);
            continue;
        }
        all.push(Contestant {
            name,
            kind,
            program: program.into(),
            version: version(package),
        });
    }
    all
}

/// Reports loudly what is not installed. Debian 12 has no dinit, so that is not demanded.
fn missing(name: &str, package: &str) {
    let reason = format!("{name} is missing (Debian's package {package})");
    if name == "dinit" {
        println!("bench: {reason}");
    } else {
        support::skipped(&reason);
    }
}

fn version(package: &str) -> String {
    let query = Command::new("dpkg-query")
        .args(["-W", "-f", "${Version}", package])
        .output();
    let text = query.map(|query| String::from_utf8_lossy(&query.stdout).into_owned());
    text.ok()
        .filter(|text| !text.is_empty())
        .unwrap_or_else(|| "unknown".into())
}

impl Contestant {
    /// Runs one command and ends with it: as tini does, and the limit, and pidlet.
    pub fn runs_one(&self) -> bool {
        matches!(self.kind, Kind::Limit | Kind::Pidlet | Kind::One)
    }

    /// Runs several services.
    pub fn runs_several(&self) -> bool {
        self.kind != Kind::One
    }

    pub fn is_ours(&self) -> bool {
        matches!(self.kind, Kind::Limit | Kind::Pidlet | Kind::Plan)
    }

    /// How many rounds of `rounds` it has.
    pub fn rounds(&self, rounds: usize) -> usize {
        match self.kind {
            // A second each.
            Kind::Supervisor | Kind::Runit => rounds.div_ceil(8).min(5),
            Kind::S6 | Kind::Dinit => rounds.div_ceil(4),
            _ => rounds,
        }
    }

    /// The command line that runs `count` payloads, in `temp`, if it can. Files that it needs for that come
    /// into `temp`.
    pub fn command_line(&self, count: usize, words: &[&str], temp: &Temp) -> Option<Vec<String>> {
        let command = [&["./payload"], words].concat();
        let program = self.program.to_str().expect("the path is UTF-8");
        let before = match self.kind {
            Kind::One if count > 1 => return None,
            Kind::Limit => vec![program.to_owned(), count.to_string()],
            _ => vec![program.to_owned()],
        };
        let after = match self.kind {
            Kind::Limit => command.iter().map(|word| word.to_string()).collect(),
            Kind::One | Kind::Pidlet => {
                let all = vec![command.join(" "); count].join(" --- ");
                format!("-- {all}").split(' ').map(str::to_owned).collect()
            }
            Kind::Plan => vec!["-c".into(), plan(count, &command, temp)],
            Kind::S6 => {
                let most = (count + 8).to_string();
                vec!["-c".into(), most, service_directories(count, words, temp)]
            }
            Kind::Runit => vec![service_directories(count, words, temp)],
            Kind::Supervisor => {
                vec![
                    "-n".into(),
                    "-c".into(),
                    supervisord_conf(count, &command, temp),
                ]
            }
            Kind::Dinit => vec!["-d".into(), dinit_services(count, words, temp)],
        };
        Some([before, after].concat())
    }
}

fn plan(count: usize, command: &[&str], temp: &Temp) -> String {
    let section = |at| format!("[s{at}]\nrun = {}\n", command.join(" "));
    temp.write(
        "plan.conf",
        (0..count).map(section).collect::<String>(),
        0o644,
    )
}

/// Makes service directories, as s6 and runit have them. The payload is the script's interpreter, so that no
/// shell is involved.
fn service_directories(count: usize, words: &[&str], temp: &Temp) -> String {
    let all = fresh("services", temp);
    let script = format!("#!{} {}\n", temp.join("payload"), in_directory(words, temp));
    let script = temp.write("run", script, 0o755);
    for at in 0..count {
        let directory = format!("{all}/s{at}");
        std::fs::create_dir(&directory).expect("a fresh directory");
        std::fs::hard_link(&script, format!("{directory}/run")).expect("a hard link");
    }
    all
}

/// The payload's words where it is started elsewhere.
fn in_directory(words: &[&str], temp: &Temp) -> String {
    let directory = temp.path().to_str().expect("the path is UTF-8");
    [&[directory], words].concat().join(" ")
}

fn fresh(name: &str, temp: &Temp) -> String {
    let directory = temp.join(name);
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir(&directory).expect("a fresh directory");
    directory
}

fn supervisord_conf(count: usize, command: &[&str], temp: &Temp) -> String {
    let conf = format!(
        "[supervisord]\nlogfile = /dev/null\nlogfile_maxbytes = 0\npidfile = {}\nminfds = 4096\nuser = root\n\
         [program:s]\ncommand = {}\nnumprocs = {count}\nprocess_name = s%(process_num)d\nstartsecs = 0\n\
         stdout_logfile = NONE\nredirect_stderr = true\n",
        temp.join("supervisord.pid"),
        command.join(" ")
    );
    temp.write("supervisord.conf", conf, 0o644)
}

fn dinit_services(count: usize, words: &[&str], temp: &Temp) -> String {
    let all = fresh("dinit.d", temp);
    let command = format!("{} \"{}\"", temp.join("payload"), in_directory(words, temp));
    let mut boot = "type = internal\n".to_owned();
    for at in 0..count {
        let service = format!("type = process\ncommand = {command}\n");
        std::fs::write(format!("{all}/s{at}"), service).expect("a fresh file");
        boot += &format!("waits-for = s{at}\n");
    }
    std::fs::write(format!("{all}/boot"), boot).expect("a fresh file");
    all
}
