//! The Dockerfiles and the Compose file that README.md shows, as they stand there.
//!
//! No registry is asked, so base images are stand-ins under the same names: busybox where there is a shell,
//! a package manager that "installs" the payload under every name that it is asked for. What the payload does
//! in place of the programs is in `PROBE`.

use super::{Container, Engine, docker, engine};
use crate::readme;
use crate::rootfs::{Rootfs, static_probe};
use crate::support::*;
use crate::tool::Tool;

/// Runs until it is stopped, which is success.
const SERVE: &str = "PROBE=signals --exit-on 15=0";

/// `install NAME...` of any package manager.
const INSTALL: &str = "\
#!/bin/sh
for word; do
    case $word in
        update | install | add | -*) ;;
        redis) cp /probe /usr/bin/redis-server ;;
        *) cp /probe /usr/bin/$word ;;
    esac
done
";

const PLAN: &str = "[nginx]\nrun = nginx -g 'daemon off;'\n\n[redis]\nrun = redis-server\n";

fn import_bases(engine: &Engine) {
    let with_shell = || {
        let rootfs = Rootfs::empty().busybox(&["sh", "cp", "rm"]);
        rootfs.program(static_probe(), "probe").directory("usr/bin")
    };
    let debian = with_shell().file("usr/bin/apt-get", INSTALL, 0o755);
    engine.import(&debian, "debian:bookworm-slim");
    let alpine = with_shell().file("sbin/apk", INSTALL, 0o755);
    engine.import(&alpine, "alpine:3");
    let passwd = "nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n";
    let distroless = Rootfs::empty().file("etc/passwd", passwd, 0o644);
    engine.import_with(
        &distroless,
        "gcr.io/distroless/static-debian12:nonroot",
        "USER 65532",
    );
}

/// What lies beside the Dockerfiles.
fn context(plan: &str) -> Rootfs {
    let probe = static_probe();
    let rootfs = Rootfs::empty()
        .program(pidlet(), "pidlet")
        .program(probe, "web");
    rootfs
        .program(probe, "worker")
        .file("pidlet.conf", plan, 0o644)
}

/// The base image of a Dockerfile, and how many commands its containers run.
const SHOWN: [(&str, usize); 4] = [
    ("FROM debian:bookworm-slim", 2),
    ("FROM alpine:3", 2),
    ("FROM gcr.io/distroless/static-debian12:nonroot", 2),
    ("FROM scratch", 1),
];

#[test]
fn every_dockerfile_in_readme_makes_an_image_that_runs_and_stops() {
    docker!();
    let engine = engine();
    import_bases(engine);
    let context = context(PLAN);
    assert_eq!(readme::blocks("dockerfile").len(), SHOWN.len());
    for (from, commands) in SHOWN {
        engine.build(&context, &readme::block("dockerfile", from), "shown");
        let container = Container::start(engine, &["--env", SERVE, "shown"]);
        container.wait_ready(commands);
        container.docker(&["stop", "--time", "600"]).succeed();
        let code = container.wait_code();
        let logs = container.logs();
        assert_eq!(code, 0, "{from}: {logs}");
        let told = logs.stdout.matches("got 15 user from parent").count();
        assert_eq!(told, commands, "{from}: {logs}");
        assert!(
            logs.stderr.ends_with("container exits 0\n"),
            "{from}: {logs}"
        );
    }
}

#[test]
fn a_faulty_plan_fails_the_build() {
    docker!();
    let engine = engine();
    import_bases(engine);
    let context = context("[nginx]\nrun = nginx\nrestrat = always\n");
    let file = crate::scratch().join("Dockerfile.faulty");
    std::fs::write(&file, readme::block("dockerfile", "FROM alpine:3")).expect("cannot write");
    let build = engine.docker(&["build", "--network", "none", "--file"]);
    let ended = build.arg(&file).arg(context.path()).output();
    assert_eq!(ended.exit, Exit::Code(1), "{ended}");
    assert!(ended.stdout.contains("is it \"restart\"?"), "{ended}");
}

/// Runs a service of README's Compose file as `docker compose up` would.
#[track_caller]
fn up(service: &str, probe: &str) -> Container {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/engines/compose.py");
    let file = readme::block("yaml", "services:");
    let words = Tool::new("/usr/bin/python3")
        .args([script, service])
        .input(&file)
        .succeed();
    let words: Vec<&str> = ["--env", probe].into_iter().chain(words.lines()).collect();
    Container::start(engine(), &words)
}

#[test]
fn the_compose_file_in_readme_starts_and_stops_its_services() {
    docker!();
    let engine = engine();
    import_bases(engine);
    let distroless = readme::block(
        "dockerfile",
        "FROM gcr.io/distroless/static-debian12:nonroot",
    );
    engine.build(&context(PLAN), &distroless, "built");
    let container = up("app", SERVE);
    let log = container.follow();
    for name in ["web", "worker"] {
        log.wait_line(Out, |line| line == format!("{name} | ready"));
    }
    container.docker(&["stop"]).succeed();
    assert_eq!(container.wait_code(), 0, "{}", container.logs());
    assert_eq!(container.inspect("{{.Config.StopTimeout}}"), "30");

    engine.import(
        &Rootfs::empty().program(static_probe(), "probe"),
        "other-base",
    );
    engine.build(
        &Rootfs::empty(),
        "FROM other-base\nCMD [\"/probe\"]\n",
        "other",
    );
    let container = up("other", "PROBE=signals --exit-on 3=6");
    container.wait_ready(1);
    container.docker(&["stop", "--time", "600"]).succeed();
    assert_eq!(container.wait_code(), 6, "{}", container.logs());
    let heard = container.logs().stdout;
    assert_eq!(heard, "ready\ngot 3 user from parent\n");
}
