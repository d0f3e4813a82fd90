//! Answers that are read past the HTTP client, and those around them.

use super::*;
use crate::error::ErrorCode;
use crate::http::service::tests::api;
use crate::http::test_server::{Step, TestServer};

const LARGE: usize = 16 << 10;

fn body(len: usize) -> Vec<u8> {
    (0..len).map(|place| (place * 31 / 7) as u8).collect()
}

fn answer(len: usize) -> Step {
    Step::Answer(200, "", body(len))
}

fn read(api: &HttpApi) -> Result<Bytes, TunnelError> {
    api.attempt("/tunnel/list", b"").map(|reply| reply.body)
}

fn connections(server: &TestServer) -> Vec<usize> {
    server.requests().iter().map(|r| r.connection).collect()
}

#[test]
fn all_sizes_are_read_whole_over_one_connection() {
    let sizes = [
        0,
        1,
        LARGE - 1,
        LARGE,
        LARGE + 1,
        100_000,
        3 << 20,
        5,
        LARGE,
    ];
    let server = TestServer::start(sizes.map(answer));
    let api = api(&server, TunnelConfig::new());
    for size in sizes {
        assert_eq!(read(&api).expect("an answer"), body(size), "{size} bytes");
    }
    assert_eq!(connections(&server), [0; 9]);
}

#[test]
fn a_user_s_agent_reads_them_as_well() {
    let server = TestServer::start([answer(LARGE), answer(LARGE)]);
    let agent = TunnelConfig::agent_config().proxy(None).build();
    let api = api(&server, TunnelConfig::new().agent(agent.into()));
    for _ in 0..2 {
        assert_eq!(read(&api).expect("an answer"), body(LARGE));
    }
    assert_eq!(connections(&server), [0; 2]);
}

#[test]
fn one_in_chunks_is_read_as_well() {
    let server = TestServer::start([Step::Chunked(body(LARGE)), answer(LARGE)]);
    let api = api(&server, TunnelConfig::new());
    for _ in 0..2 {
        assert_eq!(read(&api).expect("an answer"), body(LARGE));
    }
}

#[test]
fn one_that_is_an_error_tells_so() {
    let server = TestServer::start([Step::Answer(503, "", body(LARGE)), answer(LARGE)]);
    let api = api(&server, TunnelConfig::new());
    let error = read(&api).expect_err("an error");
    assert_eq!(error.http_status(), Some(503));
    read(&api).expect("an answer");
    assert_eq!(connections(&server), [0; 2]);
}

#[test]
fn one_that_is_cut_is_a_network_failure() {
    let server = TestServer::start([Step::Cut(2 * LARGE, body(LARGE)), answer(LARGE)]);
    let api = api(&server, TunnelConfig::new());
    let error = read(&api).expect_err("cut");
    assert_eq!(error.code(), &ErrorCode::Network, "{error}");
    read(&api).expect("an answer");
    assert_eq!(connections(&server), [0, 1]);
}

#[test]
fn one_that_does_not_go_on_ends_in_time() {
    let server = TestServer::start([Step::Stall(2 * LARGE, body(LARGE)), answer(LARGE)]);
    let timeout = Duration::from_millis(200);
    let api = api(&server, TunnelConfig::new().request_timeout(timeout));
    let began = clock::now();
    let error = read(&api).expect_err("stalled");
    assert_eq!(error.code(), &ErrorCode::Network, "{error}");
    assert!(error.message().contains("timeout"), "{error}");
    assert!(clock::now() - began >= timeout, "never early");
    read(&api).expect("an answer");
    assert_eq!(connections(&server), [0, 1]);
}

#[test]
fn nothing_is_sent_over_a_connection_that_the_server_closes() {
    let last = Step::Answer(200, "connection: Close\r\n", body(LARGE));
    let server = TestServer::start([last, answer(LARGE)]);
    let api = api(&server, TunnelConfig::new());
    for _ in 0..2 {
        assert_eq!(read(&api).expect("an answer"), body(LARGE));
    }
    assert_eq!(connections(&server), [0, 1]);
}

#[test]
fn nothing_is_sent_over_a_connection_with_bytes_that_nobody_asked_for() {
    for more in [1, LARGE] {
        let server = TestServer::start([Step::Stall(LARGE, body(LARGE + more)), answer(LARGE)]);
        let api = api(&server, TunnelConfig::new());
        for _ in 0..2 {
            assert_eq!(read(&api).expect("an answer"), body(LARGE));
        }
        assert_eq!(connections(&server), [0, 1], "{more} bytes");
    }
}

#[test]
fn one_that_there_is_no_room_for_is_left_with_its_connection() {
    let server = TestServer::start([answer(3 << 20), answer(LARGE)]);
    let api = api(&server, TunnelConfig::new());
    let refuse = |len: usize| Err(TunnelError::client(format!("no room for {len}")));
    let refused = api.send("/tunnel/list", b"", None, &refuse);
    assert!(
        refused
            .err()
            .expect("refused")
            .message()
            .contains("3145728")
    );
    assert_eq!(read(&api).expect("an answer"), body(LARGE));
    assert_eq!(connections(&server), [0, 1]);
}
