//! Rules on who may read, save and report, and when.

use super::*;

#[test]
fn a_correct_client_breaks_no_rule() {
    let verdict = verdict(steps([
        opened(),
        at(1, processed(0, 10)),
        at(1, save(Some(10))),
        at(5, heartbeat(&[(1, Open)], &[(2, Closing)])),
        at(6, read(10, 20)),
        at(6, processed(10, 20)),
        at(6, save(Some(20))),
        at(7, heartbeat(&[(3, Close)], &[])),
        at(8, heartbeat(&[], &[(3, Open)])),
        at(8, begin("x", 20)),
        at(8, read(20, 20)),
        at(9, read_end(20, 100)),
        at(9, processed(20, 100)),
        at(9, save(None)),
        at(10, heartbeat(&[(4, Terminated)], &[])),
        at(
            11,
            [
                received("bye", Action::Shutdown, "x"),
                gone("x", Departure::ShutDown),
            ],
        ),
    ]));
    assert_eq!(findings(&verdict), [], "{verdict}");
}

#[test]
fn read_not_owned() {
    let other = || at(0, [connected("y")]);
    violates(
        Rule::ReadNotOwned,
        [
            other(),
            at(1, begin("y", 0)),
            at(1, read_as("r", "y", 0, 10, false)),
        ],
        [
            other(),
            at(1, heartbeat_as("b", "y", &[], &[(1, Open)])),
            at(1, begin("y", 0)),
            at(1, read_as("r", "y", 0, 10, false)),
        ],
    );
}

#[test]
fn save_not_owned() {
    let saved = |client: &'static str| at(1, [received("s", Action::Checkpoint, client)]);
    violates(
        Rule::SaveNotOwned,
        [at(0, [connected("y")]), saved("y")],
        [saved("x")],
    );
}

#[test]
fn read_after_close() {
    let close = || at(2, heartbeat(&[(2, Close)], &[]));
    violates(
        Rule::ReadAfterClose,
        [close(), at(4, read(10, 20))],
        // The channel is assigned again, so the client reads again.
        [
            close(),
            at(3, heartbeat(&[], &[(2, Open)])),
            at(4, begin("x", 0)),
            at(4, read(0, 20)),
        ],
    );
}

#[test]
fn requests_on_their_way_are_only_remarks() {
    finds(
        Rule::ReadAfterClose,
        Severity::Remark,
        [at(2, heartbeat(&[(2, Close)], &[])), at(3, read(10, 20))],
        // The request came in before, and was carried out after.
        [
            at(2, [received("slow", Action::ReadRecords, "x")]),
            at(2, heartbeat(&[(2, Close)], &[])),
            at(9, read(10, 20)[1..].to_vec()),
        ],
    );
}

#[test]
fn save_after_close() {
    violates(
        Rule::SaveAfterClose,
        [at(2, heartbeat(&[(2, Close)], &[])), at(4, save(Some(10)))],
        [at(2, save(Some(10))), at(2, heartbeat(&[(2, Close)], &[]))],
    );
}

#[test]
fn read_after_loss() {
    // The answer to the heartbeat leaves the channel out.
    let taken = || at(2, heartbeat_as("lost", "x", &[(1, Open)], &[]));
    violates(
        Rule::ReadAfterLoss,
        [taken(), at(4, read(10, 20))],
        // The client did not receive this answer.
        [taken(), at(2, [faulted("lost")]), at(4, read(10, 20))],
    );
}

#[test]
fn save_after_loss() {
    let refused = |code| {
        at(
            2,
            [
                received("b", Action::Heartbeat, "x"),
                answered("b", 410, Some(code)),
            ],
        )
    };
    for lives_on in [
        "OTSTunnelServerUnavailable",
        "OTSAuthFailed",
        "OTSSomethingNew",
    ] {
        violates(
            Rule::SaveAfterLoss,
            [refused("OTSResourceGone"), at(4, save(Some(10)))],
            [refused(lives_on), at(4, save(Some(10)))],
        );
    }
    // The client did not receive this answer.
    violates(
        Rule::SaveAfterLoss,
        [refused("OTSResourceGone"), at(4, save(Some(10)))],
        [
            at(2, [faulted("b")]),
            refused("OTSResourceGone"),
            at(4, save(Some(10))),
        ],
    );
    violates(
        Rule::SaveAfterLoss,
        [
            at(2, heartbeat(&[(1, Open)], &[(2, Close)])),
            at(4, save(Some(10))),
        ],
        [
            at(2, heartbeat(&[(1, Open)], &[(2, Closing)])),
            at(4, save(Some(10))),
        ],
    );
}

#[test]
fn request_after_shutdown() {
    let bye = || {
        at(
            2,
            [
                received("bye", Action::Shutdown, "x"),
                gone("x", Departure::ShutDown),
            ],
        )
    };
    violates(
        Rule::RequestAfterShutdown,
        [bye(), at(4, read(10, 20))],
        [at(2, read(10, 20)), bye()],
    );
    finds(
        Rule::RequestAfterShutdown,
        Severity::Remark,
        [bye(), at(2, [received("late", Action::Checkpoint, "x")])],
        [bye()],
    );
}
