//! Faults: what goes wrong at which requests, scripted or drawn from a seed.
//!
//! Files, in reading order:
//!
//! - this file: [`Fault`], and [`Notice`].
//! - [`target`]: [`FaultTarget`], which requests are hit.
//! - [`effect`]: the effects of faults.
//! - [`script`]: faults as text, one in each line; [`words`]: the words of a line.
//! - [`json`]: faults as JSON.
//! - [`plan`]: the armed faults, and which of them hit each request.

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

/// A fault: something that goes wrong at chosen requests.
///
/// ```
/// use std::time::Duration;
/// use tablestore_emulator::{Action, Fault, Notice};
///
/// // The third read gets no answer.
/// let _ = Fault::on(Action::ReadRecords).nth(3).reset();
/// // Two checkpoints are saved, and their answers are lost.
/// let _ = Fault::on(Action::Checkpoint).times(2).after().close();
/// // The next heartbeat waits.
/// let _ = Fault::on(Action::Heartbeat).delay(Duration::from_secs(2));
/// // The second heartbeat from now takes all channels from the client.
/// let _ = Fault::on(Action::Heartbeat).nth(2).take_all(Notice::Missing);
/// // One in a hundred requests is reset; the same seed picks the same requests.
/// let _ = Fault::on_any().chance(0.01, 7).reset();
/// // When the 500th record of a channel is read, its partition splits.
/// let _ = Fault::on(Action::ReadRecords).record(500).split();
/// ```
///
/// Faults can also be written as text, one in each line, see
/// [`Fault::parse_script`] and `Display`:
///
/// ```
/// use tablestore_emulator::{Action, Fault};
///
/// let script = "
///     readrecords nth=3 reset
///     checkpoint times=2 after close     # saved, answers lost
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
    /// A fault at the next request of an action. The last method of the chain
    /// chooses its effect.
    pub fn on(action: Action) -> FaultTarget {
        FaultTarget::new(On::Action(action))
    }

    /// A fault at the next request of any action.
    pub fn on_any() -> FaultTarget {
        FaultTarget::new(On::Any)
    }

    /// A fault at the next write to a table. Since a write is no request of a
    /// client, only [`FaultTarget::split`] and [`FaultTarget::jump`] have an effect,
    /// always after the write. A bulk counts as one write.
    pub fn on_write(table: impl Into<String>) -> FaultTarget {
        FaultTarget::new(On::Write(table.into()))
    }

    /// Parses faults from text, one in each line. Empty lines are skipped, and so
    /// is the rest of a line after a `#` that begins a word.
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
    /// Options may be in any order. Values with blanks are written in double
    /// quotes, in which the escapes `\"`, `\\`, `\n`, `\r` and `\t` are known. Each
    /// word has the effect of the method with the same name.
    ///
    /// # Errors
    ///
    /// [`FaultScriptError`] with the place of the error and what was expected
    /// there.
    pub fn parse_script(text: &str) -> Result<Vec<Fault>, FaultScriptError> {
        script::parse(text)
    }

    /// Whether it is a fault at writes to a table.
    fn is_on_write(&self, table: &str) -> bool {
        matches!(&self.target.on, On::Write(name) if name == table)
    }
}

/// How a client learns that it has lost a channel.
///
/// The list is complete: an answer cannot say more about a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Notice {
    /// The answer leaves the channel out.
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
