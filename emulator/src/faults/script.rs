//! Faults as text: the parser of [`Fault::parse_script`], and `Display`.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use super::json::{self, ANY};
use super::target::{Chance, FaultTarget, On};
use super::words::{Word, Words, quoted};
use super::{Effect, Fault, Notice};
use crate::duration;

/// An error in a fault script: its place, and what was expected there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultScriptError {
    line: usize,
    column: usize,
    expected: String,
    found: String,
}

impl FaultScriptError {
    pub(super) fn new(line: usize, column: usize, expected: &str, found: &str) -> FaultScriptError {
        FaultScriptError {
            line,
            column,
            expected: expected.to_owned(),
            found: found.to_owned(),
        }
    }

    /// The line, counted from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The column in characters, counted from 1.
    pub fn column(&self) -> usize {
        self.column
    }
}

impl fmt::Display for FaultScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FaultScriptError {
            line,
            column,
            expected,
            found,
        } = self;
        write!(
            f,
            "line {line}, column {column}: expected {expected}, found {found}"
        )
    }
}

impl Error for FaultScriptError {}

impl FromStr for Fault {
    type Err = FaultScriptError;

    /// Parses one line of a script; see [`Fault::parse_script`].
    fn from_str(text: &str) -> Result<Fault, FaultScriptError> {
        fault(Words::parse(1, text)?)
    }
}

pub(super) fn parse(text: &str) -> Result<Vec<Fault>, FaultScriptError> {
    let mut faults = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let words = Words::parse(number, line)?;
        if !words.is_empty() {
            faults.push(fault(words)?);
        }
    }
    Ok(faults)
}

fn fault(mut words: Words) -> Result<Fault, FaultScriptError> {
    let start = words.next("an action, any or write")?;
    let mut target = FaultTarget::new(on(&start, &mut words)?);
    options(&mut target, &mut words)?;
    let before = words.take("before");
    target.after = !before && words.take("after");
    let name = words.next("the effect of the fault, such as reset")?;
    let effect = effect(&name, &mut words)?;
    words.finish()?;
    if before && (effect.needs_answer() || target.record.is_some()) {
        return Err(words.wrong(&name, "an effect that can come before the request"));
    }
    let fault = target.with(effect);
    let wrong = |why: String| words.wrong(&start, &format!("a valid fault: {why}"));
    fault.check().map_err(wrong)?;
    Ok(fault)
}

fn on(word: &Word, words: &mut Words) -> Result<On, FaultScriptError> {
    match word.value.as_str() {
        ANY => Ok(On::Any),
        "write" => Ok(On::Write(words.next("the name of a table")?.value)),
        name => {
            let action = json::action(name).map(On::Action);
            action.map_err(|_| words.wrong(word, &format!("any, write or {}", json::actions())))
        }
    }
}

fn options(target: &mut FaultTarget, words: &mut Words) -> Result<(), FaultScriptError> {
    let (mut chance, mut seed) = (None, None);
    while let Some(word) = words.option() {
        match word.key.as_deref().unwrap_or_default() {
            "nth" => target.nth = number(&word, words, 1)?,
            "times" if word.value == "forever" => target.times = Some(u64::MAX),
            "times" => target.times = Some(number(&word, words, 0)?),
            "record" => target.record = Some(number(&word, words, 1)?),
            "chance" => chance = Some(probability(&word, words)?),
            "seed" => seed = Some((number(&word, words, 0)?, word)),
            "client" => target.client = Some(word.value),
            "channel" => target.channel = Some(word.value),
            _ => {
                let known = "one of nth= times= chance= seed= record= client= channel=";
                return Err(words.wrong(&word, known));
            }
        }
    }
    target.chance = match (chance, seed) {
        (None, Some((_, word))) => return Err(words.wrong(&word, "chance= beside seed=")),
        (chance, seed) => chance.map(|probability| Chance {
            probability,
            seed: seed.map_or(0, |(seed, _)| seed),
        }),
    };
    Ok(())
}

fn number(word: &Word, words: &Words, least: u64) -> Result<u64, FaultScriptError> {
    let number = word.value.parse().ok().filter(|number| *number >= least);
    number.ok_or_else(|| words.wrong(word, &format!("a whole number from {least}")))
}

