//! What commands list: rows, as a table for people or as JSON for programs.
//!
//! The names of the columns are the headings of the one, in capitals, and the fields of the other.

use std::iter;

use jiff::Timestamp;
use serde_json::Value;

/// Rows of the same columns.
#[derive(Debug)]
pub(crate) struct Table<const N: usize> {
    columns: [&'static str; N],
    rows: Vec<[Value; N]>,
}

impl<const N: usize> Table<N> {
    /// A table without rows. The names are of small letters and `_`.
    pub(crate) fn new(columns: [&'static str; N]) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: [Value; N]) {
        self.rows.push(row);
    }

    /// An array of an object for each row, each on a line of its own.
    pub(crate) fn to_json(&self) -> String {
        let field = |(name, cell): (&&str, &Value)| format!("{}:{cell}", Value::from(*name));
        let object = |row: &[Value; N]| {
            let fields: Vec<_> = self.columns.iter().zip(row).map(field).collect();
            format!("{{{}}}", fields.join(","))
        };
        let objects: Vec<_> = self.rows.iter().map(object).collect();
        if objects.is_empty() { "[]\n".to_owned() } else { format!("[\n{}\n]\n", objects.join(",\n")) }
    }

    /// A line for each cell behind its column's name, and an empty one between rows: for what must not be broken up.
    pub(crate) fn to_upright_text(&self) -> String {
        let headings = self.columns.map(heading);
        let width = headings.iter().map(|heading| heading.chars().count()).max().unwrap_or_default();
        let line = |(heading, cell): (&String, &Value)| format!("{heading:width$}{GAP}{}\n", text(cell));
        let row = |row: &[Value; N]| headings.iter().zip(row).map(line).collect::<String>();
        self.rows.iter().map(row).collect::<Vec<_>>().join("\n")
    }

    /// Columns side by side, those of numbers to the right. Where that is wider than `limit`, columns whose cells are all
    /// the same are said once, before the others, and the widest columns go on in the next line: nothing is left out.
    pub(crate) fn to_text(&self, limit: Option<usize>) -> String {
        let headings = self.columns.map(heading);
        let cells: Vec<_> = self.rows.iter().map(|row| row.each_ref().map(text)).collect();
        let mut widths = headings.each_ref().map(|heading| heading.chars().count());
        for row in &cells {
            row.iter().zip(&mut widths).for_each(|(cell, width)| *width = (*width).max(cell.chars().count()));
        }
        let shown = columns_to_show(&cells, &widths, limit);
        let said = (0..N).filter(|column| !shown.contains(column));
        let mut text: String = said.map(|column| format!("{}: {}\n", headings[column], cells[0][column])).collect();
        if !text.is_empty() {
            text.push('\n');
        }
        let is_right = |column: usize, row: &[Value; N]| row[column].is_number() || row[column].is_null();
        let right = |column| !self.rows.is_empty() && self.rows.iter().all(|row| is_right(column, row));
        let right: Vec<_> = shown.iter().map(|column| right(*column)).collect();
        let mut widths: Vec<_> = shown.iter().map(|column| widths[*column]).collect();
        shrink(&mut widths, limit);
        for row in iter::once(&headings).chain(&cells) {
            let row: Vec<_> = shown.iter().map(|column| row[*column].as_str()).collect();
            text.push_str(&lines(&row, &widths, &right));
        }
        text
    }
}

/// The columns that stand side by side: all, or where they do not fit, without those that say the same in each row.
fn columns_to_show<const N: usize>(cells: &[[String; N]], widths: &[usize; N], limit: Option<usize>) -> Vec<usize> {
    let mut shown: Vec<_> = (0..N).collect();
    let (Some(limit), [first, _, ..]) = (limit, cells) else { return shown };
    let same = |column: &usize| cells.iter().all(|row| row[*column] == first[*column]);
    while shown.len() > 1 && width(shown.iter().map(|column| widths[*column])) > limit {
        let widest = shown.iter().copied().filter(same).max_by_key(|column| widths[*column]);
        let Some(widest) = widest else { break };
        shown.retain(|column| *column != widest);
    }
    shown
}

/// How wide columns of these widths are, side by side.
fn width(columns: impl ExactSizeIterator<Item = usize>) -> usize {
    let gaps = GAP.len() * columns.len().saturating_sub(1);
    columns.sum::<usize>() + gaps
}

fn heading(name: &str) -> String {
    name.to_uppercase().replace('_', "-")
}

/// Takes from the widest column, one by one, until all fit.
fn shrink(widths: &mut [usize], limit: Option<usize>) {
    let Some(limit) = limit else { return };
    while width(widths.iter().copied()) > limit {
        match widths.iter_mut().max() {
            Some(widest) if *widest > LEAST_WIDTH => *widest -= 1,
            _ => return,
        }
    }
}

/// A row, in as many lines as its longest cell needs.
fn lines(cells: &[&str], widths: &[usize], right: &[bool]) -> String {
    let mut rest: Vec<Vec<char>> = cells.iter().map(|cell| cell.chars().collect()).collect();
    let mut text = String::new();
    loop {
        let mut line = String::new();
        for ((cell, width), right) in rest.iter_mut().zip(widths).zip(right) {
            let part: String = cell.drain(..break_at(cell, *width)).collect();
            let padding = " ".repeat(width.saturating_sub(part.chars().count()));
            let (before, after) = if *right { (padding.as_str(), "") } else { ("", padding.as_str()) };
            line = line + before + &part + after + GAP;
        }
        text.push_str(line.trim_end());
        text.push('\n');
        if rest.iter().all(Vec::is_empty) {
            return text;
        }
    }
}

/// How much of a cell stands in one line: up to where its parts end, where one does in the line's second half.
fn break_at(cell: &[char], width: usize) -> usize {
    if cell.len() <= width {
        return cell.len();
    }
    let end = cell[..width].iter().rposition(|c| BETWEEN.contains(c)).filter(|place| *place >= width / 2);
    end.map_or(width, |place| place + 1)
}

/// A cell for people.
fn text(cell: &Value) -> String {
    match cell {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::String(text) => one_line(text),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        Value::Number(number) => match number.as_f64() {
            Some(whole) if number.is_f64() && whole.fract() == 0.0 && whole.abs() < 1e15 => format!("{whole:.0}"),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

/// A point in time, in milliseconds since 1970, as RFC 3339 has it, in UTC.
pub(crate) fn time(millis: i64) -> Value {
    Timestamp::from_millisecond(millis).map_or(Value::Null, |time| Value::from(time.to_string()))
}

/// Text without control characters: what a server sends must not move the cursor.
pub(crate) fn one_line(text: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escaped).collect()
}

/// Between columns.
const GAP: &str = "  ";
/// What ends a part of a name, a list or a path.
const BETWEEN: [char; 8] = [',', '.', '/', '-', '_', ':', ';', ' '];
/// Narrower columns are harder to read than lines that the terminal wraps.
const LEAST_WIDTH: usize = 8;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn table() -> Table<4> {
        let mut table = Table::new(["topic", "partition", "in_sync", "note"]);
        table.push([json!("orders"), json!(0), json!([1, 2, 3]), Value::Null]);
        table.push([json!("orders"), json!(11), json!([]), json!("")]);
        table.push([json!("a\nb"), Value::Null, json!([1]), json!("x \"y\"")]);
        table
    }

    #[test]
    fn people_read_columns() {
        let expected = "\
TOPIC   PARTITION  IN-SYNC  NOTE
orders          0  1,2,3    -
orders         11  -        \"\"
a\\nb            -  1        x \"y\"
";
        assert_eq!(table().to_text(None), expected);
        assert_eq!(Table::new(["topic", "partition"]).to_text(None), "TOPIC  PARTITION\n");
    }

    #[test]
    fn programs_read_json() {
        let expected = "\
[
{\"topic\":\"orders\",\"partition\":0,\"in_sync\":[1,2,3],\"note\":null},
{\"topic\":\"orders\",\"partition\":11,\"in_sync\":[],\"note\":\"\"},
{\"topic\":\"a\\nb\",\"partition\":null,\"in_sync\":[1],\"note\":\"x \\\"y\\\"\"}
]
";
        assert_eq!(table().to_json(), expected);
        serde_json::from_str::<Value>(expected).unwrap();
        assert_eq!(Table::new(["topic"]).to_json(), "[]\n");
    }

    #[test]
    fn what_is_too_wide_goes_on_below() {
        let mut table = Table::new(["topic", "replicas", "count"]);
        table.push([json!("a-topic-with-a-long-name"), json!((100..112).collect::<Vec<_>>()), json!(7)]);
        let expected = "\
TOPIC             REPLICAS         COUNT
a-topic-with-a-   100,101,102,         7
long-name         103,104,105,
                  106,107,108,
                  109,110,111
";
        let text = table.to_text(Some(40));
        assert_eq!(text, expected);
        assert!(text.lines().all(|line| line.chars().count() <= 40));
    }

    #[test]
    fn what_is_the_same_in_each_row_is_said_once_where_there_is_no_room() {
        let mut table = Table::new(["broker", "folder", "topic", "bytes"]);
        table.push([json!(1), json!("/var/lib/kafka/data"), json!("orders"), json!(7)]);
        table.push([json!(1), json!("/var/lib/kafka/data"), json!("copy"), json!(8.0)]);
        let expected = "\
FOLDER: /var/lib/kafka/data

BROKER  TOPIC   BYTES
     1  orders      7
     1  copy        8
";
        assert_eq!(table.to_text(Some(30)), expected);
        assert_eq!(table.to_text(Some(80)).lines().count(), 3, "there is room");
        assert_eq!(table.to_text(None).lines().count(), 3, "nobody has to fit it into anything");
        let narrow = table.to_text(Some(10));
        assert!(narrow.starts_with("BROKER: 1\nFOLDER: /var/lib/kafka/data\n\n"), "{narrow}");
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(one_line("orders-1.a_b"), "orders-1.a_b");
        assert_eq!(one_line("a\nb\u{1b}[2J"), "a\\nb\\u{1b}[2J");
    }
}
