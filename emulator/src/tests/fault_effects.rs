//! The effect of each fault on a client.

use std::io::ErrorKind;

use super::*;

/// A client with the only channel of a stream tunnel.
struct Consumer {
    raw: Raw,
    tunnel: String,
    client: String,
    channel: String,
    token: String,
}

impl Consumer {
    fn new(mut raw: Raw) -> Consumer {
        let tunnel = raw.create("orders", p::TunnelType::Stream);
        let client = raw.connect(&tunnel, 30);
        let held = raw.heartbeat(&tunnel, &client, vec![]).expect("channels");
        let channel = held[0].channel_id.clone();
        let checkpoint = raw.checkpoint(&tunnel, &client, &channel);
        Consumer {
            raw,
            token: checkpoint.checkpoint().to_owned(),
            tunnel,
            client,
            channel,
        }
    }

    fn heartbeat(&mut self) -> Result<Vec<p::Channel>, String> {
        self.raw.heartbeat(&self.tunnel, &self.client, vec![])
    }

    fn save(&mut self, number: i64) -> Result<(), String> {
        let (tunnel, client) = (&self.tunnel, &self.client);
        self.raw
            .save(tunnel, client, &self.channel, &self.token, number)
    }

    /// Reads the next page, and returns the number of records.
    fn read(&mut self) -> usize {
        let (tunnel, client) = (&self.tunnel, &self.client);
        let answer = self.raw.read(tunnel, client, &self.channel, &self.token);
        self.token = answer.next_token;
        answer.records.len()
    }

    fn read_body(&self) -> Vec<u8> {
        let request = p::ReadRecordsRequest {
            tunnel_id: self.tunnel.clone(),
            client_id: self.client.clone(),
            channel_id: self.channel.clone(),
            token: self.token.clone(),
        };
        request.encode_to_vec()
    }

    /// A read on a connection of its own, which may get no answer.
    fn try_read(&mut self) -> std::io::Result<raw::Answer> {
        self.raw = Raw::new(&self.raw.emulator);
        let body = self.read_body();
        self.raw.post(Action::ReadRecords.uri(), &body)
    }
}

fn consumer(partitions: u32) -> (Emulator, Table, Consumer) {
    let (emulator, table, raw) = with_orders(Emulator::builder().batch_rows(2), partitions);
    (emulator, table, Consumer::new(raw))
}

#[test]
fn connections_end_in_the_middle_of_an_answer() {
    let (emulator, _table, mut consumer) = consumer(1);
    let reads = || Fault::on(Action::ReadRecords);
    for (fault, kind) in [
        (reads().cut(), ErrorKind::UnexpectedEof),
        (reads().reset_midway(), ErrorKind::ConnectionReset),
        (reads().length(5), ErrorKind::UnexpectedEof),
        (reads().after().reset(), ErrorKind::ConnectionReset),
        (reads().after().close(), ErrorKind::UnexpectedEof),
    ] {
        emulator.fault(fault.clone());
        let error = consumer.try_read().err().expect("no whole answer");
        assert_eq!(error.kind(), kind, "{fault}");
        assert_eq!(consumer.try_read().expect("an answer").status, 200);
    }
}

#[test]
fn the_rest_of_a_body_after_a_short_length_comes_before_the_next_answer() {
    let (emulator, _table, mut consumer) = consumer(1);
    let whole = consumer.try_read().expect("an answer").body;
    emulator.fault(Fault::on(Action::ReadRecords).length(-3));
    let short = consumer.try_read().expect("an answer").body;
    assert_eq!(short.len(), whole.len() - 3);
    let mut rest = [0; 8];
    let (body, uri) = (consumer.read_body(), Action::ReadRecords.uri());
    let headers = consumer.raw.headers(uri, &body);
    consumer.raw.send("POST", uri, &headers, &body);
    consumer.raw.stream.read_exact(&mut rest).expect("bytes");
    assert_eq!(&rest[..3], &whole[whole.len() - 3..]);
    assert_eq!(&rest[3..], b"HTTP/");
}

#[test]
fn an_empty_answer_takes_no_channel_away() {
    let (emulator, _table, mut consumer) = consumer(2);
    let held = consumer.heartbeat().expect("channels");
    assert_eq!(held.len(), 2);
    emulator.fault(Fault::on(Action::Heartbeat).empty());
    assert_eq!(consumer.heartbeat(), Ok(vec![]));
    assert_eq!(consumer.heartbeat(), Ok(held));
}