fn probability(word: &Word, words: &Words) -> Result<f64, FaultScriptError> {
    let number = word.value.parse().ok();
    let number = number.filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| words.wrong(word, "a number from 0 to 1"))
}

fn effect(name: &Word, words: &mut Words) -> Result<Effect, FaultScriptError> {
    Ok(match name.value.as_str() {
        "fail" => fail(words)?,
        "delay" => Effect::Delay(time(words)?),
        "reset" => Effect::Reset,
        "close" => Effect::Close,
        "cut" => Effect::Cut,
        "reset-midway" => Effect::ResetMidway,
        "garbage" => Effect::Garbage,
        "empty" => Effect::Empty,
        "length" => Effect::Length(off_by(words)?),
        "stale" if words.is_empty() => Effect::Stale(1),
        "stale" => {
            let word = words.next("a number")?;
            Effect::Stale(number(&word, words, 1)?)
        }
        "duplicate" => Effect::Duplicate,
        "expire" => Effect::Expire,
        "split" => Effect::Split,
        "jump" => Effect::Jump(time(words)?),
        "take" => Effect::Take {
            channel: words.next("the id of a channel")?.value,
            notice: notice(words)?,
        },
        "take-all" => Effect::TakeAll(notice(words)?),
        _ => {
            let known = "before, after, or one of fail, delay, reset, close, cut, reset-midway, \
                         garbage, empty, length, stale, duplicate, expire, split, jump, take, take-all";
            return Err(words.wrong(name, known));
        }
    })
}

fn fail(words: &mut Words) -> Result<Effect, FaultScriptError> {
    let expected = "an HTTP status from 100 to 999";
    let status = words.next(expected)?;
    let number = status.value.parse().ok();
    let number = number.filter(|number| (100..=999).contains(number));
    let code = words.next("an error code, such as OTSTunnelServerUnavailable")?;
    let message = match words.is_empty() {
        true => String::new(),
        false => words.next("a message")?.value,
    };
    Ok(Effect::Fail {
        status: number.ok_or_else(|| words.wrong(&status, expected))?,
        code: code.value,
        message,
    })
}

fn time(words: &mut Words) -> Result<std::time::Duration, FaultScriptError> {
    let word = words.next(duration::EXPECTED)?;
    duration::parse(&word.value).ok_or_else(|| words.wrong(&word, duration::EXPECTED))
}

fn off_by(words: &mut Words) -> Result<i64, FaultScriptError> {
    let expected = "the number of bytes by which the length is wrong, such as +5 or -3";
    let word = words.next(expected)?;
    word.value.parse().map_err(|_| words.wrong(&word, expected))
}

fn notice(words: &mut Words) -> Result<Notice, FaultScriptError> {
    let expected = "missing, close or terminated";
    let word = words.next(expected)?;
    match word.value.as_str() {
        "missing" => Ok(Notice::Missing),
        "close" => Ok(Notice::Close),
        "terminated" => Ok(Notice::Terminated),
        _ => Err(words.wrong(&word, expected)),
    }
}

impl fmt::Display for Fault {
    /// Writes the fault as a line of a script.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after =
            self.target.after && !self.effect.needs_answer() && self.target.record.is_none();
        let after = if after { "after " } else { "" };
        write!(f, "{} {after}{}", self.target, self.effect)
    }
}

