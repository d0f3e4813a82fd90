//! The order of the runs, and the medians.
//!
//! The clients of a case take turns, so that other load on the machine affects all
//! of them.

use std::path::{Path, PathBuf};
use std::{io, thread};

use super::client::Kind;
use super::options::Options;
use super::run::{self, Case, IdleOutcome, Outcome};
use super::shape::SHAPES;
use super::{go, process};

/// The measurements, in the order of the report.
pub(crate) struct Results {
    pub(crate) busy: Vec<(Case, Outcome)>,
    pub(crate) idle: Vec<(Case, IdleOutcome)>,
    pub(crate) rounds: usize,
}

impl Results {
    pub(crate) fn busy(&self, case: &Case) -> Option<Outcome> {
        let mut all = self.busy.iter();
        all.find(|(other, _)| other == case)
            .map(|(_, outcome)| *outcome)
    }
}

pub(crate) fn run(options: &Options) -> io::Result<Results> {
    let go = match options.kinds.contains(&Kind::Go) {
        true => go::build(),
        false => None,
    };
    let idle = idle_cases(options, go.is_some());
    let idle = all_idle(&idle, options, go.as_deref())?;
    let mut busy = Vec::new();
    for group in groups(options, go.is_some()) {
        busy.extend(alternate(&group, options, go.as_deref())?);
    }
    Ok(Results {
        busy,
        idle,
        rounds: options.rounds,
    })
}

/// Groups of cases that are compared with each other.
fn groups(options: &Options, has_go: bool) -> Vec<Vec<Case>> {
    let mut groups = Vec::new();
    let pinned = options.pinned && process::can_pin();
    if options.pinned && !pinned {
        eprintln!("consume: no `taskset`, or a single core: no pinned runs");
    }
    for is_pinned in [pinned.then_some(true), options.free.then_some(false)] {
        let Some(pinned) = is_pinned else { continue };
        for &shape in &options.shapes {
            for &channels in &options.channels {
                let case = |kind| Case {
                    shape,
                    channels,
                    kind,
                    pinned,
                };
                let kinds = options.kinds.iter().copied();
                let kinds = kinds.filter(|kind| *kind != Kind::Go || has_go);
                // These two clients run only once per shape and number of channels.
                let kinds =
                    kinds.filter(|kind| pinned || !matches!(kind, Kind::Detach | Kind::Socket));
                groups.push(kinds.map(case).collect());
            }
        }
    }
    groups
}

fn alternate(
    group: &[Case],
    options: &Options,
    go: Option<&Path>,
) -> io::Result<Vec<(Case, Outcome)>> {
    let mut runs: Vec<Vec<Outcome>> = vec![Vec::new(); group.len()];
    for _ in 0..options.rounds {
        for (case, runs) in group.iter().zip(&mut runs) {
            runs.push(run::busy(case, options.time, go)?);
        }
    }
    let outcomes = runs.iter().map(|runs| median_outcome(runs));
    let results: Vec<_> = group.iter().copied().zip(outcomes).collect();
    for (case, outcome) in &results {
        eprintln!("{}", line(case, outcome));
    }
    Ok(results)
}

fn line(case: &Case, outcome: &Outcome) -> String {
    format!(
        "{:<22} {:>3} ch {:<6} {:<6} {:>7.0} krec/s {:>7.3} s/M {:>5.0} MiB",
        case.shape.title(),
        case.channels,
        if case.pinned { "pinned" } else { "free" },
        case.kind.name(),
        outcome.records_per_second / 1e3,
        outcome.cpu_per_million,
        outcome.rss_mib,
    )
}

fn median_outcome(runs: &[Outcome]) -> Outcome {
    let median = |value: fn(&Outcome) -> f64| median(runs.iter().map(value).collect());
    Outcome {
        records_per_second: median(|run| run.records_per_second),
        cpu_per_million: median(|run| run.cpu_per_million),
        rss_mib: median(|run| run.rss_mib),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}

fn idle_cases(options: &Options, has_go: bool) -> Vec<Case> {
    let stream = SHAPES.into_iter().find(|shape| shape.is_stream);
    let kinds = [Kind::Count, Kind::Go].into_iter();
    let kinds = kinds.filter(|kind| options.kinds.contains(kind) && (*kind != Kind::Go || has_go));
    let case = |kind: Kind| {
        let channels = options.idle.iter();
        channels.filter_map(move |&channels| {
            Some(Case {
                shape: stream?,
                channels,
                kind,
                pinned: false,
            })
        })
    };
    kinds.flat_map(case).collect()
}

/// Runs all cases at the same time: each uses little of a core and mostly waits.
fn all_idle(
    cases: &[Case],
    options: &Options,
    go: Option<&Path>,
) -> io::Result<Vec<(Case, IdleOutcome)>> {
    let running: Vec<_> = cases
        .iter()
        .map(|&case| {
            let (time, go) = (options.idle_time, go.map(PathBuf::from));
            thread::spawn(move || Ok((case, run::idle(&case, time, go.as_deref())?)))
        })
        .collect();
    let joined = running.into_iter().map(|run| run.join());
    joined
        .map(|run| run.unwrap_or_else(|_| Err(io::Error::other("an idle run panicked"))))
        .collect()
}
