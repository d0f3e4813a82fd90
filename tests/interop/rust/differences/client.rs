//! The three clients, and [`Consumer`]: one of them as a process.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::probes::Result;

/// Between two looks whether a process has ended.
const LOOK: Duration = Duration::from_millis(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    Ours,
    Go,
    Java,
}

impl Client {
    pub(crate) const ALL: [Client; 3] = [Client::Ours, Client::Go, Client::Java];
}

/// Where the clients' programs are; nothing for one that is not to be had.
#[derive(Default)]
pub(crate) struct Programs {
    pub(crate) ours: Option<PathBuf>,
    pub(crate) go: Option<PathBuf>,
    /// A class path.
    pub(crate) java: Option<String>,
}

impl Programs {
    /// The program that consumes.
    pub(crate) fn command(&self, client: Client) -> Option<Command> {
        let program = |path: &Option<PathBuf>| path.as_ref().map(Command::new);
        match client {
            Client::Ours => program(&self.ours),
            Client::Go => program(&self.go),
            Client::Java => self.java.as_ref().map(|class_path| {
                let mut java = Command::new("java");
                // Many of them run side by side.
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

/// A consumer that runs, in a folder of its own. Dropped, it is killed.
pub(crate) struct Consumer {
    child: Child,
    /// How it ended, when it has been asked for.
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

    /// Asks it to end, by SIGTERM.
    pub(crate) fn ask_to_end(&self) -> Result<()> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()?;
        Ok(())
    }

    pub(crate) fn has_ended(&mut self) -> Result<bool> {
        self.ended = self.ended.or(self.child.try_wait()?);
        Ok(self.ended.is_some())
    }

    /// Whether it ended within that time.
    pub(crate) fn ends_within(&mut self, time: Duration) -> Result<bool> {
        let deadline = Instant::now() + time;
        while !self.has_ended()? {
            if Instant::now() > deadline {
                return Ok(false);
            }
            thread::sleep(LOOK);
        }
        Ok(true)
    }

    /// Asks it to end and waits; fails if it does not.
    pub(crate) fn end(&mut self, patience: Duration) -> Result<Duration> {
        let begun = Instant::now();
        self.ask_to_end()?;
        match self.ends_within(patience)? {
            true => Ok(begun.elapsed()),
            false => Err(format!("it did not end within {patience:?}").into()),
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
        // An error means that it has ended.
        let _ = self.kill();
    }
}
