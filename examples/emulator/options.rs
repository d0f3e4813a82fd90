//! [`Options`]: what the command line asks for.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tablestore_tunnel::emulator::{KeyType, TableSpec};

pub(crate) const HELP: &str = "\
A local Tunnel Service on 127.0.0.1. Prints its endpoint, instance and keys as
lines that a shell can eval, and serves until Ctrl-C or SIGTERM.

  --port N                  port to serve on (default: any free one)
  --table NAME:PK:TYPE,...  a table and its primary key, first column first, as
                            orders:id:string,item:int; types: int, string,
                            binary; may be repeated (default: orders:id:int).
                            The options below on rows are about the first.
  --partitions N            partitions of each table (default: 4)
  --batch-rows N            records in one read at most (default: 5000)
  --rows N                  generated rows at the start (default: 0)
  --seed-file PATH          rows at the start, one JSON object a line; members
                            named as the primary key make the key, binaries are
                            written as {\"base64\": \"...\"}
  --write-changes N         generated puts, updates and deletes (default: 0)
  --write-for-ms N          the time to spread them over (default: 10000)
  --wait-for-clients N      begin to change when N clients have connected to
                            tunnels (default: 1)
  --split-after-ms N        split the first partition so long after that
  --expect-file PATH        write what a consumer must see, as JSON lines; the
                            last line, {\"end\":true}, follows the last change
  --help                    this text
";

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) port: u16,
    pub(crate) tables: Vec<TableOption>,
    pub(crate) partitions: u32,
    pub(crate) batch_rows: Option<usize>,
    pub(crate) rows: u32,
    pub(crate) seed_file: Option<PathBuf>,
    pub(crate) write_changes: u32,
    pub(crate) write_for: Duration,
    pub(crate) wait_for_clients: usize,
    pub(crate) split_after: Option<Duration>,
    pub(crate) expect_file: Option<PathBuf>,
}

/// The columns of a primary key, first to last.
pub(crate) type Keys = [(String, KeyType)];

/// A table to create.
#[derive(Debug)]
pub(crate) struct TableOption {
    pub(crate) name: String,
    pub(crate) keys: Vec<(String, KeyType)>,
}

impl Options {
    fn new() -> Options {
        Options {
            port: 0,
            tables: Vec::new(),
            partitions: 4,
            batch_rows: None,
            rows: 0,
            seed_file: None,
            write_changes: 0,
            write_for: Duration::from_secs(10),
            wait_for_clients: 1,
            split_after: None,
            expect_file: None,
        }
    }

    /// The options, or nothing when help is wanted.
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
        let mut options = Options::new();
        while let Some(flag) = args.next() {
            if flag == "--help" || flag == "-h" {
                return Ok(None);
            }
            options.set(&flag, args.next())?;
        }
        if options.tables.is_empty() {
            options.tables.push(TableOption::parse("orders:id:int")?);
        }
        Ok(Some(options))
    }

    fn set(&mut self, flag: &str, value: Option<String>) -> Result<(), String> {
        let missing = || format!("{flag} needs a value, or is no option; --help lists them");
        let text = || value.as_deref().ok_or_else(missing);
        let path = || text().map(PathBuf::from);
        match flag {
            "--port" => self.port = number(flag, text()?)?,
            "--table" => self.tables.push(TableOption::parse(text()?)?),
            "--partitions" => self.partitions = number(flag, text()?)?,
            "--batch-rows" => self.batch_rows = Some(number(flag, text()?)?),
            "--rows" => self.rows = number(flag, text()?)?,
            "--seed-file" => self.seed_file = Some(path()?),
            "--write-changes" => self.write_changes = number(flag, text()?)?,
            "--write-for-ms" => self.write_for = millis(flag, text()?)?,
            "--wait-for-clients" => self.wait_for_clients = number(flag, text()?)?,
            "--split-after-ms" => self.split_after = Some(millis(flag, text()?)?),
            "--expect-file" => self.expect_file = Some(path()?),
            _ => return Err(format!("no such option: {flag}; --help lists them")),
        }
        Ok(())
    }
}

fn number<N: FromStr>(flag: &str, text: &str) -> Result<N, String> {
    let wrong = |_| format!("{flag} needs a whole number in range, got {text:?}");
    text.parse().map_err(wrong)
}

fn millis(flag: &str, text: &str) -> Result<Duration, String> {
    number(flag, text).map(Duration::from_millis)
}

impl TableOption {
    fn parse(text: &str) -> Result<TableOption, String> {
        let usage = || format!("--table needs NAME:PK:TYPE,PK:TYPE,..., got {text:?}");
        let (name, keys) = text.split_once(':').ok_or_else(usage)?;
        let key = |column: &str| {
            let (name, kind) = column.split_once(':').ok_or_else(usage)?;
            Ok((name.to_owned(), key_type(kind)?))
        };
        let keys: Result<Vec<_>, String> = keys.split(',').map(key).collect();
        Ok(TableOption {
            name: name.to_owned(),
            keys: keys?,
        })
    }

    pub(crate) fn spec(&self) -> TableSpec {
        let spec = TableSpec::new(&self.name);
        let column =
            |spec: TableSpec, (name, kind): &(String, KeyType)| spec.primary_key(name, *kind);
        self.keys.iter().fold(spec, column)
    }
}

fn key_type(text: &str) -> Result<KeyType, String> {
    match text {
        "int" | "integer" => Ok(KeyType::Integer),
        "string" => Ok(KeyType::String),
        "binary" => Ok(KeyType::Binary),
        _ => Err(format!(
            "a primary key column is int, string or binary, not {text:?}"
        )),
    }
}
