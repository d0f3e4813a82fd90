//! Tests promise 12: no user code runs under a lock, so any callback may call any
//! method of the crate.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tablestore_emulator::{Emulator, Rule};
use tablestore_tunnel::{
    ChannelContext, DescribeTunnelRequest, ListTunnelRequest, ProcessError, Record,
    SimpleProcessFactory, TunnelClient, TunnelType, TunnelWorkerConfig, TunnelWorkerDaemon,
};

use crate::harness::{Processed, Scene, config, wait_until};

/// The user code that calls the crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    Factory,
    Open,
    Process,
    Shutdown,
    /// The destructor of a value that the callback owns.
    Drop,
}

const CALLERS: [Caller; 5] = [
    Caller::Factory,
    Caller::Open,
    Caller::Process,
    Caller::Shutdown,
    Caller::Drop,
];

/// All values of the crate that user code can reach.
struct Everything {
    caller: Caller,
    client: TunnelClient,
    tunnel: String,
    config: TunnelWorkerConfig,
    daemon: TunnelWorkerDaemon,
    calls: AtomicUsize,
}

impl Everything {
    /// Calls every method, once, if `caller` is the caller under test.
    fn call_from(&self, caller: Caller, ctx: Option<&ChannelContext>) {
        if caller != self.caller || self.calls.fetch_add(1, Ordering::SeqCst) > 0 {
            return;
        }
        if let Some(ctx) = ctx {
            call_context(ctx);
        }
        self.call_client();
        // Called last, because it ends the worker.
        let report = self.daemon.close();
        assert!(!report.is_complete, "close waited for its own caller");
        self.daemon.close_within(Duration::ZERO);
    }

    fn call_client(&self) {
        let _ = format!("{:?} {:?}", self.client, self.config);
        let _ = format!("{:?}", self.daemon);
        let list = ListTunnelRequest::new("orders");
        self.client.list_tunnel(&list).expect("list");
        let describe = DescribeTunnelRequest::new("orders", "tunnel");
        self.client.describe_tunnel(&describe).expect("describe");
        assert!(self.daemon.run().is_err(), "the daemon is running");
        assert!(self.daemon.spawn().is_err());
        let other = TunnelWorkerDaemon::new(
            self.client.clone(),
            self.tunnel.clone(),
            self.config.clone(),
        );
        let report = other.close();
        assert!(report.is_complete);
        let worker = self.client.new_tunnel_worker(&self.tunnel, &self.config);
        let worker = worker.expect("worker");
        assert!(worker.shutdown(Duration::from_secs(60)).is_complete);
        assert!(
            worker.connect_and_working().is_err(),
            "the worker was shut down"
        );
        let config = TunnelWorkerConfig::builder(SimpleProcessFactory::new(|_, _| Ok(())));
        drop(config.pool_threads(1).build().expect("config"));
    }
}

fn call_context(ctx: &ChannelContext) {
    let _ = format!("{ctx} {ctx:?} {:?}", ctx.processor());
    assert_eq!(ctx.custom_value::<u8>(), Some(&7));
    let _ = (ctx.tunnel_id(), ctx.client_id(), ctx.trace_id());
    let _ = (ctx.is_closing(), ctx.may_checkpoint(), ctx.attempt());
    let _ = (ctx.is_stream_channel(), ctx.binary_records());
    if ctx.record_count() > 0 {
        let saved = ctx.processor().commit_token(ctx.next_token());
        saved.expect("a checkpoint");
    }
}

type Shared = Arc<OnceLock<Everything>>;

/// Calls every method when it is dropped.
struct CallOnDrop(Shared);

impl Drop for CallOnDrop {
    fn drop(&mut self) {
        self.0.wait().call_from(Caller::Drop, None);
    }
}

fn factory(caller: Caller, all: &Shared, processed: &Processed) -> SimpleProcessFactory {
    let call = |from: Caller| {
        let all = all.clone();
        move |ctx: &ChannelContext| all.wait().call_from(from, Some(ctx))
    };
    let (make, open) = (call(Caller::Factory), call(Caller::Open));
    let shutdown = call(Caller::Shutdown);
    let (all, processed) = (all.clone(), processed.clone());
    SimpleProcessFactory::per_channel(move |ctx: &ChannelContext| {
        make(ctx);
        let (processed, owned) = (processed.clone(), CallOnDrop(all.clone()));
        Ok(move |ctx: &ChannelContext, records: &[Record]| {
            owned.0.wait().call_from(Caller::Process, Some(ctx));
            match caller {
                // The channel must close before these callers run.
                Caller::Shutdown | Caller::Drop => Err(ProcessError::close("on purpose")),
                Caller::Factory | Caller::Open | Caller::Process => processed.add(ctx, records),
            }
        })
    })
    .channel_open(move |ctx| {
        open(ctx);
        Ok(())
    })
    .shutdown(shutdown)
    .custom_value(7_u8)
}

#[test]
fn promise_12_user_code_may_call_any_method_from_any_callback() {
    for caller in CALLERS {
        let scene = Scene::with(2, Emulator::builder().batch_rows(10));
        if caller == Caller::Process {
            // The callback commits its batch before it has processed the batch.
            scene.breaks(Rule::SaveBeyondProcessed);
        }
        let tunnel = scene.tunnel(TunnelType::Stream);
        let (all, processed) = (Shared::default(), Processed::default());
        let config = config(factory(caller, &all, &processed))
            .pool_threads(1)
            .build();
        let config = config.expect("config");
        let daemon = TunnelWorkerDaemon::new(scene.client.clone(), &tunnel, config.clone());
        let running = daemon.spawn().expect("a thread");
        let everything = Everything {
            caller,
            client: scene.client.clone(),
            tunnel,
            config,
            daemon: daemon.clone(),
            calls: AtomicUsize::new(0),
        };
        assert!(all.set(everything).is_ok());
        scene.put_rows(40);
        let calling = Instant::now();
        running.join().expect("the daemon was closed gracefully");
        let took = calling.elapsed();
        assert!(took < Duration::from_secs(20), "{caller:?}: {took:?}");
        let calls = &all.wait().calls;
        assert!(calls.load(Ordering::SeqCst) > 0, "{caller:?}");
        wait_until("the worker has ended", || daemon.close().is_complete);
    }
}
