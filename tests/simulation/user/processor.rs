//! The factory and its processors, whose callbacks are noted and judged.

use std::sync::Arc;
use std::time::Duration;

use tablestore_emulator::{RecordId, Witness};
use tablestore_tunnel::_simulation as simulation;
use tablestore_tunnel::{
    ChannelContext, ChannelProcessor, ChannelProcessorFactory, CheckpointMode, ErrorCode,
    ProcessError, ProcessResult, ProcessorOptions, Record, parse_binary_records,
};

use super::{Committer, Mood, Temper, panic_on_purpose};
use crate::consumers::Consumers;
use crate::logging::note;
use crate::notes::{Notes, OpeningId, Place};
use crate::plan::{Commits, Config};

/// The factory of one configuration.
#[derive(Clone)]
pub(crate) struct Factory {
    pub(crate) config: Config,
    pub(crate) temper: Arc<Temper>,
    pub(crate) notes: Arc<Notes>,
    pub(crate) witness: Witness,
    pub(crate) committer: Arc<Committer>,
    pub(crate) consumers: Arc<Consumers>,
}

/// The processor of one opening of a channel.
struct Processor {
    parts: Factory,
    opening: OpeningId,
    /// The token of the batch before, to commit out of order.
    last: Option<String>,
}

/// What the callback does with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Process,
    Fail,
    RetryAfter(Duration),
    Close,
    Skip,
    Panic,
}

fn place(ctx: &ChannelContext) -> Place<'_> {
    Place {
        tunnel: ctx.tunnel_id(),
        client: ctx.client_id(),
        channel: ctx.channel_id(),
    }
}

impl ChannelProcessorFactory for Factory {
    fn new_processor(
        &self,
        channel: &ChannelContext,
    ) -> Result<Box<dyn ChannelProcessor>, ProcessError> {
        let opening = self.notes.made(place(channel), self.config.most_batches());
        note(|| format!("opening {opening}: channel {}", channel.channel_id()));
        let _running = Running::begin(&self.notes, opening, "factory");
        match self.temper.live() {
            Mood::Well => Ok(Box::new(Processor {
                parts: self.clone(),
                opening,
                last: None,
            })),
            Mood::Fails => Err(ProcessError::new("no processor")),
            Mood::Panics => panic_on_purpose(),
        }
    }

    fn options(&self) -> ProcessorOptions {
        let mut options = ProcessorOptions::default();
        options.checkpoint = match self.config.commits {
            Commits::Every(interval) => CheckpointMode::Every(interval),
            _ => CheckpointMode::ByProcessor,
        };
        options.need_binary_record = self.config.binary;
        options.always_call_back = self.config.always_call_back;
        options.record_pipe_per_channel = self.config.pipe;
        options
    }
}

impl ChannelProcessor for Processor {
    fn open(&mut self, _channel: &ChannelContext) -> ProcessResult {
        let _running = Running::begin(&self.parts.notes, self.opening, "open");
        match self.parts.temper.live() {
            Mood::Well => {
                self.parts.notes.opened(self.opening);
                Ok(())
            }
            Mood::Fails => Err(ProcessError::new("not opened")),
            Mood::Panics => panic_on_purpose(),
        }
    }

    fn process(&mut self, ctx: &ChannelContext, records: &[Record]) -> ProcessResult {
        let _running = Running::begin(&self.parts.notes, self.opening, "process");
        let (token, attempt) = (ctx.next_token(), ctx.attempt());
        let notes = &self.parts.notes;
        notes.delivered(self.opening, token, ctx.record_count(), attempt);
        let deed = self.live(ctx);
        note(|| {
            let (opening, records) = (self.opening, ctx.record_count());
            format!("opening {opening}: {records} records, attempt {attempt}: {deed:?}")
        });
        match deed {
            Deed::Process => {
                self.processed(ctx, records);
                Ok(())
            }
            Deed::Skip => {
                self.processed(ctx, records);
                Err(ProcessError::skip("skipped"))
            }
            Deed::Fail => Err(ProcessError::new("failed")),
            Deed::RetryAfter(delay) => Err(ProcessError::retry_after(delay, "not now")),
            Deed::Close => Err(ProcessError::close("closed")),
            Deed::Panic => panic_on_purpose(),
        }
    }

