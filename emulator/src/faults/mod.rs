//! What goes wrong, at which request: scripted or drawn from a seed.
//!
//! Files, in reading order:
//!
//! - this file: [`Fault`], and [`Notice`].
//! - `target`: [`FaultTarget`], which requests are hit.
//! - `effect`: what a fault does.
//! - `script`: faults as text, one a line; `words`: the words of a line.
//! - `json`: faults as JSON.
//! - `plan`: the faults that are armed, and which of them hit each request.

mod effect;
mod json;
mod plan;
mod script;
mod target;
mod words;

use serde::{Deserialize, Serialize};

pub(super) use self::effect::Effect;
pub(super) use self::json::FaultJson;
pub use self::plan::FaultStatus;
pub(super) use self::plan::{FaultPlan, Hits};
pub use self::script::FaultScriptError;
pub use self::target::FaultTarget;
use self::target::On;
use super::protocol::Action;
use super::state::ChannelStatus;

/// Something that goes wrong at chosen requests.
///
/// ```
/// use std::time::Duration;
/// use tablestore_emulator::{Action, Fault, Notice};
///
/// // The third read gets no answer.
/// let _ = Fault::on(Action::ReadRecords).nth(3).reset();
/// // Two checkpoints are saved, and nobody learns of it.
/// let _ = Fault::on(Action::Checkpoint).times(2).after().close();
/// // The next heartbeat waits.
/// let _ = Fault::on(Action::Heartbeat).delay(Duration::from_secs(2));
/// // The second one from now takes all channels from the client.
/// let _ = Fault::on(Action::Heartbeat).nth(2).take_all(Notice::Missing);
/// // One request in a hundred is reset, the same ones for the same seed.
/// let _ = Fault::on_any().chance(0.01, 7).reset();
/// // Where the 500th record of a channel is read, its partition splits.
/// let _ = Fault::on(Action::ReadRecords).record(500).split();
/// ```
///
/// The same as text, one fault a line, by [`Fault::parse_script`] and
/// `Display`:
///
/// ```
/// use tablestore_emulator::{Action, Fault};
///
/// let script = "
///     readrecords nth=3 reset
///     checkpoint times=2 after close     # saved, and nobody learns of it
///     heartbeat delay 2s
/// ";
/// let faults = Fault::parse_script(script)?;
/// assert_eq!(faults[0], Fault::on(Action::ReadRecords).nth(3).reset());
/// assert_eq!(faults[1].to_string(), "checkpoint times=2 after close");
/// # Ok::<(), tablestore_emulator::FaultScriptError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    target: FaultTarget,
    effect: Effect,
}

impl Fault {
    /// A fault at the next request of that action; what it does is said last.
    pub fn on(action: Action) -> FaultTarget {
        FaultTarget::new(On::Action(action))
    }

    /// A fault at the next request, whatever it asks for.
    pub fn on_any() -> FaultTarget {
        FaultTarget::new(On::Any)
    }

    /// A fault at the next write to a table, which is no request of a client:
    /// only [`FaultTarget::split`] and [`FaultTarget::jump`] do something, and
    /// always after the write. A bulk is one write.
    pub fn on_write(table: impl Into<String>) -> FaultTarget {
        FaultTarget::new(On::Write(table.into()))
    }

    /// The faults of a text, one a line. Empty lines, and what follows a `#`
    /// at the beginning of a word, are left out.
    ///
    /// ```text
    /// line   = where option* ["before" | "after"] effect
    /// where  = an action (readrecords, heartbeat, ...) | "any" | "write" TABLE
    /// option = "nth=" N | "times=" N | "times=forever"
    ///        | "chance=" P "seed=" N | "record=" N
    ///        | "client=" NAME | "channel=" ID
    /// effect = "fail" STATUS CODE [MESSAGE] | "delay" TIME | "reset" | "close"
    ///        | "cut" | "reset-midway" | "garbage" | "empty" | "length" +N or -N
    ///        | "stale" [N] | "duplicate" | "expire" | "split" | "jump" TIME
    ///        | "take" CHANNEL NOTICE | "take-all" NOTICE
    /// NOTICE = "missing" | "close" | "terminated"
    /// TIME   = a whole number and ns, us, ms, s, m, h or d
    /// ```
    ///
    /// Options come in any order. What holds blanks is written in double
    /// quotes, in which `\"`, `\\`, `\n`, `\r` and `\t` stand for themselves.
    /// Each word does what the method of that name does.
    ///
    /// # Errors
    ///
    /// [`FaultScriptError`] says where the text is wrong and what was expected.
    pub fn parse_script(text: &str) -> Result<Vec<Fault>, FaultScriptError> {
        script::parse(text)
    }

    /// Whether the fault is about the writes to that table.
    fn is_on_write(&self, table: &str) -> bool {
        matches!(&self.target.on, On::Write(name) if name == table)
    }
}

/// How a client learns that it has lost a channel.
///
/// Complete: an answer can say no more than this of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Notice {
    /// The channel is not in the answer.
    Missing,
    /// The answer says `CLOSE`.
    Close,
    /// The answer says `TERMINATED`.
    Terminated,
}

impl Notice {
    /// The status of the lost channel in the answer; `None` if the answer
    /// leaves it out.
    pub(super) fn status(self) -> Option<ChannelStatus> {
        match self {
            Notice::Missing => None,
            Notice::Close => Some(ChannelStatus::Close),
            Notice::Terminated => Some(ChannelStatus::Terminated),
        }
    }
}