impl fmt::Display for FaultTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.on {
            On::Action(action) => write!(f, "{action}")?,
            On::Any => f.write_str(ANY)?,
            On::Write(table) => write!(f, "write {}", quoted(table))?,
        }
        if self.nth > 1 {
            write!(f, " nth={}", self.nth)?;
        }
        match self.times {
            Some(u64::MAX) => f.write_str(" times=forever")?,
            Some(times) => write!(f, " times={times}")?,
            None => (),
        }
        if let Some(Chance { probability, seed }) = self.chance {
            write!(f, " chance={probability} seed={seed}")?;
        }
        if let Some(record) = self.record {
            write!(f, " record={record}")?;
        }
        for (key, value) in [("client", &self.client), ("channel", &self.channel)] {
            if let Some(value) = value {
                write!(f, " {key}={}", quoted(value))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Effect::Fail {
                status,
                code,
                message,
            } => write!(f, "fail {status} {} {}", quoted(code), quoted(message)),
            Effect::Delay(time) => write!(f, "delay {}", duration::format(*time)),
            Effect::Reset => f.write_str("reset"),
            Effect::Close => f.write_str("close"),
            Effect::Cut => f.write_str("cut"),
            Effect::ResetMidway => f.write_str("reset-midway"),
            Effect::Garbage => f.write_str("garbage"),
            Effect::Empty => f.write_str("empty"),
            Effect::Length(off_by) => write!(f, "length {off_by:+}"),
            Effect::Stale(back) => write!(f, "stale {back}"),
            Effect::Duplicate => f.write_str("duplicate"),
            Effect::Expire => f.write_str("expire"),
            Effect::Split => f.write_str("split"),
            Effect::Jump(by) => write!(f, "jump {}", duration::format(*by)),
            Effect::Take { channel, notice } => write!(f, "take {} {notice}", quoted(channel)),
            Effect::TakeAll(notice) => write!(f, "take-all {notice}"),
        }
    }
}

impl fmt::Display for Notice {
    /// Writes the word of a fault script.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Notice::Missing => "missing",
            Notice::Close => "close",
            Notice::Terminated => "terminated",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::faults::FaultJson;
    use crate::protocol::Action;

    fn any_notice() -> impl Strategy<Value = Notice> {
        prop::sample::select(vec![Notice::Missing, Notice::Close, Notice::Terminated])
    }

    fn any_time() -> impl Strategy<Value = Duration> {
        prop_oneof![
            (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(s, n)| Duration::new(s, n)),
            (0..100_000_u64).prop_map(Duration::from_millis),
            (0..100_u64).prop_map(|days| Duration::from_secs(days * 86_400)),
        ]
    }

    fn any_effect() -> impl Strategy<Value = Effect> {
        prop_oneof![
            (100..=999_u16, any::<String>(), any::<String>()).prop_map(
                |(status, code, message)| Effect::Fail {
                    status,
                    code,
                    message
                }
            ),
            any_time().prop_map(Effect::Delay),
            any_time().prop_map(Effect::Jump),
            any::<i64>().prop_map(Effect::Length),
            (1..u64::MAX).prop_map(Effect::Stale),
            any_notice().prop_map(Effect::TakeAll),
            (any::<String>(), any_notice())
                .prop_map(|(channel, notice)| Effect::Take { channel, notice }),
            prop::sample::select(vec![
                Effect::Reset,
                Effect::Close,
                Effect::Cut,
                Effect::ResetMidway,
                Effect::Garbage,
                Effect::Empty,
                Effect::Duplicate,
                Effect::Expire,
                Effect::Split,
            ]),
        ]
    }

    fn any_on() -> impl Strategy<Value = On> {
        prop_oneof![
            prop::sample::select(Action::ALL.to_vec()).prop_map(On::Action),
            Just(On::Any),
            any::<String>().prop_map(On::Write),
        ]
    }

    fn any_target() -> impl Strategy<Value = FaultTarget> {
        let chance = (0.0..=1.0, any::<u64>());
        let chance = chance.prop_map(|(probability, seed)| Chance { probability, seed });
        (
            any_on(),
            prop::option::of(any::<String>()),
            prop::option::of(any::<String>()),
            1..=u64::MAX,
            prop::option::of(any::<u64>()),
            prop::option::of(chance),
            prop::option::of(1..=u64::MAX),
            any::<bool>(),
        )
            .prop_map(|(on, client, channel, nth, times, chance, record, after)| {
                let plain = record.is_none();
                FaultTarget {
                    on,
                    client,
                    channel,
                    nth: if plain { nth } else { 1 },
                    times,
                    chance: chance.filter(|_| plain),
                    record,
                    after,
                }
            })
    }

    /// Any valid fault of the builder.
    fn any_fault() -> impl Strategy<Value = Fault> {
        let any = (any_target(), any_effect());
        let any = any.prop_map(|(target, effect)| target.with(effect));
        any.prop_filter("valid", |fault| fault.check().is_ok())
    }

