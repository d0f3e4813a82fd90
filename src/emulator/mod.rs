//! The other end: a local server that speaks the service's real protocol.
//!
//! [`Emulator`] serves the thirteen actions of the Tunnel Service on
//! 127.0.0.1, with signatures checked, for tests of programs that consume a
//! tunnel, in any language. Tables live in memory and are written through
//! [`Table`]; what goes wrong is scripted with [`Fault`]; what happened is in
//! the [`Ledger`].
//!
//! ```
//! use tablestore_tunnel::emulator::{Emulator, KeyType, RowUpdate, TableSpec};
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
//! Where the service's behaviour is not documented, one choice was made; it
//! stands where it is made, and in [`EmulatorBuilder`] where it can be changed.
//!
//! Files, in reading order:
//!
//! - `handle`: [`Emulator`], the handle.
//! - `builder`: [`EmulatorBuilder`]; `settings`: its values and defaults.
//! - `access_key`: [`AccessKey`]: who may ask for what.
//! - `table`: [`Table`], [`TableSpec`] and writing rows.
//! - `core`: what the emulator knows, without sockets and clock.
//! - `actions`: one file per action.
//! - `server`: HTTP around it; `control`: a JSON API beside the protocol.
//! - `action`, `scope`, `failure`: a request's kind, whom it is about, an
//!   answer that is an error.
//! - `fault`: what goes wrong.
//! - `ledger`: what happened; `witness`: what consumers have dealt with;
//!   `check`: what of it breaks the rules.
//! - `clock`: what time it is; `duration`: lengths of time as text.

mod access_key;
mod action;
mod actions;
mod builder;
mod check;
mod clock;
mod control;
mod core;
mod duration;
mod failure;
mod fault;
mod handle;
mod ledger;
mod scope;
mod server;
mod settings;
mod table;
#[cfg(test)]
mod tests;
mod witness;

pub use self::access_key::{AccessKey, Permission};
pub use self::action::Action;
pub use self::builder::EmulatorBuilder;
pub use self::check::{Checker, Finding, Rule, Severity, Summary, Verdict};
pub use self::clock::EmulatorClock;
pub use self::core::key::KeyType;
pub use self::fault::{Fault, FaultScriptError, FaultStatus, FaultTarget, Notice};
pub use self::handle::Emulator;
pub use self::ledger::{ChannelState, ChannelStatus, Departure, Event, EventKind, Ledger};
pub use self::settings::TrimmedRead;
pub use self::table::{PartitionInfo, RowUpdate, Table, TableSpec, Written};
pub use self::witness::{RecordId, Witness};
