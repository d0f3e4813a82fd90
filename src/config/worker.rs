//! [`TunnelWorkerConfig`]: how workers behave, and the pool and the memory that
//! they share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::reading::Reading;
use crate::clock::Clock;
use crate::error::TunnelError;
use crate::io_pool::IoPool;
use crate::limits::memory::MemoryBudget;
use crate::observer::{Observer, WorkerObserver};
use crate::pool::Pool;
use crate::processor::{ChannelDialer, ChannelProcessorFactory, Checkpointer, ProcessorOptions};
use crate::text;
use crate::user_code::UserValue;

/// The least heartbeat interval that the service documents.
pub(crate) const MIN_HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);

const DEFAULT_HEARTBEAT_INTERVAL: Duration = Duration::from_secs(30);
const DEFAULT_HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(300);
/// Less than the 30 s after which Kubernetes kills a pod.
const DEFAULT_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(25);
const DEFAULT_STUCK_AFTER: Duration = Duration::from_secs(300);
/// The least time between two looks or reads, so that no thread runs in a circle.
const SHORTEST: Duration = Duration::from_millis(1);

const MAX_POOL_THREADS: usize = 10_000;
const DEFAULT_POOL_THREADS: usize = 32;
const DEFAULT_PROCESS_ATTEMPTS: u32 = 3;

/// How workers behave, with the pool of threads that callbacks run on and the
/// budget of memory that batches take up.
///
/// Go: `TunnelWorkerConfig`. Made once by [`TunnelWorkerConfig::builder`] and
/// given to any number of workers: clones are cheap and share the budget and
/// the pool, whose threads end when the last clone is gone.
#[derive(Clone)]
pub struct TunnelWorkerConfig {
    pub(crate) settings: Arc<Settings>,
    pub(crate) pool: Pool,
    pub(crate) io: IoPool,
    pub(crate) budget: MemoryBudget,
}

/// What does not change any more.
pub(crate) struct Settings {
    pub(crate) factory: UserValue<Arc<dyn ChannelProcessorFactory>>,
    pub(crate) options: ProcessorOptions,
    pub(crate) heartbeat_interval: Duration,
    pub(crate) heartbeat_timeout: Duration,
    pub(crate) client_tag: String,
    pub(crate) backoff: ChannelBackoffConfig,
    pub(crate) reading: Reading,
    pub(crate) closing_channel_detect: bool,
    pub(crate) process_attempts: u32,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) stuck_after: Duration,
    pub(crate) observer: Option<Observer>,
    pub(crate) clock: Clock,
    pub(crate) dialer: Option<UserValue<Arc<dyn ChannelDialer>>>,
    pub(crate) checkpointer: Option<UserValue<WrapCheckpointer>>,
}

/// Puts the user's checkpointer of a channel around the service's.
pub(crate) type WrapCheckpointer =
    Arc<dyn Fn(&str, Arc<dyn Checkpointer>) -> Arc<dyn Checkpointer> + Send + Sync>;

impl Settings {
    /// How many batches a channel may hold, the one in the callback included.
    pub(crate) fn batches_per_channel(&self) -> usize {
        let ready = self.options.record_pipe_per_channel;
        self.reading.batches_per_channel(ready)
    }
}

impl TunnelWorkerConfig {
    /// Begins a configuration around a factory of processors, with everything
    /// else at its default.
    pub fn builder(factory: impl ChannelProcessorFactory + 'static) -> TunnelWorkerConfigBuilder {
        TunnelWorkerConfigBuilder {
            factory: Arc::new(factory),
            heartbeat_interval: DEFAULT_HEARTBEAT_INTERVAL,
            heartbeat_timeout: DEFAULT_HEARTBEAT_TIMEOUT,
            min_heartbeat_interval: MIN_HEARTBEAT_INTERVAL,
            client_tag: None,
            backoff: ChannelBackoffConfig::default(),
            reading: Reading::default(),
            closing_channel_detect: true,
            pool: PoolChoice::Own(DEFAULT_POOL_THREADS),
            process_attempts: DEFAULT_PROCESS_ATTEMPTS,
            shutdown_timeout: DEFAULT_SHUTDOWN_TIMEOUT,
            stuck_after: DEFAULT_STUCK_AFTER,
            observer: None,
            clock: Clock::system(),
            dialer: None,
            checkpointer: None,
        }
    }
}

