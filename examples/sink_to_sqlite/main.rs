//! Keeps a copy of a table in a local SQLite database, exactly once: each batch
//! is one transaction, which stores the data together with the place in the
//! change log that it goes up to. What is delivered again after a crash is
//! recognised by that place and skipped.
//!
//! ```text
//! cargo run --example sink_to_sqlite
//! ```
//!
//! runs on an emulator inside this program, with a consumer that is killed
//! again and again, and compares the copy with the table. Until Ctrl-C it runs
//! on a real instance where `OTS_ENDPOINT`, `OTS_INSTANCE`,
//! `OTS_ACCESS_KEY_ID`, `OTS_ACCESS_KEY_SECRET` (and `OTS_STS_TOKEN`) are set;
//! the tunnel is created if there is none. One file for each tunnel:
//!
//! ```text
//! cargo run --example sink_to_sqlite -- TABLE TUNNEL FILE
//! sqlite3 FILE 'SELECT * FROM cells'
//! ```

mod database;
#[path = "../shared/names.rs"]
mod names;
#[path = "../shared/orders.rs"]
mod orders;
mod rehearsal;
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
    env_logger::init();
    println!("sink_to_sqlite: copies a table into a local database, exactly once");
    let service = Service::from_env()?;
    let (table_name, tunnel_name) = names::table_and_tunnel(&service)?;
    match &service.emulator {
        Some(emulator) => rehearsal::run(emulator, &table_name, &tunnel_name),
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
    let tunnel_id = tunnel::id_of(&tunnel_client, table_name, tunnel_name)?;

    // A connection for each channel, made when the channel is opened: a
    // connection cannot be shared, and its transaction is the batch's own.
    let file = std::env::args().nth(3).ok_or("name the database's file")?;
    let file = PathBuf::from(file);
    let factory = SimpleProcessFactory::per_channel(move |_: &ChannelContext| {
        let mut database = Database::open(&file)?;
        Ok(move |ctx: &ChannelContext, records: &[Record]| {
            // An error rolls back, and the batch is given again.
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
