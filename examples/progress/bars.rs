//! Progress on a terminal: one bar for all base data, and one bar for each
//! channel that this worker holds.

use std::collections::HashMap;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::lines;
use crate::status::{Channel, Status};

const BASE: &str = "[{bar:24}] {msg}";
const BASE_CHANNEL: &str = "{prefix:20.cyan} [{bar:24}] {pos:>8} rows  {msg}";
const STREAM_CHANNEL: &str = "{prefix:20.green} {pos:>8} rows  {msg}";

pub(crate) struct Bars {
    all: MultiProgress,
    base: ProgressBar,
    channels: HashMap<String, ProgressBar>,
}

impl Bars {
    pub(crate) fn new() -> Bars {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        let base = all.add(ProgressBar::no_length().with_style(style(BASE)));
        Bars {
            all,
            base,
            channels: HashMap::new(),
        }
    }

    pub(crate) fn show(&mut self, status: &Status) {
        self.remove_closed(status);
        self.base.set_length(status.base.total.unwrap_or(0).max(1));
        self.base.set_position(status.base.rows);
        self.base.set_message(lines::base(&status.base));
        // The channels have about the same number of rows.
        let total = status.base.total.unwrap_or(0);
        let length = total.checked_div(status.base.channels as u64);
        for channel in &status.channels {
            let bar = self.bar(channel);
            bar.set_length(length.unwrap_or(0).max(channel.rows).max(1));
            bar.set_position(channel.rows);
            bar.set_message(message(channel));
        }
    }

    fn remove_closed(&mut self, status: &Status) {
        self.channels.retain(|id, bar| {
            let is_open = status.channels.iter().any(|channel| channel.id == *id);
            if !is_open {
                bar.finish_and_clear();
                self.all.remove(bar);
            }
            is_open
        });
    }

    fn bar(&mut self, channel: &Channel) -> &ProgressBar {
        let new = || {
            let template = if channel.is_stream {
                STREAM_CHANNEL
            } else {
                BASE_CHANNEL
            };
            let bar = ProgressBar::no_length().with_style(style(template));
            let name: String = channel.id.chars().take(20).collect();
            self.all.add(bar.with_prefix(name))
        };
        self.channels.entry(channel.id.clone()).or_insert_with(new)
    }
}

impl Drop for Bars {
    /// Leaves only the summary of base data on the terminal.
    fn drop(&mut self) {
        for bar in self.channels.values() {
            bar.finish_and_clear();
        }
        self.base.abandon();
    }
}

fn message(channel: &Channel) -> String {
    let rate = format!("{:.0} rows/s", channel.rate);
    match (channel.is_stream, channel.lag) {
        (true, Some(lag)) => format!("{rate}, lag {}, {}", lines::seconds(lag), channel.stage),
        (true, None) => format!("{rate}, no lag, {}", channel.stage),
        (false, _) => format!("{rate}, {}", channel.stage),
    }
}

/// Falls back to the default style, although all templates of this file are valid.
fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    style.unwrap_or_else(|_| ProgressStyle::default_bar())
}
