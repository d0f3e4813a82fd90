//! What must hold at the end of a world, by the emulator's ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tablestore_emulator::{Action, Checker, EventKind, Finding, Ledger, Rule};

use crate::plan::{Commits, Config, Happening, Plan, Weather};
use crate::world::World;

/// How long requests may be on their way where nothing is stalled.
const GRACE: Duration = Duration::from_secs(1);

/// The first rule that was broken.
pub(crate) fn broken(world: &World) -> Option<String> {
    world.notes.check_end();
    if let Some(broken) = world.notes.broken() {
        return Some(broken);
    }
    let ledger = world.engine.ledger();
    let verdict = Checker::new().grace(grace(world, &ledger)).judge(&ledger);
    let mut violations = verdict.violations();
    if let Some(violation) = violations.find(|finding| !is_excused(world, finding)) {
        return Some(format!("{violation}\n{verdict}"));
    }
    if !repeats_nothing(&world.plan) {
        return None;
    }
    let repeats = verdict.by_rule(Rule::ProcessedTwice).next();
    let repeat = repeats.map(|repeat| format!("without a fault: {repeat}\n{verdict}"));
    repeat.or_else(|| refused_number(&ledger))
}

/// A save whose sequence number was wrong.
fn refused_number(ledger: &Ledger) -> Option<String> {
    let mut events = ledger.events().iter();
    let refused = events.find(|event| match &event.kind {
        EventKind::Answered { code, .. } => code.as_deref() == Some("OTSSequenceNumberNotMatch"),
        _ => false,
    });
    refused.map(|event| format!("without a fault: {event}"))
}

/// How long a request may be on its way, by the emulator's clock, which may be moved
/// meanwhile.
fn grace(world: &World, ledger: &Ledger) -> Duration {
    let plan = &world.plan;
    let moves = ledger.events().iter().map(|event| match event.kind {
        EventKind::ClockMoved { by } => by,
        _ => Duration::ZERO,
    });
    let suspended = plan.events.iter().map(|event| match event.what {
        Happening::Suspend(time) => time,
        _ => Duration::ZERO,
    });
    let moved: Duration = moves.chain(suspended).sum();
    GRACE + 2 * plan.network.latency + 4 * plan.longest_stall + moved
}

/// Whether no record may come twice: nothing fails, and all checkpoints are the worker's.
fn repeats_nothing(plan: &Plan) -> bool {
    let by_worker = |config: &Config| matches!(config.commits, Commits::Every(_));
    let is_patient = |config: &Config| config.shutdown_timeout >= Duration::from_secs(5);
    let is_fair = plan.configs.iter().all(|c| by_worker(c) && is_patient(c));
    let deadlines = plan.consumers.iter().filter_map(|consumer| consumer.end);
    let is_hurried = deadlines.into_iter().any(|(_, how)| match how {
        crate::plan::Ending::Within(within) | crate::plan::Ending::Twice(within) => {
            within < Duration::from_secs(5)
        }
        _ => false,
    });
    plan.weather == Weather::Quiet && is_fair && !is_hurried
}

/// Whether the world itself is the reason for a finding.
fn is_excused(world: &World, finding: &Finding) -> bool {
    let plan = &world.plan;
    match finding.rule {
        // No heartbeat is sent by a suspended machine, while the service's time goes on.
        Rule::HeartbeatGap => {
            let suspends = has(plan, |what| matches!(what, Happening::Suspend(_)));
            suspends || is_renewed(world, finding)
        }
        // The answer to the first one was lost.
        Rule::RequestAfterShutdown => {
            plan.weather.service_fails() && finding.detail.starts_with("shutdown")
        }
        // The program went back.
        Rule::SaveBackwards => plan.configs.iter().any(|config| config.rewinds),
        // A fault delayed a read until the client had gone on without it. What the callbacks
        // got is noted by the world.
        Rule::ReadSkips => is_late(world, finding, Action::ReadRecords),
        // An answer for which there was no memory is read again.
        Rule::ReadAgain => {
            let (client, channel) = (finding.client.as_deref(), finding.channel.as_deref());
            world.notes.may_read_again(client, channel)
                || is_late(world, finding, Action::ReadRecords)
        }
        // The service itself said so, for a reason of its own.
        Rule::TerminatedUnsaved => has(plan, |what| match what {
            Happening::Fault(fault) => fault.to_string().contains("terminated"),
            _ => false,
        }),
        Rule::VersionBackwards
        | Rule::VersionNotRaised
        | Rule::ReadNotOwned
        | Rule::SaveNotOwned
        | Rule::ReadAfterClose
        | Rule::SaveAfterClose => is_deceived(world, finding),
        // A callback that was given up cannot be stopped. The world notes itself whether
        // one begins too late.
        Rule::ProcessedAfterClose => true,
        _ => false,
    }
}

/// Whether an answer to a heartbeat has arrived that the checker takes for lost, because
/// a fault has hit it.
fn is_renewed(world: &World, finding: &Finding) -> bool {
    let ledger = world.engine.ledger();
    hits(&ledger, finding, Action::Heartbeat).any(|(id, _)| world.notes.has_arrived(id))
}

/// Whether the client has got an old answer, which may give it a channel that it has
/// closed since.
fn is_deceived(world: &World, finding: &Finding) -> bool {
    let ledger = world.engine.ledger();
    hits(&ledger, finding, Action::Heartbeat).any(|(_, effect)| effect.starts_with("stale"))
}

