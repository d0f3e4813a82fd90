//! [`RunningDaemon`]: a daemon on a thread of its own, which ends with its handle.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::daemon::TunnelWorkerDaemon;
use super::report::ShutdownReport;
use crate::error::TunnelError;
use crate::user_code::in_user_code;

/// How long a drop waits for callbacks and last checkpoints: enough for those
/// that are nearly done, and short, since nobody expects a drop to wait.
const DROP_DEADLINE: Duration = Duration::from_secs(5);

/// A [`TunnelWorkerDaemon`] at work on a thread of its own, made by
/// [`TunnelWorkerDaemon::spawn`].
///
/// Dropping it closes the daemon as
/// [`close_within`](TunnelWorkerDaemon::close_within) 5 s does, so that a
/// program that fails half-way still saves what it has done; a drop inside a
/// callback only asks for the close. To see what was left, or why the daemon
/// ended, call [`close`](Self::close) or [`join`](Self::join).
#[derive(Debug)]
#[must_use = "dropping it closes the daemon"]
pub struct RunningDaemon {
    daemon: TunnelWorkerDaemon,
    /// None when somebody has joined it.
    thread: Option<JoinHandle<Result<(), TunnelError>>>,
}

impl RunningDaemon {
    pub(crate) fn start(
        daemon: TunnelWorkerDaemon,
        run: impl FnOnce() -> Result<(), TunnelError> + Send + 'static,
    ) -> Result<RunningDaemon, TunnelError> {
        let thread = thread::Builder::new()
            .name("tunnel-daemon".to_owned())
            .spawn(run)
            .map_err(|error| {
                TunnelError::client("the daemon's thread could not be started").with_source(error)
            })?;
        Ok(RunningDaemon {
            daemon,
            thread: Some(thread),
        })
    }

    /// A handle to the daemon, to close it from elsewhere.
    pub fn daemon(&self) -> &TunnelWorkerDaemon {
        &self.daemon
    }

    /// Closes the daemon as [`TunnelWorkerDaemon::close`] does and waits for
    /// its end. Inside a callback it only asks for the close and returns.
    ///
    /// # Errors
    ///
    /// Those of [`TunnelWorkerDaemon::run`], if it had ended before.
    pub fn close(mut self) -> Result<ShutdownReport, TunnelError> {
        let report = self.daemon.close();
        let thread = self.thread.take();
        match in_user_code() {
            true => Ok(report),
            false => wait_for(thread).map(|()| report),
        }
    }

    /// Waits until the daemon ends.
    ///
    /// # Errors
    ///
    /// Those of [`TunnelWorkerDaemon::run`].
    /// [`ErrorCode::ClientError`](crate::ErrorCode::ClientError) at once inside
    /// a callback, which would wait for itself; the daemon goes on.
    pub fn join(mut self) -> Result<(), TunnelError> {
        let thread = self.thread.take();
        match in_user_code() {
            true => Err(TunnelError::client(
                "a callback cannot wait for a daemon's end; close it, or join it elsewhere",
            )),
            false => wait_for(thread),
        }
    }
}

impl RunningDaemon {
    /// None by a clock that a test moves, and moves no more since it failed.
    fn drop_deadline(&self) -> Duration {
        match self.daemon.clock().is_manual() && thread::panicking() {
            true => Duration::ZERO,
            false => DROP_DEADLINE,
        }
    }
}

fn wait_for(thread: Option<JoinHandle<Result<(), TunnelError>>>) -> Result<(), TunnelError> {
    let joined = thread.map_or(Ok(Ok(())), JoinHandle::join);
    joined.unwrap_or_else(|_| {
        Err(TunnelError::client(
            "the daemon's thread panicked; its message is on standard error",
        ))
    })
}

impl Drop for RunningDaemon {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.daemon.close_within(self.drop_deadline());
        }
    }
}
