//! One metric over time, and the period before behind it, as an SVG, drawn here so that the page needs no script.
//!
//! What it is not: styled. Colours come from the style sheet by class, since the content security
//! policy forbids styles in the page.
//!
//! What surprises: the same plot is drawn wide and narrow, and the style sheet shows one of them.
//! Scaling one drawing down to a phone would make its letters unreadable.

use std::fmt::Write as _;

use crate::text::short;

/// Steps of the vertical axis, at most.
const STEPS_MAX: u64 = 4;
/// Room for the numbers on the left.
const LEFT: f64 = 46.0;
/// Room on the right, so that the last label is not cut.
const RIGHT: f64 = 10.0;
/// Room for the first letter's height.
const TOP: f64 = 14.0;
/// Room for the labels below.
const BOTTOM: f64 = 26.0;
/// Widest bar: one point alone should not fill the page.
const BAR_MAX: f64 = 56.0;
/// Distances between labels that people expect: hours of a day, days of a week.
const STRIDES: [usize; 9] = [1, 2, 3, 4, 6, 7, 12, 14, 28];

/// One bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    /// Below the axis, such as `21 Nov`.
    pub(crate) label: String,
    /// All of it in words, such as `21 Nov 2026: 5 views, 3 visitors`.
    pub(crate) title: String,
    /// The metric that is drawn.
    pub(crate) value: u64,
    /// The same of the period before, if that is kept.
    pub(crate) before: Option<u64>,
    /// Whether its time has not ended.
    pub(crate) running: bool,
}

/// The size of a drawing, in its own units.
#[derive(Clone, Copy)]
pub(crate) struct Frame {
    /// The CSS class that chooses when it shows.
    pub(crate) class: &'static str,
    pub(crate) width: f64,
    pub(crate) height: f64,
    /// Labels that fit below.
    pub(crate) labels_max: usize,
}

/// For screens.
pub(crate) const WIDE: Frame =
    Frame { class: "wide", width: 1040.0, height: 260.0, labels_max: 16 };
/// For phones.
pub(crate) const NARROW: Frame =
    Frame { class: "narrow", width: 360.0, height: 220.0, labels_max: 6 };

/// Draws the points of a metric.
pub(crate) fn svg(points: &[Point], metric: &str, frame: Frame) -> String {
    let Frame { class, width, height, .. } = frame;
    let mut out = String::new();
    // Writing to a String cannot fail, here and below.
    write!(
        out,
        "<svg class=\"plot {class}\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-labelledby=\"plot-{class} about-{class}\"><title id=\"plot-{class}\">{} over time</title>\
         <desc id=\"about-{class}\">Bars for this period, a line for the period before. The table \
         below has the numbers.</desc>",
        escaped(metric)
    )
    .unwrap_or_default();
    let highest = |point: &Point| point.value.max(point.before.unwrap_or(0));
    let axis = Axis::of(points.iter().map(highest).max().unwrap_or(0));
    grid(&mut out, frame, axis);
    bars(&mut out, frame, axis, points);
    line(&mut out, frame, axis, points);
    labels(&mut out, frame, points);
    out.push_str("</svg>");
    out
}

/// The vertical axis: 0 to `step * steps`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Axis {
    step: u64,
    steps: u64,
}

impl Axis {
    /// The finest of 1, 2, 5, 10, 20, 50 … with which `max` needs at most [`STEPS_MAX`] steps.
    fn of(max: u64) -> Self {
        let mut step: u64 = 1;
        for factor in [2, 5, 10].into_iter().cycle() {
            if max.div_ceil(step) <= STEPS_MAX {
                break;
            }
            let decade = 10_u64.saturating_pow(step.checked_ilog10().unwrap_or(0));
            let Some(next) = decade.checked_mul(factor) else { break };
            step = next;
        }
        Self { step, steps: max.div_ceil(step).max(1) }
    }

    /// Where a value lies, in units of the frame.
    #[expect(clippy::cast_precision_loss, reason = "a hundredth of a pixel is precise enough")]
    fn y(self, frame: Frame, value: u64) -> f64 {
        let top = self.step as f64 * self.steps as f64;
        frame.height - BOTTOM - (frame.height - TOP - BOTTOM) * (value as f64 / top).min(1.0)
    }
}

fn grid(out: &mut String, frame: Frame, axis: Axis) {
    for at in 0..=axis.steps {
        let value = axis.step.saturating_mul(at);
        let y = axis.y(frame, value);
        let class = if at == 0 { "base" } else { "grid" };
        write!(
            out,
            "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            frame.width - RIGHT,
            LEFT - 8.0,
            y + 4.0,
            short(value)
        )
        .unwrap_or_default();
    }
}

