//! Shuts down gracefully on SIGTERM (sent by Kubernetes and systemd) or Ctrl-C:
//! running callbacks finish, the last checkpoints are saved and the channels are
//! released. A deadline limits the shutdown, and the shutdown report is printed.
//! A second signal ends the program immediately.
//!
//! To run it on an emulator inside this program, where it stops after a few
//! seconds without a signal:
//!
//! ```text
//! cargo run --example graceful_stop
//! cargo run --example graceful_stop -- --hang
//! ```
//!
//! With `--hang` the callbacks never return, so the deadline passes and the
//! report shows how many records will be redelivered.
//!
//! To run it on a real instance, until a signal, set `OTS_ENDPOINT`,
//! `OTS_INSTANCE`, `OTS_ACCESS_KEY_ID` and `OTS_ACCESS_KEY_SECRET` (and
//! `OTS_STS_TOKEN` for temporary credentials). The tunnel is created if it does
//! not exist:
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

/// The time limit of the shutdown. It must be shorter than the grace period
/// before SIGKILL: 30 s in Kubernetes, 90 s in systemd, 10 s in Docker.
const DEADLINE: Duration = Duration::from_secs(8);
const HANG_DEADLINE: Duration = Duration::from_secs(2);
/// When the program stops without a signal on the emulator.
const STOP_AFTER: Duration = Duration::from_secs(3);
/// How long the callback takes for a record.
const TIME_PER_RECORD: Duration = Duration::from_millis(4);
/// The time between two changes of the table.
const CHANGE_INTERVAL: Duration = Duration::from_millis(10);
const POLL_INTERVAL: Duration = Duration::from_millis(100);

fn main() -> Result<ExitCode, Box<dyn Error>> {
    env_logger::init_from_env(env_logger::Env::default().default_filter_or("warn"));
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
    let tunnel_id = tunnel::get_or_create(&tunnel_client, &table_name, &tunnel_name)?;

    let factory = SimpleProcessFactory::new(if hang { process_forever } else { process })
        .shutdown(|ctx| println!("closed {}", ctx.channel_id()));
    let work_config = TunnelWorkerConfig::builder(factory).build()?;
    // The daemon runs on a thread of its own; this thread waits for the signal.
    let daemon = TunnelWorkerDaemon::new(tunnel_client, tunnel_id, work_config);
    let running = daemon.spawn()?;

    wait_for_signal(&daemon, service.emulator.is_some())?;
    let deadline = if hang { HANG_DEADLINE } else { DEADLINE };
    let start = Instant::now();
    let report = daemon.close_within(deadline);
    println!("stopped after {:.1?}", start.elapsed());
    print_report(&report);
    // Returns the error if the daemon failed before the signal.
    running.join()?;
    Ok(match report.is_clean() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Returns after SIGTERM or Ctrl-C, or when the daemon has failed. On the
/// emulator, returns after `STOP_AFTER` at the latest.
fn wait_for_signal(daemon: &TunnelWorkerDaemon, is_emulated: bool) -> Result<(), ctrlc::Error> {
    let (sender, signals) = mpsc::channel();
    let is_second = AtomicBool::new(false);
    ctrlc::set_handler(move || {
        if is_second.swap(true, Ordering::Relaxed) {
            // Nothing is lost: records without a saved checkpoint are redelivered.
            process::exit(130);
        }
        // Fails only if the program is already stopping.
        let _ = sender.send(());
    })?;
    println!(
        "consuming; stop with Ctrl-C or: kill -TERM {}",
        process::id()
    );
    let start = Instant::now();
    while signals.recv_timeout(POLL_INTERVAL) == Err(RecvTimeoutError::Timeout) {
        if daemon.snapshot().state == WorkerState::Ended {
            return Ok(());
        }
        if is_emulated && start.elapsed() > STOP_AFTER {
            println!("no signal received, stopping anyway");
            return Ok(());
        }
    }
    println!("signal received, stopping");
    Ok(())
}

/// Changes the table on the emulator until the program ends.
fn keep_changing(orders: Table) {
    thread::spawn(move || {
        for n in 0.. {
            if let Err(error) = orders::change(&orders, n) {
                return eprintln!("the writer stopped: {error}");
            }
            thread::sleep(CHANGE_INTERVAL);
        }
    });
}

/// Finishes the batch even during shutdown, so that it is not redelivered.
///
/// If a batch may take longer than the deadline, check
/// `ChannelContext::is_closing` between records and return an error.
fn process(_: &ChannelContext, records: &[Record]) -> ProcessResult {
    for _ in records {
        thread::sleep(TIME_PER_RECORD);
    }
    Ok(())
}

/// Never returns, so that the shutdown reaches its deadline.
fn process_forever(_: &ChannelContext, _: &[Record]) -> ProcessResult {
    loop {
        thread::park();
    }
}

fn print_report(report: &ShutdownReport) {
    for channel in &report.channels {
        println!(
            "{}: {}, {} records will be redelivered",
            channel.channel_id,
            if channel.is_abandoned {
                "abandoned at the deadline"
            } else {
                "finished"
            },
            channel.records_to_redeliver.unwrap_or(0),
        );
    }
    println!("clean: {}", report.is_clean());
}
