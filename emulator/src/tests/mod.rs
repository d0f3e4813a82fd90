//! The emulator over real sockets, by subject.
//!
//! Files, in reading order:
//!
//! - this file: an emulator with a table of orders.
//! - [`raw`]: a small client that hides nothing.
//! - [`consuming`]: consuming a tunnel: kinds, checkpoints, ends.
//! - [`sharing`]: clients that share a tunnel, and clients that vanish.
//! - [`partitions`]: partitions that split and merge.
//! - [`refusals`]: rejected requests, with their statuses and codes.
//! - [`permissions`]: access keys and their permissions.
//! - [`retention`]: dropped changes, and tunnels that expire.
//! - [`week`]: nine days on a clock that is moved by hand.
//! - [`scale`]: many channels and clients.
//! - [`random_runs`]: random commands on the state.
//! - [`faults`], [`fault_effects`]: faults at a client's connection.
//! - [`operating`]: RPO and Schedule.
//! - [`offsets`]: start and end of a stream.
//! - [`records`]: the content of records.
//! - [`extremes`]: the smallest and the largest times and numbers.

mod consuming;
mod extremes;
mod fault_effects;
mod faults;
mod offsets;
mod operating;
mod partitions;
mod permissions;
mod random_runs;
mod raw;
mod records;
mod refusals;
mod retention;
mod scale;
mod sharing;
mod week;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use prost::Message;

use self::raw::{Raw, create_request, terminated};
use super::*;
use tablestore_tunnel::_wire::protocol as p;

/// An emulator with a table of 20 rows in a number of partitions.
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
