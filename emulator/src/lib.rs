//! A local server that speaks the protocol of the Tunnel Service.
//!
//! [`Emulator`] serves the thirteen actions of the Tunnel Service on 127.0.0.1
//! and checks signatures. It is for tests of programs that consume a tunnel, in
//! any language. Tables are kept in memory and written through [`Table`]. A
//! [`Fault`] makes requests fail, and the [`Ledger`] shows everything that
//! happened.
//!
//! ```
//! use tablestore_emulator::{Emulator, KeyType, RowUpdate, TableSpec};
//!
//! let emulator = Emulator::builder().start()?;
//! let spec = TableSpec::new("orders").primary_key("id", KeyType::Integer).partitions(2);
//! let orders = emulator.create_table(spec)?;
//! orders.put([1], [("item", "tea")])?;
//! orders.update([1], RowUpdate::new().put("paid", true).delete("note"))?;
//! // Any client can now create and consume a tunnel on `orders`:
//! println!("{} {}", emulator.endpoint(), emulator.instance());
//! # Ok::<(), tablestore_tunnel::TunnelError>(())
//! ```
//!
//! # Choices where the service is silent
//!
//! The emulator follows the documentation of the service. Where the documentation
//! says nothing, or contradicts itself, the emulator makes these choices:
//!
//! *Tunnels*
//!
//! - The number of tunnels and clients is not limited. Names of tunnels have
//!   letters, digits, underscores and hyphens, and begin with a letter or an
//!   underscore.
//! - A new tunnel shows no channels for [`EmulatorBuilder::warm_up`], or until
//!   its first heartbeat.
//! - Base data are the rows at the time when the tunnel was created, and the
//!   stream begins at the same time. There is no gap and no overlap, and the start
//!   offset of a tunnel of both kinds has no effect. Each partition becomes base
//!   channels of [`EmulatorBuilder::base_split_rows`] rows, at least one.
//! - A backfill that has ended gets no channels for later partitions.
//! - If a request has both the name and the id of a tunnel, they must belong to the
//!   same tunnel.
//! - Dropping a table deletes its tunnels.
//!
//! *Channels and clients*
//!
//! - A client gets channels from its first heartbeat on, and only heartbeats keep
//!   it connected. Each client gets an even share. It gives surplus channels back
//!   at its own heartbeat, and keeps a channel that is CLOSING until it reports
//!   CLOSE or is removed.
//! - A report is ignored if it does not come from the holder, or if its version is
//!   not newer. TERMINATED counts as CLOSE until a read has reached the end.
//! - Any client may read and save, see [`EmulatorBuilder::owners_only`].
//! - Sequence numbers of checkpoints begin at 0. A save with 0 is not checked.
//! - Schedule applies all of its switches or none. A suspended channel shows
//!   CLOSING.
//! - The shutdown of an unknown client is answered with 410, like its heartbeat.
//!
//! *Reading*
//!
//! - A read returns up to [`EmulatorBuilder::batch_rows`] records and
//!   [`EmulatorBuilder::batch_bytes`] bytes, for base data and streams.
//! - The timestamp of a change is the microsecond of the emulator's clock, but at
//!   least one more than the last timestamp of its partition. The changes of a bulk
//!   differ in the row index. The epoch is 0, see [`EmulatorBuilder::epoch_grows`].
//! - Base rows have all versions of their columns. A deletion has the delete marker.
//!   There are no records for versions beyond the maximum or cells beyond their
//!   time to live.
//! - The consumed time and count of a channel are those of its saved token. A
//!   channel without unread records is consumed up to now.
//! - Both RPO calls return the same JSON: by tunnel, then by channel, in
//!   nanoseconds.
//!
//! *Retention*
//!
//! - [`EmulatorBuilder::trimmed_read`] decides how a read of trimmed records is
//!   answered.
//! - A tunnel of both kinds expires if its base data is read later than the
//!   retention after its creation. Every request that consumes it gets
//!   `OTSTunnelExpired`. The tunnel is deleted 30 days later.
//! - `expired` is also shown while changes are missing that were not consumed.
//!
//! *Permissions*
//!
//! - An unknown key, a wrong signature, and a wrong, missing or needless security
//!   token are answered with `OTSAuthFailed`. A missing permission and a wrong
//!   instance are answered with `OTSPermissionDenied`.
//! - The RPO calls need `DescribeTunnel`, and Schedule needs `ConsumeTunnel`.
//! - Dates are compared with the machine's clock, not with the emulator's.
//!
//! *Tables*
//!
//! - Partitions are ranges of keys after a hash of the partition key, so that all
//!   of them get rows. Only neighbours can be merged.
//! - The limits of keys, values and rows are the service's limits. The limits of a
//!   single request do not apply to bulk writes.
//!
//! # Files
//!
//! Files, in reading order; each uses only those below it:
//!
//! - `program`: the emulator as a program.
//! - `handle`: [`Emulator`], the handle; `builder`: [`EmulatorBuilder`].
//! - `server`: sockets and threads around the engine; `stop`: the signal that
//!   ends its threads.
//! - `engine`: the emulator without sockets, threads or sleeping.
//! - `control`: a JSON API beside the protocol.
//! - `table`: [`Table`], [`TableSpec`] and writing rows; `witness`: [`Witness`].
//! - `service`: from a request to an answer; the state, the ledger and the
//!   faults behind one lock. `settings`: everything that the builder sets.
//! - `tunnel_api`: one file for each action.
//! - `checker`: the rules that clients broke, found in the ledger.
//! - `faults`: requests that fail on purpose; `ledger`: everything that happened.
//! - `protocol`: requests, signatures and replies.
//! - `state`: tables, tunnels and clients, without clock and sockets.
//! - `clock`, `timestamp`: the emulator's time; `duration`: durations as text.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod builder;
mod checker;
mod clock;
mod control;
mod duration;
mod engine;
mod faults;
mod handle;
mod ledger;
mod program;
mod protocol;
mod server;
mod service;
mod settings;
mod state;
mod stop;
mod table;
#[cfg(test)]
mod tests;
mod timestamp;
mod tunnel_api;
mod witness;

/// The README's examples are compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

/// The emulator without a server, for simulations. Not for users: it may change
/// with every release.
#[doc(hidden)]
pub mod _core {
    pub use crate::engine::Engine;
    pub use crate::protocol::{End, Reply, Request};
    pub use crate::service::{Continuation, Step};
}

pub use self::builder::EmulatorBuilder;
pub use self::checker::{Checker, Finding, Rule, Severity, Summary, Verdict};
pub use self::clock::EmulatorClock;
pub use self::faults::{Fault, FaultScriptError, FaultStatus, FaultTarget, Notice};
pub use self::handle::Emulator;
pub use self::ledger::{ChannelState, ChannelStatus, Departure, Event, EventKind, Ledger};
#[doc(hidden)]
pub use self::program::main as _program;
pub use self::protocol::{AccessKey, Action, Permission};
pub use self::state::{KeyType, RecordId, TrimmedRead};
pub use self::table::{PartitionInfo, RowUpdate, Table, TableSpec, Written};
pub use self::witness::Witness;
