//! [`TunnelStateMachine`]: which channels are ours and what the service has to
//! hear of them (pure: no thread, no clock, no network).
//!
//! The service and the client each hold a version and a status per channel.
//! A change raises the version by one, and the higher version wins; the
//! service's on a tie. Input is what the service answers to a heartbeat and
//! what becomes of connections; output is [`Command`]s and the next report.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::protocol::{Channel, ChannelStatus};

/// Names one connection: a channel that is opened again gets a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ConnectionId(u64);

#[cfg(test)]
impl ConnectionId {
    pub(crate) fn for_tests(number: u64) -> ConnectionId {
        ConnectionId(number)
    }
}

/// What the worker has to do with connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Open the channel.
    Dial(Arc<str>, ConnectionId),
    /// Finish the batch in the callback, save, close.
    CloseGracefully(ConnectionId),
    /// The channel is lost: no callback begins and nothing is saved any more.
    Drop(ConnectionId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    Closing,
}

#[derive(Debug)]
struct Held {
    version: i64,
    status: ChannelStatus,
    /// None: the channel has no connection (any more).
    connection: Option<(ConnectionId, Phase)>,
}

/// The channels that this worker holds. Go: `TunnelStateMachine`.
#[derive(Debug, Default)]
pub(crate) struct TunnelStateMachine {
    held: BTreeMap<Arc<str>, Held>,
    connections: u64,
    /// The worker is shutting down: nothing is opened any more.
    draining: bool,
    /// Something has changed here that the service does not know yet.
    news: bool,
}

impl TunnelStateMachine {
    /// Takes over the service's list of the channels that we own now.
    pub(crate) fn answer(&mut self, channels: Vec<Channel>) -> Vec<Command> {
        let mut before = std::mem::take(&mut self.held);
        let mut commands = Vec::new();
        for channel in channels {
            let id: Arc<str> = Arc::from(channel.channel_id.as_str());
            // A channel that is listed twice is still one channel.
            let held = before.remove(&id).or_else(|| self.held.remove(&id));
            let held = self.merge(&id, held, &channel, &mut commands);
            self.held.insert(id, held);
        }
        // What is missing from the list is no longer ours.
        let gone = before.into_values().filter_map(|held| held.connection);
        commands.extend(gone.map(|(connection, _)| Command::Drop(connection)));
        commands
    }

    fn merge(
        &mut self,
        id: &Arc<str>,
        held: Option<Held>,
        channel: &Channel,
        commands: &mut Vec<Command>,
    ) -> Held {
        // A status of a later protocol says nothing that we could follow.
        let status = ChannelStatus::try_from(channel.status).ok();
        let mut held = match held {
            Some(held) if held.version > channel.version || status.is_none() => return held,
            Some(held) => held,
            None => Held {
                version: 0,
                status: ChannelStatus::Close,
                connection: None,
            },
        };
        held.version = channel.version;
        held.status = status.unwrap_or(ChannelStatus::Close);
        self.notice(id, &mut held, commands);
        held
    }

    /// What a status from the service means for the connection.
    fn notice(&mut self, id: &Arc<str>, held: &mut Held, commands: &mut Vec<Command>) {
        use ChannelStatus as S;
        match (held.status, held.connection) {
            (S::Open, None) if !self.draining => {
                let connection = self.next_connection();
                held.connection = Some((connection, Phase::Open));
                commands.push(Command::Dial(id.clone(), connection));
            }
            (S::Open, Some(_)) => {}
            // Nothing is open, or has read anything: it can go at once.
            (S::Open | S::Closing, None) => self.raise(held, S::Close),
            // The connection says when it has closed, which is at once if it
            // has not begun to read. Nobody else can know whether it has.
            (S::Closing, Some((connection, Phase::Open))) => {
                held.connection = Some((connection, Phase::Closing));
                commands.push(Command::CloseGracefully(connection));
            }
            (S::Closing, Some((_, Phase::Closing))) => {}
            (S::Close | S::Terminated, connection) => {
                held.connection = None;
                commands.extend(connection.map(|(connection, _)| Command::Drop(connection)));
            }
        }
    }

    /// The connection has closed; `finished` when nothing of the channel is
    /// left and `finished` is saved as its checkpoint.
    pub(crate) fn ended(&mut self, id: &str, connection: ConnectionId, finished: bool) {
        let Some(held) = self.held.get_mut(id) else {
            return;
        };
        if !matches!(held.connection, Some((held, _)) if held == connection) {
            return;
        }
        held.connection = None;
        held.version += 1;
        held.status = match finished {
            true => ChannelStatus::Terminated,
            false => ChannelStatus::Close,
        };
        self.news = true;
    }

