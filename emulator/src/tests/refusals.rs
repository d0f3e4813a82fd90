//! Rejected requests, with their statuses and codes.

use super::raw::date;
use super::*;

#[test]
fn wrong_requests_are_rejected_with_the_documented_codes() {
    let (_emulator, _table, mut raw) = with_orders(Emulator::builder(), 1);
    raw.create("orders", p::TunnelType::Stream);
    let mut create = |table: &str| {
        let request = create_request(table, p::TunnelType::Stream);
        let answer: Result<p::CreateTunnelResponse, _> = raw.ask(Action::Create, &request);
        answer.map(|_| ())
    };
    assert_eq!(create("orders"), Err("409 OTSTunnelExist".to_owned()));
    assert_eq!(create("other"), Err("400 OTSParameterInvalid".to_owned()));
    let gone = raw.heartbeat("no such tunnel", "x", vec![]);
    assert_eq!(gone, Err("400 OTSParameterInvalid".to_owned()));

    let uri = Action::List.uri();
    let good = raw.headers(uri, b"");
    let with = |name: &str, value: &str, raw: &Raw| {
        let mut headers = good.clone();
        headers.insert(name.into(), value.into());
        if name != "X-Ots-Signature" {
            raw.sign(uri, &mut headers);
        }
        headers
    };
    let cases = [
        ("POST", uri, with("X-Ots-Trace-Id", "t", &raw), (200, "")),
        (
            "POST",
            uri,
            with("X-Ots-Signature", "bad", &raw),
            (403, "OTSAuthFailed"),
        ),
        (
            "POST",
            uri,
            with("X-Ots-Accesskeyid", "bad", &raw),
            (403, "OTSAuthFailed"),
        ),
        (
            "POST",
            uri,
            with("X-Ots-Contentmd5", "bad", &raw),
            (403, "OTSAuthFailed"),
        ),
        (
            "POST",
            uri,
            with("X-Ots-Date", "2001-01-01T00:00:00.000Z", &raw),
            (403, "OTSAuthFailed"),
        ),
        (
            "POST",
            uri,
            with("X-Ots-Date", "yesterday", &raw),
            (400, "OTSParameterInvalid"),
        ),
        (
            "POST",
            uri,
            with("X-Ots-Apiversion", "", &raw),
            (400, "OTSParameterInvalid"),
        ),
        (
            "POST",
            uri,
            with("X-Ots-Instancename", "bad", &raw),
            (403, "OTSPermissionDenied"),
        ),
        (
            "POST",
            "/tunnel/nothing",
            good.clone(),
            (400, "OTSParameterInvalid"),
        ),
        ("GET", uri, good.clone(), (405, "OTSMethodNotAllowed")),
    ];
    for (method, uri, headers, (status, code)) in cases {
        raw.send(method, uri, &headers, b"");
        let answer = raw.receive().expect("an answer");
        assert_eq!(answer.status, status, "{code} {headers:?}");
        if status != 200 {
            let error = p::Error::decode(answer.body.as_slice()).expect("an error");
            assert_eq!(error.code, code);
        }
    }
}

#[test]
fn a_body_may_wait_for_100_continue_and_may_be_too_large() {
    let (_emulator, _table, mut raw) = with_orders(Emulator::builder(), 1);
    let uri = Action::List.uri();
    let body = p::ListTunnelRequest::default().encode_to_vec();
    let padded = [body, vec![0x12, 1, b'x']].concat();
    let mut headers = raw.headers(uri, &padded);
    headers.insert("Expect".into(), "100-continue".into());
    let head = |headers: &BTreeMap<String, String>, length: usize| {
        let lines = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"));
        format!(
            "POST {uri} HTTP/1.1\r\nContent-Length: {length}\r\n{}\r\n",
            lines.collect::<String>()
        )
    };
    raw.stream
        .write_all(head(&headers, padded.len()).as_bytes())
        .expect("sent");
    let mut word = [0; 25];
    raw.stream.read_exact(&mut word).expect("a word");
    assert_eq!(&word, b"HTTP/1.1 100 Continue\r\n\r\n");
    raw.stream.write_all(&padded).expect("sent");
    assert_eq!(raw.receive().expect("an answer").status, 200);

    // The client sends all of it before it reads the answer.
    let long = vec![b'x'; 6 << 20];
    let sent = raw
        .stream
        .write_all(&[head(&BTreeMap::new(), long.len()).as_bytes(), &long].concat());
    sent.expect("taken, though not looked at");
    let answer = raw.receive().expect("an answer");
    let error = p::Error::decode(answer.body.as_slice()).expect("an error");
    assert_eq!(
        (answer.status, error.code.as_str()),
        (413, "OTSRequestBodyTooLarge")
    );
}

#[test]
fn a_date_may_be_wrong_by_a_quarter_of_an_hour() {
    let (_emulator, _table, mut raw) = with_orders(Emulator::builder(), 1);
    let uri = Action::List.uri();
    for (minutes, fine) in [
        (-16, false),
        (-14, true),
        (0, true),
        (14, true),
        (16, false),
    ] {
        let mut headers = raw.headers(uri, b"");
        let now = time::OffsetDateTime::now_utc() + time::Duration::minutes(minutes);
        headers.insert("X-Ots-Date".into(), date(now));
        raw.sign(uri, &mut headers);
        raw.send("POST", uri, &headers, b"");
        let answer = raw.receive().expect("an answer");
        assert_eq!(answer.status == 200, fine, "{minutes}");
        if !fine {
            let error = p::Error::decode(answer.body.as_slice()).expect("an error");
            assert_eq!((answer.status, error.code.as_str()), (403, "OTSAuthFailed"));
        }
    }
}

#[test]
fn a_body_must_be_the_signed_one_and_the_actions_message() {
    let (_emulator, _table, mut raw) = with_orders(Emulator::builder(), 1);
    let body = create_request("orders", p::TunnelType::Stream).encode_to_vec();
    let uri = Action::Create.uri();
    let mut changed = body.clone();
    changed[3] ^= 1;
    let broken = &body[..body.len() - 1];
    let signed_whole = raw.headers(uri, &body);
    let signed_broken = raw.headers(uri, broken);
    for (headers, body, expected) in [
        (&signed_whole, &changed[..], (403, "OTSAuthFailed")),
        (&signed_broken, broken, (400, "OTSParameterInvalid")),
    ] {
        raw.send("POST", uri, headers, body);
        let answer = raw.receive().expect("an answer");
        let error = p::Error::decode(answer.body.as_slice()).expect("an error");
        assert_eq!((answer.status, error.code.as_str()), expected);
    }
    raw.create("orders", p::TunnelType::Stream);
}
