//! Everything that can happen to tiny containers, state by state until there is no new one: processes end,
//! starts fail, checks find something, signals come and deadlines pass, in every order.
//!
//! A state is first met on a shortest path to it, so the path that is printed where something does not hold
//! is a shortest one. `EXPLORE=n` also looks at up to n thousand states of every pair of kinds of services,
//! and at ten times as many of each chosen plan; `MODEL=text` explores only the plans that contain that text.

mod container;
mod models;
mod snapshot;

use core::hash::{Hash, Hasher};
use std::collections::{HashSet, VecDeque};
use std::hash::DefaultHasher;
use std::vec::Vec;
use std::{assert_eq, env, eprintln, panic, thread};

use super::super::{Next, Supervisor, Surroundings};
use super::{NOT_PID_1, PID_1};
use container::{Around, Container, Move};
use models::{MODELS, Model, pairs, plan_of};
use snapshot::{NOW, Snapshot};

/// How many states of each chosen plan are explored by default.
const STATES: usize = 4000;

/// How a state was met: from which other one, and by which move.
type Met = (usize, Option<Move>);

/// Prints the path to the state where something does not hold.
struct PathOnPanic<'a> {
    model: &'a Model,
    surroundings: Surroundings,
    met: &'a [Met],
    from: usize,
    chosen: Option<Move>,
}

impl Drop for PathOnPanic<'_> {
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        let mut way: Vec<Move> = self.chosen.into_iter().collect();
        let mut at = self.from;
        while let (before, Some(chosen)) = self.met[at] {
            way.push(chosen);
            at = before;
        }
        let Model { text, style, .. } = self.model;
        eprintln!("{text:?} {style:?} init {}:", self.surroundings.init);
        for chosen in way.iter().rev() {
            eprintln!("    {chosen:?}");
        }
    }
}

/// A number that is the same for equal states.
fn key(snapshot: &Snapshot, around: &Around, numbers: &mut Vec<u64>) -> u128 {
    numbers.clear();
    snapshot.numbers(numbers);
    let half = |seed: u64| {
        let mut hasher = DefaultHasher::new();
        (seed, &*numbers, around).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

/// What an exploration has found.
#[derive(Debug, Default)]
struct Explored {
    plans: usize,
    /// Plans of which every state was found.
    whole: usize,
    states: usize,
    moves: usize,
    exits: usize,
    faults: usize,
}

fn explore(model: &'static Model, surroundings: Surroundings, most: usize) -> Explored {
    let plan = plan_of(model);
    let supervisor = Supervisor::new(plan, surroundings);
    let mut container = Container::new(model, plan, supervisor, surroundings.init);
    let mut explored = Explored {
        whole: 1,
        ..Explored::default()
    };
    let (mut moves, mut numbers) = (Vec::new(), Vec::new());
    let mut known = HashSet::new();
    let mut met: Vec<Met> = std::vec![(0, None)];
    let first = Snapshot::take(&container.supervisor, NOW);
    known.insert(key(&first, &container.around, &mut numbers));
    let mut queue = VecDeque::from([(0, first, container.around.clone())]);
    while let Some((from, snapshot, around)) = queue.pop_front() {
        let back = |container: &mut Container| {
            snapshot.put(&mut container.supervisor);
            container.around.clone_from(&around);
            container.now = NOW;
        };
        back(&mut container);
        container.moves(&mut moves);
        let mut on_panic = PathOnPanic {
            model,
            surroundings,
            met: &met,
            from,
            chosen: None,
        };
        container.check_no_spin();
        let mut found = Vec::new();
        for &chosen in &moves {
            on_panic.chosen = Some(chosen);
            back(&mut container);
            container.make(chosen);
            explored.moves += 1;
            if matches!(container.supervisor.next(), Next::Exit(_)) {
                explored.exits += 1;
                continue;
            }
            let snapshot = Snapshot::take(&container.supervisor, container.now);
            let around = container.around_now();
            if known.insert(key(&snapshot, &around, &mut numbers)) {
                found.push((chosen, snapshot, around));
            }
        }
        drop(on_panic);
        for (chosen, snapshot, around) in found {
            if met.len() >= most {
                explored.whole = 0;
                break;
            }
            queue.push_back((met.len(), snapshot, around));
            met.push((from, Some(chosen)));
        }
    }
    explored.states = met.len();
    explored
}

/// Explores a plan in all surroundings that make a difference, and counts what is found.
fn explore_all(model: &'static Model, most: usize, all: &mut Explored) {
    let below = Surroundings {
        no_shell: true,
        ..NOT_PID_1
    };
    for surroundings in [PID_1, NOT_PID_1, below] {
        if surroundings == below && !model.terminal {
            continue;
        }
        all.plans += 1;
        let Ok(explored) = panic::catch_unwind(|| explore(model, surroundings, most)) else {
            all.faults += 1;
            continue;
        };
        all.states += explored.states;
        all.moves += explored.moves;
        all.exits += explored.exits;
        all.whole += explored.whole;
    }
}

#[test]
fn every_state_of_tiny_plans() {
    let thousands = env::var("EXPLORE").map(|text| text.parse::<usize>().unwrap());
    let only = env::var("MODEL").unwrap_or_default();
    let mut all = Explored::default();
    let wanted = |model: &&Model| model.text.contains(&only);
    for model in MODELS.iter().filter(wanted) {
        let most = thousands
            .as_ref()
            .map_or(STATES, |thousands| thousands * 10_000);
        explore_all(model, most, &mut all);
    }
    if let Ok(thousands) = thousands {
        for model in pairs().filter(wanted) {
            explore_all(model, thousands * 1000, &mut all);
        }
    }
    eprintln!("{all:?}");
    assert_eq!(all.faults, 0, "plans for which something does not hold");
}