impl fmt::Debug for TunnelWorkerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = &*self.settings;
        f.debug_struct("TunnelWorkerConfig")
            .field("options", &settings.options)
            .field("heartbeat_interval", &settings.heartbeat_interval)
            .field("heartbeat_timeout", &settings.heartbeat_timeout)
            .field("client_tag", &settings.client_tag)
            .field("backoff", &settings.backoff)
            .field("reading", &settings.reading)
            .field("closing_channel_detect", &settings.closing_channel_detect)
            .field("process_attempts", &settings.process_attempts)
            .field("shutdown_timeout", &settings.shutdown_timeout)
            .field("stuck_after", &settings.stuck_after)
            .field("observer", &settings.observer)
            .field("clock", &settings.clock)
            .field("pool", &self.pool)
            .field("budget", &self.budget)
            .finish()
    }
}

/// How long a stream channel pauses when a read was not full.
///
/// Go: `ChannelBackoffConfig`. The first pause is 20 ms, each further one 5
/// times the last, with 25 % jitter, up to the maximum, until a read finds
/// records again; a full read is followed by the next one at once. Base-data
/// channels never pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelBackoffConfig {
    pub(crate) max_delay: Duration,
}

impl ChannelBackoffConfig {
    /// The longest pause: new records of an idle channel may wait that long. At least
    /// 1 ms. Defaults to 5 s.
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }
}

impl Default for ChannelBackoffConfig {
    fn default() -> Self {
        ChannelBackoffConfig {
            max_delay: Duration::from_secs(5),
        }
    }
}

enum PoolChoice {
    Own(usize),
    Passed(Arc<rayon::ThreadPool>),
}

/// Builds a [`TunnelWorkerConfig`]; each setting replaces the one before.
#[must_use = "nothing is configured until `build` is called"]
pub struct TunnelWorkerConfigBuilder {
    factory: Arc<dyn ChannelProcessorFactory>,
    heartbeat_interval: Duration,
    heartbeat_timeout: Duration,
    min_heartbeat_interval: Duration,
    client_tag: Option<String>,
    backoff: ChannelBackoffConfig,
    pub(super) reading: Reading,
    closing_channel_detect: bool,
    pool: PoolChoice,
    process_attempts: u32,
    shutdown_timeout: Duration,
    stuck_after: Duration,
    observer: Option<Arc<dyn WorkerObserver>>,
    clock: Clock,
    dialer: Option<Arc<dyn ChannelDialer>>,
    checkpointer: Option<WrapCheckpointer>,
}

impl TunnelWorkerConfigBuilder {
    /// How often the worker reports to the service, which answers with the
    /// channels that it now owns (Go: `HeartbeatInterval`). At least 5 s.
    /// Defaults to 30 s.
    ///
    /// For 60 s after connecting and after every change of the list of channels,
    /// heartbeats are sent every 5 s instead. A closed channel is reported within
    /// 1 s, and a failed heartbeat is followed by the next one after 1 to 5 s.
    pub fn heartbeat_interval(mut self, interval: Duration) -> Self {
        self.heartbeat_interval = interval;
        self.min_heartbeat_interval = MIN_HEARTBEAT_INTERVAL;
        self
    }

    /// As [`heartbeat_interval`](Self::heartbeat_interval), without its lower
    /// bound: for tests against the emulator. The service asks for 5 s or more.
    pub fn heartbeat_interval_for_tests(mut self, interval: Duration) -> Self {
        self.heartbeat_interval = interval;
        self.min_heartbeat_interval = Duration::from_millis(1);
        self
    }

    /// How long the session survives without a successful heartbeat, here and
    /// at the service, which counts in whole seconds (Go:
    /// `HeartbeatTimeout`). Temporary failures, of whatever kind and of whatever request,
    /// do not end a session earlier. Must be greater than the interval and at least 1 s;
    /// the service gets 100 years at most. After a crash of a worker, its channels are idle
    /// for that long. Defaults to 300 s.
    pub fn heartbeat_timeout(mut self, timeout: Duration) -> Self {
        self.heartbeat_timeout = timeout;
        self
    }

    /// The name that the service shows for this worker, as a part of its
    /// client id. May be empty, but may not begin or end with white space. Defaults to
    /// the host name.
    pub fn client_tag(mut self, tag: impl Into<String>) -> Self {
        self.client_tag = Some(tag.into());
        self
    }

    /// How stream channels pause (Go: `BackoffConfig`). Defaults to
    /// [`ChannelBackoffConfig::default`].
    pub fn backoff(mut self, backoff: ChannelBackoffConfig) -> Self {
        self.backoff = backoff;
        self
    }

