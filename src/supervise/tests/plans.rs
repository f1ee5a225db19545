//! What a plan file can ask for: dependencies, readiness, restarts, and a stop in order.

use std::string::String;
use std::vec::Vec;
use std::{assert, assert_eq, format};

use super::super::{Action, End, Finding, News, Next, Notice, State};
use super::{Event, PID_1, World, pid, plan, span};
use crate::front::{sound, spec};
use crate::plan::{Essential, NO_SERVICE, Place, Plan};
use crate::words::Pid;
use crate::words::time::{Instant, NEVER};

/// What a section says besides its command.
type Section = &'static str;

/// A container with these services, each with the places of the services that it is after.
fn planned(services: &[(&[Place], Section)], set: impl FnOnce(&mut Plan)) -> World {
    let mut plan = plan(services.len(), set);
    for (place, (after, said)) in services.iter().enumerate() {
        plan.services[place].spec = spec(said);
        plan.services[place].after = after.to_vec().leak();
    }
    World::new(plan, PID_1)
}

impl World {
    fn says(&mut self, service: &str, notice: Notice) -> std::string::String {
        self.step(Event::Noticed(super::index(service) as Place, notice))
    }

    fn finds(&mut self, service: &str, finding: Finding) -> std::string::String {
        self.step(Event::Checked(super::index(service) as Place, finding))
    }

    #[track_caller]
    fn last_line(&self, expected: &str) {
        assert_eq!(
            self.lines.last().unwrap(),
            &std::format!("pidlet: {expected}")
        );
    }

    #[track_caller]
    fn waits(&self) {
        assert!(
            matches!(self.supervisor.next(), Next::Wait(_)),
            "{:?}",
            self.supervisor.next()
        );
    }
}

const SERVICE: Section = "";
const ONESHOT: Section = "type = oneshot";
const OPTIONAL: Section = "type = oneshot\nessential = no";
const NOTIFY: Section = "ready = notify";
const TCP: Section = "ready = tcp:1";
const ALWAYS: Section = "restart = always";
const DAEMON: Section = "type = daemon\npidfile = /run/a.pid";

fn nothing(_: &mut Plan) {}

#[test]
fn nothing_starts_before_what_it_is_after_is_up() {
    let mut world = planned(
        &[(&[1, 2], SERVICE), (&[], NOTIFY), (&[1], ONESHOT)],
        nothing,
    );
    world.play("start b");
    world.waits();
    assert_eq!(world.says("b", Notice::Ready), "");
    world.play("start c");
    world.waits();
    world.play("c exits 0");
    world.play("start a");
    world.waits();
}

#[test]
fn a_oneshot_that_succeeds_ends_nothing_and_the_last_one_everything() {
    let mut world = planned(&[(&[], ONESHOT), (&[0], ONESHOT)], nothing);
    world.play("start a\na exits 0\nstart b\nb exits 0 => look\ngone => exit 0");
    world.last_line("all services have ended; container exits 0");
}

#[test]
fn a_oneshot_that_fails_ends_everything_and_nothing_after_it_starts() {
    let mut world = planned(&[(&[], ONESHOT), (&[0], SERVICE), (&[], SERVICE)], nothing);
    world.play("start a\nstart c\na exits 7 => c:TERM c:CONT\nc killed TERM => look");
    world.play("gone => exit 7");
    world.last_line("a (pid 100) exited with code 7 after 0.0s; container exits 7");
}

#[test]
fn a_service_after_one_that_will_never_be_up_is_not_started_and_the_reason_says_so() {
    let mut world = planned(&[(&[], OPTIONAL), (&[0], SERVICE), (&[], SERVICE)], nothing);
    world.play("start a\nstart c\na exits 7 => c:TERM c:CONT\nc killed TERM => look");
    world.play("gone => exit 7");
    world.last_line("b is not started: a, which it is after, will never be up; container exits 7");
    // A chain of services that do not matter, and one service that goes on.
    let chain: [(&[Place], Section); 4] = [
        (&[], OPTIONAL),
        (&[0], OPTIONAL),
        (&[1], OPTIONAL),
        (&[], SERVICE),
    ];
    let mut world = planned(&chain, nothing);
    world.play("start a\nstart d\na exits 7\n0s\n0s\n0s");
    world.waits();
    // All of them name the service at the beginning of the chain.
    world.last_line("c is not started: a, which it is after, will never be up");
    world.play("d exits 0 => look\ngone => exit 0");
    // A service that has been up counts as up: what waits for another one as well keeps waiting.
    let both: [(&[Place], Section); 3] =
        [(&[], "essential = no"), (&[], NOTIFY), (&[0, 1], SERVICE)];
    let mut world = planned(&both, nothing);
    world.play("start a\nstart b\na exits 7");
    world.says("b", Notice::Ready);
    world.play("start c");
    // A service that was only waiting when the stop signal came is not blamed.
    let mut world = planned(
        &[(&[1], SERVICE), (&[], OPTIONAL), (&[], SERVICE)],
        |plan| {
            plan.lame_duck = span("3s");
        },
    );
    world.play("start b\nstart c\nTERM\nb exits 7\nc exits 0 => look\ngone => exit 7");
    world
        .last_line("stopped by TERM: b (pid 101) exited with code 7 after 0.0s; container exits 7");
}

#[test]
fn a_stop_keeps_its_order_across_services_that_have_ended() {
    // c is after b, which is after a; b is a oneshot that is done. d is on its own.
    let mut world = planned(
        &[
            (&[], SERVICE),
            (&[0], ONESHOT),
            (&[1], SERVICE),
            (&[], SERVICE),
        ],
        nothing,
    );
    world.play("start a\nstart d\nstart b\nb exits 0\nstart c");
    world.play("TERM => c:TERM c:CONT d:TERM d:CONT\nd killed TERM");
    world.play("c killed TERM => a:TERM a:CONT\na killed TERM => look\ngone => exit 143");
    // Nor is a service told any sooner because the one in between has ended meanwhile.
    let chain: [(&[Place], Section); 3] = [(&[], SERVICE), (&[0], SERVICE), (&[1], SERVICE)];
    let mut world = planned(&chain, nothing);
    world.play("start a\nstart b\nstart c\nTERM => c:TERM c:CONT\nb exits 0");
    world.play("c exits 0 => a:TERM a:CONT\na exits 0 => look\ngone => exit 0");
    // Two services after one: that one is told when both have gone.
    let diamond: [(&[Place], Section); 3] = [(&[], SERVICE), (&[0], SERVICE), (&[0], SERVICE)];
    let mut world = planned(&diamond, nothing);
    world.play("start a\nstart b\nstart c\nTERM => b:TERM b:CONT c:TERM c:CONT");
    world.play("c exits 0\nb exits 0 => a:TERM a:CONT\na exits 0 => look\ngone => exit 0");
}

