//! What a program can bring beside its callbacks: a checkpointer, a dialer, credentials
//! and an observer.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tablestore_tunnel::{
    ChannelBatch, ChannelConn, ChannelContext, ChannelDialer, Checkpointer, Credentials,
    CredentialsProvider, ProcessError, TunnelError, WorkerEvent, WorkerObserver,
};

use super::{Mood, Temper, panic_on_purpose};
use crate::notes::Notes;

/// Saves through the worker's own checkpointer.
pub(crate) struct OwnCheckpointer {
    pub(crate) service: Arc<dyn Checkpointer>,
    pub(crate) temper: Arc<Temper>,
    pub(crate) notes: Arc<Notes>,
    /// A call runs. The worker makes one at a time.
    pub(crate) is_saving: AtomicBool,
}

impl Checkpointer for OwnCheckpointer {
    fn checkpoint(&self, token: &str) -> Result<(), TunnelError> {
        if self.is_saving.swap(true, Ordering::Relaxed) {
            let text = "a checkpointer is called by two threads at the same time";
            self.notes.fail(text.to_owned());
        }
        let _saving = Saving(&self.is_saving);
        match self.temper.labour() {
            Mood::Well => self.service.checkpoint(token),
            Mood::Fails => Err(TunnelError::other("not saved")),
            Mood::Panics => panic_on_purpose(),
        }
    }
}

/// Ends a call, also by a panic.
struct Saving<'a>(&'a AtomicBool);

impl Drop for Saving<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl fmt::Debug for OwnCheckpointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnCheckpointer")
    }
}

/// Wraps the worker's own connections.
pub(crate) struct Dialer(pub(crate) Arc<Temper>);

struct Conn {
    service: Box<dyn ChannelConn>,
    temper: Arc<Temper>,
}

impl ChannelDialer for Dialer {
    fn dial(
        &self,
        _channel: &ChannelContext,
        service: Box<dyn ChannelConn>,
    ) -> Result<Box<dyn ChannelConn>, ProcessError> {
        match self.0.live() {
            Mood::Well => Ok(Box::new(Conn {
                service,
                temper: Arc::clone(&self.0),
            })),
            Mood::Fails => Err(ProcessError::new("not dialed")),
            Mood::Panics => panic_on_purpose(),
        }
    }
}

impl ChannelConn for Conn {
    fn read(&mut self, token: &str) -> Result<ChannelBatch, TunnelError> {
        match self.temper.live() {
            Mood::Well => self.service.read(token),
            Mood::Fails => Err(TunnelError::other("not read")),
            Mood::Panics => panic_on_purpose(),
        }
    }
}

/// Keys that are missing for a while.
pub(crate) struct Keys(pub(crate) Arc<Temper>);

impl CredentialsProvider for Keys {
    fn credentials(&self) -> Result<Credentials, Box<dyn Error + Send + Sync>> {
        match self.0.has_keys() {
            true => Ok(Credentials::new("emulator-key", "emulator-secret")),
            false if self.0.dice().chance(0.3) => panic_on_purpose(),
            false => Err("no keys".into()),
        }
    }
}

/// Takes its time, and sometimes panics.
pub(crate) struct Observer(pub(crate) Arc<Temper>);

impl WorkerObserver for Observer {
    fn on_event(&self, event: &WorkerEvent<'_>) {
        // An event may be shown at any time.
        let _ = event.to_string();
        if self.0.strikes(0.02) && self.0.live() == Mood::Panics {
            panic_on_purpose();
        }
    }
}