#[test]
fn a_stale_answer_is_an_earlier_answer_to_the_same_client() {
    let (emulator, _table, mut consumer) = consumer(2);
    let mut other = Raw::new(&emulator);
    let fault = Fault::on(Action::Heartbeat).client(consumer.client.clone());
    emulator.fault(fault.nth(3).stale(2));
    let first = consumer.heartbeat().expect("channels");
    let second = other.connect(&consumer.tunnel, 30);
    other
        .heartbeat(&consumer.tunnel, &second, vec![])
        .expect("none");
    let closing = consumer.heartbeat().expect("channels");
    assert_ne!(closing, first, "one is asked back");
    assert_eq!(consumer.heartbeat(), Ok(first), "stale");
    assert_eq!(consumer.heartbeat(), Ok(closing));
}

#[test]
fn a_duplicate_is_carried_out_twice() {
    let (emulator, _table, mut consumer) = consumer(1);
    emulator.fault(Fault::on(Action::Checkpoint).duplicate());
    let refused = Err("400 OTSSequenceNumberNotMatch".to_owned());
    assert_eq!(consumer.save(1), refused, "the second one's answer");
    assert_eq!(consumer.save(2), Ok(()), "the first one counts");
}

#[test]
fn a_client_expires() {
    let (emulator, _table, mut consumer) = consumer(1);
    let gone = Err("410 OTSResourceGone".to_owned());
    emulator.fault(Fault::on(Action::Checkpoint).after().expire());
    assert_eq!(consumer.save(1), Ok(()));
    assert_eq!(consumer.heartbeat(), gone);
    consumer.client = consumer.raw.connect(&consumer.tunnel, 30);
    assert_eq!(consumer.heartbeat().expect("channels").len(), 1);
    emulator.fault(Fault::on(Action::Heartbeat).expire());
    assert_eq!(consumer.heartbeat(), gone);
    let expired = |event: &&Event| matches!(&event.kind, EventKind::Gone { why, .. } if *why == Departure::Expired);
    assert_eq!(emulator.ledger().events().iter().filter(expired).count(), 2);
}

#[test]
fn a_partition_splits_at_the_nth_record_read() {
    let (emulator, table, mut consumer) = consumer(1);
    emulator.fault(Fault::on(Action::ReadRecords).record(3).split());
    for id in 0..6 {
        table.put([id], [("n", id)]).expect("written");
    }
    assert_eq!(consumer.read(), 2);
    assert_eq!(table.partitions().len(), 1);
    assert_eq!(consumer.read(), 2);
    assert_eq!(table.partitions().len(), 3);
    assert_eq!(consumer.read(), 2, "the parent is read to its end");
    assert_eq!(consumer.token, "finished");
    assert_eq!(emulator.faults()[0].hits, 1);
}

#[test]
fn a_partition_splits_at_the_nth_record_written() {
    let (emulator, table, _consumer) = consumer(1);
    emulator.fault(Fault::on_write("orders").record(3).split());
    emulator.fault(Fault::on_write("elsewhere").split());
    for (id, partitions) in [(1, 1), (2, 1), (3, 3), (4, 3)] {
        table.put([id], [("n", id)]).expect("written");
        assert_eq!(table.partitions().len(), partitions, "{id}");
    }
}

#[test]
fn the_clock_jumps() {
    let clock = EmulatorClock::manual(time::OffsetDateTime::UNIX_EPOCH);
    let builder = Emulator::builder().clock(clock.clone());
    let (emulator, table, raw) = with_orders(builder, 1);
    let mut consumer = Consumer::new(raw);
    emulator.fault(Fault::on_write("orders").jump(Duration::from_secs(20)));
    table.put([1], [("n", 1)]).expect("written");
    assert_eq!(clock.utc().unix_timestamp(), 20);
    assert!(consumer.heartbeat().is_ok(), "20 s of 30 are over");
    let hour = Duration::from_secs(3_600);
    emulator.fault(Fault::on(Action::Heartbeat).jump(hour));
    let gone = Err("410 OTSResourceGone".to_owned());
    assert_eq!(consumer.heartbeat(), gone, "silent for an hour");
    assert_eq!(clock.utc().unix_timestamp(), 3_620);
}

#[test]
fn faults_are_listed_with_their_hits() {
    let (emulator, _table, mut consumer) = consumer(1);
    let script = "readrecords nth=2 times=2 delay 0s\nany chance=0 expire";
    let faults = Fault::parse_script(script).expect("faults");
    faults.into_iter().for_each(|fault| emulator.fault(fault));
    for _ in 0..4 {
        consumer.read();
    }
    let status = |status: &FaultStatus| (status.id, status.seen, status.hits, status.over);
    let listed: Vec<_> = emulator.faults().iter().map(status).collect();
    assert_eq!(listed, [(1, 3, 2, true), (2, 4, 0, false)]);
    emulator.clear_faults();
    assert!(emulator.faults().is_empty());
}