#[test]
fn a_stop_passes_over_services_that_never_ran() {
    let chain: [(&[Place], Section); 3] = [(&[], SERVICE), (&[0], NOTIFY), (&[1], SERVICE)];
    let mut world = planned(&chain, nothing);
    world.play("start a\nstart b\nTERM => b:TERM b:CONT\nb killed TERM => a:TERM a:CONT");
    world.play("a killed TERM => look\ngone => exit 143");
    let mut world = planned(&chain, nothing);
    world.play("TERM => look\ngone => exit 0");
}

#[test]
fn a_service_killed_in_the_stop_makes_way_for_those_that_it_is_after() {
    const HURRIED: Section = "stop-timeout = 2s";
    let mut world = planned(&[(&[], SERVICE), (&[0], HURRIED)], nothing);
    world.play("start a\nstart b\nTERM => b:TERM b:CONT\n1999ms\n1ms => -b:KILL");
    world.play("b killed KILL => a:TERM a:CONT\na killed TERM => look\ngone => exit 137");
}

#[test]
fn a_service_whose_restart_is_cancelled_by_the_stop_has_failed() {
    const AGAIN: Section = "restart = on-failure";
    for (end, code) in [("exits 3", 3), ("killed SEGV", 139)] {
        let mut world = planned(&[(&[], AGAIN), (&[], AGAIN)], nothing);
        world.play(&std::format!(
            "start a\nstart b\nb {end} => -b:TERM\nTERM => a:TERM a:CONT"
        ));
        world.play(&std::format!("a killed TERM => look\ngone => exit {code}"));
    }
    // But if another service's end ends the container, that end gives the code.
    let mut world = planned(&[(&[], AGAIN), (&[], SERVICE)], nothing);
    world.play("start a\nstart b\na exits 3 => -a:TERM\nb exits 4 => look\ngone => exit 4");
}

#[test]
fn a_service_that_still_waits_for_its_turn_is_told_at_the_last_call() {
    let chain: [(&[Place], Section); 3] = [
        (&[], SERVICE),
        (&[0], "watchdog = 1h\nready = notify"),
        (&[1], SERVICE),
    ];
    let mut world = planned(&chain, nothing);
    world.play("start a\nstart b");
    world.says("b", Notice::Ready);
    world.play("start c\nTERM => c:TERM c:CONT");
    // What a service says meanwhile changes nothing.
    for notice in [Notice::Alive, Notice::Extend(span("1h")), Notice::Stopping] {
        assert_eq!(world.says("b", notice), "");
    }
    world.play("6999ms\n1ms => b:TERM b:CONT\n0s => a:TERM a:CONT\n0s");
    // No service is told twice.
    world.play("c killed TERM\na exits 0\n999ms\n1ms => -b:KILL leftovers:KILL look");
    world.play("b killed KILL\ngone => exit 137");
    // If there is time, every service has its turn.
    let mut world = planned(&chain, nothing);
    world.play("start a\nstart b");
    world.says("b", Notice::Ready);
    world.play("start c\nTERM => c:TERM c:CONT\n6s c exits 0 => b:TERM b:CONT");
    world.play("999ms\n1ms => a:TERM a:CONT\nb exits 0\na exits 0 => look\ngone => exit 0");
}

#[test]
fn a_services_own_stop_signals_come_one_after_the_other() {
    const PICKY: Section = "stop = INT QUIT\nstop-timeout = 1s";
    let mut world = planned(&[(&[], PICKY)], nothing);
    world.play("start a\nTERM => a:INT a:CONT\n1s => a:QUIT\n1s => -a:KILL");
    world.play("a killed KILL => look\ngone => exit 137");
    let mut world = planned(&[(&[], PICKY)], nothing);
    world.play("start a\nTERM => a:INT a:CONT\na killed INT => look\ngone => exit 130");
    world.last_line(
        "stopped by TERM: a (pid 100) was killed by signal 2 (INT) after 0.0s; \
        container exits 130",
    );
}

#[test]
fn a_service_being_stopped_for_a_fault_gets_all_its_stop_signals_again_in_the_stop() {
    const PICKY: Section = "stop = INT QUIT\nstop-timeout = 1s\nwatchdog = 1h";
    let mut world = planned(&[(&[], PICKY), (&[], SERVICE)], nothing);
    world.play("start");
    assert_eq!(world.says("a", Notice::Trigger), "a:INT a:CONT");
    world.play("TERM => a:INT a:CONT b:TERM b:CONT\n1s => a:QUIT\n1s => -a:KILL");
    // While it is not its turn yet, it goes on from the signals that it has had.
    let mut world = planned(&[(&[], PICKY), (&[0], SERVICE)], nothing);
    world.play("start a\nstart b");
    assert_eq!(world.says("a", Notice::Trigger), "a:INT a:CONT");
    world.play("TERM => b:TERM b:CONT\n1s => a:QUIT\n1s => -a:KILL");
    // It has been told, so it may still say that it takes longer.
    let mut world = planned(&[(&[], PICKY), (&[0], SERVICE)], nothing);
    world.play("start a\nstart b");
    world.says("a", Notice::Trigger);
    world.play("TERM => b:TERM b:CONT");
    world.says("a", Notice::Extend(span("3s")));
    world.play("2999ms\n1ms => a:QUIT");
}

#[test]
fn a_process_as_which_a_service_goes_on_is_told_to_stop_if_the_service_was() {
    let services: [(&[Place], Section); 2] = [(&[], "stop = INT QUIT 1s"), (&[], "kill = group")];
    let mut world = planned(&services, nothing);
    world.play("start\nTERM => a:INT a:CONT -b:TERM -b:CONT\n1s => a:QUIT");
    assert_eq!(world.says("a", Notice::Main(pid("c"))), "c:INT c:CONT");
    // Its group has been told.
    assert_eq!(world.says("b", Notice::Main(pid("d"))), "");
    world.play("a exits 0\nb exits 0\n1s => c:QUIT\nc killed QUIT\nd exits 3 => look");
    world.play("gone => exit 3");
}

