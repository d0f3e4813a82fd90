//! The emulator as a program, run from a shell.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::{Value as Json, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tablestore-emulator");

/// The running program. It is killed when this is dropped.
struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// The variables of a shell after `eval` of the program's lines.
    endpoint: String,
    others: String,
}

impl Running {
    fn start(options: &[&str]) -> Running {
        let mut child = Command::new(PROGRAM)
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout"));
        let mut lines = String::new();
        for _ in 0..4 {
            stdout.read_line(&mut lines).expect("a line");
        }
        let script = "eval \"$1\"; echo \"$OTS_ENDPOINT\"; \
                      bash -c 'echo $OTS_INSTANCE $OTS_ACCESS_KEY_ID $OTS_ACCESS_KEY_SECRET'";
        let shell = Command::new("bash")
            .args(["-euc", script, "-", &lines])
            .output();
        let seen = String::from_utf8(shell.expect("bash").stdout).expect("text");
        let (endpoint, others) = seen.split_once('\n').expect("two lines");
        Running {
            child,
            stdout,
            endpoint: endpoint.to_owned(),
            others: others.to_owned(),
        }
    }

    fn get(&self, path: &str) -> String {
        let answer = ureq::get(format!("{}/_emulator/{path}", self.endpoint)).call();
        let mut answer = answer.expect("an answer");
        answer.body_mut().read_to_string().expect("text")
    }

    fn json(&self, path: &str) -> Json {
        serde_json::from_str(&self.get(path)).expect("JSON")
    }

    /// The rows as keys and columns, without timestamps.
    fn rows(&self) -> Vec<(Json, Json)> {
        let rows = self.get("tables/orders/rows");
        let row = |line: &str| {
            let row: Json = serde_json::from_str(line).expect("JSON");
            let cells = row["columns"].as_array().expect("cells").iter();
            let cells = cells.map(|cell| json!([cell["name"], cell["value"]]));
            (row["key"].clone(), cells.collect())
        };
        let mut rows: Vec<(Json, Json)> = rows.lines().map(row).collect();
        rows.sort_by_key(|(key, _)| key.to_string());
        rows
    }

