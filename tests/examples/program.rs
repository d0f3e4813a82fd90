//! [`Program`]: an example that runs as a process.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The time limit of an example. Examples end by themselves after a few seconds,
/// but a busy machine takes longer.
const MAX_WAIT: Duration = Duration::from_secs(120);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The environment variables that select a real instance.
const VARIABLES: [&str; 5] = [
    "OTS_ENDPOINT",
    "OTS_INSTANCE",
    "OTS_ACCESS_KEY_ID",
    "OTS_ACCESS_KEY_SECRET",
    "OTS_STS_TOKEN",
];

/// A running example. Killed when dropped.
pub(crate) struct Program {
    name: String,
    child: Child,
    lines: Receiver<String>,
    lines_read: Vec<String>,
    errors: Option<JoinHandle<String>>,
    deadline: Instant,
}

/// The exit status and the output of an example.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) lines: Vec<String>,
    pub(crate) errors: String,
}

impl Program {
    /// Starts an example. Of [`VARIABLES`], only those in `variables` are set.
    pub(crate) fn start(name: &str, arguments: &[&str], variables: &[(String, String)]) -> Program {
        let mut command = Command::new(folder().join(name));
        VARIABLES.iter().for_each(|variable| {
            command.env_remove(variable);
        });
        let child = command
            .args(arguments)
            .envs(variables.iter().cloned())
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{name}: {error}"));
        let out = child.stdout.take().expect("a pipe");
        let mut err = child.stderr.take().expect("a pipe");
        let (line, lines) = mpsc::channel();
        thread::spawn(move || {
            let read = BufReader::new(out).lines().map_while(Result::ok);
            read.for_each(|text| drop(line.send(text)));
        });
        let errors = thread::spawn(move || {
            let mut text = Vec::new();
            let _ = err.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        Program {
            name: name.to_owned(),
            child,
            lines,
            lines_read: Vec::new(),
            errors: Some(errors),
            deadline: Instant::now() + MAX_WAIT,
        }
    }

    /// Waits until `count` lines that contain `part` have been printed, and
    /// returns the last of them.
    #[cfg(unix)]
    pub(crate) fn wait_for(&mut self, part: &str, count: usize) -> String {
        loop {
            let contains = |line: &&String| line.contains(part);
            let found: Vec<&String> = self.lines_read.iter().filter(contains).collect();
            if found.len() >= count {
                return found.last().map(ToString::to_string).unwrap_or_default();
            }
            let left = self.deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!(
                    "{}: fewer than {count} lines contain {part:?}: {:#?}",
                    self.name, self.lines_read
                );
            };
            self.lines_read.push(line);
        }
    }

    /// Sends SIGTERM.
    #[cfg(unix)]
    pub(crate) fn terminate(&self) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(status.expect("kill").success(), "no process {pid}");
    }

    /// Waits until the example has ended.
    pub(crate) fn finish(mut self) -> Output {
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            assert!(Instant::now() < self.deadline, "{} does not end", self.name);
            thread::sleep(POLL_INTERVAL);
        };
        let mut lines = std::mem::take(&mut self.lines_read);
        // The iterator ends, because the process and its pipe have ended.
        lines.extend(self.lines.iter());
        let errors = self.errors.take().expect("joined once");
        Output {
            status,
            lines,
            errors: errors.join().expect("a reader"),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Fails if the process has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Output {
    /// The number of lines that start with `prefix`.
    pub(crate) fn count(&self, prefix: &str) -> usize {
        let starts = |line: &&String| line.starts_with(prefix);
        self.lines.iter().filter(starts).count()
    }

    /// The number of lines that contain `part`.
    pub(crate) fn count_containing(&self, part: &str) -> usize {
        let contains = |line: &&String| line.contains(part);
        self.lines.iter().filter(contains).count()
    }

    /// Whether one of the lines equals `line`.
    pub(crate) fn has(&self, line: &str) -> bool {
        self.lines.iter().any(|printed| printed == line)
    }
}

/// Builds the examples and returns their folder. `cargo test` has built them
/// already, but `cargo test --test examples` has not.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        // The path is <target>/<profile>/deps/<test>.
        let this = env::current_exe().expect("the path of this test");
        let profile = this.ancestors().nth(2).expect("a profile");
        let target = profile.parent().expect("a target folder");
        let mut build = Command::new(env!("CARGO"));
        build
            .args([
                "build",
                "--quiet",
                "--examples",
                "--offline",
                "--target-dir",
            ])
            .arg(target)
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        // Cargo sets these variables for this test. They would make some build
        // scripts of dependencies run again, now and in the next build.
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if ["CARGO_PKG_", "CARGO_MANIFEST_", "OUT_DIR"]
                .iter()
                .any(|prefix| text.starts_with(prefix))
            {
                build.env_remove(&name);
            }
        }
        if profile.ends_with("release") {
            build.arg("--release");
        }
        let status = build.status().expect("cargo");
        assert!(status.success(), "the examples cannot be built");
        profile.join("examples")
    })
}
