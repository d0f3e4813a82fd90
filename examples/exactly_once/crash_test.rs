//! Tests exactly-once processing on the emulator: the consumer is killed several
//! times while accounts receive payments and a partition is split.

use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use tablestore_emulator::{Emulator, KeyType, RowUpdate, Table, TableSpec};
use tablestore_tunnel::{CreateTunnelRequest, TunnelClient, TunnelType};

use crate::store;
use crate::victim;

const ACCOUNTS: i64 = 64;
/// The number of payments before each kill.
const PAYMENTS: i64 = 1000;
/// The partition is split before this kill.
const SPLIT: usize = 3;

/// The sum and the number of an account's payments.
type Balance = (i64, i64);

pub(crate) fn run(
    emulator: &Emulator,
    table_name: &str,
    tunnel_name: &str,
) -> Result<(), Box<dyn Error>> {
    let spec = TableSpec::new(table_name).primary_key("account", KeyType::String);
    let table = emulator.create_table(spec.partitions(4))?;
    let client = TunnelClient::new(
        emulator.endpoint(),
        emulator.instance(),
        emulator.access_key_id(),
        emulator.access_key_secret(),
    )?;
    client.create_tunnel(&CreateTunnelRequest::new(
        table_name,
        tunnel_name,
        TunnelType::Stream,
    ))?;

    let mut balances = HashMap::new();
    let file = TemporaryFile::new()?;
    let arguments = [table_name, tunnel_name, file.name()?];
    victim::kill_and_restart(
        emulator,
        &arguments,
        |kill| {
            if kill == SPLIT {
                let first = table.partitions().swap_remove(0);
                println!("splitting partition {}", first.id);
                table.split(&first.id)?;
            }
            pay(&table, &mut balances)
        },
        || Ok(stored(&file.0)?.values().map(|(_, changes)| changes).sum()),
    )?;

    if stored(&file.0)? != balances {
        return Err("the stored balances differ from the payments written".into());
    }
    println!(
        "all {} balances are correct: every change was counted exactly once",
        balances.len()
    );
    Ok(())
}

/// Writes payments to all accounts in turn, and adds them to `balances`. Returns
/// the number of payments.
fn pay(table: &Table, balances: &mut HashMap<String, Balance>) -> Result<i64, Box<dyn Error>> {
    for n in 0..PAYMENTS {
        let (account, amount) = (format!("account-{:02}", n % ACCOUNTS), n);
        table.update([account.as_str()], RowUpdate::new().put("amount", amount))?;
        // The consumer's ids are `Value`s as text, which have quotation marks.
        let (balance, changes) = balances.entry(format!("{account:?}")).or_default();
        *balance += amount;
        *changes += 1;
    }
    Ok(PAYMENTS)
}

fn stored(file: &Path) -> Result<HashMap<String, Balance>, Box<dyn Error>> {
    let (rows, _) = store::read(file)?;
    let balance = |(id, row): (String, store::Row)| (id, (row.balance, row.changes));
    Ok(rows.into_iter().map(balance).collect())
}

/// A file that is removed when dropped.
struct TemporaryFile(PathBuf);

impl TemporaryFile {
    fn new() -> Result<TemporaryFile, Box<dyn Error>> {
        let path = env::temp_dir().join(format!("exactly-once-{}.jsonl", process::id()));
        fs::write(&path, "")?;
        Ok(TemporaryFile(path))
    }

    fn name(&self) -> Result<&str, &'static str> {
        self.0
            .to_str()
            .ok_or("the path of the temporary folder is not valid Unicode")
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        // A leftover file does no harm.
        let _ = fs::remove_file(&self.0);
    }
}
