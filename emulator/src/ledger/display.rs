//! An event as a readable line.

use std::fmt::{Display, Formatter, Result};

use super::{ChannelState, Departure, Event, EventKind};
use crate::protocol::Action;

impl Display for Event {
    /// One line: order, time of day, event.
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let (hour, minute, second, micro) = self.time.to_hms_micro();
        let order = self.order;
        write!(
            f,
            "#{order} {hour:02}:{minute:02}:{second:02}.{micro:06} {}",
            self.kind
        )
    }
}

impl Display for EventKind {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            EventKind::Received { .. }
            | EventKind::Answered { .. }
            | EventKind::Faulted { .. }
            | EventKind::ClockMoved { .. } => of_requests(self, f),
            EventKind::Written { .. }
            | EventKind::TunnelCreated { .. }
            | EventKind::TunnelDeleted { .. }
            | EventKind::ChannelAdded { .. }
            | EventKind::Split { .. }
            | EventKind::Merged { .. }
            | EventKind::Trimmed { .. }
            | EventKind::TableDropped { .. }
            | EventKind::TunnelExpired { .. } => of_tables(self, f),
            EventKind::Connected { .. }
            | EventKind::Gone { .. }
            | EventKind::Heartbeat { .. }
            | EventKind::ChannelChanged { .. } => of_clients(self, f),
            EventKind::CheckpointGiven { .. }
            | EventKind::Skipped { .. }
            | EventKind::Read { .. }
            | EventKind::Saved { .. }
            | EventKind::Processed { .. }
            | EventKind::ProcessedUnknown { .. } => of_channels(self, f),
        }
    }
}

/// Events of requests and of the clock.
fn of_requests(kind: &EventKind, f: &mut Formatter<'_>) -> Result {
    match kind {
        EventKind::Received {
            action,
            client,
            channel,
            ..
        } => {
            write!(f, "received {action}")?;
            named(f, "from", client.as_deref())?;
            named(f, "for", channel.as_deref())
        }
        EventKind::Answered {
            action,
            status,
            code,
            ..
        } => {
            let action = action.map_or("a request", Action::name);
            write!(f, "answered {action} with {status}")?;
            named(f, "", code.as_deref())
        }
        EventKind::Faulted {
            action,
            effect,
            carried_out,
            ..
        } => {
            let when = if *carried_out { "after" } else { "before" };
            write!(f, "fault {when} {action}: {effect}")
        }
        EventKind::ClockMoved { by } => write!(f, "the clock was moved by {by:?}"),
        _ => Ok(()),
    }
}

fn named(f: &mut Formatter<'_>, word: &str, name: Option<&str>) -> Result {
    match name {
        Some(name) if word.is_empty() => write!(f, " {name}"),
        Some(name) => write!(f, " {word} {name}"),
        None => Ok(()),
    }
}

/// Events of tables, tunnels and channels.
fn of_tables(kind: &EventKind, f: &mut Formatter<'_>) -> Result {
    match kind {
        EventKind::Written {
            table,
            partition,
            from,
            to,
        } => write!(f, "written {from}..{to} to {table}, partition {partition}"),
        EventKind::TunnelCreated { tunnel, table } => {
            write!(f, "tunnel {tunnel} created on {table}")
        }
        EventKind::TunnelDeleted { tunnel } => write!(f, "tunnel {tunnel} deleted"),
        EventKind::ChannelAdded {
            channel,
            start,
            end,
            parents,
            ..
        } => {
            write!(f, "channel {channel} added, {start}..{end}")?;
            let parents = parents.join(", ");
            named(f, "after", Some(&*parents).filter(|text| !text.is_empty()))
        }
        EventKind::Split {
            parent, children, ..
        } => write!(f, "partition {parent} split: {}", children.join(", ")),
        EventKind::Merged { parents, child, .. } => {
            write!(f, "partitions {} merged: {child}", parents.join(", "))
        }
        EventKind::Trimmed {
            partition,
            from,
            to,
            ..
        } => write!(f, "log of partition {partition} lost {from}..{to}"),
        EventKind::TableDropped { table } => write!(f, "table {table} dropped"),
        EventKind::TunnelExpired { tunnel } => write!(f, "tunnel {tunnel} expired"),
        _ => Ok(()),
    }
}

/// Events of clients and of the channels that they hold.
fn of_clients(kind: &EventKind, f: &mut Formatter<'_>) -> Result {
    match kind {
        EventKind::Connected {
            client, timeout, ..
        } => write!(f, "{client} connected, timeout {timeout:?}"),
        EventKind::Gone { client, why, .. } => match why {
            Departure::Expired => write!(f, "{client} was silent for too long and was removed"),
            Departure::ShutDown => write!(f, "{client} shut down"),
        },
        EventKind::Heartbeat {
            client,
            reported,
            answered,
            ..
        } => {
            write!(f, "heartbeat of {client}: reported ")?;
            states(reported, f)?;
            f.write_str(", answered ")?;
            states(answered, f)
        }
        EventKind::ChannelChanged {
            channel,
            client,
            status,
            version,
            ..
        } => {
            write!(f, "{channel} is {status} v{version}")?;
            named(f, "at", client.as_deref())
        }
        _ => Ok(()),
    }
}

/// How many channels of a list are shown. The others are only counted, so that
/// lines stay short.
const SHOWN: usize = 4;

fn states(states: &[ChannelState], f: &mut Formatter<'_>) -> Result {
    if states.is_empty() {
        return f.write_str("nothing");
    }
    for (number, state) in states.iter().take(SHOWN).enumerate() {
        let comma = if number == 0 { "" } else { ", " };
        let (channel, status, version) = (&state.channel, state.status, state.version);
        write!(f, "{comma}{channel} {status} v{version}")?;
    }
    match states.len().checked_sub(SHOWN) {
        Some(more) if more > 0 => write!(f, " and {more} more"),
        _ => Ok(()),
    }
}

/// Events of reading, saving and processing.
fn of_channels(kind: &EventKind, f: &mut Formatter<'_>) -> Result {
    match kind {
        EventKind::CheckpointGiven {
            client,
            channel,
            position,
            ..
        } => {
            write!(f, "{client} got the checkpoint of {channel}: ")?;
            write_position(*position, f)
        }
        EventKind::Skipped {
            client,
            channel,
            from,
            count,
            ..
        } => write!(
            f,
            "{client} skipped {count} trimmed records of {channel} from {from} on"
        ),
        EventKind::Read {
            client,
            channel,
            from,
            to,
            finished,
            ..
        } => {
            let end = if *finished { ", to the end" } else { "" };
            write!(f, "{client} read {channel} {from}..{to}{end}")
        }
        EventKind::Saved {
            client,
            channel,
            position,
            ..
        } => {
            write!(f, "{client} saved {channel} at ")?;
            write_position(*position, f)
        }
        EventKind::Processed {
            client,
            channel,
            from,
            to,
            ..
        } => write!(f, "{client} processed {channel} {from}..{to}"),
        EventKind::ProcessedUnknown {
            client,
            channel,
            records,
            ..
        } => write!(
            f,
            "{client} processed {records} records that {channel} does not have"
        ),
        _ => Ok(()),
    }
}

fn write_position(position: Option<u64>, f: &mut Formatter<'_>) -> Result {
    match position {
        Some(position) => write!(f, "{position}"),
        None => f.write_str("finished"),
    }
}