    /// Ends the program with a signal. Returns the rest of stdout, and stderr.
    fn end(mut self, signal: &str) -> (String, String) {
        let pid = self.child.id().to_string();
        let kill = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(kill.expect("kill").success());
        let status = self.child.wait().expect("an end");
        assert!(status.success(), "{signal}: {status}");
        let (mut out, mut log) = (String::new(), String::new());
        self.stdout.read_to_string(&mut out).expect("text");
        let mut stderr = self.child.stderr.take().expect("stderr");
        stderr.read_to_string(&mut log).expect("text");
        (out, log)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail if the program has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file that is removed after the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, text: &str) -> Scratch {
        let name = format!("emulator-program-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, text).expect("a file");
        Scratch(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("text")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A file that stays does no harm.
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn a_shell_can_eval_its_lines_and_both_signals_end_it() {
    for signal in ["INT", "TERM"] {
        let running = Running::start(&["--table", "orders:id:string", "--partitions", "3"]);
        assert_eq!(running.others, "emulator emulator-key emulator-secret\n");
        assert_eq!(running.json("health")["status"], "ok");
        let table = &running.json("tables")[0];
        assert_eq!(
            table["primary_key"],
            json!([{"name": "id", "type": "string"}])
        );
        assert_eq!(table["partitions"].as_array().map(Vec::len), Some(3));
        let (out, log) = running.end(signal);
        assert_eq!(
            (out.as_str(), log.as_str()),
            ("", ""),
            "and says nothing else"
        );
    }
}

#[test]
fn rows_come_from_csv_with_types() {
    let csv = Scratch::new(
        "rows.csv",
        "item,id,amount:double,paid:bool,count:int,photo:binary,a:b:string\n\
         \"green tea, \"\"best\"\"\",2,0.5,true,-7,aGk=,x\n\
         ,1,,,,,\"two\nlines\"\n",
    );
    let running = Running::start(&["--seed-file", csv.path()]);
    let wanted = [
        (json!([1]), json!([["a:b", "two\nlines"]])),
        (
            json!([2]),
            json!([
                ["a:b", "x"],
                ["amount", 0.5],
                ["count", -7],
                ["item", "green tea, \"best\""],
                ["paid", true],
                ["photo", {"base64": "aGk="}]
            ]),
        ),
    ];
    assert_eq!(running.rows(), wanted);
}

#[test]
fn rows_come_from_json_lines() {
    let lines = Scratch::new(
        "rows.jsonl",
        "{\"id\": {\"integer\": \"1\"}, \"item\": \"tea\"}\n\n{\"id\": 2, \"photo\": {\"base64\": \"aGk=\"}}\n",
    );
    let running = Running::start(&["--seed-file", lines.path()]);
    let wanted = [
        (json!([1]), json!([["item", "tea"]])),
        (json!([2]), json!([["photo", {"base64": "aGk="}]])),
    ];
    assert_eq!(running.rows(), wanted);
}

#[test]
fn options_for_faults_clock_retention_and_log_have_effect() {
    let script = Scratch::new("faults", "# two\nlist nth=3 reset\nheartbeat empty\n");
    let running = Running::start(&[
        "--faults",
        script.path(),
        "--clock",
        "2030-01-01T00:00:00Z",
        "--retention=36h",
        "--log",
    ]);
    let faults = running.json("faults");
    assert_eq!(faults[0]["script"], "list nth=3 reset");
    assert_eq!(faults[1]["script"], "heartbeat empty");
    let clock = json!({"runs": false, "time": "2030-01-01T00:00:00Z"});
    assert_eq!(running.json("clock"), clock);
    assert_eq!(running.json("tables/orders")["retention"], "36h");
    let (out, log) = running.end("TERM");
    assert_eq!(out, "");
    assert_eq!(log.lines().count(), 3, "{log}");
    assert!(log.contains(" GET /_emulator/clock -> 200 "), "{log}");
}

fn refused(options: &[&str]) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(PROGRAM).args(options).output().expect("ran");
    assert_eq!(status.code(), Some(1), "{options:?}");
    assert!(stdout.is_empty(), "{options:?}");
    String::from_utf8(stderr).expect("text")
}

#[test]
fn errors_go_to_stderr_and_no_line_to_the_shell() {
    let script = Scratch::new("bad-faults", "list reset\nlist rest\n");
    let csv = Scratch::new("bad.csv", "id,n:int\n1,1\n2,two\n");
    let no_key = Scratch::new("no-key.csv", "n:int\n1\n");
    let lines = Scratch::new("bad.jsonl", "{\"id\": 1}\n{\"n\": 1}\n");
    for (options, message) in [
        (vec!["--ports", "1"], "--ports"),
        (vec!["extra"], "extra"),
        (vec!["--port"], "--port needs a value"),
        (
            vec!["--port", "99999"],
            "--port needs a whole number in range",
        ),
        (vec!["--table", "orders"], "NAME:PK:TYPE"),
        (vec!["--table", "orders:id:uuid"], "int, string or binary"),
        (
            vec!["--retention", "week"],
            "--retention needs a whole number and a unit",
        ),
        (vec!["--clock", "noon"], "--clock needs manual or a time"),
        (vec!["--faults", "/nowhere/faults"], "/nowhere/faults"),
        (
            vec!["--faults", script.path()],
            "line 2, column 6: expected",
        ),
        (vec!["--seed-file", "/nowhere/rows"], "/nowhere/rows"),
        (
            vec!["--seed-file", csv.path()],
            "line 3: n: \"two\" is not a 64-bit integer",
        ),
        (vec!["--seed-file", no_key.path()], "the header has no id"),
        (
            vec!["--seed-file", lines.path()],
            "line 2: member \"id\" of the primary key",
        ),
    ] {
        let stderr = refused(&options);
        assert!(stderr.contains(message), "{options:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}

#[test]
fn help_names_every_option() {
    let help = Command::new(PROGRAM).arg("--help").output().expect("ran");
    assert!(help.status.success());
    let help = String::from_utf8(help.stdout).expect("text");
    let options = fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src/program/options.rs"
    ));
    let options = options.expect("the source");
    // The options are the patterns of the parser's match.
    let names = options.lines().filter_map(|line| {
        let (name, rest) = line.trim().strip_prefix('"')?.split_once('"')?;
        rest.starts_with(" => ").then_some(name)
    });
    let names: Vec<&str> = names
        .filter(|name| !["int", "string", "binary"].contains(name))
        .collect();
    assert!(names.len() > 14, "{names:?}");
    for name in names {
        assert!(
            help.contains(&format!("  --{name}")),
            "--{name} is not in the help"
        );
    }
}
