//! Models of the threads of one channel, which `scripts/models` runs with many schedules.
//!
//! A reader, two threads of the pool, the I/O task, the timers and whoever closes the
//! channel act as those of a worker do: through the state, under one lock.

use std::collections::VecDeque;
use std::sync::Arc;

use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

use super::state::{Action, ChannelEvent, ChannelState, Phase};
use crate::sync::{Condvar, Mutex, model};

/// Number of batches that the reader reads.
const BATCHES: u32 = 3;

/// What happens in a model besides reading and processing.
#[derive(Clone, Copy)]
enum Story {
    /// The last batch ends the channel.
    Finish,
    /// The channel is closed or lost at any time.
    Close(ChannelEvent),
}

#[derive(Clone)]
struct Channel(Arc<(Mutex<Data>, Condvar)>);

struct Data {
    state: ChannelState,
    queue: VecDeque<u32>,
    /// The batch that the runner has not done.
    current: Option<u32>,
    /// A turn has the runner.
    is_running: bool,
    /// Turns that the pool owes.
    turns: usize,
    timers: Vec<ChannelEvent>,
    io_tasks: usize,
    /// The last batch that was delivered, processed, saved. 0 is none.
    delivered: u32,
    processed: u32,
    saved: u32,
    ends: usize,
}

impl Channel {
    fn open() -> Channel {
        let mut state = ChannelState::new();
        assert_eq!(state.handle(ChannelEvent::Make), Action::Proceed);
        assert_eq!(state.handle(ChannelEvent::Opened), Action::Proceed);
        let data = Data {
            state,
            queue: VecDeque::new(),
            current: None,
            is_running: false,
            turns: 0,
            timers: Vec::new(),
            io_tasks: 0,
            delivered: 0,
            processed: 0,
            saved: 0,
            ends: 0,
        };
        Channel(Arc::new((Mutex::new(data), Condvar::new())))
    }

    /// Changes the data under the lock, and does what the state asks for after it.
    fn change(&self, change: impl FnOnce(&mut Data) -> Action) -> Action {
        let mut data = self.0.0.lock();
        let action = change(&mut data);
        drop(data);
        match action {
            Action::Schedule => self.0.0.lock().turns += 1,
            Action::StartIo => self.start_io(),
            Action::StartSaveTimer => self.0.0.lock().timers.push(ChannelEvent::SaveDue),
            _ => {}
        }
        self.0.1.notify_all();
        action
    }

    fn handle(&self, event: ChannelEvent) -> Action {
        self.change(|data| data.state.handle(event))
    }

    /// Waits for something; `None` if the channel ends first.
    fn wait_for<T>(&self, mut ready: impl FnMut(&mut Data) -> Option<T>) -> Option<T> {
        let mut data = self.0.0.lock();
        loop {
            let result = ready(&mut data);
            if result.is_some() || data.state.phase() == Phase::Ended {
                return result;
            }
            self.0.1.wait(&mut data);
        }
    }

    // The reader.

    fn read_all(&self) {
        for batch in 1..=BATCHES {
            self.change(|data| {
                if data.state.is_closing() {
                    return Action::Nothing;
                }
                data.queue.push_back(batch);
                data.state.handle(ChannelEvent::Arrived)
            });
        }
    }

    // The pool.

    fn run_turns(&self, story: Story) {
        let next = |data: &mut Data| {
            data.turns = data.turns.checked_sub(1)?;
            Some(())
        };
        while self.wait_for(next).is_some() {
            self.take_turn(story);
        }
    }

    fn take_turn(&self, story: Story) {
        let start = self.change(|data| {
            let action = data.state.handle(ChannelEvent::Start);
            if action == Action::Proceed {
                assert!(!data.is_running, "two turns at the same time");
                data.is_running = true;
                data.current = data.current.or_else(|| data.queue.pop_front());
            }
            action
        });
        if start != Action::Proceed {
            return;
        }
        let mut end = None;
        if let Some(batch) = self.deliver() {
            end = match thread_rng().gen_bool(0.3) {
                true => Some(ChannelEvent::Pause),
                false => self.processed(batch, story),
            };
        }
        self.finish_turn(end);
    }

