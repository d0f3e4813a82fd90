//! Files left behind, and invalid settings.

use std::time::Duration;

use tablestore_emulator::Emulator;

use super::{Figure, Probe};
use crate::world::{MAX_WAIT, World};

pub(super) const FILES: Probe = Probe {
    name: "files",
    what: "files that the client leaves in the working directory",
    settings: "all at defaults",
    promise: Some(0.0),
    quick: true,
    run: |client, programs| {
        let mut world = World::start(client, programs, 1, Emulator::builder())?;
        world.put(10)?;
        let mut consumer = world.consumer(&["-type=BaseData"])?;
        world.wait_for_records(10)?;
        consumer.end(MAX_WAIT)?;
        let files = world.files_of(0)?;
        let text = match files.is_empty() {
            true => "none".to_owned(),
            false => format!("`{}`", files.join("`, `")),
        };
        Ok(Figure::new(text, files.len() as f64))
    },
};

pub(super) const TIMEOUT: Probe = Probe {
    name: "timeout",
    what: "a heartbeat timeout of 10 s at an interval of 30 s",
    settings: "as said",
    promise: Some(0.0),
    quick: true,
    run: |client, programs| {
        let mut world = World::start(client, programs, 1, Emulator::builder())?;
        world.put(10)?;
        let mut consumer = world.consumer(&["-type=BaseData", "-heartbeat=30", "-timeout=10"])?;
        world.wait(Duration::from_secs(30), |world| {
            Ok(world.output.records() == 10 || consumer.has_ended()?)
        })?;
        Ok(match world.output.records() {
            0 => Figure::new("refused", 0.0),
            _ => Figure::new("accepted in silence", 1.0),
        })
    },
};
