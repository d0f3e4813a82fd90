//! How to test a consumer with the emulator, without an account.
//!
//! The package `tablestore-emulator` is a local server that speaks the service's protocol
//! and verifies signatures. Add it as a dev-dependency, so that your program does not
//! contain it:
//!
//! ```toml
//! [dev-dependencies]
//! tablestore-emulator = { path = "../tablestore-tunnel/emulator" }
//! ```
//!
//! This is a complete test with a table, rows, a tunnel and a consumer. It checks what the
//! consumer receives:
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
//! println!("{:?}", items.recv_timeout(patience)?); // the row that already existed
//! orders.put([2], [("item", "rice")])?;
//! println!("{:?}", items.recv_timeout(patience)?); // the row that was added later
//!
//! assert!(running.close()?.is_clean());
//! assert!(emulator.ledger().violations().is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! - [`heartbeat_interval_for_tests`](crate::TunnelWorkerConfigBuilder::heartbeat_interval_for_tests)
//!   allows intervals below the service's minimum of 5 s, so that channels are assigned
//!   immediately.
//! - Wait for a condition with a timeout, as in this test. Do not sleep for a fixed time.
//! - `emulator.fault(...)` makes the nth request of an action fail, delays it, cuts its
//!   response or drops it. `Fault` lists all faults. `Fault::parse_script` reads several
//!   faults from a text.
//! - `table.split(...)` and `table.merge(...)` change the partitions while the consumer
//!   runs.
//! - `emulator.ledger()` contains every event. Its `violations()` lists where clients broke
//!   the rules of the protocol. Use a `Checker` with your own settings for a stricter or
//!   milder check.
//! - With `EmulatorClock::manual`, one call moves time forward by a week, for example to
//!   test expiry. [`Clock::suspend`](crate::Clock::suspend) tests a suspended machine: the
//!   calendar time moves, and the monotonic time stands still.
//!   [`Clock::is_manual`](crate::Clock::is_manual) returns whether a test moves the clock.
//!
//! You can test a callback without any server: build records with
//! [`OwnedRecord`](crate::OwnedRecord) and [`to_record`](crate::OwnedRecord::to_record).
//!
//! # The emulator as a program
//!
//! To test a program in another language, or to try something manually, run the emulator as
//! a program. In a clone of the repository:
//!
//! ```sh
//! cargo run -p tablestore-emulator -- --port 8087
//! ```
//!
//! `cargo install --path emulator` installs it as `tablestore-emulator`. `--help` lists its
//! options, and `docs/emulator.md` in the repository describes its JSON control API.
//!
//! # Limits of the emulator
//!
//! Where the service's behaviour is not documented, the emulator makes a choice, and its
//! documentation states that choice. The emulator has been tested with the official SDKs as
//! clients, but has not been compared with the hosted service. If your program depends on
//! a corner case, test that case against a real instance.