    /// The batch of the turn, if it may be delivered.
    fn deliver(&self) -> Option<u32> {
        let mut batch = None;
        self.change(|data| {
            let was_closing = data.state.is_closing();
            let action = data.state.handle(ChannelEvent::Deliver);
            if action == Action::Proceed {
                assert!(!was_closing, "a batch begins after the close");
                batch = data.current;
                let next = batch.expect("a turn has something to do");
                let again = data.delivered;
                assert!(next == again || next == again + 1, "{next} after {again}");
                data.delivered = next;
            }
            action
        });
        batch
    }

    /// The batch is processed. Returns how the turn ends, if not as usual.
    fn processed(&self, batch: u32, story: Story) -> Option<ChannelEvent> {
        self.change(|data| {
            data.current = None;
            data.processed = batch;
            data.state.handle(ChannelEvent::Processed)
        });
        let is_last = batch == BATCHES && matches!(story, Story::Finish);
        is_last.then_some(ChannelEvent::End)
    }

    fn finish_turn(&self, end: Option<ChannelEvent>) {
        self.change(|data| {
            data.is_running = false;
            let more = !data.queue.is_empty();
            let event = end.unwrap_or(ChannelEvent::Finish { more });
            let action = data.state.handle(event);
            if (event, action) == (ChannelEvent::Pause, Action::Nothing) {
                data.timers.push(ChannelEvent::Resume);
            }
            action
        });
    }

    // The timers of the session's loop, which may fire at any time.

    fn run_timers(&self) {
        while let Some(timer) = self.wait_for(|data| data.timers.pop()) {
            self.handle(timer);
        }
    }

    // The I/O task.

    fn start_io(&self) {
        let channel = self.clone();
        thread::spawn(move || channel.run_io_task());
    }

    fn run_io_task(&self) {
        self.change(|data| {
            assert_eq!(data.io_tasks, 0, "two I/O tasks");
            data.io_tasks += 1;
            Action::Nothing
        });
        loop {
            let next = self.change(|data| {
                let action = data.state.handle(ChannelEvent::NextIo);
                data.io_tasks -= usize::from(action == Action::Nothing);
                action
            });
            match next {
                Action::Save => self.save(),
                Action::Close => return self.end(),
                _ => return,
            }
        }
    }

    fn save(&self) {
        let token = self.0.0.lock().processed;
        // The request.
        thread::yield_now();
        self.change(|data| {
            data.saved = token;
            let more = data.processed > token;
            data.state.handle(ChannelEvent::Saved { more })
        });
    }

    fn end(&self) {
        self.change(|data| {
            assert!(!data.is_running, "the channel ends during a turn");
            assert_eq!(data.ends, 0, "the channel ends twice");
            if !data.state.is_lost() {
                data.saved = data.processed;
            }
            data.io_tasks -= 1;
            data.ends += 1;
            data.state.handle(ChannelEvent::Ended)
        });
    }
}

fn run(story: Story) {
    let channel = Channel::open();
    let act = |act: fn(&Channel, Story)| {
        let channel = channel.clone();
        thread::spawn(move || act(&channel, story))
    };
    let threads = [
        act(|channel, _| channel.read_all()),
        act(Channel::run_turns),
        act(Channel::run_turns),
        act(|channel, _| channel.run_timers()),
    ];
    if let Story::Close(event) = story {
        let late = thread_rng().gen_bool(0.5);
        // Nothing else ends this channel: a turn that is lost is a deadlock.
        channel.wait_for(|data| (!late || data.processed == BATCHES).then_some(()));
        channel.handle(event);
    }
    for thread in threads {
        thread.join().expect("no panic");
    }
    let data = channel.0.0.lock();
    assert_eq!((data.state.phase(), data.ends), (Phase::Ended, 1));
    assert!(
        data.delivered - data.processed <= 1,
        "it counts what was not delivered"
    );
    assert!(
        data.saved <= data.processed,
        "it saves what is not processed"
    );
    match story {
        Story::Finish => assert_eq!(data.saved, BATCHES),
        Story::Close(ChannelEvent::Close) => assert_eq!(data.saved, data.processed),
        Story::Close(_) => {}
    }
}

#[test]
fn every_batch_is_processed_and_saved() {
    model(|| run(Story::Finish));
}

#[test]
fn a_closed_channel_saves_what_is_processed_and_ends_once() {
    model(|| run(Story::Close(ChannelEvent::Close)));
}

#[test]
fn a_lost_channel_ends_once() {
    model(|| run(Story::Close(ChannelEvent::Lose)));
}
