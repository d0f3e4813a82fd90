//! The check of a request's date, signature and permissions.

use std::iter;
use std::time::Duration;

use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

use super::{AccessKey, Action, Failure, Request};
use tablestore_tunnel::_wire::{content_md5, secret, security_token, sign::header, signature};
use tablestore_tunnel::Credentials;

/// The settings of the check.
#[derive(Clone, Debug)]
pub(crate) struct AuthSettings {
    /// The name of the instance, which every request must carry.
    pub(crate) instance: String,
    /// The key that the handle shows to its users.
    pub(crate) access_key: AccessKey,
    /// Keys that are accepted as well.
    pub(crate) more_keys: Vec<AccessKey>,
    /// How far a request's date may be from the machine's clock.
    pub(crate) clock_skew: Duration,
}

impl Default for AuthSettings {
    fn default() -> AuthSettings {
        AuthSettings {
            instance: "emulator".to_owned(),
            access_key: AccessKey::new(Credentials::new("emulator-key", "emulator-secret")),
            more_keys: Vec::new(),
            clock_skew: Duration::from_secs(15 * 60),
        }
    }
}

impl AuthSettings {
    /// The accepted key of that id.
    fn key(&self, id: &str) -> Option<&AccessKey> {
        let mut keys = iter::once(&self.access_key).chain(&self.more_keys);
        keys.find(|key| key.credentials().access_key_id() == id)
    }
}

/// The headers that every request must carry.
const REQUIRED: [&str; 6] = [
    header::DATE,
    header::API_VERSION,
    header::ACCESS_KEY_ID,
    header::INSTANCE_NAME,
    header::CONTENT_MD5,
    header::SIGNATURE,
];

/// Checks the headers of a request; `now` is the machine's time. The messages
/// are the service's own, where it documents them.
pub(crate) fn check(
    request: &Request,
    action: Action,
    settings: &AuthSettings,
    now: OffsetDateTime,
) -> Result<(), Failure> {
    let header = |name| request.head.header(name).unwrap_or_default();
    if let Some(name) = REQUIRED.into_iter().find(|name| header(name).is_empty()) {
        return Err(Failure::invalid(format!("Missing header: {name}.")));
    }
    check_date(header(header::DATE), settings, now)?;
    if header(header::CONTENT_MD5) != content_md5(&request.body) {
        return Err(Failure::auth(
            "Mismatch between MD5 value of request body and x-ots-contentmd5 in header.",
        ));
    }
    let key = check_key(request, settings)?;
    if header(header::INSTANCE_NAME) != settings.instance {
        // Terraform's provider searches for exactly these words.
        return Err(Failure::denied("Instance not found"));
    }
    key.allows(action).map_err(|lacking| {
        Failure::denied(format!("the access key has no permission ots:{lacking:?}"))
    })
}

fn check_date(text: &str, settings: &AuthSettings, now: OffsetDateTime) -> Result<(), Failure> {
    let date = parse_date(text);
    let date = date.ok_or_else(|| Failure::invalid(format!("Invalid date format: {text}.")))?;
    if (now - date).unsigned_abs() > settings.clock_skew {
        let message = format!("Mismatch between system time and x-ots-date: {text}.");
        return Err(Failure::auth(message));
    }
    Ok(())
}

/// The key that a request was signed with.
///
/// The documentation does not give the code for a missing, wrong or needless
/// security token. The emulator answers as for a wrong key.
fn check_key<'a>(request: &Request, settings: &'a AuthSettings) -> Result<&'a AccessKey, Failure> {
    let header = |name| request.head.header(name).unwrap_or_default();
    let key = settings.key(header(header::ACCESS_KEY_ID));
    let key = key.ok_or_else(|| Failure::auth("The AccessKeyID does not exist."))?;
    match (security_token(key.credentials()), header(header::STS_TOKEN)) {
        (None, "") => {}
        (None, _) => return Err(Failure::auth("the access key has no security token")),
        (Some(_), "") => return Err(Failure::auth("the access key needs its security token")),
        (Some(expected), given) if expected == given => {}
        (Some(_), _) => return Err(Failure::auth("the security token is not the access key's")),
    }
    if header(header::SIGNATURE) != expected_signature(request, secret(key.credentials())) {
        return Err(Failure::auth("Signature mismatch."));
    }
    Ok(key)
}

/// The signature covers all `x-ots-` headers of the request, because clients send
/// different ones.
fn expected_signature(request: &Request, secret: &str) -> String {
    let headers = request.head.headers.iter();
    let headers = headers.map(|(name, value)| (name.as_str(), value.as_str()));
    signature(secret, &request.head.path, headers)
}

/// Parses `2019-07-10T15:00:00.123Z`, with or without a fraction. The digits of
/// the fraction are ignored, because those of the Go SDK have no meaning.
fn parse_date(text: &str) -> Option<OffsetDateTime> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let small = |number: u16| u8::try_from(number).ok();
    let month = Month::try_from(small(month)?).ok()?;
    let date = Date::from_calendar_date(year.into(), month, small(day)?).ok()?;
    let time = Time::from_hms(small(hour)?, small(minute)?, small(second)?).ok()?;
    Some(PrimitiveDateTime::new(date, time).assume_utc())
}

fn numbers(text: &str, separator: char) -> Option<[u16; 3]> {
    let numbers: Option<Vec<u16>> = text
        .split(separator)
        .map(|part| part.parse().ok())
        .collect();
    numbers?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_to_the_second() {
        let seconds = |text| parse_date(text).map(OffsetDateTime::unix_timestamp);
        let at = Some(1_562_770_800);
        assert_eq!(seconds("2019-07-10T15:00:00.123Z"), at);
        assert_eq!(seconds("2019-07-10T15:00:00.122511Z"), at);
        assert_eq!(seconds("2019-07-10T15:00:00Z"), at);
        for bad in [
            "",
            "2019-07-10 15:00:00Z",
            "2019-13-10T15:00:00Z",
            "2019-07-10T25:00:00Z",
            "2019-07-10T15:00Z",
            "2019-07-10T15:00:00.Z",
            "Wed, 10 Jul 2019 15:00:00 GMT",
        ] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
