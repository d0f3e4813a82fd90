//! [`Ledger`]: everything that happened, in order.
//!
//! The ledger shows which channels a client got, which records it read, which
//! checkpoints it saved, and whether it held the channels at that time. The
//! [`Checker`](super::Checker) finds the events that break rules.
//!
//! Files, in reading order:
//!
//! - this file: a ledger as users hold it.
//! - [`event`]: the kinds of events; the names in the JSON lines.
//! - [`from_state`]: events of the state become events of the ledger.
//! - [`writer`]: the ledger while it is written.
//! - [`lines`]: JSON lines, and back.
//! - [`display`]: an event as a readable line.
//! - [`text`]: durations and sequence numbers in JSON.

mod display;
mod event;
mod from_state;
mod lines;
mod text;
mod writer;

pub use self::event::{Event, EventKind};
pub(super) use self::writer::LedgerWriter;
pub use super::state::{ChannelState, ChannelStatus, Departure};

/// Everything that happened so far. It is a copy and does not grow.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    events: Vec<Event>,
}

impl Ledger {
    /// The events in order. The oldest ones are missing if there were more than
    /// [`EmulatorBuilder::ledger_limit`](super::EmulatorBuilder::ledger_limit).
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Whether it has all events from the beginning.
    pub fn is_whole(&self) -> bool {
        self.events.first().is_none_or(|event| event.order == 0)
    }
}