    /// The worker shuts down: closes every connection, opens none any more.
    pub(crate) fn drain(&mut self) -> Vec<Command> {
        self.draining = true;
        let connections = self.held.values_mut().filter_map(|held| {
            let (connection, phase) = held.connection.as_mut()?;
            *phase = Phase::Closing;
            Some(Command::CloseGracefully(*connection))
        });
        connections.collect()
    }

    /// What to tell the service of every channel, which then knows all.
    pub(crate) fn report(&mut self) -> Vec<Channel> {
        self.news = false;
        let channels = self.held.iter().map(|(id, held)| Channel {
            channel_id: id.to_string(),
            version: held.version,
            status: held.status as i32,
            detail: None,
        });
        channels.collect()
    }

    /// Whether the next heartbeat has something to tell.
    pub(crate) fn has_news(&self) -> bool {
        self.news
    }

    fn raise(&mut self, held: &mut Held, status: ChannelStatus) {
        held.version += 1;
        held.status = status;
        self.news = true;
    }

    fn next_connection(&mut self) -> ConnectionId {
        self.connections += 1;
        ConnectionId(self.connections)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ChannelStatus as S;

    const ID: &str = "c";

    fn channel(version: i64, status: S) -> Channel {
        Channel {
            channel_id: ID.to_owned(),
            version,
            status: status as i32,
            detail: None,
        }
    }

    fn dial(connection: u64) -> Command {
        Command::Dial(Arc::from(ID), ConnectionId(connection))
    }

    /// One step of a story: what comes in, and the commands that come out.
    enum Step {
        Answer(i64, S, Vec<Command>),
        Missing(Vec<Command>),
        Ended(u64, bool),
        Drain(Vec<Command>),
        /// What is reported now, and whether it was news.
        Report(i64, S, bool),
        Nothing,
    }

    fn play(name: &str, steps: Vec<Step>) {
        let mut machine = TunnelStateMachine::default();
        for (index, step) in steps.into_iter().enumerate() {
            let at = format!("{name}, step {index}");
            match step {
                Step::Answer(version, status, commands) => {
                    assert_eq!(
                        machine.answer(vec![channel(version, status)]),
                        commands,
                        "{at}"
                    );
                }
                Step::Missing(commands) => assert_eq!(machine.answer(vec![]), commands, "{at}"),
                Step::Ended(connection, finished) => {
                    machine.ended(ID, ConnectionId(connection), finished);
                }
                Step::Drain(commands) => assert_eq!(machine.drain(), commands, "{at}"),
                Step::Report(version, status, news) => {
                    assert_eq!(machine.has_news(), news, "{at}");
                    assert_eq!(machine.report(), vec![channel(version, status)], "{at}");
                    assert!(!machine.has_news(), "{at}");
                }
                Step::Nothing => assert_eq!(machine.report(), vec![], "{at}"),
            }
        }
    }

    fn graceful(connection: u64) -> Vec<Command> {
        vec![Command::CloseGracefully(ConnectionId(connection))]
    }

    fn dropped(connection: u64) -> Vec<Command> {
        vec![Command::Drop(ConnectionId(connection))]
    }

    /// A channel that is open and read, at version 3.
    fn running() -> Vec<Step> {
        vec![Step::Answer(3, S::Open, vec![dial(1)])]
    }

    fn story(mut begin: Vec<Step>, then: Vec<Step>) -> Vec<Step> {
        begin.extend(then);
        begin
    }

    use Step::{Answer, Drain, Ended, Missing, Nothing, Report};

    #[test]
    fn notices_without_a_connection() {
        play(
            "open",
            vec![Answer(3, S::Open, vec![dial(1)]), Report(3, S::Open, false)],
        );
        play(
            "closing",
            vec![Answer(3, S::Closing, vec![]), Report(4, S::Close, true)],
        );
        play(
            "close",
            vec![Answer(3, S::Close, vec![]), Report(3, S::Close, false)],
        );
        play(
            "terminated",
            vec![
                Answer(3, S::Terminated, vec![]),
                Report(3, S::Terminated, false),
            ],
        );
    }

    #[test]
    fn notices_while_running() {
        play(
            "open",
            story(
                running(),
                vec![Answer(5, S::Open, vec![]), Report(5, S::Open, false)],
            ),
        );
        play(
            "closing",
            story(
                running(),
                vec![
                    Answer(4, S::Closing, graceful(1)),
                    Report(4, S::Closing, false),
                    Answer(4, S::Closing, vec![]),
                    Ended(1, false),
                    Report(5, S::Close, true),
                ],
            ),
        );
        play(
            "close",
            story(
                running(),
                vec![Answer(4, S::Close, dropped(1)), Report(4, S::Close, false)],
            ),
        );
        play(
            "terminated",
            story(
                running(),
                vec![
                    Answer(4, S::Terminated, dropped(1)),
                    Report(4, S::Terminated, false),
                ],
            ),
        );
        play(
            "missing",
            story(running(), vec![Missing(dropped(1)), Nothing]),
        );
        play(
            "failed",
            story(running(), vec![Ended(1, false), Report(4, S::Close, true)]),
        );
        play(
            "finished",
            story(
                running(),
                vec![Ended(1, true), Report(4, S::Terminated, true)],
            ),
        );
    }

    #[test]
    fn notices_while_closing() {
        let closing = || story(running(), vec![Answer(4, S::Closing, graceful(1))]);
        play(
            "open",
            story(
                closing(),
                vec![
                    Answer(5, S::Open, vec![]),
                    Ended(1, false),
                    Report(6, S::Close, true),
                ],
            ),
        );
        play(
            "close",
            story(
                closing(),
                vec![Answer(5, S::Close, dropped(1)), Report(5, S::Close, false)],
            ),
        );
        play(
            "finished",
            story(
                closing(),
                vec![Ended(1, true), Report(5, S::Terminated, true)],
            ),
        );
    }

    #[test]
    fn an_older_version_is_ignored() {
        play(
            "older",
            story(
                running(),
                vec![Answer(2, S::Close, vec![]), Report(3, S::Open, false)],
            ),
        );
        play(
            "own news wins over an answer that crossed it",
            story(
                running(),
                vec![
                    Ended(1, false),
                    Answer(3, S::Open, vec![]),
                    Report(4, S::Close, true),
                ],
            ),
        );
    }

    #[test]
    fn an_unknown_status_changes_nothing() {
        let mut machine = TunnelStateMachine::default();
        let open = channel(3, S::Open);
        machine.answer(vec![open.clone()]);
        let unknown = Channel {
            version: 4,
            status: 9,
            ..open.clone()
        };
        assert_eq!(machine.answer(vec![unknown]), vec![]);
        assert_eq!(machine.report(), vec![open]);
    }

    #[test]
    fn the_service_wins_a_tie() {
        play(
            "both raised: ours finished, theirs closing",
            story(
                running(),
                vec![
                    Ended(1, true),
                    Answer(4, S::Closing, vec![]),
                    Report(5, S::Close, true),
                ],
            ),
        );
    }

    #[test]
    fn a_channel_that_is_listed_twice_gets_one_connection() {
        let mut machine = TunnelStateMachine::default();
        let twice = || vec![channel(3, S::Open), channel(3, S::Open)];
        assert_eq!(machine.answer(twice()), vec![dial(1)]);
        assert_eq!(machine.answer(twice()), vec![]);
        assert_eq!(machine.answer(vec![]), dropped(1));
    }

    #[test]
    fn a_channel_comes_back_with_a_new_connection() {
        play(
            "open, closing, close, open with the same number",
            vec![
                Answer(0, S::Open, vec![dial(1)]),
                Answer(1, S::Closing, graceful(1)),
                Ended(1, false),
                Report(2, S::Close, true),
                Answer(2, S::Open, vec![dial(2)]),
                Ended(1, false),
                Report(2, S::Open, false),
            ],
        );
        play(
            "dropped, then handed out again",
            story(
                running(),
                vec![
                    Missing(dropped(1)),
                    Answer(6, S::Open, vec![dial(2)]),
                    Ended(1, true),
                    Report(6, S::Open, false),
                ],
            ),
        );
    }

    #[test]
    fn a_draining_worker_opens_nothing() {
        play(
            "drain",
            story(
                running(),
                vec![
                    Drain(graceful(1)),
                    Answer(3, S::Open, vec![]),
                    Ended(1, false),
                    Report(4, S::Close, true),
                    Answer(4, S::Open, vec![]),
                    Report(5, S::Close, true),
                ],
            ),
        );
    }
}
