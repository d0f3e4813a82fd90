//! The control API as programs in other languages use it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tablestore_emulator::{Emulator, EmulatorBuilder, EmulatorClock, Fault};
use tablestore_tunnel::{
    ChannelContext, CreateTunnelRequest, DescribeTunnelRequest, ListTunnelRequest, OwnedColumn,
    Record, SimpleProcessFactory, TunnelClient, TunnelType, TunnelWorkerConfig, TunnelWorkerDaemon,
    Value,
};
use time::OffsetDateTime;

/// The longest wait. Only failing tests wait this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// An emulator, and its API.
struct Api {
    emulator: Emulator,
    agent: ureq::Agent,
}

impl Api {
    fn new(builder: EmulatorBuilder) -> Api {
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        Api {
            emulator: builder.start().expect("an emulator"),
            agent: config.build().into(),
        }
    }

    /// The API of an emulator whose clock stands still.
    fn standing() -> Api {
        let clock = EmulatorClock::manual(OffsetDateTime::UNIX_EPOCH + Duration::from_secs(1_000));
        Api::new(Emulator::builder().clock(clock).warm_up(Duration::ZERO))
    }

    fn text(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let url = format!("{}/_emulator/{path}", self.emulator.endpoint());
        let answer = match method {
            "GET" => self.agent.get(url).call(),
            "DELETE" => self.agent.delete(url).call(),
            "PUT" => self.agent.put(url).send(body),
            _ => self.agent.post(url).send(body),
        };
        let mut answer = answer.expect("an answer");
        let text = answer.body_mut().read_to_string().expect("text");
        (answer.status().as_u16(), text)
    }

    /// A successful call.
    fn good(&self, method: &str, path: &str, body: &str) -> Json {
        let (status, text) = self.text(method, path, body);
        assert!(
            matches!(status, 200 | 201),
            "{method} {path}: {status} {text}"
        );
        serde_json::from_str(&text).expect("JSON")
    }

    fn client(&self) -> TunnelClient {
        TunnelClient::new(
            self.emulator.endpoint(),
            self.emulator.instance(),
            self.emulator.access_key_id(),
            self.emulator.access_key_secret(),
        )
        .expect("a client")
    }

    fn orders(&self, partitions: u32) {
        let table = json!({
            "name": "orders",
            "primary_key": [{"name": "id", "type": "integer"}],
            "partitions": partitions,
        });
        self.good("POST", "tables", &table.to_string());
    }

    fn tunnel(&self, kind: TunnelType) -> String {
        let request = CreateTunnelRequest::new("orders", "tunnel", kind);
        let created = self.client().create_tunnel(&request).expect("created");
        created.tunnel_id
    }
}

#[test]
fn values_of_every_type_reach_a_consumer_as_they_were_written() {
    let api = Api::new(Emulator::builder());
    let table = json!({
        "name": "orders",
        "primary_key": [{"name": "text", "type": "string"}, {"name": "bytes", "type": "binary"}],
    });
    api.good("POST", "tables", &table.to_string());
    let tunnel = api.tunnel(TunnelType::Stream);
    let row = r#"{
        "text": "绿茶 \"a\"", "bytes": {"base64": "AP8="},
        "integer": -9223372036854775808, "large": {"integer": "9223372036854775807"},
        "double": 0.1, "whole": 3.0, "none": {"double": "NaN"}, "boolean": true,
        "binary": {"base64": ""}, "string": "7"
    }"#;
    let written = api.good("POST", "tables/orders/rows", row);
    assert_eq!(written["written"][0]["position"], 0);
    let record = consume_one(api.client(), &tunnel);
    let key: Vec<Value> = record
        .primary_key()
        .map(|key| key.value().to_value())
        .collect();
    assert_eq!(
        key,
        [Value::from("绿茶 \"a\""), Value::Binary(vec![0, 255])]
    );
    let value = |name: &str| {
        let column = record.columns().find(|column| column.name() == name);
        column
            .and_then(|column| column.value())
            .expect(name)
            .to_value()
    };
    assert_eq!(value("integer"), Value::Integer(i64::MIN));
    assert_eq!(value("large"), Value::Integer(i64::MAX));
    assert_eq!(value("double"), Value::Double(0.1));
    assert_eq!(value("whole"), Value::Double(3.0));
    assert!(matches!(value("none"), Value::Double(value) if value.is_nan()));
    assert_eq!(value("boolean"), Value::Boolean(true));
    assert_eq!(value("binary"), Value::Binary(vec![]));
    assert_eq!(value("string"), Value::from("7"));
}

