//! [`Program`]: an example as a process.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Examples end by themselves in a few seconds; on a busy machine later.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(20);

/// What an example needs to find a real instance.
const VARIABLES: [&str; 5] = [
    "OTS_ENDPOINT",
    "OTS_INSTANCE",
    "OTS_ACCESS_KEY_ID",
    "OTS_ACCESS_KEY_SECRET",
    "OTS_STS_TOKEN",
];

/// An example at work; killed when dropped.
pub(crate) struct Program {
    name: String,
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
    errors: Option<JoinHandle<String>>,
    deadline: Instant,
}

/// What an example left.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) lines: Vec<String>,
    pub(crate) errors: String,
}

impl Program {
    /// Starts an example; `variables` are all that it finds of [`VARIABLES`].
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
            seen: Vec::new(),
            errors: Some(errors),
            deadline: Instant::now() + PATIENCE,
        }
    }

    /// Waits until so many lines with this in them were printed; the last.
    #[cfg(unix)]
    pub(crate) fn wait_for(&mut self, part: &str, count: usize) -> String {
        loop {
            let found: Vec<&String> = self.seen.iter().filter(|l| l.contains(part)).collect();
            if found.len() >= count {
                return found.last().map(ToString::to_string).unwrap_or_default();
            }
            let left = self.deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!(
                    "{}: not {count} lines with {part:?}: {:#?}",
                    self.name, self.seen
                );
            };
            self.seen.push(line);
        }
    }

    /// Asks it to end, as an operator would.
    #[cfg(unix)]
    pub(crate) fn terminate(&self) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(status.expect("kill").success(), "no process {pid}");
    }

    /// Waits for its end.
    pub(crate) fn finish(mut self) -> Output {
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            assert!(Instant::now() < self.deadline, "{} does not end", self.name);
            thread::sleep(LOOK);
        };
        let mut lines = std::mem::take(&mut self.seen);
        // Ends: the process has, and with it the pipe.
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
        // Has ended already, mostly.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Output {
    /// How many lines begin like this.
    pub(crate) fn count(&self, start: &str) -> usize {
        self.lines
            .iter()
            .filter(|line| line.starts_with(start))
            .count()
    }

    pub(crate) fn has(&self, line: &str) -> bool {
        self.lines.iter().any(|known| known == line)
    }
}

/// Where the examples are, as they are now. `cargo test` builds them,
/// `cargo test --test examples` does not.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        // <target>/<profile>/deps/<this>
        let this = env::current_exe().expect("this test");
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
        // Set for this test: build scripts of dependencies that look at them
        // would run again, now and after it.
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if ["CARGO_PKG_", "CARGO_MANIFEST_", "OUT_DIR"]
                .iter()
                .any(|of_test| text.starts_with(of_test))
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
