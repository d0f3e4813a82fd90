//! What the HTTP side makes of servers that answer, fail and misbehave.

use std::collections::HashSet;
use std::error::Error as _;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::{ANY_SIZE, *};
use crate::credentials::Credentials;
use crate::error::ErrorCode;
use crate::http::request::sign;
use crate::http::retry::{Repeat, Schedule, retry};
use crate::http::test_server::{Request, Step, TestServer};
use crate::vectors::{self, Exchange};

fn list_body() -> Vec<u8> {
    let tunnel = p::TunnelInfo {
        tunnel_id: "t-1".into(),
        tunnel_type: "Stream".into(),
        table_name: "a".into(),
        stage: "ProcessStream".into(),
        ..Default::default()
    };
    let tunnels = vec![tunnel];
    p::ListTunnelResponse { tunnels }.encode_to_vec()
}

fn ok() -> Step {
    Step::Answer(200, "", list_body())
}

fn service_error(status: u16, code: &str) -> Step {
    let error = p::Error {
        code: code.into(),
        message: Some("said so".into()),
        tunnel_id: None,
    };
    Step::Answer(status, "", error.encode_to_vec())
}

pub(crate) fn api(server: &TestServer, config: TunnelConfig) -> HttpApi {
    let credentials = Credentials::new("id", "secret").security_token("sts");
    api_with(server, credentials, config)
}

fn api_with(
    server: &TestServer,
    credentials: impl CredentialsProvider + 'static,
    config: TunnelConfig,
) -> HttpApi {
    let endpoint = Endpoint::new(&server.url(), "inst").expect("an endpoint");
    HttpApi::new(endpoint, Arc::new(credentials), config).expect("an api")
}

fn list(api: &HttpApi) -> Answer<p::ListTunnelResponse> {
    let table_name = Some("a".into());
    api.list(&p::ListTunnelRequest { table_name })
}

fn read(api: &HttpApi) -> Result<RawBatch, TunnelError> {
    let request = p::ReadRecordsRequest {
        tunnel_id: "t".into(),
        client_id: "c".into(),
        channel_id: "ch".into(),
        token: "token".into(),
    };
    api.read_records(&request, ANY_SIZE)
}

fn expected_signature(request: &Request, secret: &str) -> String {
    let headers = request.headers.iter();
    let headers = headers.map(|(name, value)| (name.as_str(), value.as_str()));
    sign::signature(secret, &request.uri, headers)
}

#[test]
fn an_answer_comes_with_its_request_id() {
    let server = TestServer::start([ok()]);
    let answer = list(&api(&server, TunnelConfig::new())).expect("an answer");
    assert_eq!(answer.message.tunnels[0].tunnel_id, "t-1");
    assert_eq!(answer.request_id, "req-200");
}

#[test]
fn a_request_is_signed_with_token_and_added_headers() {
    let server = TestServer::start([ok()]);
    let config = TunnelConfig::new().header("X-Ots-Sourceip", "10.1.2.3");
    list(&api(&server, config)).expect("an answer");
    let request = server.next_request();
    assert_eq!(request.uri, "/tunnel/list");
    assert_eq!(request.body, b"\n\x01a");
    for (name, value) in [
        ("x-ots-accesskeyid", "id"),
        ("x-ots-instancename", "inst"),
        ("x-ots-ststoken", "sts"),
        ("x-ots-sourceip", "10.1.2.3"),
        ("user-agent", USER_AGENT),
    ] {
        assert_eq!(request.header(name), Some(value), "{name}");
    }
    let signature = expected_signature(&request, "secret");
    assert_eq!(request.header("x-ots-signature"), Some(signature.as_str()));
    assert_eq!(
        request.header("x-ots-contentmd5"),
        Some(sign::content_md5(&request.body).as_str())
    );
}

