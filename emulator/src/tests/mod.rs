//! The emulator over real sockets, by subject.
//!
//! In reading order:
//!
//! - `raw`: a client of a few lines.
//! - `consuming`: a tunnel consumed: kinds, checkpoints, ends.
//! - `sharing`: clients that share a tunnel, and those that vanish.
//! - `partitions`: partitions that are split and merged.
//! - `refusals`: what is refused, with which status and code.
//! - `permissions`: access keys and what they may do.
//! - `retention`: changes that are gone, and tunnels that expire.
//! - `week`: seven days on a clock that is moved.
//! - `scale`: many channels and clients.
//! - `story`: random stories on the core.
//! - `faults`, `fault_effects`: faults as they arrive at a client.
//! - `operating`: RPO and Schedule.
//! - `offsets`: where a stream begins and ends.
//! - `records`: what records hold.

mod consuming;
mod fault_effects;
mod faults;
mod offsets;
mod operating;
mod partitions;
mod permissions;
mod raw;
mod records;
mod refusals;
mod retention;
mod scale;
mod sharing;
mod story;
mod week;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use prost::Message;

use self::raw::{Raw, create_request, terminated};
use super::*;
use tablestore_tunnel::_wire::protocol as p;

/// An emulator with a table of 20 rows in that many partitions.
fn with_orders(builder: EmulatorBuilder, partitions: u32) -> (Emulator, Table, Raw) {
    let emulator = builder.start().expect("an emulator");
    let spec = TableSpec::new("orders").primary_key("id", KeyType::Integer);
    let table = emulator
        .create_table(spec.partitions(partitions))
        .expect("a table");
    for id in 0..20 {
        table.put([id], [("n", id)]).expect("written");
    }
    let raw = Raw::new(&emulator);
    (emulator, table, raw)
}
