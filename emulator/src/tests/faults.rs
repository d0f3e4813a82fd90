//! Faults at a client's connection.

use super::*;

#[test]
fn faults_hit_the_chosen_requests() {
    let (emulator, _table, mut raw) = with_orders(Emulator::builder(), 1);
    let tunnel = raw.create("orders", p::TunnelType::Stream);
    let client = raw.connect(&tunnel, 30);
    let channel = raw
        .heartbeat(&tunnel, &client, vec![])
        .expect("channels")
        .remove(0)
        .channel_id;
    let token = raw
        .checkpoint(&tunnel, &client, &channel)
        .checkpoint
        .expect("a token");
    let read = p::ReadRecordsRequest {
        tunnel_id: tunnel.clone(),
        client_id: client.clone(),
        channel_id: channel.clone(),
        token: token.clone(),
    }
    .encode_to_vec();
    let uri = Action::ReadRecords.uri();

    emulator.fault(Fault::on(Action::ReadRecords).nth(2).fail(
        503,
        "OTSTunnelServerUnavailable",
        "busy",
    ));
    let statuses = [0; 3].map(|_| raw.post(uri, &read).expect("an answer").status);
    assert_eq!(statuses, [200, 503, 200]);

    emulator.fault(Fault::on(Action::ReadRecords).reset());
    let error = raw.post(uri, &read).err().expect("no answer");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);

    let mut raw = Raw::new(&emulator);
    emulator.fault(Fault::on(Action::ReadRecords).cut());
    let error = raw.post(uri, &read).err().expect("half an answer");
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);

    let mut raw = Raw::new(&emulator);
    emulator.fault(Fault::on(Action::Checkpoint).after().close());
    let save = p::CheckpointRequest {
        tunnel_id: tunnel.clone(),
        client_id: client.clone(),
        channel_id: channel.clone(),
        checkpoint: token.clone(),
        sequence_number: 1,
    };
    let lost = raw.post(Action::Checkpoint.uri(), &save.encode_to_vec());
    assert!(lost.is_err());
    let mut raw = Raw::new(&emulator);
    assert_eq!(
        raw.checkpoint(&tunnel, &client, &channel).sequence_number(),
        1,
        "applied, answer lost"
    );

    emulator.fault(Fault::on(Action::ReadRecords).garbage());
    let answer = raw.post(uri, &read).expect("an answer");
    assert!(p::ReadRecordsResponse::decode(answer.body.as_slice()).is_err());
    let faulted = |event: &&Event| matches!(event.kind, EventKind::Faulted { .. });
    assert_eq!(emulator.ledger().events().iter().filter(faulted).count(), 5);
}

#[test]
fn a_channel_is_taken_as_the_fault_says_and_comes_back() {
    for (notice, answered) in [
        (Notice::Missing, None),
        (Notice::Close, Some(p::ChannelStatus::Close)),
        (Notice::Terminated, Some(p::ChannelStatus::Terminated)),
    ] {
        let (emulator, _table, mut raw) = with_orders(Emulator::builder(), 2);
        let tunnel = raw.create("orders", p::TunnelType::Stream);
        let client = raw.connect(&tunnel, 30);
        let held = raw.heartbeat(&tunnel, &client, vec![]).expect("channels");
        let (victim, other) = (held[0].clone(), held[1].clone());
        let fault = Fault::on(Action::Heartbeat);
        emulator.fault(fault.take(victim.channel_id.clone(), notice));
        let answer = raw.heartbeat(&tunnel, &client, held).expect("an answer");
        assert!(answer.contains(&other));
        let lost = answer.iter().find(|c| c.channel_id == victim.channel_id);
        assert_eq!(lost.map(p::Channel::status), answered);
        // There is no other client, so it comes back with the next version.
        let answer = raw.heartbeat(&tunnel, &client, answer).expect("an answer");
        let back = answer.iter().find(|c| c.channel_id == victim.channel_id);
        let back = back.map(|channel| (channel.version, channel.status()));
        assert_eq!(back, Some((victim.version + 1, p::ChannelStatus::Open)));
        let fault = Fault::on(Action::Heartbeat);
        emulator.fault(fault.take_all(Notice::Missing));
        assert_eq!(raw.heartbeat(&tunnel, &client, vec![]), Ok(vec![]));
    }
}

#[test]
fn stopping_does_not_wait_for_delays() {
    let (emulator, _table, mut raw) = with_orders(Emulator::builder(), 1);
    let (signal, waiting) = std::sync::mpsc::channel();
    emulator.fault(Fault::on(Action::List).delay(Duration::from_secs(3_600)));
    let client = std::thread::spawn(move || {
        let body = p::ListTunnelRequest::default().encode_to_vec();
        let headers = raw.headers(Action::List.uri(), &body);
        raw.send("POST", Action::List.uri(), &headers, &body);
        signal.send(()).expect("sent");
        raw.receive().is_ok()
    });
    waiting.recv().expect("sent");
    let begin = Instant::now();
    emulator.stop();
    assert!(begin.elapsed() < Duration::from_secs(10));
    assert!(!client.join().expect("client"));
    let address = emulator.endpoint().trim_start_matches("http://").to_owned();
    assert!(TcpStream::connect(address).is_err());
}
