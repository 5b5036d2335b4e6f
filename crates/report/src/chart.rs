//! Drawings in SVG: bars over time, a measured series, two positions of a log.
//!
//! Widths are per cent and heights are pixels, so that a drawing fits a phone and a desk while its
//! letters keep their size. Nothing is told by colour: lines differ by dashes, bars by hatching,
//! and everything has a label. Pure; a drawing of nothing is no drawing.

use jiff::Timestamp;

use crate::markup::{Attributes, Markup};
use crate::time;

/// More points than this are put together, the highest of each group being drawn.
const POINTS_MAX: usize = 400;
const ROW: f64 = 36.0;
const PLOT_TOP: f64 = 24.0;
const PLOT_HEIGHT: f64 = 150.0;

/// What every drawing has: its id in the page, and its words for those who do not see it.
#[derive(Debug, Clone)]
pub(crate) struct Caption {
    /// Unique in a page.
    pub(crate) id: &'static str,
    /// What it shows.
    pub(crate) title: &'static str,
    /// What is to be seen in it.
    pub(crate) description: String,
}

/// A stretch of time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    /// Its begin.
    pub(crate) from: Timestamp,
    /// Its end.
    pub(crate) to: Timestamp,
}

impl Span {
    /// Where an instant lies in it, 0 to 1.
    fn at(&self, at: Timestamp) -> f64 {
        let whole = self.to.duration_since(self.from).as_secs_f64();
        let part = at.duration_since(self.from).as_secs_f64();
        if whole > 0.0 { (part / whole).clamp(0.0, 1.0) } else { 0.0 }
    }
}

/// One bar.
#[derive(Debug, Clone)]
pub(crate) struct Bar {
    /// What it stands for.
    pub(crate) label: String,
    /// When.
    pub(crate) span: Span,
    /// Stretches of it in which a person was waited for: hatched.
    pub(crate) waits: Vec<Span>,
}

/// A stretch that lies behind all bars.
#[derive(Debug, Clone)]
pub(crate) struct Band {
    /// What it stands for.
    pub(crate) label: &'static str,
    /// When.
    pub(crate) span: Span,
}

/// A measured series over time.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    /// Oldest first.
    pub(crate) points: Vec<(Timestamp, f64)>,
    /// What must not be exceeded, with its label.
    pub(crate) limit: (f64, String),
    /// A value in words.
    pub(crate) unit: fn(f64) -> String,
}

/// One of several series over the same time: told apart by its stroke and its words.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    /// What it is.
    pub(crate) label: &'static str,
    /// `line`, or `line dashed`.
    pub(crate) class: &'static str,
    /// Oldest first.
    pub(crate) points: Vec<(Timestamp, f64)>,
}

fn percent(part: f64) -> String {
    format!("{:.2}%", part * 100.0)
}

fn pixels(y: f64) -> String {
    format!("{y:.1}")
}

fn text(attributes: Attributes<'_>, words: &str) -> Markup {
    Markup::element("text", attributes, Markup::text(words))
}

fn frame(caption: &Caption, height: f64, inside: Markup) -> Markup {
    let (title, description) = (format!("{}-t", caption.id), format!("{}-d", caption.id));
    let labels = format!("{title} {description}");
    let words = Markup::element("title", &[("id", &title)], Markup::text(caption.title))
        .then(Markup::element("desc", &[("id", &description)], Markup::text(&caption.description)));
    let attributes: Attributes<'_> = &[
        ("class", "chart"),
        ("role", "img"),
        ("aria-labelledby", &labels),
        ("width", "100%"),
        ("height", &pixels(height)),
    ];
    Markup::element("svg", attributes, words.then(inside))
}

/// A level line through the whole drawing.
fn level(class: &str, y: f64) -> Markup {
    let y = pixels(y);
    Markup::leaf("line", &[("class", class), ("x1", "0"), ("x2", "100%"), ("y1", &y), ("y2", &y)])
}

fn upright(class: &str, x: f64, (top, bottom): (f64, f64)) -> Markup {
    let (x, top, bottom) = (percent(x), pixels(top), pixels(bottom));
    let attributes: Attributes<'_> =
        &[("class", class), ("x1", &x), ("x2", &x), ("y1", &top), ("y2", &bottom)];
    Markup::leaf("line", attributes)
}

fn block(class: &str, span: (f64, f64), (y, height): (f64, f64)) -> Markup {
    let (from, to) = span;
    let attributes: Attributes<'_> = &[
        ("class", class),
        ("x", &percent(from)),
        ("width", &percent((to - from).max(0.0))),
        ("y", &pixels(y)),
        ("height", &pixels(height)),
    ];
    Markup::leaf("rect", attributes)
}

