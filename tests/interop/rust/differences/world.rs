//! [`World`]: an emulator, a table, and consumers of one client.

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
use crate::output::Output;
use crate::probes::Result;
use crate::proxy::{INTACT, Proxy};

/// How often to check the files and the ledger.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The time limit of a wait, such as for the end of a consumer.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(150);

const TABLE: &str = "orders";

pub(crate) struct World<'a> {
    pub(crate) client: Client,
    programs: &'a Programs,
    pub(crate) emulator: Emulator,
    pub(crate) table: Table,
    pub(crate) output: Output,
    /// The proxy between consumers and emulator, if the probe needs one.
    pub(crate) proxy: Option<Proxy>,
    folder: PathBuf,
    consumers: usize,
    /// The first unused key.
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
            output: Output::default(),
            proxy: None,
            folder: std::env::temp_dir().join(name),
            consumers: 0,
            next_key: 0,
        })
    }

    /// Lets consumers connect through a proxy.
    pub(crate) fn with_proxy(mut self) -> Result<World<'a>> {
        let address = self.emulator.endpoint().trim_start_matches("http://");
        self.proxy = Some(Proxy::start(address.parse()?)?);
        Ok(self)
    }

    /// Returns the proxy, or an error if there is none.
    pub(crate) fn proxy(&mut self) -> Result<&mut Proxy> {
        self.proxy.as_mut().ok_or("there is no proxy".into())
    }

    /// Puts new rows in one call.
    pub(crate) fn put(&mut self, rows: i64) -> Result<()> {
        let keys = self.next_key..self.next_key + rows;
        self.next_key = keys.end;
        self.table.put_all(keys.map(row))?;
        Ok(())
    }

    /// Puts a new row after each pause, until the writer is dropped.
    pub(crate) fn write(&mut self, pause: Duration) -> Writer {
        let first = self.next_key;
        // No probe writes more rows than this.
        self.next_key += 1 << 32;
        Writer::start(self.table.clone(), first, pause)
    }

    /// Starts a consumer with options such as `-type=Stream`.
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
        self.output.add(file);
        Consumer::start(command, &folder)
    }

    /// The files that a consumer has left in its working directory.
    pub(crate) fn files_of(&self, consumer: usize) -> Result<Vec<String>> {
        let folder = fs::read_dir(self.folder.join(consumer.to_string()))?;
        let names = folder.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        names.collect()
    }

    /// Waits until `records` different records have been delivered.
    pub(crate) fn wait_for_records(&mut self, records: usize) -> Result<()> {
        match self.wait(MAX_WAIT, |world| Ok(world.output.records() >= records))? {
            true => Ok(()),
            false => {
                let delivered = self.output.records();
                Err(format!("{delivered} of {records} records after {MAX_WAIT:?}").into())
            }
        }
    }

    /// Waits until a condition holds. Returns false after `timeout`.
    pub(crate) fn wait(
        &mut self,
        timeout: Duration,
        mut condition: impl FnMut(&mut World<'_>) -> Result<bool>,
    ) -> Result<bool> {
        let deadline = Instant::now() + timeout;
        loop {
            self.output.refresh()?;
            if condition(self)? {
                return Ok(true);
            }
            if Instant::now() > deadline {
                return Ok(false);
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Sleeps, and then reads the output of the consumers.
    pub(crate) fn sleep(&mut self, time: Duration) -> Result<()> {
        thread::sleep(time);
        self.output.refresh()
    }

    /// The number of received requests of an action.
    pub(crate) fn requests(&self, wanted: Action) -> usize {
        let is_wanted = |kind: &EventKind| matches!(kind, EventKind::Received { action, .. } if *action == wanted);
        self.count(is_wanted)
    }

    /// The number of events that fulfil a condition.
    pub(crate) fn count(&self, is_counted: impl Fn(&EventKind) -> bool) -> usize {
        let ledger = self.emulator.ledger();
        ledger
            .events()
            .iter()
            .filter(|event| is_counted(&event.kind))
            .count()
    }

    /// Whether all faults have occurred.
    pub(crate) fn is_over(&self) -> bool {
        self.emulator.faults().iter().all(|fault| fault.over)
    }
}

impl Drop for World<'_> {
    fn drop(&mut self) {
        self.emulator.stop();
        // A leftover folder does no harm: it is a temporary folder.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn row(key: i64) -> ([i64; 1], [(&'static str, String); 1]) {
    ([key], [("text", format!("{INTACT}-{key}"))])
}

/// A thread that writes rows until it is dropped.
pub(crate) struct Writer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    fn start(table: Table, first: i64, pause: Duration) -> Writer {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let start = Instant::now();
            for number in 0u32.. {
                let then = start + pause * number;
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
            // The writer does not panic.
            let _ = thread.join();
        }
    }
}
