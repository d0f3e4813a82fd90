//! Testing a consumer with the emulator, without an account.
//!
//! The package `tablestore-emulator` is a local server that speaks the real
//! protocol, with signatures checked. It is a dev-dependency, so that nothing of it
//! gets into your program:
//!
//! ```toml
//! [dev-dependencies]
//! tablestore-emulator = { path = "../tablestore-tunnel/emulator" }
//! ```
//!
//! A whole test: a table, rows, a tunnel, a consumer, and what it has seen.
//!
//! ```
//! use std::sync::mpsc;
//! use std::time::Duration;
//! use tablestore_emulator::{Emulator, KeyType, TableSpec};
//! use tablestore_tunnel::{
//!     ChannelContext, CreateTunnelRequest, Record, SimpleProcessFactory, TunnelClient, TunnelType,
//!     TunnelWorkerConfig, TunnelWorkerDaemon,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let emulator = Emulator::builder().warm_up(Duration::ZERO).start()?;
//! let spec = TableSpec::new("orders").primary_key("id", KeyType::Integer).partitions(2);
//! let orders = emulator.create_table(spec)?;
//! orders.put([1], [("item", "green tea")])?;
//!
//! let client = TunnelClient::new(
//!     emulator.endpoint(),
//!     emulator.instance(),
//!     emulator.access_key_id(),
//!     emulator.access_key_secret(),
//! )?;
//! let request = CreateTunnelRequest::new("orders", "test", TunnelType::BaseAndStream);
//! let tunnel_id = client.create_tunnel(&request)?.tunnel_id;
//!
//! let (seen, items) = mpsc::channel();
//! let factory = SimpleProcessFactory::new(move |_: &ChannelContext, records: &[Record]| {
//!     for record in records {
//!         let item = record.get("item").map(|item| item.to_string());
//!         seen.send((record.action(), item))?;
//!     }
//!     Ok(())
//! });
//! let config = TunnelWorkerConfig::builder(factory)
//!     .heartbeat_interval_for_tests(Duration::from_millis(100))
//!     .build()?;
//! let running = TunnelWorkerDaemon::new(client, tunnel_id, config).spawn()?;
//!
//! let patience = Duration::from_secs(30);
//! println!("{:?}", items.recv_timeout(patience)?); // the row that was there
//! orders.put([2], [("item", "rice")])?;
//! println!("{:?}", items.recv_timeout(patience)?); // the one that came later
//!
//! assert!(running.close()?.is_clean());
//! assert!(emulator.ledger().violations().is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! - [`heartbeat_interval_for_tests`](crate::TunnelWorkerConfigBuilder::heartbeat_interval_for_tests)
//!   goes below the service's 5 s, so that channels are handed out at once.
//! - Wait for conditions with a deadline, as here, not for a time.
//! - `emulator.fault(...)` makes the nth request of an action fail, late, cut or
//!   lost; `Fault` lists what can go wrong, `Fault::parse_script` reads many from a
//!   text.
//! - `table.split(...)` and `table.merge(...)` change the partitions while the
//!   consumer runs.
//! - `emulator.ledger()` knows every event. Its `violations()` are what clients did
//!   against the rules of the protocol; a `Checker` of your own settings judges it
//!   more strictly or more mildly.
//! - With `EmulatorClock::manual` a week passes in a call, for tests of expiry.
//! - For programs in other languages: `cargo run -p tablestore-emulator -- --help`, and
//!   `docs/emulator.md` in the repository for its control API in JSON.
//!
//! A callback alone needs no server at all: build records with
//! [`OwnedRecord`](crate::OwnedRecord) and
//! [`to_record`](crate::OwnedRecord::to_record).
//!
//! Where the service's behaviour is not documented the emulator makes a choice and
//! names it. It has been compared with the official SDKs as clients, not with the
//! hosted service: test against a real instance before you rely on a corner.