/// First and last instant, below a drawing.
fn ends(span: Span, y: f64) -> Markup {
    let y = pixels(y);
    let first = text(&[("class", "soft"), ("x", "0"), ("y", &y)], &time::clock(span.from));
    let last = time::clock(span.to);
    let right: Attributes<'_> =
        &[("class", "soft"), ("x", "100%"), ("y", &y), ("text-anchor", "end")];
    first.then(text(right, &last))
}

fn hatching(id: &str) -> Markup {
    let size: Attributes<'_> = &[
        ("id", id),
        ("width", "5"),
        ("height", "5"),
        ("patternUnits", "userSpaceOnUse"),
        ("patternTransform", "rotate(45)"),
    ];
    let ground = Markup::leaf("rect", &[("class", "ground"), ("width", "5"), ("height", "5")]);
    let stroke = Markup::leaf(
        "line",
        &[("class", "hatch"), ("x1", "0"), ("y1", "0"), ("x2", "0"), ("y2", "5")],
    );
    Markup::element("defs", &[], Markup::element("pattern", size, ground.then(stroke)))
}

/// Bars over a stretch of time, a row each, with what lies behind them.
pub(crate) fn bars(caption: &Caption, span: Span, bars: &[Bar], band: Option<&Band>) -> Markup {
    let rows = bars.len().min(200);
    let bottom = 18.0 + ROW * f64::from(u32::try_from(rows).unwrap_or(u32::MAX));
    let hatch = format!("{}-h", caption.id);
    let fill = format!("fill:url(#{hatch})");
    let mut inside = hatching(&hatch);
    if let Some(Band { label, span: behind }) = band {
        let (from, to) = (span.at(behind.from), span.at(behind.to));
        inside.push(block("band", (from, to), (14.0, bottom - 14.0)));
        inside.push(upright("edge", from, (14.0, bottom)));
        inside.push(upright("edge", to, (14.0, bottom)));
        let near_the_end = from > 0.5;
        let x = percent(if near_the_end { to } else { from });
        let anchor = if near_the_end { "end" } else { "start" };
        inside.push(text(
            &[("class", "soft"), ("x", &x), ("y", "10"), ("text-anchor", anchor)],
            label,
        ));
    }
    let mut top = 18.0;
    for bar in bars.iter().take(rows) {
        let (from, to) = (span.at(bar.span.from), span.at(bar.span.to));
        let y = pixels(top + 12.0);
        let took = Markup::text(&time::took(bar.span.from, bar.span.to));
        let took = Markup::element("tspan", &[("class", "soft"), ("dx", "6")], took);
        let words = Markup::text(&bar.label).then(Markup::constant(" ")).then(took);
        inside.push(Markup::element("text", &[("x", "0"), ("y", &y)], words));
        inside.push(level("axis", top + 28.0));
        inside.push(block("bar", (from, to), (top + 17.0, 11.0)));
        for wait in &bar.waits {
            let (from, to) = (span.at(wait.from), span.at(wait.to));
            let place: Attributes<'_> = &[
                ("class", "wait"),
                ("style", &fill),
                ("x", &percent(from)),
                ("width", &percent((to - from).max(0.0))),
                ("y", &pixels(top + 17.0)),
                ("height", "11"),
            ];
            inside.push(Markup::leaf("rect", place));
        }
        top += ROW;
    }
    inside.push(ends(span, bottom + 14.0));
    frame(caption, bottom + 20.0, inside)
}

/// Groups of neighbours by their highest, when there are too many.
fn thinned(points: &[(Timestamp, f64)]) -> Vec<(Timestamp, f64)> {
    let group = points.len().div_ceil(POINTS_MAX).max(1);
    let highest = |group: &[(Timestamp, f64)]| {
        group.iter().copied().max_by(|(_, one), (_, other)| one.total_cmp(other))
    };
    points.chunks(group).filter_map(highest).collect()
}

