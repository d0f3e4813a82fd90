//! [`RunningDaemon`]: a daemon on a thread of its own, which ends with its handle.

use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::daemon::TunnelWorkerDaemon;
use super::report::ShutdownReport;
use crate::clock::{self, Monitor};
use crate::error::TunnelError;
use crate::sync::catch_panic::catch_panic;
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
#[must_use = "dropping it closes the daemon"]
pub struct RunningDaemon {
    daemon: TunnelWorkerDaemon,
    /// How the daemon ended.
    result: Arc<Monitor<Option<Result<(), TunnelError>>>>,
    was_joined: bool,
}

impl fmt::Debug for RunningDaemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningDaemon")
            .field("daemon", &self.daemon)
            .finish_non_exhaustive()
    }
}

impl RunningDaemon {
    pub(crate) fn start(
        daemon: TunnelWorkerDaemon,
        run: impl FnOnce() -> Result<(), TunnelError> + Send + 'static,
    ) -> Result<RunningDaemon, TunnelError> {
        let result = Arc::new(Monitor::new(daemon.clock(), None));
        let ended = result.clone();
        let work = move || {
            let result = catch_panic(run).and_then(|result| result);
            *ended.lock() = Some(result);
            ended.notify();
        };
        clock::spawn(daemon.clock(), "tunnel-daemon", work).map_err(|error| {
            TunnelError::client("the daemon's thread could not be started").with_source(error)
        })?;
        Ok(RunningDaemon {
            daemon,
            result,
            was_joined: false,
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
        match in_user_code() {
            true => {
                self.was_joined = true;
                Ok(report)
            }
            false => self.wait().map(|()| report),
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
        match in_user_code() {
            true => {
                // It goes on.
                self.was_joined = true;
                Err(TunnelError::client(
                    "a callback cannot wait for a daemon's end; close it, or join it elsewhere",
                ))
            }
            false => self.wait(),
        }
    }

    fn wait(&mut self) -> Result<(), TunnelError> {
        self.was_joined = true;
        let result = self.result.wait_for(None, Option::take);
        result.unwrap_or(Ok(()))
    }

    /// None by a clock that a test moves, and moves no more since it failed.
    fn drop_deadline(&self) -> Duration {
        match self.daemon.clock().is_manual() && thread::panicking() {
            true => Duration::ZERO,
            false => DROP_DEADLINE,
        }
    }
}

impl Drop for RunningDaemon {
    fn drop(&mut self) {
        if !self.was_joined {
            self.daemon.close_within(self.drop_deadline());
        }
    }
}
