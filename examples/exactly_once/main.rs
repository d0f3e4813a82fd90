//! Counts every change exactly once, even if the consumer is killed. Each put
//! stores the state of a row together with its position in the change log, and
//! succeeds only if no other worker has changed the row meanwhile. Redelivered
//! records are recognised by that position and skipped. Follows the Go SDK's
//! sample `exactlyOnce` step by step, with a working store.
//!
//! To run it on an emulator inside this program:
//!
//! ```text
//! cargo run --example exactly_once
//! ```
//!
//! The program kills its consumer several times, and compares the stored state
//! with the changes written.
//!
//! To run it on a real instance, until Ctrl-C, set `OTS_ENDPOINT`,
//! `OTS_INSTANCE`, `OTS_ACCESS_KEY_ID` and `OTS_ACCESS_KEY_SECRET` (and
//! `OTS_STS_TOKEN` for temporary credentials). The tunnel must exist and have
//! the type `Stream`. For each row, the program counts the changes and adds up
//! the integers of the column `amount`. Each tunnel needs a FILE of its own:
//!
//! ```text
//! cargo run --example exactly_once -- TABLE TUNNEL FILE
//! ```

mod check;
mod crash_test;
#[path = "../shared/names.rs"]
mod names;
#[path = "../shared/service.rs"]
mod service;
mod store;
#[path = "../shared/victim.rs"]
mod victim;

use std::error::Error;
use std::path::Path;

use tablestore_tunnel::{
    ChannelContext, DescribeTunnelRequest, ProcessResult, Record, SimpleProcessFactory,
    TunnelClient, TunnelConfig, TunnelWorkerConfig, TunnelWorkerDaemon, ValueRef,
};

use check::{Check, check_record};
use service::Service;
use store::{Row, Store};

fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init_from_env(env_logger::Env::default().default_filter_or("warn"));
    println!("exactly_once: counts every change once, even if the consumer is killed");
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

    // Open an existing tunnel, for scale or failover.
    let req = DescribeTunnelRequest::new(table_name, tunnel_name);
    let resp = tunnel_client.describe_tunnel(&req)?;
    println!("tunnel id is {}", resp.tunnel.tunnel_id);

    // Open the store of the state.
    let file = std::env::args().nth(3).ok_or("missing argument: FILE")?;
    let checkpointer = Store::open(Path::new(&file))?;

    // Start to consume the tunnel.
    let factory = SimpleProcessFactory::new(exactly_once_ingestion)
        .custom_value(checkpointer)
        .shutdown(|_| println!("shutdown hook"));
    let work_config = TunnelWorkerConfig::builder(factory).build()?;
    let daemon = TunnelWorkerDaemon::new(tunnel_client, resp.tunnel.tunnel_id, work_config);

    let handle = daemon.clone();
    ctrlc::set_handler(move || {
        handle.close();
    })?;
    Ok(daemon.run()?)
}

/// If the store returns an error, or a condition does not hold, the batch is
/// redelivered. The rows are then read again, and duplicates are skipped.
fn exactly_once_ingestion(ctx: &ChannelContext, records: &[Record]) -> ProcessResult {
    let checkpointer = ctx.custom_value::<Store>().ok_or_else(no_store)?;
    for rec in records {
        // Base data is skipped, because it has no position in the change log.
        let Some(sequence_info) = rec.sequence_info() else {
            continue;
        };
        let id = id_of(rec);
        let current = checkpointer.get_row(&id);
        match check_record(ctx.channel_id(), sequence_info, current.as_ref())? {
            Check::Duplicated => continue,
            Check::New(condition) => {
                let mut row = current.unwrap_or_else(|| Row::new(ctx.channel_id()));
                row.advance_to(ctx.channel_id(), sequence_info);
                add(&mut row, rec);
                checkpointer.put_row(&id, row, &condition)?;
            }
        }
    }
    // The data must be durable before `Ok` allows the checkpoint to be saved.
    checkpointer.sync()?;
    println!("a round of records consumption finished");
    Ok(())
}

/// Updates the state: counts the change and adds its amount.
fn add(row: &mut Row, rec: &Record) {
    row.changes += 1;
    let amount = rec.get("amount").and_then(ValueRef::as_i64);
    row.balance += amount.unwrap_or(0);
}

/// Returns the primary key as text.
fn id_of(rec: &Record) -> String {
    let values: Vec<String> = rec
        .primary_key()
        .map(|column| column.value().to_string())
        .collect();
    values.join(",")
}

fn no_store() -> std::io::Error {
    std::io::Error::other("the custom value of the factory is not a store")
}