/// The width of one bucket.
#[expect(clippy::cast_precision_loss, reason = "a plot has at most some hundred points")]
fn slot(frame: Frame, count: usize) -> f64 {
    (frame.width - LEFT - RIGHT) / count.max(1) as f64
}

/// The middle of a bucket.
#[expect(clippy::cast_precision_loss, reason = "a plot has at most some hundred points")]
fn middle(frame: Frame, count: usize, at: usize) -> f64 {
    LEFT + slot(frame, count) * (at as f64 + 0.5)
}

fn bars(out: &mut String, frame: Frame, axis: Axis, points: &[Point]) {
    let slot = slot(frame, points.len());
    let wide = (slot * 0.78).min(BAR_MAX);
    let floor = axis.y(frame, 0);
    for (at, point) in points.iter().enumerate() {
        let x = middle(frame, points.len(), at);
        let y = axis.y(frame, point.value);
        let running = if point.running { " running" } else { "" };
        write!(
            out,
            "<g class=\"bucket\"><title>{}</title>\
             <rect class=\"hover\" x=\"{:.1}\" y=\"{TOP}\" width=\"{slot:.1}\" height=\"{:.1}\"/>\
             <rect class=\"value{running}\" x=\"{:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" \
             height=\"{:.1}\"/></g>",
            escaped(&point.title),
            x - slot / 2.0,
            floor - TOP,
            x - wide / 2.0,
            floor - y
        )
        .unwrap_or_default();
    }
}

/// The period before, as a line through the middles of its buckets.
fn line(out: &mut String, frame: Frame, axis: Axis, points: &[Point]) {
    let known = points.iter().enumerate().filter_map(|(at, point)| Some((at, point.before?)));
    let mut steps = String::new();
    for (at, before) in known {
        let x = middle(frame, points.len(), at);
        write!(steps, "{x:.1},{:.1} ", axis.y(frame, before)).unwrap_or_default();
    }
    if !steps.is_empty() {
        write!(out, "<polyline class=\"before\" points=\"{}\"/>", steps.trim_end())
            .unwrap_or_default();
    }
}

fn labels(out: &mut String, frame: Frame, points: &[Point]) {
    let needed = points.len().div_ceil(frame.labels_max).max(1);
    let stride = STRIDES.into_iter().find(|stride| *stride >= needed).unwrap_or(needed);
    for (at, point) in points.iter().enumerate().step_by(stride) {
        let x = middle(frame, points.len(), at);
        write!(
            out,
            "<text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            frame.height - 8.0,
            escaped(&point.label)
        )
        .unwrap_or_default();
    }
}

/// The labels are ours, but this file does not depend on it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(value: u64, before: u64) -> Point {
        let (label, title) = ("1 <Nov".into(), "1 Nov \"26\"".into());
        Point { label, title, value, before: Some(before), running: value == 1 }
    }

    fn check(points: &[Point]) -> String {
        for frame in [WIDE, NARROW] {
            let svg = svg(points, "views", frame);
            for wrong in ["NaN", "inf", "=\"-", "style", "1 <Nov"] {
                assert!(!svg.contains(wrong), "{wrong} in {svg}");
            }
            assert_eq!(svg.matches("<g ").count(), points.len());
            assert_eq!(svg.matches("<polyline").count(), usize::from(!points.is_empty()));
        }
        svg(points, "views", WIDE)
    }

    #[test]
    fn draws_any_number_of_points() {
        check(&[]);
        assert!(check(&[point(0, 0)]).contains("1 Nov"));
        assert!(check(&[point(1, 1)]).contains(">1</text>"));
        check(&vec![point(7, 3); 24]);
        check(&vec![point(7, 3); 400]);
        let alone = Point { before: None, ..point(7, 0) };
        assert!(!svg(&[alone], "views", WIDE).contains("polyline"));
    }

    #[test]
    fn draws_any_size() {
        for value in
            [4, 5, 999, 1_000, 12_345_678, u64::from(u32::MAX), i64::MAX.unsigned_abs(), u64::MAX]
        {
            check(&[point(value, value / 2), point(0, 0), point(1, 1)]);
        }
    }

    #[test]
    fn more_before_than_now_stays_inside() {
        check(&[point(1, 900)]);
    }

    #[test]
    fn the_axis_is_round() {
        for (max, step, steps) in
            [(0, 1, 1), (3, 1, 3), (5, 2, 3), (17, 5, 4), (90, 50, 2), (400, 100, 4), (401, 200, 3)]
        {
            assert_eq!(Axis::of(max), Axis { step, steps }, "{max}");
        }
    }
}
