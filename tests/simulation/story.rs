//! The story of a world: things happen for a while, then everything must recover, and
//! then it ends.

use std::sync::Arc;
use std::time::Duration;

use tablestore_tunnel::_simulation as simulation;

use crate::logging::note;
use crate::notes::ConsumerId;
use crate::plan::{Ending, Event, Happening, rescuer};
use crate::world::{World, write};
use crate::{judge, threads};

/// Within this time after the last fault, everything must have been processed and saved:
/// longer than the lease of a session (300 s at most), the longest pause before a failed
/// channel is opened again (60 s) and a request that still hangs (60 s) together.
const RECOVERY: Duration = Duration::from_secs(600);

/// How often the world looks whether it has recovered.
const LOOK: Duration = Duration::from_secs(2);

/// A step of the story.
enum Step {
    Start(ConsumerId),
    End(ConsumerId, Ending),
    Happens(Event),
}

/// Runs on the first simulated thread.
pub(crate) fn tell(world: &Arc<World>) {
    let committing = Arc::clone(world);
    simulation::spawn("world-committer", move || {
        committing.committer.run(&committing.temper);
    });
    act(world);
    calm(world);
    recover(world);
    close(world);
    world.end();
}

fn act(world: &World) {
    let mut steps: Vec<(Duration, Step)> = Vec::new();
    for (id, consumer) in world.plan.consumers.iter().enumerate() {
        steps.push((consumer.start, Step::Start(id)));
        if let Some((at, how)) = consumer.end {
            steps.push((at, Step::End(id, how)));
        }
    }
    let events = world.plan.events.iter().cloned();
    steps.extend(events.map(|event| (event.at, Step::Happens(event))));
    steps.sort_by_key(|(at, _)| *at);
    let mut rows = Rows::default();
    for (at, step) in steps {
        sleep_until(at);
        if world.notes.broken().is_some() {
            return;
        }
        match step {
            Step::Start(id) => world.start(id, &world.plan.consumers[id]),
            Step::End(id, how) => world.consumers.end(id, how, &world.judging()),
            Step::Happens(event) => rows.happen(world, &event.what),
        }
        threads::check(world);
    }
    sleep_until(world.plan.activity);
}

/// Counts the rows that were written.
#[derive(Default)]
struct Rows(i64);

impl Rows {
    fn happen(&mut self, world: &World, what: &Happening) {
        note(|| format!("{what:?}"));
        let result = match what {
            Happening::Write { table, rows } => (0..*rows).try_for_each(|_| {
                self.0 += 1;
                write(&world.tables[*table], 1_000 + self.0)
            }),
            Happening::Change { table } => {
                let table = &world.tables[*table];
                write(table, 0).and_then(|()| table.delete([0]).map(|_| ()))
            }
            Happening::Split { table } => {
                split(world, *table);
                Ok(())
            }
            Happening::Merge { table } => {
                merge(world, *table);
                Ok(())
            }
            _ => {
                disturb(world, what);
                Ok(())
            }
        };
        if let Err(error) = result {
            world.notes.fail(format!("{what:?}: {error}"));
        }
    }
}

fn disturb(world: &World, what: &Happening) {
    match what {
        Happening::Fault(fault) => drop(world.engine.arm([fault.clone()])),
        Happening::Outage(time) => world.network.fail_for(*time),
        Happening::NoCredentials(time) => world.temper.withhold_keys_for(*time),
        Happening::Suspend(time) => {
            world.notes.suspends();
            simulation::suspend(*time);
            if world.dice.chance(0.5) {
                world.network.fail_for(*time / 20);
            }
        }
        Happening::Jump(by) => world.clock.advance(*by),
        _ => world.consumers.ask(),
    }
}

/// Splits a random partition, if it has enough rows.
fn split(world: &World, table: usize) {
    let table = &world.tables[table];
    let mut partitions = table.partitions();
    partitions.retain(|partition| partition.active && partition.rows > 1);
    if !partitions.is_empty() {
        let partition = world.dice.pick(&partitions);
        let _ = table.split(&partition.id);
    }
}

/// Merges two random partitions, if they are neighbours.
fn merge(world: &World, table: usize) {
    let table = &world.tables[table];
    let mut partitions = table.partitions();
    partitions.retain(|partition| partition.active);
    if partitions.len() > 1 {
        let at = world.dice.index(partitions.len() - 1);
        let _ = table.merge(&partitions[at].id, &partitions[at + 1].id);
    }
}

/// Nothing fails any more.
fn calm(world: &World) {
    note(|| "everything recovers from now on".to_owned());
    world.engine.clear_faults();
    world.network.calm();
    world.temper.calm();
    simulation::stop_stalls();
}

fn recover(world: &World) {
    let until = simulation::now() + RECOVERY;
    while world.notes.broken().is_none() {
        let Some(unfinished) = judge::unfinished(world) else {
            return;
        };
        if simulation::now() > until {
            let text = format!("after {RECOVERY:?}: {unfinished}");
            return world.notes.fail(text);
        }
        rescue(world);
        simulation::sleep(LOOK);
        threads::check(world);
    }
}

/// Starts a consumer for each tunnel that has none.
fn rescue(world: &World) {
    for tunnel in 0..world.tunnels.len() {
        let planned = world.plan.consumers.iter().enumerate();
        let runs = planned
            .filter(|(_, consumer)| consumer.tunnel == tunnel)
            .any(|(id, _)| world.consumers.runs(id));
        let id = world.plan.consumers.len() + tunnel;
        if !runs && !world.consumers.all().contains(&id) {
            world.start(id, &rescuer(tunnel, 0));
        }
    }
}

/// Ends all consumers, and waits for that.
fn close(world: &World) {
    let judging = world.judging();
    for id in world.consumers.all() {
        world.consumers.end(id, Ending::Close, &judging);
    }
    let until = simulation::now() + Duration::from_secs(90);
    while world.consumers.closing() > 0 {
        if simulation::now() > until {
            return world.notes.fail("consumers do not end".to_owned());
        }
        simulation::sleep(Duration::from_millis(100));
    }
    threads::check(world);
}

fn sleep_until(time: Duration) {
    simulation::sleep(time.saturating_sub(simulation::now()));
}