/// The first record that a worker receives.
fn consume_one(client: TunnelClient, tunnel: &str) -> Record<'static> {
    let (given, records) = mpsc::channel();
    let factory = SimpleProcessFactory::new(move |_: &ChannelContext, batch: &[Record]| {
        for record in batch {
            // The test may have ended already.
            let _ = given.send(record.share());
        }
        Ok(())
    });
    let config = TunnelWorkerConfig::builder(factory)
        .build()
        .expect("a config");
    let daemon = TunnelWorkerDaemon::new(client, tunnel, config);
    let running = daemon.clone();
    let worker = thread::spawn(move || running.run());
    let record = records.recv_timeout(PATIENCE).expect("a record");
    daemon.close();
    worker.join().expect("the worker").expect("a good end");
    record
}

/// Rejected calls: status, method, path, body and a part of the error.
// One call in each line.
#[rustfmt::skip]
const REFUSED: [(u16, &str, &str, &str, &str); 49] = [
    (404, "GET", "nothing", "", "GET /_emulator/ lists all calls"),
    (405, "PUT", "faults", "", "GET or POST or DELETE, not PUT"),
    (400, "POST", "tables", "{", "the body is not valid JSON"),
    (400, "POST", "tables", r#"{"name": "t"}"#, "missing field `primary_key`"),
    (400, "POST", "tables", r#"{"name": "t", "primary_key": []}"#, "primary key"),
    (400, "POST", "tables", r#"{"name": "t", "primary_key": [], "keys": 1}"#, "unknown field `keys`"),
    (400, "POST", "tables", r#"{"name": "t", "primary_key": [{"name": "id", "type": "double"}]}"#, "`binary`"),
    (400, "POST", "tables", r#"{"name": "t", "primary_key": [{"name": "id", "type": "int"}], "retention": 5}"#, "expected a string"),
    (409, "POST", "tables", r#"{"name": "orders", "primary_key": [{"name": "id", "type": "int"}]}"#, "exists already"),
    (404, "GET", "tables/missing", "", "POST creates one"),
    (404, "DELETE", "tables/missing", "", "POST creates one"),
    (400, "GET", "tables/orders/rows?limit=all", "", "limit must be a whole number"),
    (400, "POST", "tables/orders/rows", "", "the body has no row"),
    (400, "POST", "tables/orders/rows", "nonsense", "the body is not JSON"),
    (400, "POST", "tables/orders/rows", "5", "a row is a JSON object"),
    (400, "POST", "tables/orders/rows", r#"{"id": 1} {"item": "tea"}"#, "row 2: member \"id\" of the primary key"),
    (400, "POST", "tables/orders/rows", r#"{"id": "one"}"#, "must be of type Integer"),
    (400, "POST", "tables/orders/rows", r#"{"id": 1, "n": 9223372036854775808}"#, "no 64-bit integer"),
    (400, "POST", "tables/orders/rows", r#"{"id": 1, "n": null}"#, "no column can hold null"),
    (400, "POST", "tables/orders/rows", r#"{"key": [1], "column": []}"#, "unknown field `column`"),
    (400, "POST", "tables/orders/rows", r#"{"key": [1], "action": "Put"}"#, "expected one of `PutRow`"),
    (400, "POST", "tables/orders/rows", r#"{"key": [1], "columns": [{"name": "n"}]}"#, "needs a value"),
    (400, "POST", "tables/orders/rows", r#"{"key": [1], "action": "DeleteRow", "columns": [{"name": "n", "value": 1}]}"#, "a deletion has no columns"),
    (400, "POST", "tables/orders/split", "{}", "say what to split"),
    (409, "POST", "tables/orders/split", r#"{"partition": "p"}"#, "no partition p"),
    (409, "POST", "tables/orders/split", r#"{"partition": "PARTITION"}"#, "no middle"),
    (400, "POST", "tables/orders/merge", r#"{"partitions": ["p"]}"#, "length 2"),
    (409, "POST", "tables/orders/merge", r#"{"partitions": ["p", "q"]}"#, "no partition p"),
    (400, "POST", "tables/orders/trim", r#"{"position": 1}"#, "needs the partition"),
    (404, "GET", "tunnels/missing", "", "GET /_emulator/tunnels lists them"),
    (404, "POST", "tunnels/missing/expire", "", "GET /_emulator/tunnels lists them"),
    (404, "DELETE", "tunnels/TUNNEL/clients/c", "", "no client \"c\""),
    (400, "POST", "tunnels/TUNNEL/processed", r#"{"client": "a", "channel": "c", "records": [{"timestamp": 1}]}"#, "timestamp and row_index"),
    (400, "POST", "faults", "", "the body has no fault"),
    (400, "POST", "faults", "list reset\nlist\n", "line 2, column 5"),
    (400, "POST", "faults", r#"[{"on": "list", "effect": "reset"}, {"on": "lists", "effect": "reset"}]"#, "fault 2: no action is called \"lists\""),
    (400, "POST", "faults", r#"{"on": "list"}"#, "needs an effect"),
    (400, "POST", "faults", r#"{"on": "list", "effect": "explode"}"#, "unknown variant `explode`"),
    (400, "POST", "faults", r#"{"on": "list", "effect": {"delay": "soon"}}"#, "whole number and a unit"),
    (400, "POST", "faults", r#"{"on": "list", "chance": 2, "effect": "reset"}"#, "from 0 to 1"),
    (400, "POST", "faults", r#"{"write": "orders", "effect": "reset"}"#, "split and jump"),
    (404, "DELETE", "faults/7", "", "GET /_emulator/faults lists them"),
    (400, "POST", "clock/advance", "{}", "say how far"),
    (400, "POST", "clock/advance", r#"{"by": "a week"}"#, "whole number and a unit"),
    (400, "POST", "clock/advance", r#"{"to": "tomorrow"}"#, "2030-01-01T00:00:00Z"),
    (400, "POST", "clock/advance", r#"{"to": "1970-01-01T00:00:00Z"}"#, "only goes forward"),
    (400, "GET", "ledger?from=start", "", "from must be a whole number"),
    (400, "GET", "verdict?format=xml", "", "format is text or json"),
    (400, "GET", "verdict?grace=long", "", "whole number and a unit"),
];

#[test]
fn errors_say_how_to_correct_the_call() {
    let api = Api::standing();
    api.orders(2);
    let tunnel = api.tunnel(TunnelType::Stream);
    let partition = api.good("GET", "tables/orders", "")["partitions"][0]["id"].clone();
    let partition = partition.as_str().expect("an id");
    for (status, method, path, body, sentence) in REFUSED {
        let path = path.replace("TUNNEL", &tunnel);
        let body = body.replace("PARTITION", partition);
        let (got, text) = api.text(method, &path, &body);
        assert_eq!(got, status, "{method} {path} {body}: {text}");
        let error: Json = serde_json::from_str(&text).expect("JSON");
        let message = error["error"].as_str().expect("a sentence");
        assert!(
            message.contains(sentence),
            "{method} {path} {body}: {message}"
        );
    }
    let state = api.good("GET", "state", "");
    let first = &state["tables"][0]["partitions"][0];
    assert_eq!(first["changes"], 0, "nothing was written");
    assert_eq!(state["faults"], json!([]));
}

#[test]
fn only_programs_on_this_machine_are_answered() {
    let api = Api::standing();
    let address = api
        .emulator
        .endpoint()
        .trim_start_matches("http://")
        .to_owned();
    let status = |headers: &str| {
        let mut stream = TcpStream::connect(&address).expect("connected");
        let request =
            format!("GET /_emulator/health HTTP/1.1\r\n{headers}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer[9..12].parse::<u16>().expect("a status")
    };
    for (headers, wanted) in [
        (format!("Host: {address}\r\n"), 200),
        ("Host: localhost:8087\r\n".to_owned(), 200),
        (
            format!("Host: {address}\r\nOrigin: http://localhost:3000\r\n"),
            200,
        ),
        (String::new(), 403),
        ("Host: rebound.example\r\n".to_owned(), 403),
        (
            format!("Host: {address}\r\nOrigin: https://page.example\r\n"),
            403,
        ),
        (format!("Host: {address}\r\nOrigin: null\r\n"), 403),
    ] {
        assert_eq!(status(&headers), wanted, "{headers}");
    }
}

#[test]
fn a_bulk_is_written_completely_and_can_be_read() {
    let api = Api::standing();
    api.orders(1);
    let bulk = r#"[
        {"key": [1], "columns": [{"name": "a", "value": 1, "timestamp": 5}, {"name": "b", "value": 2}]},
        {"action": "UpdateRow", "key": [1], "columns": [{"name": "a", "deleted": 5}, {"name": "c", "value": false}]},
        {"key": [2]},
        {"action": "DeleteRow", "key": [2]}
    ]"#;
    let written = api.good("POST", "tables/orders/rows", bulk);
    let places = written["written"].as_array().expect("places");
    let indices = |name: &str| -> Vec<Option<u64>> {
        places.iter().map(|place| place[name].as_u64()).collect()
    };
    let counted: Vec<_> = (0..4).map(Some).collect();
    assert_eq!(indices("position"), counted);
    assert_eq!(indices("row_index"), counted, "one bulk, one timestamp");
    let (_, rows) = api.text("GET", "tables/orders/rows", "");
    let row: Json = serde_json::from_str(&rows).expect("one row");
    let cells = json!([
        {"name": "b", "value": 2, "timestamp": 1_000_000},
        {"name": "c", "value": false, "timestamp": 1_000_000},
    ]);
    assert_eq!((&row["key"], &row["columns"]), (&json!([1]), &cells));
    let refused = api.text("POST", "tables/orders/rows", r#"{"id": 3} {"id": "x"}"#);
    assert_eq!(refused.0, 400);
    assert_eq!(
        api.good("GET", "tables/orders", "")["partitions"][0]["changes"],
        4
    );
    // Rows that were read can be written again unchanged.
    let again = api.good(
        "POST",
        "tables/orders/rows",
        &json!({"key": row["key"], "columns": row["columns"]}).to_string(),
    );
    assert_eq!(again["written"][0]["position"], 4);
    assert_eq!(api.text("GET", "tables/orders/rows", "").1, rows);
}

#[test]
fn faults_as_json_equal_faults_of_a_script() {
    let api = Api::standing();
    let script = "readrecords nth=3 times=forever client=\"a b\" channel=c after reset\n\
                  any chance=0.25 seed=9 fail 503 OTSTunnelServerUnavailable \"busy \\\"now\\\"\"\n\
                  heartbeat take c terminated\n\
                  heartbeat stale 2\n\
                  write orders record=10 jump 7d\n";
    assert_eq!(
        api.good("POST", "faults", script)["ids"],
        json!([1, 2, 3, 4, 5])
    );
    let listed = api.good("GET", "faults", "");
    let faults = listed.as_array().expect("faults");
    let as_json: Vec<&Json> = faults.iter().map(|fault| &fault["fault"]).collect();
    let lines = |listed: &Json| -> Vec<String> {
        let lines = listed.as_array().expect("faults").iter();
        let lines = lines.map(|fault| fault["script"].as_str().expect("a line").to_owned());
        lines.collect()
    };
    assert_eq!(lines(&listed), script.lines().collect::<Vec<_>>());
    api.good("DELETE", "faults", "");
    api.good("POST", "faults", &json!(as_json).to_string());
    assert_eq!(lines(&api.good("GET", "faults", "")), lines(&listed));
    api.good("DELETE", "faults/7", "");
    assert_eq!(
        api.good("GET", "faults", "").as_array().map(Vec::len),
        Some(4)
    );
    let of_rust: Vec<String> = api
        .emulator
        .faults()
        .iter()
        .map(|status| status.fault.to_string())
        .collect();
    assert_eq!(of_rust, lines(&api.good("GET", "faults", "")));
}

/// The ledger of some requests with the faults of a script.
fn history(script: &str) -> String {
    let api = Api::standing();
    api.orders(2);
    let client = api.client();
    let create = CreateTunnelRequest::new("orders", "tunnel", TunnelType::BaseAndStream);
    client.create_tunnel(&create).expect("created");
    api.good("POST", "faults", script);
    for id in 0..40 {
        api.good("POST", "tables/orders/rows", &json!({"id": id}).to_string());
        api.good("POST", "clock/advance", r#"{"by": "100ms"}"#);
        // The script makes some requests fail.
        let _ = client.list_tunnel(&ListTunnelRequest::new("orders"));
        let _ = client.describe_tunnel(&DescribeTunnelRequest::new("orders", "tunnel"));
    }
    api.text("GET", "ledger", "").1
}

#[test]
fn the_same_script_and_seed_give_the_same_ledger() {
    let script = |seed: u32| {
        format!(
            "any chance=0.2 seed={seed} fail 400 OTSParameterInvalid\n\
             list nth=5 times=2 after jump 1h\n\
             list chance=0.1 seed={seed} duplicate\n\
             describe chance=0.1 times=2 seed={seed} after close\n\
             write orders chance=0.05 seed={seed} split\n"
        )
    };
    let first = history(&script(5));
    let faulted = |ledger: &str| ledger.matches("\"event\":\"faulted\"").count();
    assert!(faulted(&first) > 10, "{first}");
    assert!(first.contains("\"event\":\"split\""), "{first}");
    assert_eq!(first, history(&script(5)));
    assert_ne!(first, history(&script(6)));
}

#[test]
fn a_week_passes_in_one_call() {
    let api = Api::standing();
    api.orders(1);
    for id in 0..3 {
        api.good("POST", "tables/orders/rows", &json!({"id": id}).to_string());
    }
    let oldest = || api.good("GET", "tables/orders", "")["partitions"][0]["oldest"].clone();
    assert_eq!(oldest(), 0);
    let clock = api.good("POST", "clock/advance", r#"{"by": "8d"}"#);
    assert_eq!(
        clock,
        json!({"runs": false, "time": "1970-01-09T00:16:40Z"})
    );
    assert_eq!(oldest(), 3, "the log has lost what is older than a week");
    let running = Api::new(Emulator::builder());
    assert_eq!(running.good("GET", "clock", "")["runs"], true);
}

#[test]
fn the_ledger_can_be_read_in_parts_and_cleared() {
    let api = Api::standing();
    api.orders(1);
    let orders = |path: &str| -> Vec<u64> {
        let (_, text) = api.text("GET", path, "");
        let order =
            |line: &str| serde_json::from_str::<Json>(line).expect("JSON")["order"].as_u64();
        text.lines()
            .map(|line| order(line).expect("a number"))
            .collect()
    };
    for id in 0..3 {
        api.good("POST", "tables/orders/rows", &json!({"id": id}).to_string());
    }
    assert_eq!(orders("ledger"), [0, 1, 2]);
    assert_eq!(orders("ledger?from=2"), [2]);
    assert!(orders("ledger?from=3").is_empty());
    api.good("DELETE", "ledger", "");
    api.good("POST", "tables/orders/rows", r#"{"id": 1}"#);
    assert_eq!(orders("ledger"), [3], "numbers go on");
    assert!(!api.emulator.ledger().is_whole());
}

#[test]
fn records_that_a_consumer_reports_as_processed_are_judged() {
    let api = Api::standing();
    api.orders(1);
    let tunnel = api.tunnel(TunnelType::Stream);
    let written = api.good("POST", "tables/orders/rows", r#"{"id": 1}"#)["written"][0].clone();
    let channel = api.good("GET", &format!("tunnels/{tunnel}"), "")["channels"][0]["id"].clone();
    assert_eq!(api.good("GET", "verdict?format=json", "")["clean"], true);
    let claim = json!({
        "client": "a client", "channel": channel,
        "records": [{"timestamp": written["timestamp"], "row_index": written["row_index"]}],
    });
    api.good(
        "POST",
        &format!("tunnels/{tunnel}/processed"),
        &claim.to_string(),
    );
    let verdict = api.good("GET", "verdict?format=json", "");
    assert_eq!(verdict["clean"], false);
    assert_eq!(verdict["findings"][0]["rule"], "processed_unread");
    assert!(
        api.text("GET", "verdict", "")
            .1
            .contains("processed_unread")
    );
}

#[test]
fn reset_forgets_everything_but_the_clock() {
    let api = Api::standing();
    let describe = || api.good("GET", "tables/orders", "");
    api.orders(2);
    api.tunnel(TunnelType::Stream);
    let first = describe();
    let old = api.emulator.table("orders").expect("the table");
    api.emulator.fault(Fault::on_any().reset());
    api.good("POST", "reset", "");
    let state = api.good("GET", "state", "");
    for part in ["tables", "tunnels", "faults"] {
        assert_eq!(state[part], json!([]), "{part}");
    }
    assert!(api.emulator.ledger().events().is_empty());
    assert!(old.put([1], [("n", 1)]).is_err());
    api.orders(2);
    assert_eq!(describe(), first, "ids begin anew as well");
    assert!(old.put([1], [("n", 1)]).is_err(), "this is another table");
}

#[test]
fn records_of_example_programs_can_be_written() {
    let api = Api::standing();
    api.orders(1);
    let shown = r#"{"channel":"c","action":"UpdateRow","timestamp":1700000000000000,"row_index":0,
        "key":[7],"columns":[{"name":"paid","value":true},{"name":"note","deleted":"all"}]}"#;
    api.good("POST", "tables/orders/rows", shown);
    let (_, rows) = api.text("GET", "tables/orders/rows", "");
    assert!(rows.contains(r#""name":"paid""#), "{rows}");
    let column = OwnedColumn::put("paid", true, 1_000_000);
    assert!(rows.contains(&format!(
        "\"timestamp\":{}",
        column.timestamp.expect("a time")
    )));
}
