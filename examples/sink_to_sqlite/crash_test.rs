//! Tests the sink on the emulator: the consumer is killed several times while the
//! table changes and a partition is split. The copy must then match the table.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::Duration;

use tablestore_emulator::Emulator;
use tablestore_tunnel::{
    CreateTunnelRequest, DescribeTunnelRequest, FINISH_TAG, GetCheckpointRequest,
    ReadRecordsRequest, TunnelClient, TunnelError, TunnelType,
};

use crate::database::Database;
use crate::victim;
use crate::{orders, tunnel};

const ROWS: usize = 2000;
/// The number of changes before each kill.
const CHANGES: usize = 1000;
/// The partition is split before this kill.
const SPLIT: usize = 3;

pub(crate) fn run(
    emulator: &Emulator,
    table_name: &str,
    tunnel_name: &str,
) -> Result<(), Box<dyn Error>> {
    let table = orders::create(emulator, table_name, ROWS)?;
    let client = TunnelClient::new(
        emulator.endpoint(),
        emulator.instance(),
        emulator.access_key_id(),
        emulator.access_key_secret(),
    )?;
    tunnel::get_or_create(&client, table_name, tunnel_name)?;

    let folder = TemporaryFolder::new()?;
    let file = folder.0.join("copy.sqlite");
    let copy = Database::open(&file)?;
    let name = file
        .to_str()
        .ok_or("the path of the temporary folder is not valid Unicode")?;
    let change = |kill: usize| {
        if kill == SPLIT {
            let first = table.partitions().swap_remove(0);
            println!("splitting partition {}", first.id);
            table.split(&first.id)?;
        }
        for n in (kill - 1) * CHANGES..kill * CHANGES {
            orders::change(&table, n)?;
        }
        // The first round also delivers the rows that existed before the tunnel.
        Ok((CHANGES + if kill == 1 { ROWS } else { 0 }) as i64)
    };
    let arguments = [table_name, tunnel_name, name];
    let written = victim::kill_and_restart(emulator, &arguments, change, || Ok(copy.stored()?))?;

    let original = copy_of(&client, table_name)?;
    if copy.stored()? != written || copy.cells()? != original.cells()? {
        return Err("the copy does not match the table".into());
    }
    println!(
        "the copy matches the table: {} cells, every record stored exactly once",
        copy.cells()?.len()
    );
    Ok(())
}

/// Copies the current table: reads its base data without a worker.
fn copy_of(client: &TunnelClient, table_name: &str) -> Result<Database, Box<dyn Error>> {
    let req = CreateTunnelRequest::new(table_name, "asItIs", TunnelType::BaseData);
    let tunnel_id = client.create_tunnel(&req)?.tunnel_id;
    let mut database = Database::open(Path::new(":memory:"))?;
    for channel_id in channels(client, table_name, "asItIs")? {
        let req = GetCheckpointRequest::new(&tunnel_id, "reader", &channel_id);
        let mut token = client.get_checkpoint(&req)?.checkpoint;
        while token != FINISH_TAG {
            let req = ReadRecordsRequest::new(&tunnel_id, "reader", &channel_id, token);
            let resp = client.read_records(&req)?;
            database.store(&channel_id, &resp.records)?;
            token = resp.next_token;
        }
    }
    Ok(database)
}

/// Waits until a new tunnel has channels, and returns their ids.
fn channels(
    client: &TunnelClient,
    table_name: &str,
    tunnel_name: &str,
) -> Result<Vec<String>, TunnelError> {
    let req = DescribeTunnelRequest::new(table_name, tunnel_name);
    loop {
        let channels = client.describe_tunnel(&req)?.channels;
        if !channels.is_empty() {
            return Ok(channels.into_iter().map(|ch| ch.channel_id).collect());
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// A folder for the database and SQLite's auxiliary files. Removed when dropped.
struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    fn new() -> std::io::Result<TemporaryFolder> {
        let path = env::temp_dir().join(format!("sink-to-sqlite-{}", process::id()));
        fs::create_dir_all(&path)?;
        Ok(TemporaryFolder(path))
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // A leftover folder does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}