#[test]
fn what_runs_is_held_whatever_a_check_finds() {
    const CHECKED: Section = "health = tcp:1\nhealth-every = 1s\nhealth-tries = 1\nwatchdog = 1h";
    let services: [(&[Place], Section); 2] = [(&[], CHECKED), (&[], SERVICE)];
    let mut world = planned(&services, |plan| plan.hold = true);
    world.play("start\n1s => check 0\nb exits 3");
    assert_eq!(world.finds("a", Finding::MISSING), "");
    assert_eq!(world.says("a", Notice::Trigger), "");
    world.play("TERM => a:TERM a:CONT\na killed TERM => look\ngone => exit 3");
}

#[test]
fn several_stop_signals_share_the_budget_and_a_single_one_has_all_of_it() {
    let picky: [(&[Place], Section); 2] = [(&[], "stop = INT QUIT"), (&[], "stop = INT")];
    let mut world = planned(&picky, |plan| plan.grace = Some(span("9s")));
    world.play("start\nTERM => a:INT a:CONT b:INT b:CONT\n2999ms\n1ms => a:QUIT");
    world.play("2999ms\n1ms => -a:KILL\na killed KILL\n2999ms\n1ms => -b:KILL leftovers:KILL look");
}

#[test]
fn a_kill_that_is_a_services_own_stop_signal_is_not_from_outside() {
    let now = ("stop = KILL", "TERM => a:KILL");
    let later = ("stop = INT KILL 1s", "TERM => a:INT a:CONT\n1s => a:KILL");
    for (stop, story) in [now, later] {
        let mut world = planned(&[(&[], stop)], nothing);
        world.play("start a").play(story);
        world.play("a killed KILL => look\ngone => exit 137");
        let last = world.lines.last().unwrap();
        assert!(
            last.contains("was killed by signal 9 (KILL) after "),
            "{last}"
        );
    }
}

#[test]
fn restart_waits_longer_after_each_quick_death_and_less_after_a_long_life() {
    let mut world = planned(&[(&[], ALWAYS), (&[], SERVICE)], nothing);
    world.play("start a\nstart b");
    let mut delays = Vec::new();
    // However often it dies, the delay stops doubling.
    for _ in 0..300 {
        world.happens("a exits 1");
        world.waits();
        let before = world.now;
        while !matches!(world.supervisor.next(), Next::Start(_)) {
            let Next::Wait(until) = world.supervisor.next() else {
                panic!("it does not wait");
            };
            assert_ne!(until, NEVER, "it waits for ever");
            world.now = until;
            world.step(Event::Time);
        }
        delays.push(world.now.since(before).0);
        world.play("start a");
    }
    for (index, delay) in delays.iter().enumerate() {
        let full = (1000 << index.min(6)).min(60_000);
        assert!((full - full / 4..=full).contains(delay), "{delays:?}");
    }
    world.play("10s a exits 0 => -a:TERM");
    assert!(world.supervisor.record(0).delay <= span("1s"));
    // A service that awaits its restart is simply not started any more, and has not failed.
    world.play("TERM => b:TERM b:CONT\nb killed TERM => look\ngone => exit 143");
}

#[test]
fn a_run_of_at_least_stable_resets_the_backoff() {
    let said = "restart = always\nbackoff = 1s..8s\nstable = 2s";
    let mut world = planned(&[(&[], said), (&[], SERVICE)], nothing);
    world.play("start a\nstart b");
    for (life, full) in [("1999", 1000), ("1999", 2000), ("2000", 1000), ("0", 2000)] {
        world.play(&std::format!("{life}ms a exits 0 => -a:TERM"));
        let delay = world.supervisor.record(0).delay.0;
        assert!((full - full / 4..=full).contains(&delay), "{life} {delay}");
        world.play(&std::format!("{delay}ms\nstart a"));
    }
}

#[test]
fn a_kill_of_ours_is_forgotten_at_the_next_start() {
    const AGAIN: Section = "restart = always\nwatchdog = 1h\nstop-timeout = 1s";
    let mut world = planned(&[(&[], AGAIN), (&[], SERVICE)], nothing);
    world.play("start");
    assert_eq!(world.says("a", Notice::Trigger), "a:TERM a:CONT");
    world.play("1s => -a:KILL\na killed KILL => -a:TERM\n1s\nstart a\na killed KILL => -a:TERM");
    let last = world.lines.last().unwrap();
    assert!(last.contains("KILL) from outside"), "{last}");
}

#[test]
fn the_container_is_ready_when_all_essential_services_are() {
    const IF_IT_FAILS: Section = "ready = notify\nessential = on-failure";
    const NEVER: Section = "ready = notify\nessential = no";
    for (until, said, last) in [
        (Essential::Yes, NOTIFY, "a"),
        (Essential::Yes, IF_IT_FAILS, "a"),
        (Essential::Yes, NEVER, "b"),
        (Essential::No, NOTIFY, "a"),
        (Essential::No, NEVER, "a"),
    ] {
        let mut world = planned(&[(&[], said), (&[], NOTIFY)], |plan| plan.until = until);
        world.play("start");
        for service in ["b", "a"] {
            world.says(service, Notice::Ready);
            let told = world
                .supervisor
                .actions()
                .contains(&Action::Announce(News::Ready));
            assert_eq!(told, service == last, "{until:?} {said}");
        }
    }
    // But not in the stop.
    let mut world = planned(&[(&[], SERVICE), (&[], ONESHOT)], nothing);
    world.play("start\nTERM => a:TERM a:CONT b:TERM b:CONT\nb exits 0");
    let actions = world.supervisor.actions();
    assert!(!actions.contains(&Action::Announce(News::Ready)));
}

#[test]
fn a_failed_start_does_not_reset_the_backoff() {
    let said = "restart = always\nbackoff = 1s..8s\nstable = 2s";
    let mut world = planned(&[(&[], said), (&[], SERVICE)], nothing);
    world.play("start a\nstart b\n2s a exits 0 => -a:TERM\n1s\nstart a ENOENT");
    let delay = world.supervisor.record(0).delay;
    assert!(delay > span("1s"), "{delay:?}");
    // Once it has been started, nothing is wrong with it any more.
    world.play("2s\nstart a");
    let end = world.supervisor.record(0).end;
    assert!(matches!(end, End::None), "{end:?}");
}

