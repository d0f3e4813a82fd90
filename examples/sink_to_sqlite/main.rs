//! Copies a table into a local SQLite database, with exactly-once semantics: one
//! transaction stores the data of a batch together with its position in the
//! change log. Records redelivered after a crash are recognised by that position
//! and skipped.
//!
//! To run it on an emulator inside this program:
//!
//! ```text
//! cargo run --example sink_to_sqlite
//! ```
//!
//! The program kills its consumer several times, and compares the copy with the
//! table.
//!
//! To run it on a real instance, until Ctrl-C, set `OTS_ENDPOINT`,
//! `OTS_INSTANCE`, `OTS_ACCESS_KEY_ID` and `OTS_ACCESS_KEY_SECRET` (and
//! `OTS_STS_TOKEN` for temporary credentials). The tunnel is created if it does
//! not exist. Each tunnel needs a FILE of its own:
//!
//! ```text
//! cargo run --example sink_to_sqlite -- TABLE TUNNEL FILE
//! sqlite3 FILE 'SELECT * FROM cells'
//! ```

mod crash_test;
mod database;
#[path = "../shared/names.rs"]
mod names;
#[path = "../shared/orders.rs"]
mod orders;
#[path = "../shared/service.rs"]
mod service;
#[path = "../shared/tunnel.rs"]
mod tunnel;
#[path = "../shared/victim.rs"]
mod victim;

use std::error::Error;
use std::path::PathBuf;

use tablestore_tunnel::{
    ChannelContext, Record, SimpleProcessFactory, TunnelClient, TunnelConfig, TunnelWorkerConfig,
    TunnelWorkerDaemon,
};

use database::Database;
use service::Service;

fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init_from_env(env_logger::Env::default().default_filter_or("warn"));
    println!("sink_to_sqlite: copies a table into a local database, exactly once");
    let service = Service::from_env()?;
    let (table_name, tunnel_name) = names::table_and_tunnel(&service)?;
    match &service.emulator {
        Some(emulator) => crash_test::run(emulator, &table_name, &tunnel_name),
        None => consume(&service, &table_name, &tunnel_name),
    }
}

fn consume(service: &Service, table_name: &str, tunnel_name: &str) -> Result<(), Box<dyn Error>> {
    victim::end_with_parent();
    let tunnel_client = TunnelClient::with_config(
        &service.endpoint,
        &service.instance,
        service.credentials.clone(),
        TunnelConfig::new(),
    )?;
    let tunnel_id = tunnel::get_or_create(&tunnel_client, table_name, tunnel_name)?;

    // Each channel opens its own connection: a connection cannot be shared between
    // threads, and each batch needs its own transaction.
    let file = std::env::args().nth(3).ok_or("missing argument: FILE")?;
    let file = PathBuf::from(file);
    let factory = SimpleProcessFactory::per_channel(move |_: &ChannelContext| {
        let mut database = Database::open(&file)?;
        Ok(move |ctx: &ChannelContext, records: &[Record]| {
            // After an error the transaction is rolled back and the batch redelivered.
            let stored = database.store(ctx.channel_id(), records)?;
            println!("{stored} of {} records stored", records.len());
            Ok(())
        })
    });
    let work_config = TunnelWorkerConfig::builder(factory).build()?;
    let daemon = TunnelWorkerDaemon::new(tunnel_client, tunnel_id, work_config);

    let handle = daemon.clone();
    ctrlc::set_handler(move || {
        handle.close();
    })?;
    Ok(daemon.run()?)
}
