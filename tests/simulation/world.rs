//! [`World`]: everything that a seed describes, put together.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tablestore_emulator::_core::Engine;
use tablestore_emulator::{Emulator, EmulatorClock, KeyType, Table, TableSpec, Witness};
use tablestore_tunnel::_simulation as simulation;
use tablestore_tunnel::{
    ChannelBackoffConfig, CreateTunnelRequest, Credentials, TunnelClient, TunnelConfig,
    TunnelError, TunnelWorkerConfig, TunnelWorkerConfigBuilder,
};

use crate::consumers::{Consumers, Judging};
use crate::dice::Dice;
use crate::network::{NOBODY, Network, Port};
use crate::notes::{ConsumerId, Notes};
use crate::plan::{self, Plan};
use crate::user::{Committer, Dialer, Factory, Keys, Observer, OwnCheckpointer, Temper};

/// The instance of the emulator.
const INSTANCE: &str = "emulator";

/// A world, shared by its threads.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) dice: Dice,
    pub(crate) notes: Arc<Notes>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) network: Arc<Network>,
    pub(crate) temper: Arc<Temper>,
    pub(crate) committer: Arc<Committer>,
    pub(crate) consumers: Arc<Consumers>,
    pub(crate) clock: EmulatorClock,
    pub(crate) tables: Vec<Table>,
    /// Ids of the tunnels.
    pub(crate) tunnels: Vec<String>,
    /// Built when they are needed first; dropped at the end.
    configs: Mutex<Vec<Option<TunnelWorkerConfig>>>,
}

impl World {
    /// Runs on the first simulated thread.
    pub(crate) fn build(
        seed: u64,
        plan: Plan,
        dice: &Dice,
        notes: &Arc<Notes>,
    ) -> Result<World, TunnelError> {
        let clock = EmulatorClock::system();
        let engine = Arc::new(engine(seed, &plan, &clock));
        let network = Arc::new(Network::new(
            Arc::clone(&engine),
            Arc::clone(notes),
            plan.network.clone(),
            dice.clone(),
        ));
        let temper = Temper::new(dice.clone(), plan.weather.user_code_fails());
        let mut world = World {
            dice: dice.clone(),
            notes: Arc::clone(notes),
            engine,
            network,
            temper: Arc::new(temper),
            committer: Arc::default(),
            consumers: Arc::default(),
            clock,
            tables: Vec::new(),
            tunnels: Vec::new(),
            configs: Mutex::new(vec![None; plan.configs.len()]),
            plan,
        };
        world.fill()?;
        Ok(world)
    }

    /// Makes tables with their first rows, and tunnels on them.
    fn fill(&mut self) -> Result<(), TunnelError> {
        for (n, table) in self.plan.tables.iter().enumerate() {
            let spec = TableSpec::new(format!("table_{n}"))
                .primary_key("id", KeyType::Integer)
                .partitions(table.partitions);
            let made = self.engine.create_table(spec)?;
            for row in 0..table.rows {
                write(&made, row as i64)?;
            }
            self.tables.push(made);
        }
        let port = Arc::new(Port {
            network: Arc::clone(&self.network),
            consumer: NOBODY,
        });
        let keys = Credentials::new("emulator-key", "emulator-secret");
        let client = simulation::client(port, INSTANCE, keys, TunnelConfig::new())?;
        for (n, tunnel) in self.plan.tunnels.iter().enumerate() {
            let table = self.tables[tunnel.table].name();
            let request =
                CreateTunnelRequest::new(table, format!("tunnel_{n}"), tunnel.kind.clone());
            self.tunnels.push(client.create_tunnel(&request)?.tunnel_id);
        }
        Ok(())
    }

    pub(crate) fn witness(&self) -> Witness {
        self.engine.witness()
    }

    /// Starts a consumer.
    pub(crate) fn start(&self, id: ConsumerId, consumer: &plan::Consumer) {
        let parts = self.client(id).and_then(|client| {
            let config = self.config(consumer.config)?;
            Ok((client, config))
        });
        let (client, config) = match parts {
            Ok(parts) => parts,
            // It has not got the threads that it needs.
            Err(_) if self.plan.thread_failures > 0.0 => return,
            Err(error) => return self.notes.fail(format!("consumer {id}: {error}")),
        };
        let tunnel = &self.tunnels[consumer.tunnel];
        let started = self
            .consumers
            .start(id, consumer.kind, client, tunnel, &config);
        if let Err(error) = started
            && self.plan.thread_failures == 0.0
        {
            self.notes.fail(format!("consumer {id}: {error}"));
        }
    }

