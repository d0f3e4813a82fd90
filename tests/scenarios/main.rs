//! The worker against the emulator over real sockets, judged by the ledger.
//!
//! - [`harness`]: a table, a tunnel and a client; what was written and seen.
//! - [`judge`]: what the ledger and the callbacks must agree on.
//! - `budget`: memory, when there is little of it.
//! - `quota`: how many channels are at work at once.
//! - `reading`: how far ahead and how much at a time channels are read.
//! - `detect`: channels that do not come to their end.
//! - `idle`: what a channel costs that has nothing to deliver.
//! - `kinds`: the three tunnel types, splits, several workers.
//! - `faults`: an unreliable network and service.
//! - `logging`: what is logged, and what never is.
//! - `observing`: events, snapshots, health.
//! - `parts`: parts that the program makes itself.
//! - `promises`: the guarantees of the crate docs, by their numbers.
//! - `driven`: long stories on a clock that is moved by hand.
//! - `endings`: who may end a daemon when, and what becomes of it.
//! - `loss`: what happens to channels that are lost.
//! - `reentry`: user code that calls back into the crate.
//! - `stress`: heartbeats that keep their time whatever goes on.
//! - `hostile`: programs and services that do what nobody expects.

mod budget;
mod detect;
mod driven;
mod endings;
mod faults;
mod harness;
mod hostile;
mod idle;
mod judge;
mod kinds;
mod logging;
mod loss;
mod observing;
mod parts;
mod promises;
mod quota;
mod reading;
mod reentry;
mod stress;