#[test]
fn services_that_failed_together_are_restarted_at_different_times() {
    let mut world = planned(&[(&[], ALWAYS), (&[], ALWAYS)], nothing);
    world.play("start\na exits 1 => -a:TERM\nb exits 1 => -b:TERM");
    let delay = |place| world.supervisor.record(place).delay;
    assert_ne!(delay(0), delay(1));
}

#[test]
fn a_oneshot_that_always_starts_again_does_so_until_it_has_succeeded() {
    let mut world = planned(
        &[(&[], "type = oneshot\nrestart = always"), (&[0], SERVICE)],
        nothing,
    );
    world.play("start a\na exits 1 => -a:TERM\n1s\nstart a\na exits 0 => -a:TERM\nstart b");
    assert_eq!(world.supervisor.next(), Next::Wait(NEVER));
}

#[test]
fn on_failure_starts_again_only_what_failed() {
    const ON_FAILURE: Section = "restart = on-failure";
    let mut world = planned(&[(&[], ON_FAILURE)], nothing);
    world.play("start a\na exits 1 => -a:TERM\n1s\nstart a\na exits 0 => -a:TERM look");
    world.play("gone => exit 0");
}

#[test]
fn tries_bound_the_starts() {
    const BOUNDED: Section = "restart = always\ntries = 3 in 60s";
    let mut world = planned(&[(&[], BOUNDED), (&[], SERVICE)], nothing);
    world.play("start a\nstart b\na exits 1 => -a:TERM\n1s\nstart a\na exits 2 => -a:TERM\n2s");
    world.play("start a\na exits 3 => -a:TERM b:TERM b:CONT\nb exits 0 => look\ngone => exit 3");
    // Also on a machine that has only just booted: the period begins with the first end.
    let mut world = planned(&[(&[], BOUNDED), (&[], SERVICE)], nothing);
    world.now = Instant(58_500);
    world.play("start a\nstart b\na exits 1 => -a:TERM\n1s\nstart a\na exits 2 => -a:TERM\n2s");
    world.play("start a\na exits 3 => -a:TERM b:TERM b:CONT\nb exits 0 => look\ngone => exit 3");
    // Ends of long ago are forgotten.
    let mut world = planned(&[(&[], BOUNDED), (&[], SERVICE)], nothing);
    world.play("start a\nstart b\na exits 1 => -a:TERM\n1s\nstart a\na exits 2 => -a:TERM\n2s");
    world.play("start a\n60s a exits 3 => -a:TERM");
    world.waits();
}

#[test]
fn not_ready_in_time_is_a_failure() {
    let mut world = planned(&[(&[], NOTIFY), (&[0], SERVICE)], nothing);
    world.play("start a\n59999ms\n1ms => a:TERM a:CONT\na exits 0 => look\ngone => exit 1");
    let reason = "a (pid 100) was not ready within 60s: stopped (ready \"notify\": Timer expired)";
    world.last_line(&std::format!("{reason}; container exits 1"));
    assert_eq!(world.lines.len(), 2, "it is said once, and at the end");
    // The line has room for what a check with a long command found, and for the exit code.
    let (program, secrets) = ("x".repeat(2000), " secret".repeat(100));
    let check = format!("ready = exec:{program}{secrets}\nready-timeout = 1ms").leak();
    let mut world = planned(&[(&[], check)], nothing);
    world.play(
        "start a => check 0\n1ms => uncheck 0 a:TERM a:CONT\na exits 0 => look\ngone => exit 1",
    );
    let end = "x\": Timer expired); container exits 1";
    assert!(world.lines.last().is_some_and(|line| line.ends_with(end)));
    assert!(!world.lines.iter().any(|line| line.contains("secret")));
    // A daemon's launcher that does not end.
    let mut world = planned(&[(&[], DAEMON)], nothing);
    world.play("start a\n60s => a:TERM a:CONT\na exits 0 => look\ngone => exit 1");
    world.last_line("a (pid 100) was not in the background within 60s: stopped; container exits 1");
    // A service may ask for more time.
    let mut world = planned(&[(&[], NOTIFY)], nothing);
    world.play("start a\n59s");
    world.says("a", Notice::Extend(span("10s")));
    world.play("9999ms\n1ms => a:TERM a:CONT\n8s => -a:KILL");
    // Where there is nothing to be ready for, it may take as long as it likes, whatever it asks for.
    let mut world = planned(&[(&[], ONESHOT), (&[0], SERVICE), (&[], SERVICE)], nothing);
    world.play("start a\nstart c");
    world.says("a", Notice::Extend(span("10s")));
    assert_eq!(world.supervisor.next(), Next::Wait(NEVER));
}

#[test]
fn checks_are_repeated_only_until_it_is_up() {
    let mut world = planned(&[(&[], TCP), (&[0], SERVICE)], nothing);
    world.play("start a => check 0");
    assert_eq!(world.finds("a", Finding::MISSING), "");
    for interval in [20, 40, 80, 160, 320, 640, 1000, 1000] {
        world.play(&format!("{}ms\n1ms => check 0", interval - 1));
        world.finds("a", Finding::MISSING);
    }
    world.play("1s => check 0\n4999ms");
    // A check that takes too long has failed.
    world.play("1ms => uncheck 0");
    assert_eq!(world.finds("a", Finding::Good), "");
    world.play("1s => check 0");
    world.finds("a", Finding::Good);
    world.play("start b");
    assert_eq!(world.supervisor.next(), Next::Wait(NEVER));
}

#[test]
fn a_check_ends_with_its_service() {
    let mut world = planned(&[(&[], TCP)], nothing);
    world.play("start a => check 0\na exits 0 => uncheck 0 look\ngone => exit 0");
}

#[test]
fn an_unhealthy_service_is_stopped_and_has_failed() {
    const HEALTHY: Section =
        "health = tcp:1\nhealth-every = 10s\nhealth-tries = 2\nrestart = on-failure";
    let mut world = planned(&[(&[], HEALTHY), (&[], SERVICE)], nothing);
    world.play("start a\nstart b\n10s => check 0");
    world.finds("a", Finding::MISSING);
    world.play("10s => check 0");
    world.finds("a", Finding::Good);
    world.play("10s => check 0");
    world.finds("a", Finding::MISSING);
    world.play("10s => check 0");
    assert_eq!(world.finds("a", Finding::MISSING), "a:TERM a:CONT");
    // After the restart it has all its tries again.
    world.play("a exits 0 => -a:TERM\n1s\nstart a\n10s => check 0");
    assert_eq!(world.finds("a", Finding::MISSING), "");
    // To take too long is to fail.
    let mut world = planned(&[(&[], HEALTHY), (&[], SERVICE)], nothing);
    world.play("start a\nstart b\n10s => check 0\n9999ms\n1ms => uncheck 0\n10s => check 0");
    world.play("9999ms\n1ms => uncheck 0 a:TERM a:CONT");
    // A check ends with the run that it belongs to.
    let mut world = planned(&[(&[], HEALTHY), (&[], SERVICE)], nothing);
    world.play("start a\nstart b");
    world.play("10s => check 0\na exits 1 => uncheck 0 -a:TERM\n1s\nstart a");
}