    fn client(&self, id: ConsumerId) -> Result<TunnelClient, TunnelError> {
        let port = Arc::new(Port {
            network: Arc::clone(&self.network),
            consumer: id,
        });
        let config = TunnelConfig::new().request_timeout(self.plan.network.request_timeout);
        simulation::client(port, INSTANCE, Keys(Arc::clone(&self.temper)), config)
    }

    fn config(&self, n: usize) -> Result<TunnelWorkerConfig, TunnelError> {
        let built = self.configs()[n].clone();
        if let Some(built) = built {
            return Ok(built);
        }
        let built = self.builder(&self.plan.configs[n]).build()?;
        self.configs()[n] = Some(built.clone());
        Ok(built)
    }

    fn configs(&self) -> std::sync::MutexGuard<'_, Vec<Option<TunnelWorkerConfig>>> {
        self.configs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn builder(&self, config: &plan::Config) -> TunnelWorkerConfigBuilder {
        let mut builder = TunnelWorkerConfig::builder(self.factory(config))
            .heartbeat_interval_for_tests(config.heartbeats.interval)
            .heartbeat_timeout(config.heartbeats.timeout)
            .client_tag("simulated")
            .pool_threads(config.pool_threads)
            .memory_budget(config.memory_budget)
            .read_max_times_per_round(config.reads_per_round)
            .sync_read_records(config.sync_read)
            .backoff(ChannelBackoffConfig::default().max_delay(config.longest_pause))
            .process_attempts(config.process_attempts)
            .shutdown_timeout(config.shutdown_timeout)
            .stuck_after(config.stuck_after)
            .closing_channel_detect(config.closing_channel_detect)
            .need_manual_release(config.manual_release);
        if let Some(channels) = config.max_channel_parallel {
            builder = builder.max_channel_parallel(channels);
        }
        if config.own_dialer {
            builder = builder.channel_dialer(Dialer(Arc::clone(&self.temper)));
        }
        if config.own_checkpointer {
            let temper = Arc::clone(&self.temper);
            let notes = Arc::clone(&self.notes);
            builder = builder.checkpointer(move |_, service| {
                Arc::new(OwnCheckpointer {
                    service,
                    temper: Arc::clone(&temper),
                    notes: Arc::clone(&notes),
                    is_saving: AtomicBool::new(false),
                })
            });
        }
        if config.observer {
            builder = builder.observer(Observer(Arc::clone(&self.temper)));
        }
        builder
    }

    fn factory(&self, config: &plan::Config) -> Factory {
        Factory {
            config: config.clone(),
            temper: Arc::clone(&self.temper),
            notes: Arc::clone(&self.notes),
            witness: self.witness(),
            committer: Arc::clone(&self.committer),
            consumers: Arc::clone(&self.consumers),
        }
    }

    pub(crate) fn judging(&self) -> Judging {
        let by_worker = |config: &plan::Config| matches!(config.commits, plan::Commits::Every(_));
        let is_quiet = self.plan.weather == plan::Weather::Quiet;
        Judging {
            notes: Arc::clone(&self.notes),
            engine: Arc::clone(&self.engine),
            is_exact: is_quiet && self.plan.configs.iter().all(by_worker),
            slack: Duration::from_secs(2) + self.plan.longest_stall * 8,
        }
    }

    /// Drops everything that consumers need.
    pub(crate) fn end(&self) {
        self.committer.end();
        self.consumers.clear();
        let configs = std::mem::take(&mut *self.configs());
        drop(configs);
    }
}

fn engine(seed: u64, plan: &Plan, clock: &EmulatorClock) -> Engine {
    let service = &plan.service;
    Emulator::builder()
        .seed(seed)
        .clock(clock.clone())
        .instance(INSTANCE)
        .batch_rows(service.batch_rows)
        .base_split_rows(service.base_split_rows)
        .owners_only(service.owners_only)
        .warm_up(service.warm_up)
        .engine()
}

/// Writes a row.
pub(crate) fn write(table: &Table, row: i64) -> Result<(), TunnelError> {
    let value = "x".repeat((row % 7) as usize * 10);
    table.put([row], [("value", value)]).map(|_| ())
}
