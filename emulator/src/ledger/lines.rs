//! Writing a ledger as JSON lines, and reading it.

use std::io::{self, BufRead, Write};
use tablestore_tunnel::_wire::{client_error, client_error_from};

use super::{Event, Ledger};
use tablestore_tunnel::TunnelError;

impl Ledger {
    /// Writes one line of JSON for each event. [`Ledger::read_json_lines`] reads
    /// them, so that the ledger can be judged later.
    ///
    /// Each line is an object with `order`, `time` (RFC 3339), `request` (the
    /// id of the request that caused it, if any), `event` (such as
    /// `"read"`, the [`EventKind`](super::EventKind) in `snake_case`) and the
    /// fields of that kind. Fields without a value are left out. Tokens and keys
    /// are not written.
    ///
    /// ```
    /// use tablestore_emulator::{Emulator, KeyType, Ledger, TableSpec};
    ///
    /// let emulator = Emulator::builder().start()?;
    /// let table = emulator.create_table(TableSpec::new("t").primary_key("id", KeyType::Integer))?;
    /// table.put([1], [("item", "tea")])?;
    /// let mut lines = Vec::new();
    /// emulator.ledger().write_json_lines(&mut lines)?;
    /// let again = Ledger::read_json_lines(&lines[..])?;
    /// assert_eq!(again.events(), emulator.ledger().events());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of the writer.
    pub fn write_json_lines(&self, mut to: impl Write) -> io::Result<()> {
        for event in &self.events {
            serde_json::to_writer(&mut to, event)?;
            to.write_all(b"\n")?;
        }
        Ok(())
    }