    proptest! {
        #[test]
        fn a_fault_survives_as_text(fault in any_fault()) {
            let text = fault.to_string();
            let script = format!("# first\n\n  {text} # {text}\r\n{text}");
            let back = Fault::parse_script(&script);
            prop_assert_eq!(back, Ok(vec![fault.clone(), fault.clone()]), "{}", text);
            prop_assert_eq!(text.parse(), Ok(fault));
        }

        #[test]
        fn a_fault_survives_as_json(fault in any_fault()) {
            let text = serde_json::to_string(&FaultJson::from(&fault)).expect("JSON");
            let back: FaultJson = serde_json::from_str(&text).expect(&text);
            prop_assert_eq!(back.into_fault(), Ok(fault), "{}", text);
        }

        #[test]
        fn parsing_any_text_does_not_panic(text in "\\PC*") {
            let _ = Fault::parse_script(&text);
        }

        #[test]
        fn parsing_any_words_does_not_panic(
            words in prop::collection::vec(
                prop::sample::select(vec![
                    "readrecords", "write", "any", "nth=", "nth=3", "=", "\"", "\\", "#", "after",
                    "before", "fail", "503", "delay", "2s", "take", "take-all", "close", "times=2",
                    "\"a b\"", "client=\"x\"", "length", "+5", "stale", "seed=1", "chance=0.5",
                ]),
                0..8,
            )
        ) {
            let _ = Fault::parse_script(&words.join(" "));
        }
    }

    #[test]
    fn a_script_equals_the_faults_of_the_builder() {
        let script = r#"
            readrecords nth=3 times=2 client=host_a channel=x_1 reset
            any chance=0.01 seed=7 fail 503 OTSTunnelServerUnavailable "busy, \"now\""
            checkpoint times=forever after close   # applied, answer lost
            heartbeat stale
            heartbeat take-all missing
            readrecords record=500 split
            write orders record=500 split
            readrecords length -3
        "#;
        let on = Fault::on;
        let wanted = vec![
            on(Action::ReadRecords)
                .nth(3)
                .times(2)
                .client("host_a")
                .channel("x_1")
                .reset(),
            Fault::on_any().chance(0.01, 7).fail(
                503,
                "OTSTunnelServerUnavailable",
                "busy, \"now\"",
            ),
            on(Action::Checkpoint).times(u64::MAX).after().close(),
            on(Action::Heartbeat).stale(1),
            on(Action::Heartbeat).take_all(Notice::Missing),
            on(Action::ReadRecords).record(500).split(),
            Fault::on_write("orders").record(500).split(),
            on(Action::ReadRecords).length(-3),
        ];
        assert_eq!(Fault::parse_script(script), Ok(wanted));
    }

    #[test]
    fn errors_show_the_place_and_what_was_expected() {
        for (line, column, expected) in [
            ("readrecord reset", 1, "any, write or create"),
            ("readrecords", 12, "the effect of the fault"),
            ("readrecords explode", 13, "one of fail"),
            ("readrecords nth=0 reset", 13, "a whole number from 1"),
            ("readrecords nth=x reset", 13, "a whole number from 1"),
            ("readrecords every=2 reset", 13, "one of nth="),
            ("readrecords chance=2 reset", 13, "a number from 0 to 1"),
            ("readrecords seed=2 reset", 13, "chance="),
            ("readrecords reset twice", 19, "the end of the line"),
            ("readrecords reset times=2", 19, "the end of the line"),
            ("readrecords before cut", 20, "before the request"),
            ("readrecords delay 5", 19, "a unit"),
            ("readrecords delay", 18, "a unit"),
            ("readrecords fail 99 X", 18, "an HTTP status"),
            ("readrecords fail 503", 21, "an error code"),
            ("readrecords fail 503 X \"busy", 29, "a closing quote"),
            ("readrecords fail 503 \"\\x\"", 24, "one of \\\""),
            ("readrecords length five", 20, "bytes"),
            ("heartbeat take c gone", 18, "missing, close or terminated"),
            ("heartbeat record=5 reset", 1, "readrecords and write only"),
            ("write orders reset", 1, "split and jump"),
            ("write", 6, "the name of a table"),
            ("读 reset", 1, "any, write"),
        ] {
            let script = format!("# a comment\n{line}");
            let error = Fault::parse_script(&script).expect_err(line);
            assert_eq!((error.line(), error.column()), (2, column), "{error}");
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
