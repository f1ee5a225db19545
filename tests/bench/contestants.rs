//! Who is compared: pidlet, its peers as Debian has them, and the limit.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{self, Output, Run, Temp};
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

/// Everybody who is here.
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
            println!("bench: {name} is MISSING here and left out (Debian's package {package})");
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
            Kind::Supervisor => rounds.div_ceil(10),
            Kind::S6 | Kind::Runit | Kind::Dinit => rounds.div_ceil(3),
            _ => rounds,
        }
    }

    /// The command line that runs `count` copies of `command`, if it can. Files that it needs for that come
    /// into `temp`.
    pub fn command_line(&self, count: usize, command: &[&str], temp: &Temp) -> Option<Vec<String>> {
        let mut line = vec![self.program.to_str().expect("a path of UTF-8").to_owned()];
        match self.kind {
            Kind::Limit => line.push(count.to_string()),
            Kind::One if count > 1 => return None,
            Kind::One => line.push("--".into()),
            Kind::Pidlet => {
                line.push("--".into());
                for _ in 1..count {
                    line.extend(command.iter().map(|word| word.to_string()));
                    line.push("---".into());
                }
            }
            Kind::Plan => {
                let section = |at| format!("[s{at}]\nrun = {}\n", command.join(" "));
                let plan: String = (0..count).map(section).collect();
                line.extend(["-c".into(), temp.write("plan.conf", plan, 0o644)]);
                return Some(line);
            }
            Kind::S6 => {
                line.extend([
                    "-c".into(),
                    (count + 8).to_string(),
                    service_directories(count, command, temp),
                ]);
                return Some(line);
            }
            Kind::Runit => {
                line.push(service_directories(count, command, temp));
                return Some(line);
            }
            Kind::Supervisor => {
                line.extend([
                    "-n".into(),
                    "-c".into(),
                    supervisord_conf(count, command, temp),
                ]);
                return Some(line);
            }
            Kind::Dinit => {
                line.extend(["-d".into(), dinit_services(count, command, temp)]);
                return Some(line);
            }
        }
        line.extend(command.iter().map(|word| word.to_string()));
        Some(line)
    }

    /// `count` copies of `command` under it, as PID 1.
    pub fn run(&self, count: usize, command: &[&str], temp: &Temp) -> Option<Run> {
        let line = self.command_line(count, command, temp)?;
        Some(quiet(Run::new(&line[0]).args(&line[1..])))
    }
}

/// Nobody reads what is written.
pub fn quiet(run: Run) -> Run {
    run.stdout(Output::Null).stderr(Output::Null)
}

/// Makes service directories, as s6 and runit have them, in a fresh directory. The payload is its own
/// interpreter: no shell is on the way.
fn service_directories(count: usize, command: &[&str], temp: &Temp) -> String {
    let all = temp.join("services");
    let _ = std::fs::remove_dir_all(&all);
    std::fs::create_dir(&all).expect("a fresh directory");
    let script = temp.write("run", format!("#!{}\n", command.join(" ")), 0o755);
    for at in 0..count {
        let directory = format!("{all}/s{at}");
        std::fs::create_dir(&directory).expect("a fresh directory");
        std::fs::hard_link(&script, format!("{directory}/run")).expect("a hard link");
    }
    all
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

fn dinit_services(count: usize, command: &[&str], temp: &Temp) -> String {
    let all = temp.join("dinit.d");
    let _ = std::fs::remove_dir_all(&all);
    std::fs::create_dir(&all).expect("a fresh directory");
    let mut boot = "type = internal\n".to_owned();
    for at in 0..count {
        let service = format!("type = process\ncommand = {}\n", command.join(" "));
        std::fs::write(format!("{all}/s{at}"), service).expect("a fresh file");
        boot += &format!("waits-for = s{at}\n");
    }
    std::fs::write(format!("{all}/boot"), boot).expect("a fresh file");
    all
}
