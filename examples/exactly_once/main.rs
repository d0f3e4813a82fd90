//! Counts every change exactly once, whatever happens to the consumer. Its
//! state and the place in the change log that the state has come to are put
//! together, on the condition that nobody else has done so meanwhile; what was
//! delivered before is recognised and skipped. The Go SDK's sample
//! `exactlyOnce`, step by step, with a store that works.
//!
//! ```text
//! cargo run --example exactly_once
//! ```
//!
//! runs on an emulator inside this program, with a consumer that is killed
//! again and again, and compares what it has stored with what was written.
//! Until Ctrl-C it runs on a real instance, with a stream tunnel that exists,
//! where `OTS_ENDPOINT`, `OTS_INSTANCE`, `OTS_ACCESS_KEY_ID`,
//! `OTS_ACCESS_KEY_SECRET` (and `OTS_STS_TOKEN`) are set. For each row it counts
//! the changes and adds up the integers of the column `amount`, in a local
//! file, one for each tunnel:
//!
//! ```text
//! cargo run --example exactly_once -- TABLE TUNNEL FILE
//! ```

mod check;
#[path = "../shared/names.rs"]
mod names;
mod rehearsal;
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
    env_logger::init();
    println!("exactly_once: counts every change once, also when the consumer is killed");
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

    // Open an existing tunnel, for scale or failover.
    let req = DescribeTunnelRequest::new(table_name, tunnel_name);
    let resp = tunnel_client.describe_tunnel(&req)?;
    println!("tunnel id is {}", resp.tunnel.tunnel_id);

    // Where the state is kept.
    let file = std::env::args()
        .nth(3)
        .ok_or("name the file of the store")?;
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

/// An error of the store, a condition that does not hold included, has the
/// batch given again: then the row is read anew, and what is in it is skipped.
fn exactly_once_ingestion(ctx: &ChannelContext, records: &[Record]) -> ProcessResult {
    let checkpointer = ctx.custom_value::<Store>().ok_or_else(no_store)?;
    for rec in records {
        // Only changes have one: base data has no place in the log.
        let Some(sequence_info) = rec.sequence_info() else {
            continue;
        };
        let id = id_of(rec);
        let in_state = checkpointer.get_row(&id);
        match check_record(ctx.channel_id(), sequence_info, in_state.as_ref())? {
            Check::Duplicated => continue,
            Check::New(condition) => {
                let mut row = in_state.unwrap_or_else(|| Row::new(ctx.channel_id()));
                row.advance_to(ctx.channel_id(), sequence_info);
                add(&mut row, rec);
                checkpointer.put_row(&id, row, &condition)?;
            }
        }
    }
    // Before the batch counts as done: its checkpoint must not outlive its data.
    checkpointer.sync()?;
    println!("a round of records consumption finished");
    Ok(())
}

/// What this consumer does: it counts the changes and sums the amounts.
fn add(row: &mut Row, rec: &Record) {
    row.changes += 1;
    let amount = rec.get("amount").and_then(ValueRef::as_i64);
    row.balance += amount.unwrap_or(0);
}

/// The primary key as text.
fn id_of(rec: &Record) -> String {
    let values: Vec<String> = rec
        .primary_key()
        .map(|column| column.value().to_string())
        .collect();
    values.join(",")
}

fn no_store() -> std::io::Error {
    std::io::Error::other("the factory has no store as its custom value")
}