    fn shutdown(&mut self, _channel: &ChannelContext) {
        let running = Running::begin(&self.parts.notes, self.opening, "shutdown");
        let mood = self.parts.temper.live();
        self.parts.notes.shut_down(self.opening);
        drop(running);
        if mood == Mood::Panics {
            panic_on_purpose();
        }
    }
}

impl Processor {
    /// Spends time, does what it may do meanwhile, and decides how the call ends.
    fn live(&self, ctx: &ChannelContext) -> Deed {
        let (temper, config) = (&self.parts.temper, &self.parts.config);
        let dice = temper.dice();
        let releases = config.manual_release && dice.chance(0.7);
        if releases && dice.chance(0.5) {
            ctx.parallel_release().release();
        }
        if !config.callback.is_zero() {
            simulation::sleep(config.callback.mul_f64(dice.up_to(0..101) as f64 / 100.0));
        }
        self.parts
            .consumers
            .close_in_callback(&self.parts.notes, ctx.client_id());
        if releases {
            ctx.parallel_release().release();
        }
        if temper.strikes(0.05) {
            simulation::sleep(dice.millis(10..8_000));
        }
        if temper.strikes(0.005) {
            temper.hang();
        }
        match temper.strikes(0.2) {
            true => dice.pick(&[
                Deed::Fail,
                Deed::Fail,
                Deed::RetryAfter(dice.millis(1..20_000)),
                Deed::Close,
                Deed::Skip,
                Deed::Panic,
            ]),
            false => Deed::Process,
        }
    }

    /// Notes that the batch is processed, and commits it where that is the program's
    /// business.
    fn processed(&mut self, ctx: &ChannelContext, records: &[Record]) {
        self.witness(ctx, records);
        self.parts.notes.finished(self.opening);
        match self.parts.config.commits {
            // The program may commit as well, while the worker saves.
            Commits::Every(_) if self.parts.temper.strikes(0.1) => {
                let _ = ctx.processor().commit_token(ctx.next_token());
            }
            Commits::Every(_) => {}
            Commits::Inline => self.commit_inline(ctx),
            Commits::Late(delay) => self.parts.committer.later(ctx, Some(delay)),
            Commits::Never => self.parts.committer.later(ctx, None),
        }
        self.last = Some(ctx.next_token().to_owned());
    }

    fn witness(&self, ctx: &ChannelContext, records: &[Record]) {
        let Some(bytes) = ctx.binary_records() else {
            self.parts.witness.note(ctx, records);
            return;
        };
        match parse_binary_records(bytes) {
            Ok(records) => {
                let ids = records.iter().map(RecordId::of);
                let Place {
                    tunnel,
                    client,
                    channel,
                } = place(ctx);
                self.parts.witness.note_ids(tunnel, client, channel, ids);
            }
            Err(error) => self.parts.notes.fail(format!("binary records: {error}")),
        }
    }

    fn commit_inline(&self, ctx: &ChannelContext) {
        let committed = ctx.processor().commit_token(ctx.next_token());
        if committed.is_err() {
            // It must come to an end all the same.
            self.parts
                .committer
                .later(ctx, Some(Duration::from_secs(1)));
            return;
        }
        self.commit_out_of_order(ctx);
    }

    fn commit_out_of_order(&self, ctx: &ChannelContext) {
        let Some(older) = self
            .last
            .as_deref()
            .filter(|last| *last != ctx.next_token())
        else {
            return;
        };
        let config = &self.parts.config;
        let temper = &self.parts.temper;
        if config.commits_out_of_order && temper.strikes(0.3) {
            let refused = ctx.processor().commit_token(older);
            let codes = [ErrorCode::CheckpointOutOfOrder, ErrorCode::ChannelLost];
            let is_refused = refused.is_err_and(|error| codes.contains(error.code()));
            if !is_refused {
                let what = "an older token was committed after a newer one";
                self.parts.notes.fail(what.to_owned());
            }
        }
        if config.rewinds && temper.strikes(0.1) {
            let _ = ctx.processor().rewind_to(older);
        }
    }
}

/// Notes the end of a call, also by a panic.
struct Running(Arc<Notes>, OpeningId);

impl Running {
    fn begin(notes: &Arc<Notes>, opening: OpeningId, what: &str) -> Running {
        notes.begin(opening, what);
        Running(Arc::clone(notes), opening)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.end(self.1);
    }
}