#[test]
fn a_watchdog_must_be_fed() {
    const WATCHED: Section = "ready = notify\nwatchdog = 5s";
    let mut world = planned(&[(&[], WATCHED)], nothing);
    world.play("start a");
    world.says("a", Notice::Alive);
    world.play("10s");
    world.says("a", Notice::Ready);
    world.play("4s");
    world.says("a", Notice::Alive);
    world.play("4999ms\n1ms => a:TERM a:CONT\na killed TERM => look\ngone => exit 143");
    world.last_line(
        "a (pid 100) failed its watchdog: stopped (watchdog \"5s\"); container exits 143",
    );
    let mut world = planned(&[(&[], WATCHED)], nothing);
    world.play("start a");
    assert_eq!(world.says("a", Notice::Trigger), "a:TERM a:CONT");
    // To say once more that it is ready is no sign of life.
    let mut world = planned(&[(&[], WATCHED)], nothing);
    world.play("start a");
    world.says("a", Notice::Ready);
    world.play("4s");
    world.says("a", Notice::Ready);
    world.play("999ms\n1ms => a:TERM a:CONT");
    // Nor does it make a service ready whose readiness is checked.
    let mut world = planned(
        &[(&[], "ready = tcp:1\nwatchdog = 5s"), (&[0], SERVICE)],
        nothing,
    );
    world.play("start a => check 0");
    world.says("a", Notice::Ready);
    world.waits();
    // A service may set its watchdog's time itself, and needs none in its section.
    for said in [WATCHED, NOTIFY] {
        let mut world = planned(&[(&[], said)], nothing);
        world.play("start a");
        world.says("a", Notice::Watchdog(span("2s")));
        world.says("a", Notice::Ready);
        world.play("1999ms");
        world.says("a", Notice::Alive);
        world.play("1999ms\n1ms => a:TERM a:CONT");
    }
}

const MAIN: Pid = 777;

#[test]
fn a_daemon_is_the_process_that_its_pid_file_names() {
    let mut world = planned(&[(&[], DAEMON), (&[0], SERVICE)], nothing);
    world.play("start a\na exits 0 => check 0");
    world.finds("a", Finding::MISSING);
    world.play("20ms => check 0");
    world.finds("a", Finding::Main(MAIN));
    world.play("start b");
    assert_eq!(world.supervisor.record(0).pid, MAIN);
    assert_eq!(world.supervisor.next(), Next::Wait(NEVER));
    world.step(super::ended(
        MAIN,
        crate::words::exit::Status::Exited(4),
        false,
    ));
    world.play("b killed TERM => look\ngone => exit 4");
    world.last_line("a (pid 777) exited with code 4 after 0.0s; container exits 4");
}

#[test]
fn a_daemon_may_say_that_it_is_ready_before_its_pid_is_known() {
    const SAYS: Section = "type = daemon\npidfile = /run/a.pid\nready = notify";
    for early in [true, false] {
        let mut world = planned(&[(&[], SAYS), (&[0], SERVICE)], nothing);
        world.play("start a");
        if early {
            assert_eq!(world.says("a", Notice::Ready), "");
            world.waits();
        }
        world.play("a exits 0 => check 0");
        world.finds("a", Finding::Main(MAIN));
        if !early {
            // Its pid file is not looked at any more.
            world.play("5s");
            world.waits();
            world.says("a", Notice::Ready);
        }
        world.play("start b");
    }
    let mut world = planned(&[(&[], SAYS)], nothing);
    world.play("start a\na exits 0 => check 0");
    // That its pid file was missing at first is not blamed for what follows.
    world.finds("a", Finding::MISSING);
    world.play("20ms => check 0");
    world.finds("a", Finding::Main(pid("c")));
    world.play("59980ms => c:TERM c:CONT");
    world.last_line(
        "a (pid 102) was not ready within 60s: stopped (ready \"notify\": Timer expired)",
    );
}

#[test]
fn a_daemon_found_after_the_budget_is_killed() {
    let mut world = planned(&[(&[], DAEMON)], |plan| plan.grace = Some(span("1s")));
    world.play("start a\nTERM => a:TERM wake:a\na exits 0 => check 0\n1s => leftovers:KILL look");
    assert_eq!(world.finds("a", Finding::Main(pid("c"))), "-c:KILL");
    world.play("c killed KILL\ngone => exit 137");
}

#[test]
fn the_pid_file_wins_over_what_a_launcher_names() {
    let mut world = planned(&[(&[], DAEMON), (&[0], SERVICE)], nothing);
    world.play("start a");
    for notice in [Notice::Successor(MAIN), Notice::Main(MAIN)] {
        world.says("a", notice);
        assert_eq!(world.supervisor.record(0).pid, pid("a"));
        assert_eq!(world.supervisor.successor(0), 0);
    }
    world.play("a exits 0 => check 0");
    world.finds("a", Finding::Main(MAIN));
    world.play("start b");
}

#[test]
fn a_daemon_that_starts_again_is_looked_for_again() {
    const AGAIN: Section = "type = daemon\npidfile = /run/a.pid\nrestart = always";
    let mut world = planned(&[(&[], AGAIN), (&[], SERVICE)], nothing);
    world.play("start\na exits 0 => check 0");
    world.finds("a", Finding::Main(pid("c")));
    world.play("c exits 0 => -c:TERM\n1s\nstart a\na exits 0 => check 0");
}

#[test]
fn two_daemons_with_one_pid_file_are_not_one_process() {
    let mut world = planned(&[(&[], DAEMON), (&[], DAEMON)], nothing);
    world.play("start\na exits 0 => check 0\nb exits 0 => check 1");
    // Both files were read before either result was told.
    world.finds("a", Finding::Main(MAIN));
    world.finds("b", Finding::Main(MAIN));
    assert_eq!(world.supervisor.record(1).state, State::Launched);
    let status = crate::words::exit::Status::Exited(4);
    assert_eq!(world.step(super::ended(MAIN, status, false)), "look");
    world.play("gone => exit 4");
}