#[test]
fn every_attempt_is_signed_afresh_with_credentials_of_its_own() {
    let busy = || service_error(503, "OTSTunnelServerUnavailable");
    let server = TestServer::start([busy(), busy(), ok()]);
    let asked = AtomicUsize::new(0);
    let provider = move || {
        let n = asked.fetch_add(1, Ordering::Relaxed);
        Ok(Credentials::new(format!("id-{n}"), format!("secret-{n}")))
    };
    let api = api_with(&server, provider, TunnelConfig::new());
    let attempts = [(); 3].map(|()| {
        // The date header counts milliseconds.
        let before = clock::utc().millisecond();
        while clock::utc().millisecond() == before {
            thread::yield_now();
        }
        list(&api)
    });
    assert_eq!(attempts.map(|answer| answer.is_ok()), [false, false, true]);
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    for (n, request) in requests.iter().enumerate() {
        let id = format!("id-{n}");
        assert_eq!(request.header("x-ots-accesskeyid"), Some(id.as_str()));
        let signature = expected_signature(request, &format!("secret-{n}"));
        assert_eq!(request.header("x-ots-signature"), Some(signature.as_str()));
    }
    for name in ["x-ots-date", "x-ots-trace-id"] {
        let values: HashSet<_> = requests
            .iter()
            .map(|request| request.header(name))
            .collect();
        assert_eq!(values.len(), 3, "{name}: {values:?}");
    }
}

type ProviderError = Box<dyn std::error::Error + Send + Sync>;

#[test]
fn what_goes_wrong_in_a_provider_passes_unless_it_says_otherwise() {
    let server = TestServer::start([]);
    let fails = || -> Result<Credentials, ProviderError> { Err("no role here".into()) };
    let panics = || -> Result<Credentials, ProviderError> { panic!("no role here") };
    let never = || -> Result<Credentials, ProviderError> {
        Err(CredentialsError::permanent("no role here").into())
    };
    // A key that no request can be signed with.
    let broken = || -> Result<Credentials, ProviderError> { Ok(Credentials::new("i", "s\n")) };
    let error = |api: HttpApi| list(&api).expect_err("no keys");
    for (error, is_temporary) in [
        (error(api_with(&server, fails, TunnelConfig::new())), true),
        (error(api_with(&server, panics, TunnelConfig::new())), true),
        (error(api_with(&server, never, TunnelConfig::new())), false),
    ] {
        assert_eq!(error.code(), &ErrorCode::ClientError);
        assert!(
            error
                .source()
                .expect("a cause")
                .to_string()
                .contains("no role here")
        );
        assert_eq!(error.is_temporary(), is_temporary, "{error:?}");
        assert!(error.is_not_applied());
    }
    let error = error(api_with(&server, broken, TunnelConfig::new()));
    assert!(
        error
            .message()
            .contains("access key secret ends with a line end")
    );
    assert!(!error.is_temporary());
    assert!(server.requests().is_empty());
}

