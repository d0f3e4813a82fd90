//! What must hold at the end of a world, by the emulator's ledger.

use std::collections::BTreeMap;
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
    let grace = GRACE + 2 * world.plan.network.latency + world.plan.longest_stall * 4;
    let verdict = Checker::new().grace(grace).judge(&world.engine.ledger());
    let mut violations = verdict.violations();
    if let Some(violation) = violations.find(|finding| !is_excused(world, finding)) {
        return Some(format!("{violation}\n{verdict}"));
    }
    let repeats = verdict.by_rule(Rule::ProcessedTwice).next();
    repeats
        .filter(|_| repeats_nothing(&world.plan))
        .map(|repeat| format!("without a fault: {repeat}\n{verdict}"))
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
            has(plan, |what| matches!(what, Happening::Suspend(_))) || is_renewed(world, finding)
        }
        // The answer to the first one was lost.
        Rule::RequestAfterShutdown => {
            plan.weather.service_fails() && finding.detail.starts_with("shutdown")
        }
        // The program went back.
        Rule::SaveBackwards => plan.configs.iter().any(|config| config.rewinds),
        // An answer for which there was no memory is read again.
        Rule::ReadAgain => {
            let (client, channel) = (finding.client.as_deref(), finding.channel.as_deref());
            world.notes.may_read_again(client, channel)
        }
        // A callback that was given up cannot be stopped. The world notes itself whether
        // one begins too late.
        Rule::ProcessedAfterClose => true,
        _ => false,
    }
}

/// Whether an answer has arrived that the checker takes for lost, because a fault has hit
/// it.
fn is_renewed(world: &World, finding: &Finding) -> bool {
    let ledger = world.engine.ledger();
    let mut own: Vec<&str> = Vec::new();
    for event in ledger.events() {
        match &event.kind {
            EventKind::Received {
                request_id,
                action: Action::Heartbeat,
                client,
                ..
            } if *client == finding.client => own.push(request_id),
            EventKind::Faulted {
                request_id,
                answer_suffers: true,
                ..
            } if own.contains(&&**request_id) && world.notes.has_arrived(request_id) => {
                return true;
            }
            _ => {}
        }
    }
    false
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
}

/// A channel that is not processed to its end, and what is missing.
pub(crate) fn missing(ledger: &Ledger) -> Option<String> {
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
            _ => {}
        }
    }
    channels.into_iter().find_map(|((_, id), mut channel)| {
        let log = channel.partition.and_then(|partition| logs.get(partition));
        let end = channel.end.max(log.copied().unwrap_or_default());
        channel.processed.sort_unstable();
        let upto = channel
            .processed
            .iter()
            .fold(
                channel.start,
                |at, (from, to)| {
                    if *from <= at { at.max(*to) } else { at }
                },
            );
        (upto < end).then(|| format!("channel {id} from {upto} to {end}"))
    })
}