    /// The number of threads that callbacks run on, shared by all workers of
    /// this configuration. More channels than threads are served in turn.
    /// 1 to 10 000. Defaults to 32.
    pub fn pool_threads(mut self, threads: usize) -> Self {
        self.pool = PoolChoice::Own(threads);
        self
    }

    /// Runs callbacks on a pool of the caller's, in place of one of its own.
    ///
    /// A callback that waits for other tasks of the same pool (`join`, a
    /// parallel iterator) may be made to run another channel's callback
    /// meanwhile, as everywhere with rayon.
    pub fn pool(mut self, pool: Arc<rayon::ThreadPool>) -> Self {
        self.pool = PoolChoice::Passed(pool);
        self
    }

    /// Gives up a channel that the service wants back and that does not come to
    /// its end: one seen CLOSING in three heartbeat answers in a row is closed
    /// by force (Java: the closing channel detector). Heartbeats that are sent
    /// early do not shorten that: one and a half intervals pass in any case.
    /// Defaults to true.
    ///
    /// The service is then told that the channel is closed, and hands it out
    /// again, from its last checkpoint. A callback that still runs cannot be
    /// stopped: it sees [`is_closing`](crate::ChannelContext::is_closing), and
    /// whatever it returns, nothing of its batch is saved. The batch comes
    /// again at the next owner, who may begin while the callback still runs.
    /// Without this the channel waits for its callback, and so does whoever is
    /// to have it next: switch it off where a callback may take longer than
    /// that and must not overlap with its repetition elsewhere.
    pub fn closing_channel_detect(mut self, detect: bool) -> Self {
        self.closing_channel_detect = detect;
        self
    }

    /// How often a batch is given to a callback that fails with the default
    /// outcome before its channel is closed; see
    /// [`ProcessError`](crate::ProcessError). At least 1. Defaults to 3.
    pub fn process_attempts(mut self, attempts: u32) -> Self {
        self.process_attempts = attempts;
        self
    }

    /// How long [`close`](crate::TunnelWorkerDaemon::close) waits for running
    /// callbacks and last checkpoints before it abandons what is left.
    /// Zero and [`Duration::MAX`] mean what they mean for
    /// [`TunnelWorker::shutdown`](crate::TunnelWorker::shutdown). Defaults to 25 s.
    ///
    /// The same applies when the worker ends a session because of an error. The
    /// default is below the 30 s after which Kubernetes kills a process.
    pub fn shutdown_timeout(mut self, deadline: Duration) -> Self {
        self.shutdown_timeout = deadline;
        self
    }

    /// How long a channel may be at one stage (in a callback, in a read, being
    /// opened, waiting to retry, ...) or fail without a success before it
    /// counts as stuck: a warning is logged, and
    /// [`health`](crate::TunnelWorkerDaemon::health) tells it. It changes
    /// nothing else. At least 1 ms; [`Duration::MAX`] never. Defaults to 5 min.
    pub fn stuck_after(mut self, age: Duration) -> Self {
        self.stuck_after = age;
        self
    }