#[test]
fn every_call_is_one_attempt() {
    let busy = || service_error(503, "OTSTunnelServerUnavailable");
    let server = TestServer::start([busy(), busy(), ok()]);
    let api = api(&server, TunnelConfig::new());
    for error in [list(&api).map(drop), read(&api).map(drop)] {
        let error = error.expect_err("busy");
        assert_eq!(error.code(), &ErrorCode::ServerUnavailable);
        assert!(error.request_id().is_some());
    }
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_read_comes_with_its_request_id() {
    let batch = p::ReadRecordsResponse {
        records: Vec::new(),
        next_token: "next".into(),
        may_more_record: Some(false),
    };
    let server = TestServer::start([Step::Answer(200, "", batch.encode_to_vec())]);
    let batch = read(&api(&server, TunnelConfig::new())).expect("a batch");
    assert_eq!(batch.next_token, "next");
    assert_eq!(batch.request_id, "req-200");
}

fn garbage() -> Step {
    Step::Answer(200, "", vec![0xff; 3])
}

#[test]
fn an_answer_that_cannot_be_read_is_a_failure_that_passes() {
    let server = TestServer::start([garbage()]);
    let request = p::GetCheckpointRequest::default();
    let answer = api(&server, TunnelConfig::new()).get_checkpoint(&request);
    let error = answer.expect_err("garbage");
    assert_eq!(error.code(), &ErrorCode::Malformed);
    assert!(error.is_temporary());
}

#[test]
fn an_incomplete_answer_names_what_is_missing() {
    let server = TestServer::start([Step::Answer(200, "", Vec::new())]);
    let api = api(&server, TunnelConfig::new());
    let request = p::ConnectRequest {
        tunnel_id: "t".into(),
        client_config: None,
    };
    let error = api.connect(&request).expect_err("incomplete");
    assert_eq!(error.code(), &ErrorCode::Malformed);
    assert!(error.message().contains("client_id"), "{error}");
}

#[test]
fn an_empty_answer_is_one() {
    let server = TestServer::start([Step::Answer(204, "", Vec::new())]);
    let api = api(&server, TunnelConfig::new());
    let request = p::ShutdownRequest {
        tunnel_id: "t".into(),
        client_id: "c".into(),
    };
    api.shutdown(&request, attempt(Duration::MAX))
        .expect("an answer");
}

#[test]
fn calls_in_a_row_share_a_connection() {
    let server = TestServer::start((0..5).map(|_| ok()));
    let api = api(&server, TunnelConfig::new());
    for _ in 0..5 {
        list(&api).expect("an answer");
    }
    let connections = server.requests();
    assert!(connections.iter().all(|request| request.connection == 0));
}

#[test]
fn as_many_connections_are_kept_as_are_used_at_once() {
    const AT_ONCE: usize = 24;
    let barrier = Arc::new(Barrier::new(AT_ONCE));
    let together = || Step::Together(Arc::clone(&barrier), list_body());
    let server = TestServer::start((0..3 * AT_ONCE).map(|_| together()));
    let api = api(&server, TunnelConfig::new());
    for _ in 0..3 {
        thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| list(&api).expect("an answer"));
            }
        });
    }
    let requests = server.requests();
    let connections: HashSet<_> = requests.iter().map(|request| request.connection).collect();
    assert_eq!((requests.len(), connections.len()), (3 * AT_ONCE, AT_ONCE));
}

#[test]
fn the_connection_that_was_used_last_is_used_first() {
    let both = Arc::new(Barrier::new(2));
    let together = || Step::Together(both.clone(), list_body());
    let server = TestServer::start([together(), together(), ok(), ok(), ok()]);
    let api = api(&server, TunnelConfig::new());
    thread::scope(|scope| {
        scope.spawn(|| list(&api).expect("one"));
        list(&api).expect("the other");
    });
    for _ in 0..3 {
        list(&api).expect("an answer");
    }
    let connections: Vec<_> = server.requests().iter().map(|r| r.connection).collect();
    assert!(
        connections[3..].iter().all(|c| *c == connections[2]),
        "{connections:?}"
    );
}

#[test]
fn a_connection_that_the_server_closed_meanwhile_does_no_harm() {
    let server = TestServer::start([Step::AnswerAndClose(list_body()), ok()]);
    let api = api(&server, TunnelConfig::new());
    list(&api).expect("an answer");
    // The first attempt may be sent before the connection is closed.
    let listed = retry(&Schedule::META, Repeat::Always, || list(&api));
    listed.expect("another answer");
}

fn attempt(timeout: Duration) -> Attempt {
    Attempt {
        timeout,
        on_new_connection: false,
    }
}

#[test]
fn a_heartbeat_ends_in_its_own_time_and_the_next_can_have_a_new_connection() {
    let both = Arc::new(Barrier::new(2));
    let answer = p::HeartbeatResponse::default().encode_to_vec();
    let server = TestServer::start([
        Step::Together(both.clone(), list_body()),
        Step::Together(both, list_body()),
        Step::Silence,
        Step::Answer(200, "", answer),
    ]);
    // Its request timeout is a minute.
    let api = api(&server, TunnelConfig::new());
    thread::scope(|scope| {
        scope.spawn(|| list(&api).expect("one"));
        list(&api).expect("the other");
    });
    let began = clock::now();
    let request = p::HeartbeatRequest::default();
    let soon = Duration::from_millis(50);
    let silent = api.heartbeat(&request, attempt(soon)).expect_err("silence");
    assert_eq!(silent.code(), &ErrorCode::Network);
    let again = Attempt {
        timeout: Duration::from_secs(60),
        on_new_connection: true,
    };
    api.heartbeat(&request, again).expect("answered");
    assert!(clock::now() - began < Duration::from_secs(30));
    let connections: Vec<_> = server.requests().iter().map(|r| r.connection).collect();
    assert!(connections[2] < 2, "a kept one first, {connections:?}");
    assert_eq!(connections[3], 2, "the other kept one may be as dead");
}

