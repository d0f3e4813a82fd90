//! The proof: a consumer on the emulator that is killed again and again, while
//! accounts get payments and a partition is split.

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
/// How many payments there are before each kill.
const PAYMENTS: i64 = 1000;
/// Before which kill a partition is split.
const SPLIT: usize = 3;

/// What an account has got: the sum of the payments, and how many.
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
                println!("partition {} is split", first.id);
                table.split(&first.id)?;
            }
            pay(&table, &mut balances)
        },
        || Ok(stored(&file.0)?.values().map(|(_, changes)| changes).sum()),
    )?;

    if stored(&file.0)? != balances {
        return Err("the store does not have the balances that were written".into());
    }
    println!(
        "{} balances are right: each change counted exactly once",
        balances.len()
    );
    Ok(())
}

/// Payments to all accounts in turn, and what they have got then.
fn pay(table: &Table, balances: &mut HashMap<String, Balance>) -> Result<i64, Box<dyn Error>> {
    for n in 0..PAYMENTS {
        let (account, amount) = (format!("account-{:02}", n % ACCOUNTS), n);
        table.update([account.as_str()], RowUpdate::new().put("amount", amount))?;
        // As `Value` prints it, which is how the consumer makes ids.
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

/// Removed at the end.
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
            .ok_or("the temporary folder's name is not Unicode")
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        // Nothing depends on it.
        let _ = fs::remove_file(&self.0);
    }
}