    /// Hears what happens in all workers of this configuration; see
    /// [`WorkerObserver`] for the threads it is called on. Defaults to none,
    /// which costs nothing.
    pub fn observer(mut self, observer: impl WorkerObserver + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// What time it is for the workers: for tests, which drive a
    /// [`Clock::manual`] through days in a moment. Defaults to
    /// [`Clock::system`], which costs nothing.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Reads channels through connections of the program's own (Go:
    /// `ChannelDialer`). Defaults to the worker's, which reads from the service.
    pub fn channel_dialer(mut self, dialer: impl ChannelDialer + 'static) -> Self {
        self.dialer = Some(Arc::new(dialer));
        self
    }

    /// Saves checkpoints through the program's own [`Checkpointer`]: `wrap` is
    /// called on the channel's own thread each time a channel is opened, with
    /// its id and the worker's checkpointer, which saves at the service.
    /// Channels are read from where the *service* says, so one that does not
    /// pass tokens on makes them come again. While it runs, the channel is not
    /// opened again, even if it has been lost. Defaults to the worker's.
    pub fn checkpointer<F>(mut self, wrap: F) -> Self
    where
        F: Fn(&str, Arc<dyn Checkpointer>) -> Arc<dyn Checkpointer> + Send + Sync + 'static,
    {
        self.checkpointer = Some(Arc::new(wrap));
        self
    }

    /// Checks the settings and starts the pool.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::ClientError`](crate::ErrorCode::ClientError) that names
    /// the setting that cannot be used, or when the threads of the pool could
    /// not be started.
    pub fn build(self) -> Result<TunnelWorkerConfig, TunnelError> {
        let options = self.factory.options();
        self.check(&options)?;
        let start = |observer| Observer::start(UserValue::new(observer), &self.clock);
        let observer = self.observer.map(start).transpose()?;
        let pool = match self.pool {
            PoolChoice::Own(threads) => Pool::start(threads)?,
            PoolChoice::Passed(pool) => Pool::passed(pool),
        };
        Ok(TunnelWorkerConfig {
            io: IoPool::new(&self.clock),
            settings: Arc::new(Settings {
                options,
                factory: UserValue::new(self.factory),
                heartbeat_interval: self.heartbeat_interval,
                heartbeat_timeout: self.heartbeat_timeout,
                client_tag: self.client_tag.unwrap_or_else(host_name),
                backoff: self.backoff,
                reading: self.reading.clone(),
                closing_channel_detect: self.closing_channel_detect,
                process_attempts: self.process_attempts,
                shutdown_timeout: self.shutdown_timeout,
                stuck_after: self.stuck_after,
                observer,
                clock: self.clock,
                dialer: self.dialer.map(UserValue::new),
                checkpointer: self.checkpointer.map(UserValue::new),
            }),
            pool,
            budget: MemoryBudget::new(self.reading.memory_budget),
        })
    }

    fn check(&self, options: &ProcessorOptions) -> Result<(), TunnelError> {
        let (interval, timeout) = (self.heartbeat_interval, self.heartbeat_timeout);
        if interval < self.min_heartbeat_interval {
            return Err(TunnelError::client(format!(
                "heartbeat_interval is {interval:?}; the service asks for at least {:?}",
                self.min_heartbeat_interval
            )));
        }
        if timeout <= interval {
            return Err(TunnelError::client(format!(
                "heartbeat_timeout is {timeout:?}; it must be greater than heartbeat_interval, which is {interval:?}"
            )));
        }
        if timeout < Duration::from_secs(1) {
            return Err(TunnelError::client(format!(
                "heartbeat_timeout is {timeout:?}; the service counts it in whole seconds, so at least 1 s"
            )));
        }
        if matches!(self.pool, PoolChoice::Own(0)) {
            return Err(TunnelError::client(
                "pool_threads is 0; callbacks need at least one thread",
            ));
        }
        if self.process_attempts == 0 {
            return Err(TunnelError::client(
                "process_attempts is 0; a batch is given to its callback at least once",
            ));
        }
        if let PoolChoice::Own(threads) = self.pool
            && threads > MAX_POOL_THREADS
        {
            return Err(TunnelError::client(format!(
                "pool_threads is {threads}; give at most {MAX_POOL_THREADS}"
            )));
        }
        if self.stuck_after < SHORTEST {
            return Err(TunnelError::client(format!(
                "stuck_after is {:?}; every channel would count as stuck, give at least {SHORTEST:?}",
                self.stuck_after
            )));
        }
        if self.backoff.max_delay < SHORTEST {
            return Err(TunnelError::client(format!(
                "the backoff's max_delay is {:?}; idle channels would be read without a pause, \
                 give at least {SHORTEST:?}",
                self.backoff.max_delay
            )));
        }
        if let Some(problem) = self.client_tag.as_deref().and_then(text::problem) {
            return Err(TunnelError::client(format!("the client_tag {problem}")));
        }
        self.reading.check(options)
    }
}

impl fmt::Debug for TunnelWorkerConfigBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TunnelWorkerConfigBuilder")
            .field("heartbeat_interval", &self.heartbeat_interval)
            .field("heartbeat_timeout", &self.heartbeat_timeout)
            .field("client_tag", &self.client_tag)
            .field("backoff", &self.backoff)
            .finish_non_exhaustive()
    }
}

