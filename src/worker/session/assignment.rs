//! [`TunnelStateMachine`]: which channels are ours and what the service has to
//! hear of them (pure: no thread, no clock, no network).
//!
//! The service and the client each hold a version and a status per channel.
//! A change raises the version by one, and the higher version wins; the
//! service's on a tie. Input is what the service answers to a heartbeat and
//! what becomes of connections; output is [`Command`]s and the next report.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::protocol::{Channel, ChannelStatus};
use crate::worker::connection_id::ConnectionId;

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

/// In how many answers in a row a channel may be CLOSING before it is closed
/// by force.
const CLOSING_ANSWERS: u32 = 3;

/// Since when, and in how many answers in a row, a channel is CLOSING.
#[derive(Clone, Copy, Debug)]
struct ClosingSeen {
    since: Instant,
    answers: u32,
}

impl ClosingSeen {
    fn again(before: Option<ClosingSeen>, now: Instant) -> ClosingSeen {
        ClosingSeen {
            since: before.map_or(now, |before| before.since),
            answers: before.map_or(0, |before| before.answers).saturating_add(1),
        }
    }

    /// Heartbeats that are sent early, for other channels' news, must not make
    /// it shorter: three regular ones take two intervals, less what one answer
    /// was slower than the other.
    fn is_stuck(self, interval: Duration, now: Instant) -> bool {
        let patience = interval.saturating_mul(3) / 2;
        self.answers >= CLOSING_ANSWERS && now.duration_since(self.since) >= patience
    }
}

#[derive(Debug)]
struct Held {
    version: i64,
    status: ChannelStatus,
    /// None: the channel has no connection (any more).
    connection: Option<(ConnectionId, Phase)>,
    /// Only while the connection is closing because the service says so.
    closing: Option<ClosingSeen>,
}

/// The channels that this worker holds. Go: `TunnelStateMachine`.
#[derive(Debug, Default)]
pub(crate) struct TunnelStateMachine {
    held: BTreeMap<Arc<str>, Held>,
    /// The last one that was made.
    connection: ConnectionId,
    /// The worker is shutting down: nothing is opened any more.
    draining: bool,
    /// Something has changed here that the service does not know yet.
    news: bool,
    /// The report that is in flight has news.
    reported_news: bool,
    /// What the service listed last.
    listed: Vec<(Arc<str>, i32)>,
}

impl TunnelStateMachine {
    /// Whether the service lists other channels, or another status of one, than the last
    /// time. To be called before [`answer`](Self::answer).
    pub(crate) fn is_new_list(&mut self, channels: &[Channel]) -> bool {
        let state = |channel: &Channel| (Arc::from(channel.channel_id.as_str()), channel.status);
        let mut listed: Vec<(Arc<str>, i32)> = channels.iter().map(state).collect();
        listed.sort();
        let is_new = listed != self.listed;
        self.listed = listed;
        is_new
    }

