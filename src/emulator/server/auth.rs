//! Whether a request says who it is from, and proves it.

use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

use super::request::Request;
use crate::api::sign::{content_md5, header, signature};
use crate::emulator::failure::Failure;
use crate::emulator::settings::Settings;

/// What every request must carry.
const REQUIRED: [&str; 6] = [
    header::DATE,
    header::API_VERSION,
    header::ACCESS_KEY_ID,
    header::INSTANCE_NAME,
    header::CONTENT_MD5,
    header::SIGNATURE,
];

/// Checks the headers of a request; `now` on the machine's clock.
pub(super) fn check(
    request: &Request,
    settings: &Settings,
    now: OffsetDateTime,
) -> Result<(), Failure> {
    let header = |name| request.head.header(name).unwrap_or_default();
    if let Some(name) = REQUIRED.into_iter().find(|name| header(name).is_empty()) {
        return Err(Failure::invalid(format!("missing header: {name}")));
    }
    let date = parse_date(header(header::DATE))
        .ok_or_else(|| Failure::invalid("invalid date in header x-ots-date"))?;
    if (now - date).unsigned_abs() > settings.clock_skew {
        return Err(Failure::auth("the date is too far from the server's"));
    }
    if header(header::CONTENT_MD5) != content_md5(&request.body) {
        return Err(Failure::auth("the body does not have that MD5"));
    }
    if header(header::ACCESS_KEY_ID) != settings.access_key_id {
        return Err(Failure::auth("unknown access key id"));
    }
    if header(header::SIGNATURE) != expected_signature(request, settings) {
        return Err(Failure::auth("the signature does not match"));
    }
    if header(header::INSTANCE_NAME) != settings.instance {
        return Err(Failure::denied("Instance not found"));
    }
    Ok(())
}

/// Over all `x-ots-` headers that came, since clients differ in what they send.
fn expected_signature(request: &Request, settings: &Settings) -> String {
    let headers = request.head.headers.iter();
    let headers = headers.map(|(name, value)| (name.as_str(), value.as_str()));
    signature(&settings.access_key_secret, &request.head.path, headers)
}

/// `2019-07-10T15:00:00.123Z`, with any or no fraction, whose digits are not
/// looked at: the Go SDK's mean nothing.
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