#[test]
fn no_service_takes_the_process_of_another_one() {
    let mut world = planned(&[(&[], SERVICE), (&[], SERVICE)], nothing);
    world.play("start");
    for (named, expected) in [(pid("b"), pid("a")), (pid("a"), pid("a")), (MAIN, MAIN)] {
        world.says("a", Notice::Main(named));
        assert_eq!(world.supervisor.record(0).pid, expected);
        assert_eq!(world.supervisor.service_of(pid("b")), 1);
    }
    // Nor does it keep the process that it had, or take one while it does not run.
    assert_eq!(world.supervisor.service_of(pid("a")), NO_SERVICE);
    let end = super::ended(MAIN, crate::words::exit::Status::Exited(4), false);
    assert_eq!(world.step(end), "b:TERM b:CONT");
    world.play("b killed TERM => look\ngone => exit 4");
    let mut world = planned(&[(&[], ALWAYS), (&[], SERVICE)], nothing);
    world.play("start\na exits 0 => -a:TERM");
    world.says("a", Notice::Main(MAIN));
    assert_eq!(world.supervisor.service_of(MAIN), NO_SERVICE);
}

#[test]
fn a_named_successor_counts_until_the_service_is_told_to_stop() {
    let mut world = planned(&[(&[], SERVICE), (&[], SERVICE)], nothing);
    world.play("start");
    assert_eq!(world.supervisor.successor(0), 0);
    world.says("a", Notice::Successor(MAIN));
    assert_eq!(world.supervisor.record(0).pid, pid("a"));
    assert_eq!(world.supervisor.successor(0), MAIN);
    world.play("INT => a:TERM a:CONT b:TERM b:CONT");
    assert_eq!(world.supervisor.successor(0), 0);
}

#[test]
fn a_daemon_without_a_pid_file_or_with_a_stale_one_has_failed() {
    for (finding, line) in [
        (
            Finding::MISSING,
            "a left no pidfile \"/run/a.pid\" within 60s; container exits 1",
        ),
        (
            Finding::NotOurs,
            "a: pidfile \"/run/a.pid\" names a process that is not its own; container exits 1",
        ),
    ] {
        let mut world = planned(&[(&[], DAEMON)], nothing);
        world.play("start a\na exits 0 => check 0");
        world.finds("a", finding);
        loop {
            let Next::Wait(until) = world.supervisor.next() else {
                panic!("it does not wait");
            };
            assert_ne!(until, NEVER, "it waits for ever");
            world.now = until;
            match &*world.step(Event::Time) {
                "check 0" => _ = world.finds("a", finding),
                "look" => break,
                done => assert_eq!(done, ""),
            }
        }
        world.play("gone => exit 1");
        world.last_line(line);
    }
    let mut world = planned(&[(&[], DAEMON)], nothing);
    world.play("start a\na exits 3 => look\ngone => exit 3");
}

#[test]
fn a_daemon_is_not_waited_for_where_nothing_runs_that_could_be_it() {
    for before in [Finding::MISSING, Finding::NotOurs] {
        let mut world = planned(&[(&[], DAEMON)], nothing);
        world.play("start a\na exits 0 => check 0");
        world.finds("a", before);
        world.play("20ms => check 0");
        assert_eq!(world.finds("a", Finding::NoChild), "look");
        world.play("gone => exit 1");
        world.last_line("a left no process in the background; container exits 1");
    }
}

#[test]
fn a_service_may_be_after_another_65537_times() {
    let often = &[0; 1 << 16 | 1][..];
    let mut world = planned(&[(&[], ONESHOT), (often, ONESHOT)], nothing);
    world.play("start a\na exits 0\nstart b\nTERM => b:TERM b:CONT\nb exits 0 => look");
}

#[test]
fn a_service_may_read_both_streams_of_33000_others() {
    let mut text = String::from("[log]\nrun = log\n");
    for section in 0..33 {
        text += &format!(
            "[a{section}]\nrun = a\ninstances = 1000\nstdout = service:log\nstderr = service:log\n"
        );
    }
    let world = World::new(sound(&text), PID_1);
    assert_eq!(world.supervisor.record(0).feeders, 66_000);
}

#[test]
fn the_lame_duck_does_not_wait_where_nothing_runs() {
    let ducks = |plan: &mut Plan| plan.lame_duck = span("3s");
    let finished = &[(&[][..], "finish = f"), (&[], ONESHOT)];
    let mut world = planned(finished, ducks);
    world.play("start\nb exits 0\nTERM\na exits 0\nstart a\na exits 0 => look\ngone => exit 0");
    let mut world = planned(&[(&[], ALWAYS), (&[0], SERVICE)], ducks);
    world.play("start a EAGAIN\nTERM => look\ngone => exit 125");
}

#[test]
fn a_finish_command_runs_after_each_end_and_delays_the_next_start() {
    const FINISHED: Section = "restart = always\nfinish = f";
    let mut world = planned(&[(&[], FINISHED), (&[], SERVICE)], nothing);
    world.play("start a\nstart b\na exits 1 => -a:TERM\nstart a\na exits 0\n1s\nstart a");
    // In the stop as well, which waits for it, but not for ever.
    world.play("TERM => a:TERM a:CONT b:TERM b:CONT\na killed TERM\nb exits 0\nstart a");
    // No signal is passed on to it.
    world.play("HUP\n5s => -a:KILL");
    let said = "pidlet: a: cannot run finish \"f\": Timer expired";
    assert_eq!(world.lines.last().unwrap(), said);
    world.play("a killed KILL => look\ngone => exit 143");
}

#[test]
fn after_a_freeze_overdue_services_are_reported_once() {
    const SERVICES: [(&[Place], Section); 2] = [(&[], "finish = f"), (&[], "stop-timeout = 3s")];
    let mut world = planned(&SERVICES, nothing);
    world.play("start a\nstart b\nTERM => a:TERM a:CONT b:TERM b:CONT\na killed TERM\nstart a");
    world.play("10s => -a:KILL -b:KILL leftovers:KILL look");
    let said = [
        "pidlet: b (pid 101) did not stop within 8s: killed",
        "pidlet: a: cannot run finish \"f\": Timer expired",
    ];
    assert_eq!(world.lines[world.lines.len() - 2..], said);
}

