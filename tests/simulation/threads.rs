//! How many threads the crate may have.

use std::collections::BTreeSet;

use tablestore_emulator::EventKind;
use tablestore_tunnel::_simulation as simulation;

use crate::world::World;

/// The beginning of the names of the crate's threads.
const OWN: &str = "tunnel-";

/// For each consumer: the daemon's own thread, the heartbeat with its helper, and the
/// thread that leaves a session; twice, because a daemon may connect again while a
/// request of the lost session still hangs.
const PER_CONSUMER: usize = 1 + 2 * 3;

/// For each channel of a consumer: a reader, a save or the end, and two readers whose
/// reads hang.
const PER_CHANNEL: usize = 1 + 1 + 2;

/// Fails if there are more threads than the configurations and the channels explain.
pub(crate) fn check(world: &World) {
    let live = simulation::live_threads();
    let own: Vec<&String> = live.iter().filter(|name| name.starts_with(OWN)).collect();
    let limit = limit(world);
    if own.len() > limit {
        let text = format!(
            "{} threads, at most {limit} are explained: {own:?}",
            own.len()
        );
        world.notes.fail(text);
    }
}

fn limit(world: &World) -> usize {
    let configs = world.plan.configs.iter();
    let shared: usize = configs
        .map(|config| config.pool_threads + usize::from(config.observer))
        .sum();
    let consumers: usize = (0..world.tunnels.len())
        .map(|tunnel| {
            let planned = world.plan.consumers.iter();
            let planned = planned.filter(|consumer| consumer.tunnel == tunnel).count();
            // One more to recover.
            (planned + 1) * (PER_CONSUMER + channels(world, tunnel) * PER_CHANNEL)
        })
        .sum();
    shared + consumers
}

/// How many channels a tunnel has had.
fn channels(world: &World, tunnel: usize) -> usize {
    let id = &world.tunnels[tunnel];
    let ledger = world.engine.ledger();
    let added = ledger
        .events()
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::ChannelAdded {
                tunnel, channel, ..
            } if **tunnel == **id => Some(channel),
            _ => None,
        });
    added.collect::<BTreeSet<_>>().len()
}