/// Whether a fault has delayed such a request of the client.
fn is_late(world: &World, finding: &Finding, action: Action) -> bool {
    let ledger = world.engine.ledger();
    hits(&ledger, finding, action).any(|(_, effect)| effect.starts_with("delay"))
}

/// Faults that hit the client's requests: the id of the request and the effect.
fn hits<'a>(
    ledger: &'a Ledger,
    finding: &Finding,
    action: Action,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let events = ledger.events().iter();
    let own: BTreeSet<&str> = events
        .filter_map(|event| match &event.kind {
            EventKind::Received {
                request_id,
                action: of,
                client,
                ..
            } if *of == action && *client == finding.client => Some(&**request_id),
            _ => None,
        })
        .collect();
    ledger
        .events()
        .iter()
        .filter_map(move |event| match &event.kind {
            EventKind::Faulted {
                request_id,
                effect,
                answer_suffers: true,
                ..
            } if own.contains(&**request_id) => Some((&**request_id, &**effect)),
            _ => None,
        })
}

fn has(plan: &Plan, is_it: impl Fn(&Happening) -> bool) -> bool {
    plan.events.iter().any(|event| is_it(&event.what))
}

/// The records of one channel.
#[derive(Default)]
struct Channel<'a> {
    partition: Option<&'a str>,
    start: u64,
    end: u64,
    /// How far it was processed without a gap, as sorted ranges.
    processed: Vec<(u64, u64)>,
    /// The last position that was saved; `None` is the end of the channel.
    saved: Option<Option<u64>>,
}

impl Channel<'_> {
    /// How far it was processed without a gap.
    fn processed_up_to(&self) -> u64 {
        let mut processed = self.processed.clone();
        processed.sort_unstable();
        let ranges = processed.iter();
        ranges.fold(self.start, |at, (from, to)| match *from <= at {
            true => at.max(*to),
            false => at,
        })
    }
}

/// The longest checkpoint interval for which the world waits.
const MOST_INTERVAL: Duration = Duration::from_secs(10);

/// Whether the worker saves every token of the tunnel by itself, and soon.
fn is_saved_soon(plan: &Plan, tunnel: usize) -> bool {
    let is_soon = |config: &Config| match config.commits {
        Commits::Every(interval) => interval <= MOST_INTERVAL,
        _ => false,
    };
    let consumers = plan.consumers.iter();
    let of_tunnel = consumers.filter(|consumer| consumer.tunnel == tunnel);
    let configs = of_tunnel.map(|consumer| consumer.config);
    // Those of the consumers that may be started to recover are among them.
    configs
        .chain([0])
        .all(|config| is_soon(&plan.configs[config]))
}

/// What has not been processed, or not been saved although nothing was closed.
pub(crate) fn unfinished(world: &World) -> Option<String> {
    let ledger = world.engine.ledger();
    let (channels, logs) = channels(&ledger);
    let missing = channels.iter().find_map(|((_, id), channel)| {
        let log = channel.partition.and_then(|partition| logs.get(partition));
        let end = channel.end.max(log.copied().unwrap_or_default());
        let upto = channel.processed_up_to();
        (upto < end).then(|| format!("channel {id} is not processed from {upto} to {end}"))
    });
    let tunnels = world.tunnels.iter().enumerate();
    let saved_soon: BTreeSet<&str> = tunnels
        .filter(|(tunnel, _)| is_saved_soon(&world.plan, *tunnel))
        .map(|(_, id)| id.as_str())
        .collect();
    let mut channels = channels.iter();
    missing.or_else(|| {
        channels.find_map(|((tunnel, id), channel)| {
            let upto = channel.processed_up_to();
            let saved = match channel.saved {
                Some(position) => position.unwrap_or(u64::MAX),
                None => channel.start,
            };
            (saved < upto && saved_soon.contains(tunnel))
                .then(|| format!("channel {id} is not saved from {saved} to {upto}"))
        })
    })
}

/// Channels by tunnel and id, and how many rows each partition has.
type Channels<'a> = (
    BTreeMap<(&'a str, &'a str), Channel<'a>>,
    BTreeMap<&'a str, u64>,
);

fn channels(ledger: &Ledger) -> Channels<'_> {
    let mut channels: BTreeMap<(&str, &str), Channel<'_>> = BTreeMap::new();
    let mut logs: BTreeMap<&str, u64> = BTreeMap::new();
    for event in ledger.events() {
        match &event.kind {
            EventKind::ChannelAdded {
                tunnel,
                channel,
                partition,
                start,
                end,
                ..
            } => {
                let added = channels.entry((tunnel, channel)).or_default();
                added.partition = partition.as_deref();
                (added.start, added.end) = (*start, *end);
            }
            EventKind::Written { partition, to, .. } => {
                logs.insert(partition, *to);
            }
            EventKind::Processed {
                tunnel,
                channel,
                from,
                to,
                ..
            } => {
                let of = channels.entry((tunnel, channel)).or_default();
                of.processed.push((*from, *to));
            }
            EventKind::Saved {
                tunnel,
                channel,
                position,
                ..
            } => {
                let of = channels.entry((tunnel, channel)).or_default();
                of.saved = Some(*position);
            }
            _ => {}
        }
    }
    (channels, logs)
}