#[test]
fn a_group_that_was_told_is_remembered_during_its_finish_command() {
    let mut world = planned(
        &[(&[], "finish = f\nkill = group"), (&[], SERVICE)],
        nothing,
    );
    world.play("start\nTERM => -a:TERM -a:CONT b:TERM b:CONT\na killed TERM");
    world.step(Event::Launched(Ok(MAIN)));
    assert!(world.supervisor.was_told(pid("a")) && !world.supervisor.was_told(MAIN));
}

#[test]
fn essential_counts_as_the_section_says() {
    const NO: Section = "essential = no";
    let mut world = planned(&[(&[], NO), (&[], SERVICE)], nothing);
    world.play("start a\nstart b\na exits 3\nb exits 0 => look\ngone => exit 0");
}

#[test]
fn a_reader_of_others_gets_its_end_of_input_first_and_its_stop_signal_later() {
    let plan = sound("[a]\nrun = a\nstdout = service:b\n[b]\nrun = b");
    let mut world = World::new(plan, PID_1);
    world.play("start b\nstart a\nTERM => a:TERM a:CONT\na killed TERM => close 1\n3999ms");
    world.play(
        "1ms => b:TERM b:CONT\n4s => -b:KILL leftovers:KILL look\nb killed KILL\ngone => exit 137",
    );
}

#[test]
fn a_reader_of_others_gets_its_end_of_input_when_they_are_gone() {
    let text = "[pidlet]\nuntil = all\n[a]\nrun = a\nstdout = service:c\n[b]\nrun = b\n\
        stderr = service:c\n[c]\nrun = c";
    let mut world = World::new(sound(text), PID_1);
    world.play("start c\nstart a\nstart b\na exits 0\nb exits 0 => close 2\nc exits 0 => look");
    world.play("gone => exit 0");
}

#[test]
fn readiness_that_comes_too_late_does_not_end_the_stop_of_a_service() {
    let mut world = planned(&[(&[], NOTIFY), (&[0], SERVICE)], nothing);
    world.play("start a\n60s => a:TERM a:CONT");
    assert_eq!(world.says("a", Notice::Ready), "");
    world.waits();
    world.play("8s => -a:KILL\na killed KILL => look\ngone => exit 137");
}

#[test]
fn a_service_that_says_stopping_has_its_stop_timeout() {
    const PATIENT: Section = "ready = notify\nwatchdog = 1s\nstop-timeout = 3s";
    let mut world = planned(&[(&[], PATIENT), (&[], SERVICE)], nothing);
    world.play("start a\nstart b");
    world.says("a", Notice::Ready);
    assert_eq!(world.says("a", Notice::Stopping), "");
    // Its watchdog expects nothing of it any more, and WATCHDOG=1 does not put off its end.
    world.play("2s");
    assert_eq!(world.says("a", Notice::Alive), "");
    world.play("999ms\n1ms => a:TERM a:CONT");
    world.last_line("a (pid 100) sent STOPPING=1 but did not end within 3s: stopped");
    world.play("2999ms\n1ms => -a:KILL\na killed KILL => b:TERM b:CONT");
    // Nor is its health checked any more.
    const HEALTHY: Section = "ready = notify\nhealth = tcp:1\nhealth-every = 10s";
    let mut world = planned(&[(&[], HEALTHY)], nothing);
    world.play("start a");
    world.says("a", Notice::Ready);
    world.says("a", Notice::Stopping);
    assert_eq!(world.supervisor.next(), Next::Wait(NEVER));
    // It may say that it takes longer; where no time is set, it may take as long as it likes.
    for (said, longer) in [(PATIENT, "5s"), ("ready = notify", "0s")] {
        let mut world = planned(&[(&[], said), (&[], SERVICE)], nothing);
        world.play("start a\nstart b");
        world.says("a", Notice::Ready);
        world.says("a", Notice::Stopping);
        world.says("a", Notice::Extend(span(longer)));
        world.play("4999ms\na exits 0 => b:TERM b:CONT");
    }
}

#[test]
fn a_deadline_counts_once_all_earlier_messages_are_heard() {
    const WATCHED: Section = "ready = notify\nwatchdog = 2s";
    let mut world = planned(&[(&[], WATCHED), (&[], WATCHED)], nothing);
    world.play("start a\nstart b");
    world.says("a", Notice::Ready);
    world.says("b", Notice::Ready);
    world.now = world.now.after(span("2s"));
    for (place, notice) in [(0, Notice::Alive), (1, Notice::Alive)] {
        let event = Event::Noticed(place, notice);
        world.supervisor.step(world.now, event);
        assert!(world.supervisor.actions().is_empty(), "{place}");
    }
    world.play("1999ms\n1ms => b:TERM b:CONT\n0s => a:TERM a:CONT");
}

#[test]
fn after_a_freeze_a_service_has_a_second_to_speak() {
    const WATCHED: Section = "ready = notify\nwatchdog = 2s";
    const CHECKED: Section = "health = tcp:1\nhealth-every = 1s\nhealth-tries = 1";
    let mut world = planned(&[(&[], WATCHED), (&[], CHECKED)], nothing);
    world.play("start a\nstart b");
    world.says("a", Notice::Ready);
    world.play("1s => check 1\n1h\n999ms");
    assert_eq!(world.says("a", Notice::Alive), "");
    assert_eq!(world.finds("b", Finding::Good), "");
    world.play("1s => check 1");
    assert_eq!(world.finds("b", Finding::Good), "");
    // Nor is it late if it was frozen once more right after that.
    world.play("1h");
    world.says("a", Notice::Alive);
    world.play("500ms\n1h");
    assert_eq!(world.says("a", Notice::Alive), "");
    world.play("1s => check 1");
    assert_eq!(world.finds("b", Finding::Good), "");
    // A service that still says nothing has had its time.
    world.play("1h\n1s => check 1\n0s => a:TERM a:CONT");
}

#[test]
fn being_late_each_time_does_not_put_off_a_start_for_ever() {
    const RESTARTED: Section = "restart = always\nbackoff = 1s..1s";
    let mut world = planned(&[(&[], RESTARTED), (&[], SERVICE)], nothing);
    world.play("start a\nstart b\na exits 0 => -a:TERM\n3s");
    let Next::Wait(until) = world.supervisor.next() else {
        panic!("{:?}", world.supervisor.next());
    };
    world.now = until.after(span("2s"));
    world.supervisor.step(world.now, Event::Time);
    world.play("start a");
}

