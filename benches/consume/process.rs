//! Child processes that answer every line with a line, and their resource usage.

use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;
use std::{env, fs};

/// The clock rate of `/proc/PID/stat` on all common Linux systems.
const TICKS_PER_SECOND: f64 = 100.0;

/// A child process. Killed when dropped.
pub(crate) struct Process {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

/// The resource usage of a process so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    /// The current resident memory.
    pub(crate) rss_mib: f64,
    /// The peak resident memory.
    pub(crate) peak_mib: f64,
    pub(crate) threads: u64,
}

impl Process {
    /// Starts this program in another role, optionally pinned to a core.
    pub(crate) fn of_self(role: &[&str], core: Option<usize>) -> io::Result<Process> {
        Process::start(&env::current_exe()?, role, core)
    }

    pub(crate) fn start(program: &Path, args: &[&str], core: Option<usize>) -> io::Result<Process> {
        let mut command = match core {
            Some(core) => {
                let mut command = Command::new("taskset");
                command.args(["-c", &core.to_string()]).arg(program);
                command
            }
            None => Command::new(program),
        };
        let mut child = command
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (Some(stdin), Some(stdout)) = (stdin, stdout) else {
            return Err(io::Error::other("no pipes to a child process"));
        };
        let stdout = BufReader::new(stdout);
        Ok(Process {
            child,
            stdin,
            stdout,
        })
    }

    pub(crate) fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.stdout.read_line(&mut line)? {
            0 => Err(io::Error::other("a child process has ended early")),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    /// Sends an empty line, and returns the answer.
    pub(crate) fn ask(&mut self) -> io::Result<String> {
        self.stdin.write_all(b"\n")?;
        self.line()
    }

    /// Sends an empty line, and returns the answer as a number.
    pub(crate) fn count(&mut self) -> io::Result<u64> {
        let line = self.ask()?;
        line.parse().map_err(io::Error::other)
    }

    pub(crate) fn usage(&self) -> io::Result<Usage> {
        let process = format!("/proc/{}", self.child.id());
        let stat = fs::read_to_string(format!("{process}/stat"))?;
        // The name of the process comes first and may contain any character.
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let ticks = |index: usize| fields[index].parse::<f64>().unwrap_or_default();
        let status = fs::read_to_string(format!("{process}/status"))?;
        let value = |name: &str| -> f64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next());
            number
                .and_then(|number| number.parse().ok())
                .unwrap_or_default()
        };
        Ok(Usage {
            // User and system time.
            cpu: Duration::from_secs_f64((ticks(11) + ticks(12)) / TICKS_PER_SECOND),
            rss_mib: value("VmRSS:") / 1024.0,
            peak_mib: value("VmHWM:") / 1024.0,
            threads: value("Threads:") as u64,
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The measurement is over, so errors do not matter.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether processes can be pinned to a core.
pub(crate) fn can_pin() -> bool {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let taskset = Command::new("taskset")
        .arg("-V")
        .stdout(Stdio::null())
        .status();
    cores > 1 && taskset.is_ok_and(|status| status.success())
}
