//! The same program once more, as a consumer that is killed and started again
//! while its table changes.

use std::env;
use std::error::Error;
use std::io::{self, Read};
use std::process::{self, Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tablestore_emulator::{Emulator, EventKind};

/// How often the consumer is killed.
const KILLS: usize = 4;
/// How long one round may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often to look: often, to kill early, and less for the end.
const LOOK: Duration = Duration::from_millis(1);
const LOOK_FOR_END: Duration = Duration::from_millis(100);
/// After so long a client that says nothing is dead to the service: the default
/// of `heartbeat_timeout`, and a bit.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(301);
/// Set for the consumer.
const IS_VICTIM: &str = "EXAMPLE_ENDS_WITH_ITS_PARENT";

/// In each round the table is changed, the consumer starts, and is killed in
/// the middle of its work; in the last round, when all is stored.
///
/// `change` makes a round's changes and says how many records that gives,
/// `stored` how many have been stored so far. How many were written in all.
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
        let (wanted, look) = match kill < KILLS {
            true => (before.midpoint(written), LOOK),
            false => (written, LOOK_FOR_END),
        };
        let victim = Victim::start(emulator, arguments)?;
        let so_far = wait_for(wanted, look, &stored)?;
        victim.kill();
        println!("killed when {so_far} of {written} were stored");
        // Nobody has to wait until the service takes the consumer for dead.
        emulator.clock().advance(HEARTBEAT_TIMEOUT);
    }
    println!(
        "{written} records were written, {} were sent",
        sent(emulator)
    );
    Ok(written)
}

/// How many records the emulator gave, those that it gave again included.
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
    look: Duration,
    stored: impl Fn() -> Result<i64, Box<dyn Error>>,
) -> Result<i64, Box<dyn Error>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let so_far = stored()?;
        if so_far >= wanted {
            return Ok(so_far);
        }
        if Instant::now() > deadline {
            return Err(format!("only {so_far} of {wanted} were stored").into());
        }
        thread::sleep(look);
    }
}

/// Killed when dropped.
struct Victim(Child);

impl Victim {
    /// Consumes from the emulator as if that were a real instance.
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
        // Has ended already: all the same.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A consumer whose parent has ended, however that came, ends too: its standard
/// input closes then.
pub(crate) fn end_with_parent() {
    if env::var_os(IS_VICTIM).is_none() {
        return;
    }
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        process::exit(1);
    });
}
