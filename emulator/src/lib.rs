//! The other end: a local server that speaks the service's real protocol.
//!
//! [`Emulator`] serves the thirteen actions of the Tunnel Service on
//! 127.0.0.1, with signatures checked, for tests of programs that consume a
//! tunnel, in any language. Tables live in memory and are written through
//! [`Table`]; what goes wrong is scripted with [`Fault`]; what happened is in
//! the [`Ledger`].
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
//! What is documented is done as documented. What is not, or in more than one
//! way, is done in one way, which stands here and where it is made:
//!
//! *Tunnels*
//!
//! - Any number of tunnels and clients. Names of tunnels are letters, digits,
//!   underscores and hyphens, with a letter or underscore first.
//! - A new tunnel shows no channels for [`EmulatorBuilder::warm_up`], or until
//!   its first heartbeat.
//! - Base data are the rows as they were when the tunnel was created, and the
//!   stream begins right there: no gap and no overlap, whatever start offset a
//!   tunnel of both kinds is given. Partitions become base channels of
//!   [`EmulatorBuilder::base_split_rows`], at least one each.
//! - A backfill that is over takes no channels for partitions that come later.
//! - An id that comes along with a name must be that tunnel's.
//! - Dropping a table deletes its tunnels.
//!
//! *Channels and clients*
//!
//! - A client takes part from its first heartbeat on, and only heartbeats keep
//!   it alive. Each gets an even share, gives back what it has too much of at
//!   its own heartbeat, and keeps a channel that is CLOSING until it reports
//!   CLOSE or is gone.
//! - A report that is not the holder's, or not newer than what is known, is
//!   passed over. TERMINATED counts as CLOSE as long as no read has come to
//!   the end.
//! - Anyone may read and save, see [`EmulatorBuilder::owners_only`].
//! - Sequence numbers of checkpoints begin at 0; a save with 0 is not checked.
//! - Schedule does all it is told or nothing. What is suspended shows CLOSING.
//! - A shutdown of an unknown client is answered like its heartbeat, with 410.
//!
//! *Reading*
//!
//! - A read gives up to [`EmulatorBuilder::batch_rows`] and
//!   [`EmulatorBuilder::batch_bytes`], base or stream.
//! - A change carries the microsecond of the emulator's clock, or one more
//!   than the last of its partition; those of a bulk differ in the row index.
//!   The epoch is 0, see [`EmulatorBuilder::epoch_grows`].
//! - Base rows hold all versions of their columns, a deletion has the delete
//!   marker, and neither versions that are too many nor cells that are too old
//!   leave records.
//! - The consume point and count of a channel are those of its saved token; a
//!   channel with nothing left is consumed up to now.
//! - Both RPO calls give the same JSON: by tunnel, then by channel, in
//!   nanoseconds.
//!
//! *Retention*
//!
//! - A read whose place is no longer in the log: [`EmulatorBuilder::trimmed_read`].
//! - A tunnel of both kinds whose base data is finished later than the
//!   retention after its creation is expired: all that consumes it gets
//!   `OTSTunnelExpired`. It is deleted 30 days later.
//! - `expired` is also shown while something is gone that was not consumed.
//!
//! *Who asks*
//!
//! - An unknown key, a wrong signature and a wrong, missing or needless
//!   security token are `OTSAuthFailed`; a permission that is missing is
//!   `OTSPermissionDenied`, and so is another instance.
//! - The RPO calls need `DescribeTunnel`, Schedule needs `ConsumeTunnel`.
//! - Dates are compared with the machine's clock, not with the emulator's.
//!
//! *Tables*
//!
//! - Partitions are ranges of keys behind a hash of the partition key, so that
//!   all of them get rows. Only neighbours merge.
//! - The limits of keys, values and rows are the service's; those of a single
//!   request are not kept for bulks.
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
//! - `checker`: which rules clients broke, by the ledger.
//! - `faults`: which requests are hit by a fault; `ledger`: what happened.
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
