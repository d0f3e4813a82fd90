//! Promise 12: nothing of the user's runs under a lock, so user code may call
//! whatever it likes, wherever it is called.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tablestore_emulator::{Emulator, Rule};
use tablestore_tunnel::{
    ChannelContext, DescribeTunnelRequest, ListTunnelRequest, ProcessError, Record,
    SimpleProcessFactory, TunnelClient, TunnelType, TunnelWorkerConfig, TunnelWorkerDaemon,
};

use crate::harness::{Scene, Seen, config, wait_until};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Make,
    Open,
    Process,
    Shutdown,
    /// Of what the callback owns.
    Drop,
}

const PLACES: [Place; 5] = [
    Place::Make,
    Place::Open,
    Place::Process,
    Place::Shutdown,
    Place::Drop,
];

/// Everything that user code can get hold of.
struct Everything {
    place: Place,
    client: TunnelClient,
    tunnel: String,
    config: TunnelWorkerConfig,
    daemon: TunnelWorkerDaemon,
    calls: AtomicUsize,
}

impl Everything {
    /// Calls all of it, once.
    fn call_at(&self, place: Place, ctx: Option<&ChannelContext>) {
        if place != self.place || self.calls.fetch_add(1, Ordering::SeqCst) > 0 {
            return;
        }
        if let Some(ctx) = ctx {
            call_context(ctx);
        }
        self.call_client();
        // The last: it ends all of this.
        let receipt = self.daemon.close();
        assert!(!receipt.is_complete, "it cannot wait for itself");
        self.daemon.close_within(Duration::ZERO);
    }

    fn call_client(&self) {
        let _ = format!("{:?} {:?}", self.client, self.config);
        let _ = format!("{:?}", self.daemon);
        let list = ListTunnelRequest::new("orders");
        self.client.list_tunnel(&list).expect("list");
        let describe = DescribeTunnelRequest::new("orders", "tunnel");
        self.client.describe_tunnel(&describe).expect("describe");
        assert!(self.daemon.run().is_err(), "it runs already");
        assert!(self.daemon.spawn().is_err());
        let other = TunnelWorkerDaemon::new(
            self.client.clone(),
            self.tunnel.clone(),
            self.config.clone(),
        );
        let receipt = other.close();
        assert!(receipt.is_complete);
        let worker = self.client.new_tunnel_worker(&self.tunnel, &self.config);
        let worker = worker.expect("worker");
        assert!(worker.shutdown(Duration::from_secs(60)).is_complete);
        assert!(worker.connect_and_working().is_err(), "it is used");
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

/// Calls everything when it is dropped.
struct OnDrop(Shared);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.wait().call_at(Place::Drop, None);
    }
}

fn factory(place: Place, all: &Shared, seen: &Seen) -> SimpleProcessFactory {
    let call = |at: Place| {
        let all = all.clone();
        move |ctx: &ChannelContext| all.wait().call_at(at, Some(ctx))
    };
    let (make, open, shutdown) = (call(Place::Make), call(Place::Open), call(Place::Shutdown));
    let (all, seen) = (all.clone(), seen.clone());
    SimpleProcessFactory::per_channel(move |ctx: &ChannelContext| {
        make(ctx);
        let (seen, owned) = (seen.clone(), OnDrop(all.clone()));
        Ok(move |ctx: &ChannelContext, records: &[Record]| {
            owned.0.wait().call_at(Place::Process, Some(ctx));
            match place {
                // How a channel gets there without anybody's help.
                Place::Shutdown | Place::Drop => Err(ProcessError::close("to the end")),
                Place::Make | Place::Open | Place::Process => seen.note(ctx, records),
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
fn promise_12_user_code_may_call_everything_from_everywhere() {
    for place in PLACES {
        let scene = Scene::with(2, Emulator::builder().batch_rows(10));
        if place == Place::Process {
            // It commits its batch in the middle of the callback.
            scene.breaks(Rule::SaveBeyondProcessed);
        }
        let tunnel = scene.tunnel(TunnelType::Stream);
        let (all, seen) = (Shared::default(), Seen::default());
        let config = config(factory(place, &all, &seen)).pool_threads(1).build();
        let config = config.expect("config");
        let daemon = TunnelWorkerDaemon::new(scene.client.clone(), &tunnel, config.clone());
        let running = daemon.spawn().expect("a thread");
        let everything = Everything {
            place,
            client: scene.client.clone(),
            tunnel,
            config,
            daemon: daemon.clone(),
            calls: AtomicUsize::new(0),
        };
        assert!(all.set(everything).is_ok());
        scene.put_rows(40);
        let calling = Instant::now();
        running.join().expect("the daemon was closed in order");
        let took = calling.elapsed();
        assert!(took < Duration::from_secs(20), "{place:?}: {took:?}");
        let calls = &all.wait().calls;
        assert!(calls.load(Ordering::SeqCst) > 0, "{place:?}");
        wait_until("the worker is done", || daemon.close().is_complete);
    }
}
