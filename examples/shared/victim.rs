//! Starts this program again as a consumer, and kills and restarts the consumer
//! while the table changes.

use std::env;
use std::error::Error;
use std::io::{self, Read};
use std::process::{self, Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tablestore_emulator::{Emulator, EventKind};

/// How often the consumer is killed.
const KILLS: usize = 4;
/// The time limit of a round.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// How often to check the number of stored records: frequently, so that the kill
/// comes in the middle of the work.
const POLL_INTERVAL: Duration = Duration::from_millis(1);
/// How often to check it in the last round.
const LAST_POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Slightly more than the default of `heartbeat_timeout`: the service considers
/// a client dead after this time without a heartbeat.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(301);
/// The environment variable that is set for the consumer.
const IS_VICTIM: &str = "EXAMPLE_ENDS_WITH_ITS_PARENT";

/// Kills the consumer [`KILLS`] times.
///
/// Each round changes the table, starts the consumer and kills it in the middle
/// of its work. The last round kills it after every record has been stored.
///
/// `change` makes the changes of a round and returns the number of their records.
/// `stored` returns the number of records stored so far. The return value is the
/// number of records written in all rounds.
pub(crate) fn kill_and_restart(
    emulator: &Emulator,
    arguments: &[&str],
    mut change: impl FnMut(usize) -> Result<i64, Box<dyn Error>>,
    stored: impl Fn() -> Result<i64, Box<dyn Error>>,
) -> Result<i64, Box<dyn Error>> {
    let mut written = 0;
    for kill in 1..=KILLS {
        let before = stored()?;
        written += change(kill)?;
        let (wanted, poll_interval) = match kill < KILLS {
            true => (before.midpoint(written), POLL_INTERVAL),
            false => (written, LAST_POLL_INTERVAL),
        };
        let victim = Victim::start(emulator, arguments)?;
        let so_far = wait_for(wanted, poll_interval, &stored)?;
        victim.kill();
        println!("killed after {so_far} of {written} records were stored");
        // The service considers the consumer dead immediately.
        emulator.clock().advance(HEARTBEAT_TIMEOUT);
    }
    println!("{written} records written, {} delivered", sent(emulator));
    Ok(written)
}

/// Returns the number of records that the emulator sent, including redelivered
/// records.
fn sent(emulator: &Emulator) -> u64 {
    let ledger = emulator.ledger();
    let records = ledger.events().iter().map(|event| match &event.kind {
        EventKind::Read { from, to, .. } => to - from,
        _ => 0,
    });
    records.sum()
}

fn wait_for(
    wanted: i64,
    poll_interval: Duration,
    stored: impl Fn() -> Result<i64, Box<dyn Error>>,
) -> Result<i64, Box<dyn Error>> {
    let deadline = Instant::now() + MAX_WAIT;
    loop {
        let so_far = stored()?;
        if so_far >= wanted {
            return Ok(so_far);
        }
        if Instant::now() > deadline {
            return Err(format!("only {so_far} of {wanted} records were stored").into());
        }
        thread::sleep(poll_interval);
    }
}

/// The consumer process. Killed when dropped.
struct Victim(Child);

impl Victim {
    /// Starts a consumer that treats the emulator as a real instance.
    fn start(emulator: &Emulator, arguments: &[&str]) -> io::Result<Victim> {
        let child = Command::new(env::current_exe()?)
            .args(arguments)
            .env("OTS_ENDPOINT", emulator.endpoint())
            .env("OTS_INSTANCE", emulator.instance())
            .env("OTS_ACCESS_KEY_ID", emulator.access_key_id())
            .env("OTS_ACCESS_KEY_SECRET", emulator.access_key_secret())
            .env(IS_VICTIM, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Victim(child))
    }

    fn kill(self) {}
}

impl Drop for Victim {
    fn drop(&mut self) {
        // Fails only if the process has already ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Makes a consumer started by [`kill_and_restart`] end when its parent process
/// ends, for whatever reason. The consumer's standard input is closed then.
pub(crate) fn end_with_parent() {
    if env::var_os(IS_VICTIM).is_none() {
        return;
    }
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        process::exit(1);
    });
}
