//! [`World`]: one emulator, one table, and consumers of one kind of client.

use std::fs;
use std::path::PathBuf;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tablestore_emulator::{
    Action, Emulator, EmulatorBuilder, EventKind, KeyType, Table, TableSpec,
};

use crate::client::{Client, Consumer, Programs};
use crate::probes::Result;
use crate::proxy::{INTACT, Proxy};
use crate::seen::Seen;

/// Between two looks at the files and the ledger.
const LOOK: Duration = Duration::from_millis(100);

/// How long an orderly end may take before a probe gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(150);

const TABLE: &str = "orders";

pub(crate) struct World<'a> {
    pub(crate) client: Client,
    programs: &'a Programs,
    pub(crate) emulator: Emulator,
    pub(crate) table: Table,
    pub(crate) seen: Seen,
    /// Between consumers and emulator, where a probe wants one.
    pub(crate) proxy: Option<Proxy>,
    folder: PathBuf,
    consumers: usize,
    /// Keys from here on are new.
    next_key: i64,
}

impl<'a> World<'a> {
    pub(crate) fn start(
        client: Client,
        programs: &'a Programs,
        partitions: u32,
        builder: EmulatorBuilder,
    ) -> Result<World<'a>> {
        let emulator = builder.start()?;
        let spec = TableSpec::new(TABLE).primary_key("id", KeyType::Integer);
        let table = emulator.create_table(spec.partitions(partitions))?;
        static WORLDS: AtomicUsize = AtomicUsize::new(0);
        let number = WORLDS.fetch_add(1, Ordering::Relaxed);
        let name = format!("interop-{}-{number}", process::id());
        Ok(World {
            client,
            programs,
            emulator,
            table,
            seen: Seen::default(),
            proxy: None,
            folder: std::env::temp_dir().join(name),
            consumers: 0,
            next_key: 0,
        })
    }

    /// Consumers that start from now on come through a proxy.
    pub(crate) fn with_proxy(mut self) -> Result<World<'a>> {
        let address = self.emulator.endpoint().trim_start_matches("http://");
        self.proxy = Some(Proxy::start(address.parse()?)?);
        Ok(self)
    }

    /// The proxy of a world that was made with one.
    pub(crate) fn proxy(&mut self) -> Result<&mut Proxy> {
        self.proxy.as_mut().ok_or("there is no proxy".into())
    }

    /// Puts so many new rows, at once.
    pub(crate) fn put(&mut self, rows: i64) -> Result<()> {
        let keys = self.next_key..self.next_key + rows;
        self.next_key = keys.end;
        self.table.put_all(keys.map(row))?;
        Ok(())
    }

    /// Puts new rows, one after each pause, until the writer is dropped.
    pub(crate) fn write(&mut self, pause: Duration) -> Writer {
        let first = self.next_key;
        // Further than any probe comes.
        self.next_key += 1 << 32;
        Writer::start(self.table.clone(), first, pause)
    }

    /// Starts a consumer, with options as `-type=Stream`.
    pub(crate) fn consumer(&mut self, options: &[&str]) -> Result<Consumer> {
        let name = format!("{}", self.consumers);
        self.consumers += 1;
        let folder = self.folder.join(&name);
        let file = self.folder.join(name + ".jsonl");
        let command = self.programs.command(self.client);
        let mut command = command.ok_or("there is no program for this client")?;
        let emulator = &self.emulator;
        let endpoint = self.proxy.as_ref().map(Proxy::endpoint);
        command
            .args(options)
            .arg(format!("-out={}", file.display()))
            .env(
                "OTS_ENDPOINT",
                endpoint.as_deref().unwrap_or(emulator.endpoint()),
            )
            .env("OTS_INSTANCE", emulator.instance())
            .env("OTS_ACCESS_KEY_ID", emulator.access_key_id())
            .env("OTS_ACCESS_KEY_SECRET", emulator.access_key_secret());
        self.seen.add(file);
        Consumer::start(command, &folder)
    }

    /// Files that a consumer left where it ran.
    pub(crate) fn files_of(&self, consumer: usize) -> Result<Vec<String>> {
        let folder = fs::read_dir(self.folder.join(consumer.to_string()))?;
        let names = folder.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        names.collect()
    }

    /// Waits until so many different records were delivered.
    pub(crate) fn wait_for_records(&mut self, records: usize) -> Result<()> {
        match self.wait(PATIENCE, |world| Ok(world.seen.records() >= records))? {
            true => Ok(()),
            false => {
                let seen = self.seen.records();
                Err(format!("{seen} of {records} records after {PATIENCE:?}").into())
            }
        }
    }

    /// Whether that came true within the time.
    pub(crate) fn wait(
        &mut self,
        time: Duration,
        mut until: impl FnMut(&mut World<'_>) -> Result<bool>,
    ) -> Result<bool> {
        let deadline = Instant::now() + time;
        loop {
            self.seen.refresh()?;
            if until(self)? {
                return Ok(true);
            }
            if Instant::now() > deadline {
                return Ok(false);
            }
            thread::sleep(LOOK);
        }
    }

    /// Waits so long, and reads what was delivered meanwhile.
    pub(crate) fn pass(&mut self, time: Duration) -> Result<()> {
        thread::sleep(time);
        self.seen.refresh()
    }

    /// How many requests of an action came in.
    pub(crate) fn requests(&self, wanted: Action) -> usize {
        let is = |kind: &EventKind| matches!(kind, EventKind::Received { action, .. } if *action == wanted);
        self.count(is)
    }

    pub(crate) fn count(&self, is: impl Fn(&EventKind) -> bool) -> usize {
        let ledger = self.emulator.ledger();
        ledger
            .events()
            .iter()
            .filter(|event| is(&event.kind))
            .count()
    }

    /// Whether all faults have struck.
    pub(crate) fn is_over(&self) -> bool {
        self.emulator.faults().iter().all(|fault| fault.over)
    }
}

impl Drop for World<'_> {
    fn drop(&mut self) {
        self.emulator.stop();
        // What is left is in the folder for temporary files.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn row(key: i64) -> ([i64; 1], [(&'static str, String); 1]) {
    ([key], [("text", format!("{INTACT}-{key}"))])
}

/// Writes rows on a thread of its own until it is dropped.
pub(crate) struct Writer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    fn start(table: Table, first: i64, pause: Duration) -> Writer {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let begun = Instant::now();
            for number in 0u32.. {
                let then = begun + pause * number;
                thread::sleep(then.saturating_duration_since(Instant::now()));
                let (key, columns) = row(first + i64::from(number));
                if stopped.load(Ordering::Relaxed) || table.put(key, columns).is_err() {
                    return;
                }
            }
        });
        Writer {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It does not panic.
            let _ = thread.join();
        }
    }
}