    /// Takes over the service's list of the channels that we own now.
    pub(crate) fn answer(&mut self, channels: Vec<Channel>) -> Vec<Command> {
        self.reported_news = false;
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
                closing: None,
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

    /// To be called after each [`answer`](Self::answer): closes by force, as
    /// if the service had said CLOSE, what it has wanted back for too long.
    /// Java: the closing channel detector.
    pub(crate) fn give_up_stuck(&mut self, interval: Duration, now: Instant) -> Vec<Command> {
        let mut commands = Vec::new();
        for held in self.held.values_mut() {
            let is_closing = held.status == ChannelStatus::Closing && held.connection.is_some();
            held.closing = is_closing.then(|| ClosingSeen::again(held.closing, now));
            if held
                .closing
                .is_some_and(|seen| seen.is_stuck(interval, now))
            {
                let connection = held.connection.take();
                commands.extend(connection.map(|(connection, _)| Command::Drop(connection)));
                held.closing = None;
                held.version = held.version.saturating_add(1);
                held.status = ChannelStatus::Close;
                self.news = true;
            }
        }
        commands
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
        held.version = held.version.saturating_add(1);
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
        self.reported_news = std::mem::take(&mut self.news);
        let channels = self.held.iter().map(|(id, held)| Channel {
            channel_id: id.to_string(),
            version: held.version,
            status: held.status as i32,
            detail: None,
        });
        channels.collect()
    }

    /// The last report may not have arrived: what was news in it is news again.
    pub(crate) fn not_reported(&mut self) {
        self.news |= std::mem::take(&mut self.reported_news);
    }

    /// Whether the service listed any channel as ours the last time.
    pub(crate) fn has_channels(&self) -> bool {
        !self.held.is_empty()
    }

    /// Whether the next heartbeat has something to report.
    pub(crate) fn has_news(&self) -> bool {
        self.news
    }

    fn raise(&mut self, held: &mut Held, status: ChannelStatus) {
        held.version = held.version.saturating_add(1);
        held.status = status;
        self.news = true;
    }

    fn next_connection(&mut self) -> ConnectionId {
        self.connection = self.connection.next();
        self.connection
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
        Command::Dial(Arc::from(ID), ConnectionId::for_tests(connection))
    }

    /// One step of a story: what comes in, and the commands that come out.
    enum Step {
        Answer(i64, S, Vec<Command>),
        Missing(Vec<Command>),
        /// The detector runs, so many tenths of an interval after the begin.
        Detect(u32, Vec<Command>),
        Ended(u64, bool),
        Drain(Vec<Command>),
        /// What is reported now, and whether it was news.
        Report(i64, S, bool),
        Nothing,
    }

    fn play(name: &str, steps: Vec<Step>) {
        let mut machine = TunnelStateMachine::default();
        let (begin, interval) = (crate::clock::now(), Duration::from_secs(30));
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
                Step::Detect(tenths, commands) => assert_eq!(
                    machine.give_up_stuck(interval, begin + interval * tenths / 10),
                    commands,
                    "{at}"
                ),
                Step::Ended(connection, finished) => {
                    machine.ended(ID, ConnectionId::for_tests(connection), finished);
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
        vec![Command::CloseGracefully(ConnectionId::for_tests(
            connection,
        ))]
    }

    fn dropped(connection: u64) -> Vec<Command> {
        vec![Command::Drop(ConnectionId::for_tests(connection))]
    }

    /// A channel that is open and read, at version 3.
    fn running() -> Vec<Step> {
        vec![Step::Answer(3, S::Open, vec![dial(1)])]
    }

    fn story(mut begin: Vec<Step>, then: Vec<Step>) -> Vec<Step> {
        begin.extend(then);
        begin
    }

    use Step::{Answer, Detect, Drain, Ended, Missing, Nothing, Report};

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

    /// CLOSING as version 4, as answered at that time, and what comes of it.
    fn closing_at(tenths: u32, commands: Vec<Command>) -> [Step; 2] {
        [Answer(4, S::Closing, vec![]), Detect(tenths, commands)]
    }

    fn closing() -> Vec<Step> {
        let first = vec![Answer(4, S::Closing, graceful(1)), Detect(0, vec![])];
        story(running(), first)
    }

    fn stories(parts: Vec<Vec<Step>>) -> Vec<Step> {
        parts.into_iter().flatten().collect()
    }

    #[test]
    fn a_channel_that_stays_closing_is_given_up_at_the_third_answer() {
        play(
            "given up",
            stories(vec![
                closing(),
                closing_at(10, vec![]).into(),
                closing_at(20, dropped(1)).into(),
                vec![
                    Report(5, S::Close, true),
                    // An answer that crossed the report, then the last word of
                    // the connection: neither changes anything.
                    Answer(4, S::Closing, vec![]),
                    Detect(30, vec![]),
                    Ended(1, true),
                    Report(5, S::Close, false),
                    Answer(6, S::Open, vec![dial(2)]),
                    Detect(40, vec![]),
                ],
            ]),
        );
    }

    #[test]
    fn early_heartbeats_do_not_shorten_the_patience() {
        play(
            "early",
            stories(vec![
                closing(),
                closing_at(2, vec![]).into(),
                closing_at(4, vec![]).into(),
                closing_at(14, vec![]).into(),
                closing_at(15, dropped(1)).into(),
            ]),
        );
        play(
            "few answers, however late",
            stories(vec![
                closing(),
                closing_at(90, vec![]).into(),
                closing_at(91, dropped(1)).into(),
            ]),
        );
    }

    #[test]
    fn only_closing_in_a_row_counts() {
        play(
            "open in between",
            stories(vec![
                closing(),
                closing_at(10, vec![]).into(),
                vec![
                    Answer(5, S::Open, vec![]),
                    Detect(20, vec![]),
                    Answer(6, S::Closing, vec![]),
                    Detect(30, vec![]),
                    Answer(6, S::Closing, vec![]),
                    Detect(40, vec![]),
                    Answer(6, S::Closing, vec![]),
                    Detect(50, dropped(1)),
                ],
            ]),
        );
        play(
            "closed in time",
            stories(vec![
                closing(),
                closing_at(10, vec![]).into(),
                vec![
                    Ended(1, false),
                    Detect(20, vec![]),
                    Report(5, S::Close, true),
                ],
            ]),
        );
        play(
            "closing for a shutdown of our own",
            story(
                running(),
                vec![
                    Drain(graceful(1)),
                    Answer(3, S::Open, vec![]),
                    Detect(0, vec![]),
                    Answer(3, S::Open, vec![]),
                    Detect(10, vec![]),
                    Answer(3, S::Open, vec![]),
                    Detect(20, vec![]),
                    Report(3, S::Open, false),
                ],
            ),
        );
    }

    #[test]
    fn versions_and_counts_at_their_limits_do_not_overflow() {
        for version in [i64::MIN, -1, i64::MAX] {
            let raised = version.saturating_add(1);
            let open = |then| story(vec![Answer(version, S::Open, vec![dial(1)])], then);
            play(
                "closes",
                open(vec![Ended(1, false), Report(raised, S::Close, true)]),
            );
            play(
                "is taken back",
                open(vec![
                    Answer(version, S::Closing, graceful(1)),
                    Detect(0, vec![]),
                    Answer(version, S::Closing, vec![]),
                    Detect(10, vec![]),
                    Answer(version, S::Closing, vec![]),
                    Detect(20, dropped(1)),
                    Report(raised, S::Close, true),
                ]),
            );
            play(
                "is closing without a connection",
                vec![
                    Answer(version, S::Closing, vec![]),
                    Report(raised, S::Close, true),
                ],
            );
        }
        let now = crate::clock::now();
        let seen = ClosingSeen {
            since: now,
            answers: u32::MAX,
        };
        let seen = ClosingSeen::again(Some(seen), now);
        assert!(!seen.is_stuck(Duration::MAX, now), "a long interval");
        assert!(seen.is_stuck(Duration::ZERO, now));
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
