//! The smallest and the largest times and numbers, of settings and of clients.

use super::*;

const TIMES: [Duration; 3] = [Duration::ZERO, Duration::from_nanos(1), Duration::MAX];

fn channel_of(id: &str, version: i64, status: p::ChannelStatus) -> p::Channel {
    p::Channel {
        channel_id: id.into(),
        version,
        status: status.into(),
        detail: None,
    }
}

fn ask_rpo(raw: &mut Raw, tunnel: &str) -> p::GetRpoResponse {
    let request = p::GetRpoRequest {
        tunnel_id: Some(tunnel.into()),
        limit: Some(i32::MIN),
    };
    raw.ask(Action::GetRpo, &request).expect("an answer")
}

#[test]
fn each_time_of_the_builder_and_of_tables_can_be_zero_or_the_maximum() {
    for time in TIMES {
        let clock = EmulatorClock::manual(time::macros::datetime!(2026-01-01 00:00 UTC));
        let emulator = Emulator::builder()
            .clock(clock.clone())
            .warm_up(time)
            .retention(time)
            // Less than a few seconds would refuse requests at random.
            .clock_skew(time.max(Duration::from_secs(60)))
            .client_timeout(time)
            .start()
            .expect("an emulator");
        let spec = TableSpec::new("orders").primary_key("id", KeyType::Integer);
        let spec = spec
            .retention(time)
            .time_to_live(time)
            .max_version_offset(time);
        let table = emulator.create_table(spec).expect("a table");
        let mut raw = Raw::new(&emulator);
        let tunnel = raw.create("orders", p::TunnelType::BaseAndStream);
        table.put([1], [("n", 1)]).expect("written");
        let client = raw.connect(&tunnel, 300);
        raw.heartbeat(&tunnel, &client, vec![]).expect("channels");
        clock.advance(Duration::from_secs(1));
        let is_known = raw.heartbeat(&tunnel, &client, vec![]).is_ok();
        assert_eq!(is_known, time == Duration::MAX, "{time:?}");
        let oldest = table.partitions()[0].oldest;
        assert_eq!(oldest == 0, time == Duration::MAX, "{time:?}");
        raw.describe("orders");
        for by in TIMES {
            clock.advance(by);
            clock.advance(by);
            let _ = table.put([2], [("n", 2)]).expect("written");
            raw.describe("orders");
            ask_rpo(&mut raw, &tunnel);
        }
        clock.advance(Duration::MAX);
        table
            .put([3], [("n", 3)])
            .expect("written at the end of time");
        raw.describe("orders");
        ask_rpo(&mut raw, &tunnel);
    }
}

#[test]
fn jumps_and_delays_can_be_zero_or_the_maximum() {
    for time in TIMES {
        let (emulator, _, mut raw) = with_orders(Emulator::builder(), 1);
        emulator.fault(Fault::on(Action::Describe).jump(time));
        raw.create("orders", p::TunnelType::Stream);
        raw.describe("orders");
        emulator.fault(Fault::on(Action::Describe).delay(time));
        if time == Duration::MAX {
            let stopping = emulator.clone();
            let stopper = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(50));
                stopping.stop();
            });
            let body = p::DescribeTunnelRequest::default().encode_to_vec();
            let answer = raw.post(Action::Describe.uri(), &body);
            assert!(answer.is_err(), "the connection ends with the emulator");
            stopper.join().expect("stopped");
        } else {
            raw.describe("orders");
        }
    }
}

#[test]
fn numbers_of_clients_are_answered_however_large() {
    let (emulator, table, mut raw) = with_orders(Emulator::builder(), 1);
    let tunnel = raw.create("orders", p::TunnelType::BaseAndStream);
    for number in [i64::MIN, -1, 0, 1, i64::MAX] {
        let client = raw.connect(&tunnel, number);
        let held = raw.heartbeat(&tunnel, &client, vec![]).expect("channels");
        for channel in &held {
            let id = &channel.channel_id;
            let token = raw.checkpoint(&tunnel, &client, id).checkpoint().to_owned();
            let saved = raw.save(&tunnel, &client, id, &token, number);
            assert_eq!(saved.is_ok(), (0..=1).contains(&number), "{number}");
            for status in [
                p::ChannelStatus::Open,
                p::ChannelStatus::Closing,
                p::ChannelStatus::Close,
                p::ChannelStatus::Terminated,
            ] {
                let report = channel_of(id, number, status);
                raw.heartbeat(&tunnel, &client, vec![report])
                    .expect("channels");
            }
        }
        let partition = table.partitions()[0].id.clone();
        table.trim(&partition, 0).expect("nothing to drop");
        ask_rpo(&mut raw, &tunnel);
        let request = p::ShutdownRequest {
            tunnel_id: tunnel.clone(),
            client_id: client,
        };
        let _: p::ShutdownResponse = raw.ask(Action::Shutdown, &request).expect("gone");
    }
    let partition = table.partitions()[0].id.clone();
    table.trim(&partition, u64::MAX).expect("all dropped");
    assert!(emulator.clock().utc().year() >= 2026);
}

#[test]
fn stream_offsets_are_refused_or_kept_however_large() {
    let (_, _, mut raw) = with_orders(Emulator::builder(), 1);
    for (start, end) in [
        (u64::MAX, 0),
        (1, u64::MAX),
        (0, u64::MAX),
        (u64::MAX, u64::MAX),
    ] {
        let mut request = create_request("orders", p::TunnelType::Stream);
        request.tunnel.stream_tunnel_config = Some(p::StreamTunnelConfig {
            flag: None,
            start_offset: Some(start),
            end_offset: Some(end),
        });
        let created: Result<p::CreateTunnelResponse, _> = raw.ask(Action::Create, &request);
        assert_eq!(created.is_ok(), start == 0, "{created:?}");
    }
    raw.describe("orders");
}
