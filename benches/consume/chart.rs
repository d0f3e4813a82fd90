//! The chart: CPU time per million records, on a logarithmic axis.

use std::fmt::Write as _;

use super::client::Kind;
use super::plan::Results;
use super::run::{Case, Outcome};

const WIDTH: f64 = 760.0;
const LEFT: f64 = 190.0;
const BAR: f64 = 13.0;
const GAP: f64 = 12.0;
const TOP: f64 = 56.0;

/// Draws the pinned runs if there are any, and the free runs otherwise: one group of
/// bars for each shape and number of channels, one bar for each client.
pub(crate) fn draw(results: &Results) -> String {
    let has_pinned = results.busy.iter().any(|(case, _)| case.pinned);
    let rows: Vec<_> = results
        .busy
        .iter()
        .filter(|(case, _)| case.pinned == has_pinned)
        .collect();
    let axis = Axis::over(rows.iter().map(|(_, outcome)| outcome.cpu_per_million));
    let mut body = String::new();
    let mut y = TOP;
    let mut last: Option<&Case> = None;
    for (case, outcome) in rows {
        if last.is_none_or(|last| (last.shape, last.channels) != (case.shape, case.channels)) {
            y += GAP;
            body += &group_title(case, y);
        }
        body += &bar(case.kind, outcome, &axis, y);
        y += BAR;
        last = Some(case);
    }
    whole(&body, &axis, y + GAP)
}

/// A logarithmic axis between the powers of ten below and above all values.
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>) -> Axis {
        let logs = values.map(f64::log10).filter(|value| value.is_finite());
        let (low, high) = logs.fold((f64::MAX, f64::MIN), |(low, high), value| {
            (value.min(low), value.max(high))
        });
        match low <= high {
            true => Axis {
                low: low.floor(),
                high: high.ceil().max(low.floor() + 1.0),
            },
            false => Axis {
                low: 0.0,
                high: 1.0,
            },
        }
    }

    fn x(&self, value: f64) -> f64 {
        let part = (value.log10() - self.low) / (self.high - self.low);
        LEFT + part.clamp(0.0, 1.0) * (WIDTH - LEFT - 60.0)
    }
}

fn group_title(case: &Case, y: f64) -> String {
    let (x, y) = (LEFT - 8.0, y + BAR - 3.0);
    let (title, channels) = (case.shape.title(), case.channels);
    format!("<text x=\"{x}\" y=\"{y}\" text-anchor=\"end\">{title} × {channels}</text>\n")
}

fn bar(kind: Kind, outcome: &Outcome, axis: &Axis, y: f64) -> String {
    let value = outcome.cpu_per_million;
    let width = (axis.x(value) - LEFT).max(1.0);
    let (height, end, base) = (BAR - 2.0, LEFT + width + 4.0, y + BAR - 3.0);
    let color = color(kind);
    format!(
        "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{width:.1}\" height=\"{height}\" fill=\"{color}\"/>\
         <text x=\"{end:.1}\" y=\"{base}\">{value:.2}</text>\n"
    )
}

fn color(kind: Kind) -> &'static str {
    match kind {
        Kind::Socket => "#cccccc",
        Kind::Floor => "#9e9e9e",
        Kind::Count => "#1b7f5c",
        Kind::Cells => "#3fae84",
        Kind::Detach => "#9bd3bd",
        Kind::Go => "#d9822b",
    }
}

fn whole(body: &str, axis: &Axis, height: f64) -> String {
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"10\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"8\" y=\"18\" font-size=\"13\">CPU seconds of the client per million records \
         (logarithmic; less is better)</text>\n"
    );
    for (index, kind) in Kind::ALL.into_iter().enumerate() {
        let x = 8.0 + 90.0 * index as f64;
        let _ = writeln!(
            text,
            "<rect x=\"{x}\" y=\"28\" width=\"10\" height=\"10\" fill=\"{}\"/>\
             <text x=\"{}\" y=\"37\">{}</text>",
            color(kind),
            x + 14.0,
            kind.name()
        );
    }
    let mut power = axis.low;
    while power <= axis.high {
        let (x, value) = (axis.x(10_f64.powf(power)), 10_f64.powf(power));
        let _ = writeln!(
            text,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{height}\" stroke=\"#ddd\"/>\
             <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{value}</text>",
            TOP - 4.0
        );
        power += 1.0;
    }
    text + body + "</svg>\n"
}