/// A series with its limit; nothing when there is no point.
pub(crate) fn series(caption: &Caption, series: &Series) -> Option<Markup> {
    let points = thinned(&series.points);
    let span = Span { from: points.first()?.0, to: points.last()?.0 };
    let highest = points.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let (limit, limit_label) = &series.limit;
    // The limit is drawn where it does not press the series flat.
    let shows_limit = *limit <= highest * 8.0 || highest <= 0.0;
    let full = if shows_limit { highest.max(*limit) } else { highest } * 1.05;
    let bottom = PLOT_TOP + PLOT_HEIGHT;
    let height = |value: f64| bottom - (value / full).clamp(0.0, 1.0) * PLOT_HEIGHT;
    let mut inside = level("axis", bottom);
    inside.push(level("axis", height(highest)));
    let peak = format!("highest {}", (series.unit)(highest));
    let peak_y = pixels(height(highest) - 5.0);
    inside.push(text(&[("x", "0"), ("y", &peak_y)], &peak));
    if shows_limit {
        inside.push(level("limit", height(*limit)));
        let below = (height(*limit) - height(highest)).abs() < 16.0;
        let y = pixels(height(*limit) + if below { 14.0 } else { -5.0 });
        let right: Attributes<'_> = &[("x", "100%"), ("y", &y), ("text-anchor", "end")];
        inside.push(text(right, limit_label));
    } else {
        let right: Attributes<'_> = &[("x", "100%"), ("y", "12"), ("text-anchor", "end")];
        inside.push(text(right, &format!("{limit_label}, above this drawing")));
    }
    inside.push(curve(&points, (span, full), "line"));
    if points.len() <= 60 {
        for (at, value) in &points {
            let (x, y) = (percent(span.at(*at)), pixels(height(*value)));
            let dot: Attributes<'_> = &[("class", "dot"), ("cx", &x), ("cy", &y), ("r", "2.5")];
            inside.push(Markup::leaf("circle", dot));
        }
    }
    inside.push(ends(span, bottom + 16.0));
    Some(frame(caption, bottom + 22.0, inside))
}

/// Series over one time and on one scale, each with its highest in words; nothing when there is no
/// point at all.
pub(crate) fn traces(
    caption: &Caption,
    traces: &[Trace],
    unit: fn(f64) -> String,
) -> Option<Markup> {
    let all = || traces.iter().flat_map(|trace| &trace.points);
    let from = all().map(|(at, _)| *at).min()?;
    let span = Span { from, to: all().map(|(at, _)| *at).max()? };
    let highest = all().map(|(_, value)| *value).fold(0.0, f64::max);
    let full = if highest > 0.0 { highest * 1.05 } else { 1.0 };
    let legend = 18.0 * f64::from(u32::try_from(traces.len()).unwrap_or(u32::MAX));
    let bottom = PLOT_TOP + PLOT_HEIGHT;
    let mut inside = level("axis", bottom);
    inside.push(level("axis", bottom - highest / full * PLOT_HEIGHT));
    let mut y = bottom + 36.0;
    for trace in traces.iter().filter(|trace| !trace.points.is_empty()) {
        inside.push(curve(&thinned(&trace.points), (span, full), trace.class));
        let (line_y, text_y) = (pixels(y - 4.0), pixels(y));
        let sign: Attributes<'_> =
            &[("class", trace.class), ("x1", "0"), ("x2", "36"), ("y1", &line_y), ("y2", &line_y)];
        inside.push(Markup::leaf("line", sign));
        let peak = trace.points.iter().map(|(_, value)| *value).fold(0.0, f64::max);
        let words = format!("{}, highest {}", trace.label, unit(peak));
        inside.push(text(&[("x", "44"), ("y", &text_y)], &words));
        y += 18.0;
    }
    inside.push(ends(span, bottom + 16.0));
    Some(frame(caption, bottom + 26.0 + legend, inside))
}

/// The line through the points, in a box of its own that is stretched to the width.
fn curve(points: &[(Timestamp, f64)], (span, full): (Span, f64), class: &str) -> Markup {
    let place = |(at, value): &(Timestamp, f64)| {
        let (x, y) = (span.at(*at) * 1000.0, 1000.0 - (value / full).clamp(0.0, 1.0) * 1000.0);
        format!("{x:.1},{y:.1}")
    };
    let places: Vec<String> = points.iter().map(place).collect();
    let line: Attributes<'_> =
        &[("class", class), ("vector-effect", "non-scaling-stroke"), ("points", &places.join(" "))];
    let attributes: Attributes<'_> = &[
        ("x", "0"),
        ("y", &pixels(PLOT_TOP)),
        ("width", "100%"),
        ("height", &pixels(PLOT_HEIGHT)),
        ("viewBox", "0 0 1000 1000"),
        ("preserveAspectRatio", "none"),
    ];
    Markup::element("svg", attributes, Markup::leaf("polyline", line))
}

/// A position in a log that another must have reached.
#[derive(Debug, Clone)]
pub(crate) struct Reached<'a> {
    /// What must be reached, with its position in words.
    pub(crate) marker: &'a str,
    /// What reached it, with its position in words.
    pub(crate) reached: &'a str,
    /// By how much it is beyond, in words.
    pub(crate) beyond: &'a str,
    /// Whether it is beyond at all.
    pub(crate) place: Place,
}

