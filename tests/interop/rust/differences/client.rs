//! The three clients, and [`Consumer`], which runs one of them as a process.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::probes::Result;

/// How often to check whether a process has ended.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    Ours,
    Go,
    Java,
}

impl Client {
    pub(crate) const ALL: [Client; 3] = [Client::Ours, Client::Go, Client::Java];
}

/// The paths of the clients' programs. `None` if a client is not available.
#[derive(Default)]
pub(crate) struct Programs {
    pub(crate) ours: Option<PathBuf>,
    pub(crate) go: Option<PathBuf>,
    /// A class path.
    pub(crate) java: Option<String>,
}

impl Programs {
    /// The command that runs the client's consumer.
    pub(crate) fn command(&self, client: Client) -> Option<Command> {
        let program = |path: &Option<PathBuf>| path.as_ref().map(Command::new);
        match client {
            Client::Ours => program(&self.ours),
            Client::Go => program(&self.go),
            Client::Java => self.java.as_ref().map(|class_path| {
                let mut java = Command::new("java");
                // Several JVMs run at the same time.
                java.args([
                    "-XX:+UseSerialGC",
                    "-Xmx256m",
                    "-cp",
                    class_path,
                    "interop.Consume",
                ]);
                java
            }),
        }
    }
}

/// A running consumer in its own folder. Killed when dropped.
pub(crate) struct Consumer {
    child: Child,
    /// The exit status, once it is known.
    ended: Option<ExitStatus>,
}

impl Consumer {
    pub(crate) fn start(mut command: Command, folder: &Path) -> Result<Consumer> {
        fs::create_dir_all(folder)?;
        let log = File::create(folder.with_extension("log"))?;
        let child = command
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Consumer { child, ended: None })
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) -> Result<()> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()?;
        Ok(())
    }

    pub(crate) fn has_ended(&mut self) -> Result<bool> {
        self.ended = self.ended.or(self.child.try_wait()?);
        Ok(self.ended.is_some())
    }

    /// Waits for the end. Returns false if the consumer has not ended within `time`.
    pub(crate) fn ends_within(&mut self, time: Duration) -> Result<bool> {
        let deadline = Instant::now() + time;
        while !self.has_ended()? {
            if Instant::now() > deadline {
                return Ok(false);
            }
            thread::sleep(POLL_INTERVAL);
        }
        Ok(true)
    }

    /// Sends SIGTERM and waits for the end. Returns the time it took.
    pub(crate) fn end(&mut self, timeout: Duration) -> Result<Duration> {
        let start = Instant::now();
        self.terminate()?;
        match self.ends_within(timeout)? {
            true => Ok(start.elapsed()),
            false => Err(format!("the consumer did not end within {timeout:?}").into()),
        }
    }

    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        // An error means that the process has already ended.
        let _ = self.kill();
    }
}
