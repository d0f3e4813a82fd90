//! RPO and Schedule.

use super::*;

#[test]
fn both_rpo_calls_answer_json_and_schedule_moves_channels() {
    let (_emulator, _table, mut raw) = with_orders(Emulator::builder(), 2);
    let tunnel = raw.create("orders", p::TunnelType::Stream);
    let client = raw.connect(&tunnel, 30);
    let held = raw.beat(&tunnel, &client, vec![]).expect("channels");
    let request = p::GetRpoRequest {
        tunnel_id: Some(tunnel.clone()),
        limit: None,
    };
    for action in [Action::GetRpo, Action::GetRpoByOffset] {
        let answer: p::GetRpoResponse = raw.ask(action, &request).expect("an answer");
        assert_eq!(answer.tunnel_id(), tunnel);
        let infos: serde_json::Value = serde_json::from_slice(answer.rpo_infos()).expect("JSON");
        let entry = &infos[&tunnel][&held[0].channel_id];
        assert_eq!(entry["ChannelTyp"], "Stream");
        assert_eq!(entry["Status"], "OPEN");
        let infos: serde_json::Value =
            serde_json::from_slice(answer.tunnel_rpo_infos()).expect("JSON");
        assert_eq!(infos[&tunnel]["Status"], "ProcessStream");
    }
    let mut schedule = |status: p::ChannelStatus| {
        let request = p::ScheduleRequest {
            tunnel_id: tunnel.clone(),
            channels: vec![p::Channel {
                status: status.into(),
                version: 0,
                ..held[0].clone()
            }],
        };
        let _: p::ScheduleResponse = raw.ask(Action::Schedule, &request).expect("scheduled");
        raw.beat(&tunnel, &client, vec![]).expect("channels")
    };
    let suspended = schedule(p::ChannelStatus::Closing);
    assert_eq!(suspended[0].status(), p::ChannelStatus::Closing);
    let ended = schedule(p::ChannelStatus::Terminated);
    assert_eq!(ended.len(), 1);
}
