//! Ends when it is told to, in order and in time: SIGTERM (as Kubernetes and
//! systemd send it) or Ctrl-C lets callbacks that run finish, saves the last
//! checkpoints and gives the channels back, by a deadline, and prints the
//! receipt of that. A second signal ends the program at once.
//!
//! ```text
//! cargo run --example graceful_stop
//! cargo run --example graceful_stop -- --hang
//! ```
//!
//! run on an emulator inside this program, and stop themselves after a few
//! seconds if no signal comes. With `--hang` one callback does not come to its
//! end, so that the deadline passes; the receipt tells what will come again.
//! On a real instance, where `OTS_ENDPOINT`, `OTS_INSTANCE`,
//! `OTS_ACCESS_KEY_ID`, `OTS_ACCESS_KEY_SECRET` (and `OTS_STS_TOKEN`) are set,
//! it runs until a signal:
//!
//! ```text
//! cargo run --example graceful_stop -- TABLE TUNNEL
//! ```

#[path = "shared/names.rs"]
mod names;
#[path = "shared/orders.rs"]
mod orders;
#[path = "shared/service.rs"]
mod service;
#[path = "shared/tunnel.rs"]
mod tunnel;

use std::error::Error;
use std::process::{self, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use tablestore_emulator::Table;
use tablestore_tunnel::{
    ChannelContext, ProcessResult, Record, ShutdownReport, SimpleProcessFactory, TunnelClient,
    TunnelConfig, TunnelWorkerConfig, TunnelWorkerDaemon, WorkerState,
};

use service::Service;

/// How long the end may take. Less than what the sender of the signal waits
/// before it kills: Kubernetes 30 s, systemd 90 s, Docker 10 s.
const DEADLINE: Duration = Duration::from_secs(8);
const DEADLINE_OF_HANG: Duration = Duration::from_secs(2);
/// When the program stops itself on the emulator.
const STOP_AFTER: Duration = Duration::from_secs(3);
/// How long the work on a record takes.
const WORK: Duration = Duration::from_millis(4);
/// How long from one change of the table to the next.
const CHANGE: Duration = Duration::from_millis(10);
const LOOK: Duration = Duration::from_millis(100);

fn main() -> Result<ExitCode, Box<dyn Error>> {
    env_logger::init();
    println!("graceful_stop: consumes until SIGTERM or Ctrl-C, then stops by a deadline");
    let service = Service::from_env()?;
    let (table_name, tunnel_name) = names::table_and_tunnel(&service)?;
    if let Some(emulator) = &service.emulator {
        keep_changing(orders::create(emulator, &table_name, 8_000)?);
    }
    let hang = std::env::args().any(|argument| argument == "--hang");

    let tunnel_client = TunnelClient::with_config(
        &service.endpoint,
        &service.instance,
        service.credentials.clone(),
        TunnelConfig::new(),
    )?;
    let tunnel_id = tunnel::id_of(&tunnel_client, &table_name, &tunnel_name)?;

    let factory = SimpleProcessFactory::new(if hang { work_for_ever } else { work });
    let work_config = TunnelWorkerConfig::builder(factory.shutdown(|ctx| {
        println!("closed {}", ctx.channel_id());
    }))
    .build()?;
    // On a thread of its own: this one waits for the signal.
    let daemon = TunnelWorkerDaemon::new(tunnel_client, tunnel_id, work_config);
    let running = daemon.spawn()?;

    wait_for_signal(&daemon, service.emulator.is_some())?;
    let deadline = if hang { DEADLINE_OF_HANG } else { DEADLINE };
    let begun = Instant::now();
    let receipt = daemon.close_within(deadline);
    println!("stopped after {:.1?}", begun.elapsed());
    tell(&receipt);
    // Says why, if the daemon had ended before.
    running.join()?;
    Ok(match receipt.is_clean() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Returns when SIGTERM or Ctrl-C asks for it, or when the daemon has failed;
/// on the emulator after a while in any case.
fn wait_for_signal(daemon: &TunnelWorkerDaemon, is_emulated: bool) -> Result<(), ctrlc::Error> {
    let (asked, signals) = mpsc::channel();
    let is_second = AtomicBool::new(false);
    ctrlc::set_handler(move || {
        if is_second.swap(true, Ordering::Relaxed) {
            // Nothing is lost: what is not saved comes again.
            process::exit(130);
        }
        // Nobody listens any more when the program is at its end.
        let _ = asked.send(());
    })?;
    println!(
        "consuming; end it with Ctrl-C or: kill -TERM {}",
        process::id()
    );
    let begun = Instant::now();
    while signals.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        if daemon.snapshot().state == WorkerState::Ended {
            return Ok(());
        }
        if is_emulated && begun.elapsed() > STOP_AFTER {
            println!("no signal came, stopping as if one had");
            return Ok(());
        }
    }
    println!("stopping, as a signal asks for it");
    Ok(())
}

/// The table on the emulator gets changes for as long as the program runs.
fn keep_changing(orders: Table) {
    thread::spawn(move || {
        for n in 0.. {
            if let Err(error) = orders::change(&orders, n) {
                return eprintln!("the table is not changed any more: {error}");
            }
            thread::sleep(CHANGE);
        }
    });
}

/// A batch that has been begun is finished, so that it need not come again.
/// Where that may take longer than the deadline, look at
/// `ChannelContext::is_closing` now and then, and return an error.
fn work(_: &ChannelContext, records: &[Record]) -> ProcessResult {
    for _ in records {
        thread::sleep(WORK);
    }
    Ok(())
}

/// What the deadline is for.
fn work_for_ever(_: &ChannelContext, _: &[Record]) -> ProcessResult {
    loop {
        thread::park();
    }
}

fn tell(receipt: &ShutdownReport) {
    for channel in &receipt.channels {
        println!(
            "{}: {}, {} records come again",
            channel.channel_id,
            if channel.is_abandoned {
                "abandoned at the deadline"
            } else {
                "finished"
            },
            channel.records_to_redeliver.unwrap_or(0),
        );
    }
    println!("clean: {}", receipt.is_clean());
}
