//! How long a container outlives the service that mattered.

use std::time::Duration;

use crate::Bench;
use crate::contestants::Contestant;
use crate::fifo::Fifo;
use crate::look::{self, Watch};
use crate::report::Measure;

pub fn run(bench: &Bench) -> Vec<Measure> {
    let (fifo, go) = (
        Fifo::new(&bench.temp, "end"),
        Fifo::new(&bench.temp, "end-go"),
    );
    let command = [&bench.tools.payload, "die", &fifo.path, &go.path];
    let ends = bench.take_turns(bench.rounds(100, 3), Contestant::runs_one, |one| {
        let init = one.run(1, &command, &bench.temp)?.start();
        fifo.records(1);
        look::wait_idle(&[init.pid()]);
        let watch = Watch::on(&init);
        go.go();
        let end = watch.ended(Duration::from_secs(30))?;
        let dying = fifo.records(1)[0].time;
        Some((end - dying) as f64 / 1e3)
    });
    vec![
        Measure::new(
            "End",
            "from the only command's last act to the container's end",
            "µs",
        )
        .values(&ends, |end| *end),
    ]
}