#[test]
fn many_starts_due_at_once_do_not_count_as_a_freeze() {
    const RESTARTED: Section = "restart = always\nbackoff = 1s..1s";
    let services: [(&[Place], Section); 8] = [(&[], RESTARTED); 8];
    let mut world = planned(&services, nothing);
    world.play("start");
    for service in "abcdefgh".chars() {
        world.happens(&std::format!("{service} exits 0"));
    }
    world.happens("1s");
    // Each start takes a while, so the last of them is very late.
    for number in 0..8 {
        let Next::Start(service) = world.supervisor.next() else {
            panic!("number {number} waits");
        };
        world.now = world.now.after(span("500ms"));
        let started = Event::Launched(Ok(super::FIRST_PID + service as Pid));
        for event in [started, Event::Time] {
            world.supervisor.step(world.now, event);
        }
    }
}

#[test]
fn a_service_that_says_stopping_before_it_is_up_has_its_ready_timeout() {
    const LATE: Section = "ready = notify\nready-timeout = 5s";
    const PATIENT: Section = "ready = notify\nready-timeout = 5s\nstop-timeout = 3s";
    for said in [LATE, PATIENT] {
        let mut world = planned(&[(&[], said), (&[], SERVICE)], nothing);
        world.play("start a\nstart b\n1s");
        assert_eq!(world.says("a", Notice::Stopping), "");
        world.play("3999ms\n1ms => a:TERM a:CONT");
        world.last_line(
            "a (pid 100) was not ready within 5s: stopped (ready \"notify\": Timer expired)",
        );
    }
    // Nor is a daemon waited for without end because its launcher says STOPPING=1.
    let text = "[a]\nrun = a\ntype = daemon\npidfile = /run/a.pid\nready-timeout = 5s";
    let mut world = World::new(sound(text), PID_1);
    world.play("start a");
    world.says("a", Notice::Stopping);
    world.play("a exits 0 => check 0");
    world.finds("a", Finding::MISSING);
    world.play("20ms => check 0\n4980ms => uncheck 0 look\ngone => exit 1");
    world.last_line("a left no pidfile \"/run/a.pid\" within 5s; container exits 1");
}

#[test]
fn a_reader_of_others_is_told_at_the_last_call_at_the_latest() {
    let plan = sound("[a]\nrun = a\nstdout = service:b\n[b]\nrun = b");
    let mut world = World::new(plan, PID_1);
    world.play("start b\nstart a\nTERM => a:TERM a:CONT\n5s a killed TERM => close 1");
    world.play("1999ms\n1ms => b:TERM b:CONT\n1s => -b:KILL leftovers:KILL look");
}

#[test]
fn a_reader_of_others_is_stopped_at_once_for_a_fault_of_its_own() {
    let plan = sound("[a]\nrun = a\nstdout = service:b\n[b]\nrun = b\nwatchdog = 3s");
    let mut world = World::new(plan, PID_1);
    world.play("start b\nstart a");
    assert_eq!(world.says("b", Notice::Trigger), "b:TERM b:CONT");
}

#[test]
fn a_reader_of_others_may_extend_its_time_once_it_is_told() {
    let plan = sound("[a]\nrun = a\nstdout = service:b\n[b]\nrun = b\nstop-timeout = 1s");
    let mut world = World::new(plan, PID_1);
    world.play("start b\nstart a\nTERM => a:TERM a:CONT\na killed TERM => close 1");
    world.play("1s => b:TERM b:CONT");
    world.says("b", Notice::Extend(span("3s")));
    world.play("2999ms\n1ms => -b:KILL");
}

#[test]
fn no_message_of_a_reader_of_others_puts_off_its_stop_signal() {
    let text = "[a]\nrun = a\nstdout = service:b\n[b]\nrun = b\nready = notify\nwatchdog = 3s";
    for notice in [Notice::Alive, Notice::Extend(span("1h")), Notice::Stopping] {
        let mut world = World::new(sound(text), PID_1);
        world.play("start b");
        world.says("b", Notice::Ready);
        world.play("start a\nTERM => a:TERM a:CONT\na killed TERM => close 1\n3s");
        assert_eq!(world.says("b", notice), "");
        world.play("999ms\n1ms => b:TERM b:CONT");
    }
}

#[test]
fn a_stop_does_not_wait_for_what_a_launcher_left_behind() {
    const AGAIN: Section = "type = daemon\npidfile = /run/a.pid\nrestart = always\nessential = no";
    let mut world = planned(&[(&[], AGAIN), (&[0], SERVICE)], nothing);
    world.play("start a\na exits 0 => check 0");
    world.finds("a", Finding::Main(pid("c")));
    world.play("start b\nc exits 1 => -c:TERM\n1s\nstart a\nTERM => b:TERM b:CONT\na exits 0");
    // By the last call, this number may be another process's.
    world.play("7s\nb killed TERM => look\nleft => leftovers:TERM\ngone => exit 0");
    // Nor has the service failed.
    let mut world = planned(&[(&[], AGAIN), (&[0], SERVICE), (&[0], SERVICE)], nothing);
    world.play("start a\nTERM\na exits 0 => look\nleft => leftovers:TERM\ngone => exit 0");
}

#[test]
fn a_kill_does_not_wait_for_what_a_launcher_left_behind() {
    let text = "[pidlet]\ngrace = 0\n[a]\nrun = a\ntype = daemon\npidfile = /run/a.pid\n\
        restart = always\nessential = no\n[b]\nrun = b\nstdout = service:a";
    let mut world = World::new(sound(text), PID_1);
    // How an earlier run ended no longer counts.
    world.play("start a\na exits 3 => -a:TERM\n1s\nstart a");
    world.play("TERM => -a:KILL leftovers:KILL look\na exits 0\ngone => exit 0");
}

#[test]
fn a_service_that_waits_for_its_turn_to_stop_is_no_longer_checked() {
    const CHECKED: Section = "health = tcp:1\nhealth-every = 1s\nhealth-tries = 1";
    let mut world = planned(&[(&[], CHECKED), (&[0], SERVICE)], nothing);
    world.play("start a\nstart b\n1s => check 0\nTERM => uncheck 0 b:TERM b:CONT\n5s");
    world.play("b exits 0 => a:TERM a:CONT\na killed TERM => look\ngone => exit 143");
}
