//! The report as Markdown tables, and the files it is written to.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::client::Kind;
use super::options::Options;
use super::plan::Results;
use super::run::{Case, Outcome};

const BEGIN: &str = "<!-- consume: from here on written by the program -->";
const END: &str = "<!-- consume: up to here -->";

/// The folder for output that is not kept.
pub(crate) fn scratch() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/consume")
}

/// The results as Markdown.
pub(crate) struct Report(String);

impl Report {
    pub(crate) fn new(results: &Results) -> Report {
        let mut text = String::new();
        for (pinned, title) in [
            (true, "A core for the client, another for the server"),
            (false, "Client and server share all cores"),
        ] {
            if results.busy.iter().any(|(case, _)| case.pinned == pinned) {
                let _ = writeln!(text, "### {title}\n");
                text += &busy_table(results, pinned);
            }
        }
        if !results.idle.is_empty() {
            text += "### Idle: stream channels without data\n\n";
            text += &idle_table(results);
        }
        let _ = writeln!(
            text,
            "Medians of {} alternating runs on {}.",
            results.rounds,
            machine()
        );
        Report(text)
    }

    pub(crate) fn markdown(&self) -> &str {
        &self.0
    }

    /// Writes the table and the chart to the scratch folder, and also to the
    /// documents if the options say so.
    pub(crate) fn write(&self, options: &Options, chart: &str) -> io::Result<()> {
        fs::create_dir_all(scratch())?;
        fs::write(scratch().join("table.md"), &self.0)?;
        fs::write(scratch().join("chart.svg"), chart)?;
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        let page = docs.join("performance.md");
        if options.is_complete && page.is_file() {
            let text = fs::read_to_string(&page)?;
            fs::write(&page, self.inserted(&text)?)?;
            fs::write(docs.join("performance.svg"), chart)?;
            println!("updated {}", page.display());
        }
        Ok(())
    }

    /// The page with this report between its markers.
    fn inserted(&self, page: &str) -> io::Result<String> {
        let parts = page.split_once(BEGIN).and_then(|(before, rest)| {
            let (_, after) = rest.split_once(END)?;
            Some((before, after))
        });
        let (before, after) =
            parts.ok_or_else(|| io::Error::other("docs/performance.md has no markers"))?;
        Ok(format!("{before}{BEGIN}\n\n{}\n{END}{after}", self.0))
    }
}

fn busy_table(results: &Results, pinned: bool) -> String {
    let mut text = String::from(
        "| records | channels | client | krec/s | of the floor | CPU s per million | × the floor | RSS MiB |\n\
         |---|--:|---|--:|--:|--:|--:|--:|\n",
    );
    for (case, outcome) in results
        .busy
        .iter()
        .filter(|(case, _)| case.pinned == pinned)
    {
        let floor = results.busy(&Case {
            kind: Kind::Floor,
            ..*case
        });
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.0} | {} | {:.3} | {} | {:.0} |",
            case.shape.title(),
            case.channels,
            title(case.kind),
            outcome.records_per_second / 1e3,
            ratio(outcome, floor, |run| run.records_per_second),
            outcome.cpu_per_million,
            ratio(outcome, floor, |run| run.cpu_per_million),
            outcome.rss_mib,
        );
    }
    text + "\n"
}

fn ratio(outcome: &Outcome, floor: Option<Outcome>, value: fn(&Outcome) -> f64) -> String {
    floor.map_or(String::new(), |floor| {
        format!("{:.2}", value(outcome) / value(&floor))
    })
}

fn idle_table(results: &Results) -> String {
    let mut text = String::from(
        "| channels | client | CPU s in 20 s | requests/s | of which checkpoints | RSS MiB | threads |\n\
         |--:|---|--:|--:|--:|--:|--:|\n",
    );
    let mut rows = results.idle.clone();
    rows.sort_by_key(|(case, _)| (case.channels, case.kind));
    for (case, outcome) in rows {
        let _ = writeln!(
            text,
            "| {} | {} | {:.2} | {:.1} | {:.1} | {:.0} | {} |",
            case.channels,
            title(case.kind),
            outcome.cpu,
            outcome.requests_per_second,
            outcome.checkpoints_per_second,
            outcome.rss_mib,
            outcome.threads,
        );
    }
    text + "\n"
}

fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::Socket => "bare socket",
        Kind::Floor => "floor",
        Kind::Count => "this crate, counts",
        Kind::Cells => "this crate, every cell",
        Kind::Detach => "this crate, detaches",
        Kind::Go => "Go SDK, counts",
    }
}

fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("an unknown processor", |model| {
        model.trim_start_matches(['\t', ':', ' '])
    });
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{cores} cores of {model}")
}