/// Where the second position lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Exactly there.
    At,
    /// Further on.
    Beyond,
}

/// Two positions on one line.
pub(crate) fn positions(caption: &Caption, reached: &Reached<'_>) -> Markup {
    let (marker, other) = match reached.place {
        Place::At => (0.7, 0.7),
        Place::Beyond => (0.6, 0.85),
    };
    let mut inside = level("axis", 56.0);
    inside.push(block("bar", (0.0, other), (51.0, 10.0)));
    inside.push(upright("mark", marker, (22.0, 74.0)));
    let right: Attributes<'_> = &[("x", &percent(marker)), ("y", "16"), ("text-anchor", "end")];
    inside.push(text(right, reached.marker));
    inside.push(text(&[("x", "0"), ("y", "44")], reached.reached));
    let below: Attributes<'_> =
        &[("class", "soft"), ("x", &percent(marker)), ("y", "88"), ("text-anchor", "end")];
    inside.push(text(below, reached.beyond));
    frame(caption, 96.0, inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn caption() -> Caption {
        Caption { id: "c", title: "A & B", description: "<what>".to_owned() }
    }

    fn drawn(values: &[f64], limit: f64) -> Option<String> {
        let points = values.iter().zip(0..).map(|(value, second)| (at(second), *value)).collect();
        let limit = (limit, "limit".to_owned());
        let series = Series { points, limit, unit: |value| format!("{value} B") };
        super::series(&caption(), &series).map(Markup::into_string)
    }

    #[test]
    fn a_series_without_a_point_is_no_drawing() {
        assert_eq!(drawn(&[], 1.0), None);
    }

    #[test]
    fn a_series_has_its_limit_its_highest_and_words_for_everybody() {
        let svg = drawn(&[0.0, 40.0, 0.0], 64.0).unwrap();
        for part in ["highest 40 B", ">limit<", "A &amp; B", "&lt;what&gt;", "class=\"limit\""] {
            assert!(svg.contains(part), "{part}: {svg}");
        }
        let flat = drawn(&[0.0, 0.0], 64.0).unwrap();
        assert!(flat.contains("0.0,1000.0 1000.0,1000.0"), "{flat}");
        let far = drawn(&[1.0, 2.0], 1_000.0).unwrap();
        assert!(far.contains("limit, above this drawing") && !far.contains("class=\"limit\""));
    }

    #[test]
    fn two_series_share_a_scale_and_each_says_what_it_is() {
        let points = |values: &[f64]| -> Vec<_> {
            values.iter().zip(0..).map(|(value, second)| (at(second), *value)).collect()
        };
        let both = [
            Trace { label: "written", class: "line", points: points(&[0.0, 50.0]) },
            Trace { label: "replayed", class: "line dashed", points: points(&[0.0, 100.0]) },
        ];
        let unit = |value: f64| format!("{value} B");
        let svg = traces(&caption(), &both, unit).map(Markup::into_string).unwrap();
        for part in ["written, highest 50 B", "replayed, highest 100 B", "class=\"line dashed\""] {
            assert!(svg.contains(part), "{part}: {svg}");
        }
        let half = svg.matches("1000.0,523.8").count();
        assert_eq!(half, 1, "half as high on the same scale: {svg}");
        let empty = [Trace { label: "written", class: "line", points: vec![] }];
        assert!(traces(&caption(), &empty, unit).is_none());
        let one = [both[0].clone(), empty[0].clone()];
        let svg = traces(&caption(), &one, unit).map(Markup::into_string).unwrap();
        assert_eq!(svg.matches("written").count(), 1, "what was not measured is not drawn: {svg}");
    }

    #[test]
    fn many_points_keep_their_highest() {
        let mut values = vec![1.0; 5_000];
        values[3_333] = 77.0;
        let svg = drawn(&values, 10.0).unwrap();
        assert!(svg.contains("highest 77 B") && svg.len() < 16_000, "{}", svg.len());
    }

    #[test]
    fn bars_lie_where_their_time_is() {
        let span = Span { from: at(0), to: at(100) };
        let half = Span { from: at(50), to: at(100) };
        let bar = Bar { label: "cutover".to_owned(), span: half, waits: vec![half] };
        let band = Band { label: "pause", span: half };
        let svg = bars(&caption(), span, &[bar], Some(&band)).into_string();
        assert!(svg.contains("x=\"50.00%\" width=\"50.00%\""), "{svg}");
        assert!(svg.contains("cutover <tspan class=\"soft\" dx=\"6\">50 s<"), "{svg}");
        assert!(svg.contains("fill:url(#c-h)"), "{svg}");
    }
}
