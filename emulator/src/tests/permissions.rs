//! Access keys: permissions and security tokens.

use super::*;
use tablestore_tunnel::Credentials;

/// The results of all actions on an existing tunnel.
fn outcomes(raw: &mut Raw, tunnel: &str) -> Vec<(Action, String)> {
    let answer = |raw: &mut Raw, action: Action| {
        let body = match action {
            Action::Create => create_request("orders", p::TunnelType::Stream).encode_to_vec(),
            // Field 1 is the id of the tunnel or the name of the table.
            _ => p::ListTunnelRequest {
                table_name: Some(tunnel.into()),
            }
            .encode_to_vec(),
        };
        let answer = raw.post(action.uri(), &body).expect("an answer");
        match p::Error::decode(answer.body.as_slice()) {
            Ok(error) if answer.status != 200 => format!("{} {}", answer.status, error.code),
            _ => answer.status.to_string(),
        }
    };
    let actions = Action::ALL.into_iter();
    actions
        .map(|action| (action, answer(raw, action)))
        .collect()
}

#[test]
fn a_key_may_send_only_the_allowed_actions() {
    let credentials = |permission: Permission| Credentials::new(format!("{permission:?}"), "s");
    let mut builder = Emulator::builder();
    for permission in Permission::ALL {
        builder = builder.key(AccessKey::new(credentials(permission)).allow_only([permission]));
    }
    let (emulator, _table, mut owner) = with_orders(builder, 1);
    let tunnel = owner.create("orders", p::TunnelType::Stream);
    let mut allowed = 0;
    for permission in Permission::ALL {
        let mut raw = Raw::with_key(&emulator, credentials(permission));
        for (action, outcome) in outcomes(&mut raw, &tunnel) {
            let denied = outcome == "403 OTSPermissionDenied";
            assert_eq!(denied, Permission::of(action) != permission, "{action}");
            allowed += usize::from(!denied);
        }
    }
    assert_eq!(allowed, Action::ALL.len(), "each by one permission");
}

#[test]
fn a_temporary_key_needs_its_token_and_other_keys_must_not_send_one() {
    let temporary = || Credentials::new("STS.id", "secret");
    let key = AccessKey::new(temporary().security_token("token"));
    let (emulator, _table, _raw) = with_orders(Emulator::builder().key(key), 1);
    let fixed = Credentials::new(emulator.access_key_id(), emulator.access_key_secret());
    let failed = Err("403 OTSAuthFailed".to_owned());
    for (credentials, expected) in [
        (temporary().security_token("token"), Ok(())),
        (temporary().security_token("other"), failed.clone()),
        (temporary(), failed.clone()),
        (fixed.clone(), Ok(())),
        (fixed.security_token("token"), failed),
    ] {
        let shown = format!("{credentials:?}");
        let mut raw = Raw::with_key(&emulator, credentials);
        let request = p::ListTunnelRequest::default();
        let answer: Result<p::ListTunnelResponse, _> = raw.ask(Action::List, &request);
        assert_eq!(answer.map(|_| ()), expected, "{shown}");
    }
}

#[test]
fn a_security_token_must_be_signed() {
    let key = Credentials::new("STS.id", "secret").security_token("token");
    let builder = Emulator::builder().key(AccessKey::new(key.clone()));
    let (emulator, _table, _raw) = with_orders(builder, 1);
    let mut unsigned = Raw::with_key(&emulator, Credentials::new("STS.id", "secret"));
    let mut headers = unsigned.headers(Action::List.uri(), b"");
    headers.insert("X-Ots-Ststoken".into(), "token".into());
    unsigned.send("POST", Action::List.uri(), &headers, b"");
    assert_eq!(unsigned.receive().expect("an answer").status, 403);
}

#[test]
fn debug_shows_no_secret_and_no_token() {
    let key = Credentials::new("STS.id", "hidden-secret").security_token("hidden-token");
    let builder = Emulator::builder().key(AccessKey::new(key));
    let shown = format!("{builder:?}");
    assert!(
        shown.contains("STS.id") && !shown.contains("hidden"),
        "{shown}"
    );
}