    /// Reads the lines of [`Ledger::write_json_lines`]. Empty lines and unknown
    /// fields are skipped.
    ///
    /// # Errors
    ///
    /// `OTSClientError` with the number of the line if the line is no event, if its
    /// order is not above that of the line before, or if it cannot be read.
    pub fn read_json_lines(from: impl BufRead) -> Result<Ledger, TunnelError> {
        let mut events: Vec<Event> = Vec::new();
        for (number, line) in (1..).zip(from.lines()) {
            let refused = |what: &str| client_error(format!("line {number}: {what}"));
            let line = line.map_err(|error| {
                client_error_from(format!("line {number}: cannot be read"), error)
            })?;
            if line.trim().is_empty() {
                continue;
            }
            let event: Event = serde_json::from_str(&line)
                .map_err(|error| refused(&format!("is no event of a ledger: {error}")))?;
            if events.last().is_some_and(|last| last.order >= event.order) {
                return Err(refused("its order is not above that of the line before"));
            }
            events.push(event);
        }
        Ok(Ledger { events })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ledger::{ChannelState, ChannelStatus, Departure, EventKind};
    use crate::{Action, timestamp::Timestamp};
    use tablestore_tunnel::SequenceInfo;

    const SEQUENCE: SequenceInfo = SequenceInfo {
        epoch: 1,
        timestamp: 1_700_000_000_000_000,
        row_index: 3,
    };

    /// One event of each kind, with the JSON that other programs rely on.
    fn kinds() -> Vec<(EventKind, &'static str)> {
        let state = |status| ChannelState {
            channel: "c".into(),
            version: 2,
            status,
        };
        vec![
            (
                EventKind::Received {
                    request_id: "r".into(),
                    action: Action::ReadRecords,
                    tunnel: Some("t".into()),
                    client: Some("x".into()),
                    channel: None,
                },
                r#""event":"received","request_id":"r","action":"readrecords","tunnel":"t","client":"x""#,
            ),
            (
                EventKind::Answered {
                    request_id: "r".into(),
                    action: None,
                    status: 400,
                    code: Some("OTSParameterInvalid".into()),
                },
                r#""event":"answered","request_id":"r","status":400,"code":"OTSParameterInvalid""#,
            ),
            (
                EventKind::Faulted {
                    request_id: "r".into(),
                    action: Action::GetRpoByOffset,
                    effect: "Reset".into(),
                    carried_out: true,
                    answer_suffers: true,
                },
                r#""event":"faulted","request_id":"r","action":"getrpobyoffset","effect":"Reset","carried_out":true,"answer_suffers":true"#,
            ),
            (
                EventKind::ClockMoved {
                    by: Duration::from_millis(5),
                },
                r#""event":"clock_moved","by_us":5000"#,
            ),
            (
                EventKind::Written {
                    table: "orders".into(),
                    partition: "p".into(),
                    from: 0,
                    to: 2,
                },
                r#""event":"written","table":"orders","partition":"p","from":0,"to":2"#,
            ),
            (
                EventKind::TunnelCreated {
                    tunnel: "t".into(),
                    table: "orders".into(),
                },
                r#""event":"tunnel_created","tunnel":"t","table":"orders""#,
            ),
            (
                EventKind::TunnelDeleted { tunnel: "t".into() },
                r#""event":"tunnel_deleted","tunnel":"t""#,
            ),
            (
                EventKind::ChannelAdded {
                    tunnel: "t".into(),
                    channel: "c".into(),
                    partition: Some("p".into()),
                    start: 1,
                    end: 2,
                    parents: vec!["b".into()],
                },
                r#""event":"channel_added","tunnel":"t","channel":"c","partition":"p","start":1,"end":2,"parents":["b"]"#,
            ),
            (
                EventKind::Split {
                    table: "orders".into(),
                    parent: "p".into(),
                    children: vec!["q".into(), "r".into()],
                },
                r#""event":"split","table":"orders","parent":"p","children":["q","r"]"#,
            ),
            (
                EventKind::Merged {
                    table: "orders".into(),
                    parents: vec!["p".into(), "q".into()],
                    child: "r".into(),
                },
                r#""event":"merged","table":"orders","parents":["p","q"],"child":"r""#,
            ),
            (
                EventKind::Trimmed {
                    table: "orders".into(),
                    partition: "p".into(),
                    from: 1,
                    to: 3,
                },
                r#""event":"trimmed","table":"orders","partition":"p","from":1,"to":3"#,
            ),
            (
                EventKind::TableDropped {
                    table: "orders".into(),
                },
                r#""event":"table_dropped","table":"orders""#,
            ),
            (
                EventKind::TunnelExpired { tunnel: "t".into() },
                r#""event":"tunnel_expired","tunnel":"t""#,
            ),
            (
                EventKind::Skipped {
                    tunnel: "t".into(),
                    client: "x".into(),
                    channel: "c".into(),
                    from: 2,
                    count: 5,
                },
                r#""event":"skipped","tunnel":"t","client":"x","channel":"c","from":2,"count":5"#,
            ),
            (
                EventKind::Connected {
                    tunnel: "t".into(),
                    client: "x".into(),
                    timeout: Duration::from_secs(300),
                },
                r#""event":"connected","tunnel":"t","client":"x","timeout_us":300000000"#,
            ),
            (
                EventKind::Gone {
                    tunnel: "t".into(),
                    client: "x".into(),
                    why: Departure::ShutDown,
                },
                r#""event":"gone","tunnel":"t","client":"x","why":"shut_down""#,
            ),
            (
                EventKind::Heartbeat {
                    tunnel: "t".into(),
                    client: "x".into(),
                    reported: vec![state(ChannelStatus::Terminated)],
                    answered: Vec::new(),
                },
                r#""event":"heartbeat","tunnel":"t","client":"x","reported":[{"channel":"c","version":2,"status":"TERMINATED"}],"answered":[]"#,
            ),
            (
                EventKind::ChannelChanged {
                    tunnel: "t".into(),
                    channel: "c".into(),
                    client: None,
                    status: ChannelStatus::Wait,
                    version: -1,
                },
                r#""event":"channel_changed","tunnel":"t","channel":"c","status":"WAIT","version":-1"#,
            ),
            (
                EventKind::CheckpointGiven {
                    tunnel: "t".into(),
                    client: "x".into(),
                    channel: "c".into(),
                    position: Some(7),
                    sequence_number: 4,
                    owned: true,
                },
                r#""event":"checkpoint_given","tunnel":"t","client":"x","channel":"c","position":7,"sequence_number":4,"owned":true"#,
            ),
            (
                EventKind::Read {
                    tunnel: "t".into(),
                    client: "x".into(),
                    channel: "c".into(),
                    from: 7,
                    to: 8,
                    first_sequence: Some(SEQUENCE),
                    last_sequence: None,
                    finished: false,
                    owned: true,
                },
                r#""event":"read","tunnel":"t","client":"x","channel":"c","from":7,"to":8,"first_sequence":"00000001:00060a24181e4000:00000003","finished":false,"owned":true"#,
            ),
            (
                EventKind::Saved {
                    tunnel: "t".into(),
                    client: "x".into(),
                    channel: "c".into(),
                    position: None,
                    sequence_number: 5,
                    owned: false,
                },
                r#""event":"saved","tunnel":"t","client":"x","channel":"c","sequence_number":5,"owned":false"#,
            ),
            (
                EventKind::Processed {
                    tunnel: "t".into(),
                    client: "x".into(),
                    channel: "c".into(),
                    from: 7,
                    to: 8,
                },
                r#""event":"processed","tunnel":"t","client":"x","channel":"c","from":7,"to":8"#,
            ),
            (
                EventKind::ProcessedUnknown {
                    tunnel: "t".into(),
                    client: "x".into(),
                    channel: "c".into(),
                    records: 1,
                },
                r#""event":"processed_unknown","tunnel":"t","client":"x","channel":"c","records":1"#,
            ),
        ]
    }

    fn ledger() -> Ledger {
        let event = |(order, (kind, _))| Event {
            order,
            time: Timestamp::from_micros(1_000_001).to_utc(),
            request: Some("r".into()),
            kind,
        };
        Ledger {
            events: (0..).zip(kinds()).map(event).collect(),
        }
    }

    #[test]
    fn every_kind_keeps_its_json_names_and_can_be_read() {
        let mut bytes = Vec::new();
        ledger().write_json_lines(&mut bytes).expect("lines");
        let text = String::from_utf8(bytes).expect("text");
        for (order, (line, (_, wanted))) in text.lines().zip(kinds()).enumerate() {
            let head = r#""time":"1970-01-01T00:00:01.000001Z","request":"r""#;
            assert_eq!(line, format!("{{\"order\":{order},{head},{wanted}}}"));
        }
        let back = Ledger::read_json_lines(text.as_bytes()).expect("a ledger");
        assert_eq!(back.events(), ledger().events());
    }

    #[test]
    fn the_error_names_a_line_that_is_no_event() {
        let good =
            r#"{"order":1,"time":"1970-01-01T00:00:01Z","event":"tunnel_deleted","tunnel":"t"}"#;
        let cases = [
            (format!("{good}\n\n{{}}"), "line 3"),
            (good.replace("tunnel_deleted", "moon_landed"), "line 1"),
            (good.replace("1970", "197"), "line 1"),
            (format!("{good}\n{good}"), "line 2"),
        ];
        for (text, wanted) in cases {
            let error = Ledger::read_json_lines(text.as_bytes()).expect_err(&text);
            assert!(error.to_string().contains(wanted), "{error}");
        }
        let again = Ledger::read_json_lines(format!("\n{good}\n").as_bytes());
        assert_eq!(again.expect("one event").events().len(), 1);
    }
}
