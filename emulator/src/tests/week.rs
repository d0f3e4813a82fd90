//! Nine days on a clock that is moved by hand, over a socket.

use std::collections::BTreeSet;

use super::raw::consume;
use super::*;

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Rows written each day.
const ROWS: i64 = 10;

struct Week {
    clock: EmulatorClock,
    emulator: Emulator,
    table: Table,
    raw: Raw,
}

impl Week {
    fn begin() -> Week {
        let clock = EmulatorClock::manual(time::OffsetDateTime::now_utc());
        let emulator = Emulator::builder().clock(clock.clone()).start();
        let emulator = emulator.expect("started");
        let spec = TableSpec::new("orders").primary_key("id", KeyType::Integer);
        let table = emulator.create_table(spec.partitions(2)).expect("a table");
        let raw = Raw::new(&emulator);
        Week {
            clock,
            emulator,
            table,
            raw,
        }
    }

    fn create(&mut self, name: &str, kind: p::TunnelType) -> String {
        let mut request = create_request("orders", kind);
        request.tunnel.tunnel_name = name.into();
        let created: p::CreateTunnelResponse =
            self.raw.ask(Action::Create, &request).expect("created");
        created.tunnel_id
    }

    /// Writes the rows of a day, hour by hour.
    fn pass(&mut self, day: i64) {
        for row in 0..ROWS {
            self.clock.advance(DAY / ROWS as u32);
            self.table.put([row], [("day", day)]).expect("written");
        }
        let partitions = self.table.partitions();
        let active: Vec<_> = partitions.iter().filter(|part| part.active).collect();
        match day {
            2 => drop(self.table.split(&active[0].id).expect("a split")),
            4 => drop(
                self.table
                    .merge(&active[1].id, &active[2].id)
                    .expect("a merge"),
            ),
            _ => {}
        }
    }

    /// The number of changes in the logs.
    fn kept(&self) -> u64 {
        let partitions = self.table.partitions().into_iter();
        partitions.map(|part| part.changes - part.oldest).sum()
    }

    /// The clients that were silent for too long, by tunnel.
    fn expired(&self, tunnel: &str) -> usize {
        let ledger = self.emulator.ledger();
        let expired = |event: &&Event| matches!(&event.kind, EventKind::Gone { tunnel: of, why: Departure::Expired, .. } if **of == *tunnel);
        ledger.events().iter().filter(expired).count()
    }
}

#[test]
fn nine_days_of_a_steady_a_late_and_a_slow_consumer() {
    let mut week = Week::begin();
    let steady = week.create("steady", p::TunnelType::Stream);
    let late = week.create("late", p::TunnelType::Stream);
    let slow = week.create("slow", p::TunnelType::BaseAndStream);
    let slow_client = week.raw.connect(&slow, 30 * 24 * 3_600);
    let base = week
        .raw
        .heartbeat(&slow, &slow_client, vec![])
        .expect("channels");
    assert!(
        base.iter()
            .all(|channel| channel.channel_id.starts_with("BaseData_"))
    );

    let mut client = week.raw.connect(&steady, 300);
    let mut channels = BTreeSet::new();
    for day in 0..9 {
        week.pass(day);
        let gone = week.raw.heartbeat(&steady, &client, vec![]);
        assert_eq!(
            gone,
            Err("410 OTSResourceGone".to_owned()),
            "silent all day"
        );
        client = week.raw.connect(&steady, 300);
        let seen = consume(&mut week.raw, &steady, &client);
        let records: usize = seen.iter().map(|(_, records, _)| records).sum();
        assert_eq!(records, 10, "what was written on day {day}");
        channels.extend(seen.into_iter().map(|(channel, ..)| channel));
        let days = u64::try_from(day + 1).expect("a day").min(7);
        let kept = week.kept();
        // The row of exactly a week ago may still be there.
        assert!(
            (days * 10..=days * 10 + 1).contains(&kept),
            "day {day}: {kept}"
        );
    }
    assert_eq!(channels.len(), 2 + 2 + 1, "a split and a merge");
    assert_eq!(week.expired(&steady), 9);

    // Clients that read too late get an error each.
    let client = week.raw.connect(&late, 300);
    let held = week
        .raw
        .heartbeat(&late, &client, vec![])
        .expect("channels");
    let id = &held[0].channel_id;
    let token = week
        .raw
        .checkpoint(&late, &client, id)
        .checkpoint
        .expect("a token");
    let read = p::ReadRecordsRequest {
        tunnel_id: late.clone(),
        client_id: client,
        channel_id: id.clone(),
        token,
    };
    let answer: Result<p::ReadRecordsResponse, _> = week.raw.ask(Action::ReadRecords, &read);
    assert_eq!(
        answer.err().as_deref(),
        Some("503 OTSTunnelServerUnavailable")
    );

    for channel in &base {
        let (_, finished) = week.raw.drain(&slow, &slow_client, &channel.channel_id);
        assert!(finished);
    }
    let expired = Err("400 OTSTunnelExpired".to_owned());
    assert_eq!(week.raw.heartbeat(&slow, &slow_client, vec![]), expired);

    let list = p::ListTunnelRequest {
        table_name: Some("orders".into()),
    };
    let listed: p::ListTunnelResponse = week.raw.ask(Action::List, &list).expect("listed");
    let expired = listed
        .tunnels
        .iter()
        .map(|tunnel| (tunnel.tunnel_name(), tunnel.expired()));
    let mut expired: Vec<_> = expired.collect();
    expired.sort_unstable();
    assert_eq!(expired, [("late", true), ("slow", true), ("steady", false)]);
    assert_eq!(week.emulator.ledger().violations(), []);
}
