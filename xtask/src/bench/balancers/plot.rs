//! The picture of it: for each balancer bars for the time, and beside them a line for each sort of keys, from the lightest
//! partition to the heaviest.

use std::fmt::Write as _;

use super::Row;
use super::spread::{KeySort, Spread};

/// The rows as an SVG file, with no fonts but what the viewer has.
pub(super) fn svg(rows: &[Row]) -> String {
    let height = TOP + rows.iter().map(Row::height).sum::<f64>() + BOTTOM;
    let mut picture = Picture(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"11\">\n"
    ));
    picture.rect(0.0, 0.0, WIDTH, height, "#ffffff");
    picture.text(BARS, 18.0, "nanoseconds to choose a partition", DARK);
    picture.text(LINES, 18.0, "messages of the lightest to the heaviest partition (mean 1)", DARK);
    legend(&mut picture);
    let longest = rows.iter().flat_map(|row| &row.times).map(|(_, nanos)| *nanos).fold(1.0, f64::max);
    let mut y = TOP;
    for row in rows {
        picture.rect(8.0, y - 3.0, WIDTH - 16.0, 1.0, LIGHT);
        picture.text(8.0, y + 11.0, row.ours.name(), DARK);
        bars(&mut picture, row, y, longest);
        row.spreads.iter().zip(0..).for_each(|((sort, spread), at)| line(&mut picture, *sort, *spread, y, at));
        y += row.height();
    }
    axis(&mut picture, y);
    picture.0.push_str("</svg>\n");
    picture.0
}

impl Row {
    fn height(&self) -> f64 {
        (self.times.len() as f64 * BAR).max(KeySort::ALL.len() as f64 * STEP) + GAP
    }
}

fn bars(picture: &mut Picture, row: &Row, y: f64, longest: f64) {
    for ((who, nanos), at) in row.times.iter().zip(0..) {
        let (y, len) = (y + BAR * f64::from(at), nanos / longest * BAR_LEN);
        picture.rect(BARS, y + 2.0, len, BAR - 4.0, if at == 0 { OURS } else { THEIRS });
        picture.text(BARS + len + 5.0, y + 11.0, &format!("{who} {nanos:.0}"), if at == 0 { OURS } else { GREY });
    }
}

fn line(picture: &mut Picture, sort: KeySort, spread: Spread, y: f64, at: i32) {
    let y = y + STEP * f64::from(at) + 4.0;
    let (from, to) = (place(spread.lightest), place(spread.heaviest));
    picture.rect(from - 1.0, y, to - from + 2.0, 3.0, colour(sort));
    if spread.heaviest > MOST {
        picture.text(LINES + LINE_LEN + 6.0, y + 5.0, &format!("{:.1}", spread.heaviest), colour(sort));
    }
}

/// Where a multiple of the mean is, or the end of the axis where it is more.
fn place(multiple: f64) -> f64 {
    LINES + multiple.min(MOST) / MOST * LINE_LEN
}

fn axis(picture: &mut Picture, y: f64) {
    for tenths in (0..=20).step_by(5) {
        let multiple = f64::from(tenths) / 10.0;
        picture.rect(place(multiple), TOP - 3.0, if tenths == 10 { 1.0 } else { 0.5 }, y - TOP, LIGHT_LINE);
        picture.text(place(multiple) - 7.0, y + 12.0, &format!("{multiple:.1}"), GREY);
    }
}

fn legend(picture: &mut Picture) {
    let mut x = LINES;
    for sort in KeySort::ALL {
        picture.rect(x, 31.0, 14.0, 3.0, colour(sort));
        picture.text(x + 18.0, 36.0, sort.name(), GREY);
        x += 38.0 + 6.2 * sort.name().len() as f64;
    }
}

fn colour(sort: KeySort) -> &'static str {
    match sort {
        KeySort::Numbered => "#1b6ca8",
        KeySort::Uuids => "#2a9d5c",
        KeySort::Integers => "#d98a1f",
        KeySort::Absent => "#8a5fb0",
    }
}

/// What was drawn.
struct Picture(String);

impl Picture {
    fn rect(&mut self, x: f64, y: f64, width: f64, height: f64, fill: &str) {
        let rect = format!("x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"");
        writeln!(self.0, "<rect {rect} fill=\"{fill}\"/>").expect("a String takes all");
    }

    fn text(&mut self, x: f64, y: f64, text: &str, fill: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        writeln!(self.0, "<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"{fill}\">{text}</text>").expect("a String takes all");
    }
}

const WIDTH: f64 = 980.0;
const TOP: f64 = 54.0;
const BOTTOM: f64 = 24.0;
/// Where the bars begin, how high each is, and how long the longest.
const BARS: f64 = 140.0;
const BAR: f64 = 15.0;
const BAR_LEN: f64 = 260.0;
/// Where the lines begin, how far apart they are, and how long the longest, which stands for `MOST` times the mean.
const LINES: f64 = 590.0;
const STEP: f64 = 8.0;
const LINE_LEN: f64 = 330.0;
const MOST: f64 = 2.0;
const GAP: f64 = 10.0;
const OURS: &str = "#c2410c";
const THEIRS: &str = "#b8c0cc";
const DARK: &str = "#1f2933";
const GREY: &str = "#616e7c";
const LIGHT: &str = "#e4e7eb";
const LIGHT_LINE: &str = "#cbd2d9";