#[test]
fn no_answer_in_time_is_a_network_failure() {
    let server = TestServer::start([Step::Silence]);
    let config = TunnelConfig::new().request_timeout(Duration::from_millis(100));
    let failed = api(&server, config).attempt("/tunnel/list", b"");
    let error = failed.err().expect("no answer");
    assert_eq!(error.code(), &ErrorCode::Network);
    assert!(error.message().contains("timeout"), "{error}");
    assert!(error.is_temporary());
}

#[test]
fn nobody_listening_is_a_network_failure() {
    let server = TestServer::start([]);
    let api = api(&server, TunnelConfig::new());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let url = format!("http://{address}");
    let endpoint = Endpoint::new(&url, "inst").expect("an endpoint");
    let error = HttpApi { endpoint, ..api }.attempt("/tunnel/list", b"");
    let error = error.err().expect("refused");
    assert_eq!(error.code(), &ErrorCode::Network);
    assert!(error.message().contains(&url), "{error}");
    let source = error.source().expect("a cause");
    let source = source
        .downcast_ref::<std::io::Error>()
        .expect("of the system");
    assert_eq!(source.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn a_peer_that_does_not_speak_tls_is_a_network_failure() {
    // Answers a TLS greeting with HTTP.
    let greeting = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = greeting.local_addr().expect("an address");
    let answerer = thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = greeting.accept().expect("a connection");
        let _ = stream.read(&mut [0; 512]);
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .expect("sent");
        // Until the client has had enough, so that nothing is reset.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let endpoint = Endpoint::new(&format!("https://{address}"), "inst").expect("an endpoint");
    let credentials = Arc::new(Credentials::new("id", "secret"));
    let api = HttpApi::new(endpoint, credentials, TunnelConfig::new()).expect("an api");
    let error = api
        .attempt("/tunnel/list", b"")
        .err()
        .expect("no TLS there");
    assert_eq!(error.code(), &ErrorCode::Network, "{error:?}");
    assert!(error.message().contains("TLS"), "{error}");
    assert!(error.is_temporary());
    answerer.join().expect("answerer");
}

#[test]
fn a_body_up_to_the_limit_is_taken_and_a_larger_one_refused() {
    let length = list_body().len();
    for chunked in [false, true] {
        let step = || match chunked {
            true => Step::Chunked(list_body()),
            false => ok(),
        };
        let server = TestServer::start([step(), step()]);
        let limited = |limit| api(&server, TunnelConfig::new().max_response_size(limit));
        list(&limited(length)).expect("an answer");
        let error = list(&limited(length - 1)).expect_err("too large");
        assert_eq!(error.code(), &ErrorCode::ClientError);
        assert!(error.message().contains("max_response_size"), "{error}");
        assert_eq!(server.requests().len(), 2, "tried again");
    }
}

/// An agent with ureq's own defaults.
fn follows_redirects() -> ureq::Agent {
    ureq::Agent::config_builder().proxy(None).build().into()
}

#[test]
fn a_redirect_is_not_followed() {
    let redirect = || Step::Answer(307, "location: /elsewhere\r\n", Vec::new());
    for agent in [None, Some(follows_redirects())] {
        let server = TestServer::start([redirect(), ok()]);
        let config = TunnelConfig {
            agent,
            ..TunnelConfig::new()
        };
        let error = list(&api(&server, config)).expect_err("a redirect");
        assert_eq!(error.code(), &ErrorCode::ClientError);
        assert_eq!(error.http_status(), Some(307));
        assert!(error.message().contains("redirect"), "{error}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn an_agent_of_the_user_changes_nothing_but_the_connections() {
    let server = TestServer::start([
        service_error(503, "OTSTunnelServerUnavailable"),
        ok(),
        service_error(400, "OTSParameterInvalid"),
        Step::Silence,
    ]);
    let config = TunnelConfig::new()
        .agent(follows_redirects())
        .request_timeout(Duration::from_secs(5));
    let api = api(&server, config);
    let busy = list(&api).expect_err("busy");
    assert_eq!(busy.code(), &ErrorCode::ServerUnavailable);
    list(&api).expect("an answer");
    let error = list(&api).expect_err("refused");
    assert_eq!(error.code(), &ErrorCode::ParameterInvalid);
    let requests = server.requests();
    assert!(requests.iter().all(|request| request.connection == 0));
    let short = HttpApi {
        request_timeout: Duration::from_millis(100),
        ..api
    };
    let error = short.attempt("/tunnel/list", b"").err().expect("no answer");
    assert_eq!(error.code(), &ErrorCode::Network);
}

#[test]
fn what_cannot_work_is_refused_when_configured() {
    let server = TestServer::start([]);
    let new = TunnelConfig::new;
    for (config, names) in [
        (new().request_timeout(Duration::ZERO), "request_timeout"),
        (new().connect_timeout(Duration::ZERO), "connect_timeout"),
        (new().max_response_size(0), "max_response_size"),
        (new().max_response_size(usize::MAX), "max_response_size"),
        (new().header("x-ots-a", "b\n"), "ends with a line end"),
        (new().header("x-ots-a", " b"), "begins with a blank"),
        (new().header("content-type", "x"), "content-type"),
        (new().header("x-ots-date", "x"), "x-ots-date"),
    ] {
        let endpoint = Endpoint::new(&server.url(), "inst").expect("an endpoint");
        let credentials = Arc::new(Credentials::new("id", "secret"));
        let error = HttpApi::new(endpoint, credentials, config).expect_err(names);
        assert!(error.message().contains(names), "{error}");
    }
}

#[test]
fn the_longest_timeouts_are_no_limit_and_the_shortest_end_in_an_error() {
    let server = TestServer::start([ok(), ok(), ok(), ok()]);
    let new = TunnelConfig::new;
    let own = || TunnelConfig::agent_config().proxy(None).build().into();
    for config in [
        new().request_timeout(Duration::MAX),
        new().connect_timeout(Duration::MAX),
        new()
            .request_timeout(Duration::MAX)
            .connect_timeout(Duration::MAX)
            .max_retry_elapsed_time(Duration::MAX)
            .max_response_size(MAX_RESPONSE_SIZE),
        new().request_timeout(Duration::MAX).agent(own()),
    ] {
        list(&api(&server, config)).expect("an answer");
    }
    let nanosecond = Duration::from_nanos(1);
    for config in [
        new().request_timeout(nanosecond),
        new().request_timeout(nanosecond).agent(own()),
    ] {
        let error = list(&api(&server, config)).expect_err("too short");
        assert_eq!(error.code(), &ErrorCode::Network);
    }
}

#[test]
fn debug_and_errors_show_no_secret() {
    let server = TestServer::start([service_error(403, "OTSAuthFailed"), Step::Cut(9, vec![])]);
    let credentials = Credentials::new("id", "hidden-1").security_token("hidden-2");
    let config = TunnelConfig::new().header("x-ots-custom", "hidden-3");
    let api = api_with(&server, credentials, config);
    let refused = list(&api).expect_err("refused");
    let cut = api.attempt("/tunnel/list", b"").err().expect("cut");
    let text = format!("{api:?} {refused} {refused:?} {cut} {cut:?}");
    assert!(!text.contains("hidden"), "{text}");
}

#[test]
fn a_host_may_be_given_by_name() {
    let server = TestServer::start([ok(), ok()]);
    let url = server.url().replace("127.0.0.1", "localhost");
    let endpoint = Endpoint::new(&url, "inst").expect("an endpoint");
    let credentials = Arc::new(Credentials::new("id", "secret"));
    let api = HttpApi::new(endpoint, credentials, TunnelConfig::new()).expect("an api");
    list(&api).expect("an answer");
    list(&api).expect("another answer");
}

/// The recorded request, as this crate makes it.
fn repeat(api: &HttpApi, exchange: &Exchange) -> Result<(), TunnelError> {
    fn decoded<M: Message + Default>(exchange: &Exchange) -> M {
        M::decode(exchange.request_body().as_slice()).expect("a request")
    }
    match exchange.uri() {
        "/tunnel/create" => api.create(&decoded(exchange)).map(drop),
        "/tunnel/list" => api.list(&decoded(exchange)).map(drop),
        "/tunnel/describe" => api.describe(&decoded(exchange)).map(drop),
        "/tunnel/getrpo" => api.get_rpo(&decoded(exchange)).map(drop),
        "/tunnel/getrpobyoffset" => api.get_rpo_by_offset(&decoded(exchange)).map(drop),
        "/tunnel/schedule" => api.schedule(&decoded(exchange)).map(drop),
        "/tunnel/connect" => api.connect(&decoded(exchange)).map(drop),
        "/tunnel/heartbeat" => api
            .heartbeat(&decoded(exchange), attempt(Duration::MAX))
            .map(drop),
        "/tunnel/shutdown" => api
            .shutdown(&decoded(exchange), attempt(Duration::MAX))
            .map(drop),
        "/tunnel/getcheckpoint" => api.get_checkpoint(&decoded(exchange)).map(drop),
        "/tunnel/readrecords" => api.read_records(&decoded(exchange), ANY_SIZE).map(drop),
        "/tunnel/checkpoint" => api.checkpoint(&decoded(exchange)).map(drop),
        uri => panic!("no such action: {uri}"),
    }
}

#[test]
fn every_recorded_exchange_goes_as_with_the_go_sdk() {
    let exchanges = vectors::exchanges();
    let answer = |e: &Exchange| Step::Answer(e.status(), "", e.response_body());
    let server = TestServer::start(exchanges.iter().map(answer));
    let api = api(&server, TunnelConfig::new());
    for exchange in &exchanges {
        let outcome = repeat(&api, exchange);
        let code = outcome.err().map(|error| error.code().as_str().to_owned());
        let expected = exchange.error().map(|error| error["code"].as_str());
        assert_eq!(code.as_deref(), expected.flatten(), "{}", exchange.call());
        let request = server.next_request();
        assert_eq!(request.uri, exchange.uri());
        assert_eq!(request.body, exchange.request_body(), "{}", exchange.call());
    }
}

#[test]
fn deleting_goes_to_its_own_place() {
    let server = TestServer::start([Step::Answer(200, "", Vec::new())]);
    let request = p::DeleteTunnelRequest {
        table_name: "a".into(),
        tunnel_name: "b".into(),
        tunnel_id: None,
    };
    let api = api(&server, TunnelConfig::new());
    api.delete(&request).expect("an answer");
    let request = server.next_request();
    assert_eq!(request.uri, "/tunnel/delete");
    assert_eq!(request.body, b"\n\x01a\x12\x01b");
}

/// Bodies of which the buffers are used again.
#[test]
fn a_read_costs_as_many_allocations_however_large_its_answer_is() {
    let answer = |records: usize| {
        let record = p::Record {
            action_type: 1,
            record: vec![0; 1000].into(),
            origin_record: None,
        };
        p::ReadRecordsResponse {
            records: vec![record; records],
            next_token: "next".into(),
            may_more_record: None,
        }
        .encode_to_vec()
    };
    let sizes = [100, 4000, 100, 4000];
    let steps = sizes.map(|records| Step::Answer(200, "", answer(records)));
    let server = TestServer::start(steps);
    let api = api(&server, TunnelConfig::new());
    let costs = sizes.map(|records| {
        let mut batch = None;
        let cost = allocation_counter::measure(|| batch = Some(read(&api)));
        let batch = batch.expect("read").expect("a batch");
        assert_eq!(batch.record_count, records);
        cost.count_total
    });
    let [_, _, small, large] = costs;
    assert!(large <= small, "{costs:?}");
    assert!(large <= 120, "{costs:?}");
}