fn host_name() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processor::SimpleProcessFactory;

    fn builder() -> TunnelWorkerConfigBuilder {
        TunnelWorkerConfig::builder(SimpleProcessFactory::new(|_, _| Ok(()))).pool_threads(1)
    }

    fn with_pipe(batches: usize) -> TunnelWorkerConfigBuilder {
        let factory = SimpleProcessFactory::new(|_, _| Ok(()));
        TunnelWorkerConfig::builder(factory.record_pipe_per_channel(batches))
    }

    fn refusal(builder: TunnelWorkerConfigBuilder) -> String {
        let error = builder.build().expect_err("must be refused");
        assert_eq!(error.code(), &crate::ErrorCode::ClientError);
        error.message().to_owned()
    }

    #[test]
    fn defaults_are_the_go_sdks() {
        let config = builder().build().expect("defaults");
        let settings = &config.settings;
        assert_eq!(settings.heartbeat_interval, Duration::from_secs(30));
        assert_eq!(settings.heartbeat_timeout, Duration::from_secs(300));
        assert_eq!(settings.backoff.max_delay, Duration::from_secs(5));
        assert_eq!(settings.client_tag, host_name());
        assert_eq!(settings.reading.max_channel_parallel, None);
        assert_eq!(settings.batches_per_channel(), 3);
        assert!(settings.closing_channel_detect);
        let budget = format!("{:?}", config.budget);
        assert!(budget.contains("total: 268435456"), "{budget}");
    }

    #[test]
    fn bad_settings_are_refused_with_the_reason() {
        let second = Duration::from_secs(1);
        for (builder, reason) in [
            (
                builder().heartbeat_interval(4 * second),
                "heartbeat_interval is 4s",
            ),
            (
                builder().heartbeat_timeout(30 * second),
                "heartbeat_timeout is 30s",
            ),
            (
                builder().heartbeat_interval_for_tests(Duration::ZERO),
                "heartbeat_interval is 0ns",
            ),
            (
                builder()
                    .heartbeat_interval_for_tests(second / 10)
                    .heartbeat_timeout(second / 2),
                "heartbeat_timeout is 500ms",
            ),
            (builder().pool_threads(0), "pool_threads is 0"),
            (builder().process_attempts(0), "process_attempts is 0"),
            (builder().pool_threads(usize::MAX), "give at most 10000"),
            (builder().stuck_after(Duration::ZERO), "stuck_after is 0"),
            (
                builder().stuck_after(Duration::from_nanos(1)),
                "give at least 1ms",
            ),
            (
                builder()
                    .backoff(ChannelBackoffConfig::default().max_delay(Duration::from_nanos(1))),
                "max_delay is 1ns",
            ),
            (
                builder().heartbeat_interval_for_tests(Duration::from_nanos(1)),
                "heartbeat_interval is 1ns",
            ),
            (
                builder().heartbeat_interval(Duration::MAX),
                "heartbeat_timeout is 300s",
            ),
            (
                builder()
                    .heartbeat_interval(Duration::MAX)
                    .heartbeat_timeout(Duration::MAX),
                "must be greater than heartbeat_interval",
            ),
            (
                builder().client_tag("tag\n"),
                "client_tag ends with a line end",
            ),
            (
                builder().client_tag(" tag"),
                "client_tag begins with a blank",
            ),
            (builder().client_tag("a\0b"), "client_tag holds a control"),
            (
                builder().backoff(ChannelBackoffConfig::default().max_delay(Duration::ZERO)),
                "max_delay is 0",
            ),
            (with_pipe(1001), "record_pipe_per_channel is more than 1000"),
            (with_pipe(usize::MAX), "record_pipe_per_channel is more"),
            (builder().memory_budget(0), "memory_budget is 0"),
            (
                builder().max_channel_parallel(0),
                "leave it unset for unlimited",
            ),
            (
                builder().need_manual_release(true),
                "without max_channel_parallel",
            ),
            (
                builder().read_max_times_per_round(0),
                "read_max_times_per_round is 0",
            ),
            (
                builder().read_max_bytes_per_round(0),
                "read_max_bytes_per_round is 0",
            ),
        ] {
            let message = refusal(builder);
            assert!(message.contains(reason), "{message}");
        }
        builder()
            .heartbeat_interval_for_tests(second / 10)
            .build()
            .expect("short intervals are for tests");
        builder()
            .heartbeat_timeout(Duration::MAX)
            .shutdown_timeout(Duration::MAX)
            .stuck_after(Duration::MAX)
            .backoff(ChannelBackoffConfig::default().max_delay(Duration::MAX))
            .memory_budget(usize::MAX)
            .max_channel_parallel(usize::MAX)
            .read_max_times_per_round(usize::MAX)
            .read_max_bytes_per_round(usize::MAX)
            .process_attempts(u32::MAX)
            .client_tag("")
            .build()
            .expect("the largest settings");
        builder()
            .need_manual_release(true)
            .max_channel_parallel(1)
            .build()
            .expect("places to release by hand");
    }
}
