//! The table of figures, and the page that contains it.

use std::fmt::Write;

use crate::client::Client;
use crate::probes::{self, Figure, Probe};

/// A probe, with the figure of each client that was measured.
pub(crate) struct Row {
    pub(crate) probe: &'static Probe,
    pub(crate) figures: Vec<(Client, Figure)>,
}

impl Row {
    /// Whether the probe could be measured, and this crate's client is within the
    /// promised limit.
    pub(crate) fn keeps_promise(&self) -> bool {
        let kept = |(client, figure): &(Client, Figure)| match (client, self.probe.promise) {
            (Client::Ours, Some(limit)) => figure.worst <= limit,
            _ => !figure.failed,
        };
        let kept = self.figures.iter().all(kept);
        if !kept {
            eprintln!("{}: not measured, or above its limit", self.probe.name);
        }
        kept
    }

    fn of(&self, client: Client) -> &str {
        let mut figures = self.figures.iter();
        let figure = figures.find(|(other, _)| *other == client);
        figure.map_or("not run", |(_, figure)| figure.text.as_str())
    }
}

const HEAD: &str = "\
# Where this client and the official SDKs differ

Measured, not claimed: each row is one scenario that was run with this crate's
client, the Go SDK v1.7.15 and the Java SDK 5.17.10 against the emulator of this
crate, on one machine of two cores. The table is written by

```text
tests/interop/run.sh --table
```

which needs Go, Java and Maven. CI measures our column again, except for rows
that take long, and fails if it is not what we promise or a row is missing here.
The scenarios are in `tests/interop/rust/differences/probes`, the consumers
beside them.

How to read it: records that *come again* are given to a callback a second time,
which at-least-once allows but nobody wants. Times are as a callback sees them.
*Settings* names what is not left at its default. The defaults of the heartbeat
(every 30 s, timeout 300 s) are the same in all three; a checkpoint is saved
every 10 s by this crate and Go, and every 5 s by Java. Where a row has a shorter
heartbeat it is so that measuring takes less time. What depends on a race or a
random pause, as most counts of records that come again and the time to connect
again, differs from run to run.

";

/// The whole page.
pub(crate) fn page(rows: &[Row]) -> String {
    HEAD.to_owned() + &table(rows)
}

pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = "| what happens | this crate | Go SDK | Java SDK | settings |\n\
                    |---|---|---|---|---|\n"
        .to_owned();
    for row in rows {
        let [ours, go, java] = Client::ALL.map(|client| row.of(client));
        let Probe { what, settings, .. } = row.probe;
        // Writing to a string never fails.
        let _ = writeln!(text, "| {what} | {ours} | {go} | {java} | {settings} |");
    }
    text
}

/// Whether a page has a row for every probe.
pub(crate) fn is_complete(page: &str) -> bool {
    let missing = probes::ALL
        .iter()
        .filter(|probe| !page.contains(&format!("\n| {} |", probe.what)));
    let missing: Vec<&str> = missing.map(|probe| probe.name).collect();
    if !missing.is_empty() {
        eprintln!("the page has no row for: {}", missing.join(", "));
    }
    missing.is_empty()
}
