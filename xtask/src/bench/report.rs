//! Tables, printed and written to a file.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::kafka::{self, IoContext as _};

/// A table of text.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With these headings.
    pub(super) fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|&heading| heading.to_owned()).collect()] }
    }

    pub(super) fn add(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    /// In Markdown, in columns that line up.
    pub(super) fn to_markdown(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let cell = |row: &[String], column: usize| row.get(column).cloned().unwrap_or_default();
        let width = |column| self.rows.iter().map(|row| cell(row, column).chars().count()).max().unwrap_or_default();
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for (at, row) in self.rows.iter().enumerate() {
            let cells = widths.iter().enumerate().map(|(column, width)| format!("{:width$}", cell(row, column)));
            // Writing to a string does not fail.
            let _ = writeln!(text, "| {} |", cells.collect::<Vec<_>>().join(" | "));
            if at == 0 {
                let lines = widths.iter().map(|width| "-".repeat(*width));
                let _ = writeln!(text, "| {} |", lines.collect::<Vec<_>>().join(" | "));
            }
        }
        text
    }
}

/// A number of seconds, or that there is none.
pub(super) fn seconds(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "–".to_owned(), |seconds| format!("{seconds:.2}"))
}

/// Prints a report, and writes it to a file.
pub(super) fn publish(text: &str, file: &Path) -> kafka::Result<()> {
    println!("\n{text}");
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).context(|| format!("create {}", folder.display()))?;
    }
    fs::write(file, text).context(|| format!("write {}", file.display()))?;
    println!("written to {}", file.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["work", "ours"]);
        table.add(vec!["produce".to_owned(), seconds(Some(0.456))]);
        table.add(vec!["consume".to_owned(), seconds(None)]);
        let lines = ["| work    | ours |", "| ------- | ---- |", "| produce | 0.46 |", "| consume | –    |", ""];
        assert_eq!(table.to_markdown(), lines.join("\n"));
    }
}
