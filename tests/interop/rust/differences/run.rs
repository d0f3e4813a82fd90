//! Runs the probes on all clients, several at a time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use crate::client::{Client, Programs};
use crate::page::Row;
use crate::probes::{Figure, Probe, Result};

/// A probe on a client.
type Task = (&'static Probe, Client);

/// The rows of the table, in the order of the probes.
pub(crate) fn all(probes: &[&'static Probe], programs: &Programs, jobs: usize) -> Vec<Row> {
    let is_available = |client: &Client| programs.command(*client).is_some();
    let clients: Vec<Client> = Client::ALL.into_iter().filter(is_available).collect();
    let tasks: Vec<Task> = probes
        .iter()
        .flat_map(|probe| clients.iter().map(|client| (*probe, *client)))
        .collect();
    let figures = work(&tasks, programs, jobs);
    let row = |probe: &&'static Probe| Row {
        probe,
        figures: of(&figures, probe),
    };
    probes.iter().map(row).collect()
}

fn of(figures: &[(Task, Figure)], wanted: &Probe) -> Vec<(Client, Figure)> {
    let same = figures
        .iter()
        .filter(|((probe, _), _)| probe.name == wanted.name);
    same.map(|((_, client), figure)| (*client, figure.clone()))
        .collect()
}

fn work(tasks: &[Task], programs: &Programs, jobs: usize) -> Vec<(Task, Figure)> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let figure = measure(*task, programs);
                    if let Ok(mut done) = done.lock() {
                        done.push((*task, figure));
                    }
                }
            });
        }
    });
    done.into_inner().unwrap_or_default()
}

fn measure((probe, client): Task, programs: &Programs) -> Figure {
    let start = Instant::now();
    let figure: Result<Figure> = (probe.run)(client, programs);
    let figure = figure.unwrap_or_else(|error| Figure::failed(error.as_ref()));
    let seconds = start.elapsed().as_secs();
    eprintln!(
        "{seconds:4} s  {:<20} {client:?}: {}",
        probe.name, figure.text
    );
    figure
}
