//! Tests the worker against the emulator over real sockets. The emulator's ledger
//! is checked at the end of every test.
//!
//! - [`harness`]: a table, a tunnel and a client; the records written and processed.
//! - [`checks`]: compares the ledger with the records processed.
//! - `commits`: programs that commit by themselves.
//! - `budget`: the memory budget.
//! - `quota`: the limit on active channels.
//! - `reading`: how far channels read ahead, and how reads are joined.
//! - `detect`: channels that stay in the status CLOSING.
//! - `idle`: the cost of idle channels.
//! - `kinds`: the three tunnel types, splits, several workers.
//! - `faults`: an unreliable network and service.
//! - `logging`: what is logged, and which secrets are not.
//! - `observing`: events, snapshots and health.
//! - `policy`: what each failure costs, in each request.
//! - `parts`: implementations of the crate's traits.
//! - `promises`: the numbered guarantees of the crate docs.
//! - `driven`: long scenarios on a manual clock.
//! - `endings`: how workers and daemons end.
//! - `loss`: channels that are lost.
//! - `reentry`: user code that calls back into the crate.
//! - `user_code`: user code that fails, panics, hangs or closes its daemon.
//! - `stress`: heartbeats under load.
//! - `hostile`: unusual programs and services.

mod budget;
mod checks;
mod commits;
mod detect;
mod driven;
mod endings;
mod faults;
mod harness;
mod hostile;
mod idle;

mod kinds;
mod logging;
mod loss;
mod observing;
mod outages;
mod parts;
mod policy;
mod promises;
mod quota;
mod reading;
mod reentry;
mod stress;
mod user_code;
