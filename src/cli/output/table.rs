//! Columns of text, as wide as the terminal at most.
//!
//! A table that is too wide gives up what matters least, step by step: the seconds of times, then their hours, then a row is one line no
//! longer and what has blanks in it is wrapped. What stands first in a row, which is what the thing is called by, is
//! broken last, so that it can be copied.

use std::io::{self, IsTerminal};

use comfy_table::{ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle, Width, presets};
use jiff::Timestamp;

use crate::diagnostics::escaped;

/// A terminal that does not say how wide it is.
const USUAL_WIDTH: u16 = 80;
/// A column of words is not made narrower than this as long as there is another way.
const NARROWEST: usize = 8;
/// On both sides of a cell together.
const PADDING: usize = 2;

/// How much of a table is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// A line under the head: on a terminal.
    Ruled,
    /// Columns alone, one line each row, for `grep` and `awk`.
    Bare,
}

/// How wide a table may be: what `COLUMNS` says, else what the terminal says. A file or a pipe has no width: there a row is a line, for `grep`
/// and `awk`.
pub(super) fn width() -> Option<u16> {
    let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.trim().parse().ok()).filter(|columns| *columns > 0);
    let stdout = io::stdout();
    said.or_else(|| stdout.is_terminal().then(|| terminal_size::terminal_size_of(&stdout).map_or(USUAL_WIDTH, |(width, _)| width.0)))
}

/// The columns of a table; cells are escaped here, so that no caller can forget it.
pub(super) fn table(frame: Frame, width: Option<u16>, headers: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut rows: Vec<Vec<String>> = rows.into_iter().map(|row| row.iter().map(|cell| escaped(cell)).collect()).collect();
    let mut table = Table::new();
    table.load_style(match frame {
        Frame::Ruled => TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─')),
        Frame::Bare => presets::NOTHING,
    });
    if !headers.is_empty() {
        table.set_header(headers.to_vec());
    }
    if let Some(width) = width {
        fit(&mut table, usize::from(width), headers, &mut rows);
    }
    for row in rows {
        table.add_row(row);
    }
    if headers.is_empty() && table.is_empty() {
        return String::new();
    }
    let mut text = String::new();
    for line in table.lines() {
        // Without a frame the padding of the first column would indent every line.
        let line = if frame == Frame::Bare { line.strip_prefix(' ').unwrap_or(&line).to_owned() } else { line };
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Makes rows fit, as far as they can.
fn fit(table: &mut Table, width: usize, headers: &[&str], rows: &mut [Vec<String>]) {
    let columns = rows.iter().map(Vec::len).chain([headers.len()]).max().unwrap_or_default();
    let cells = |rows: &[Vec<String>], column: usize| rows.iter().filter_map(|row| row.get(column)).cloned().collect::<Vec<String>>();
    let widest = |rows: &[Vec<String>], column: usize| {
        let header = headers.get(column).map_or(0, |header| header.chars().count());
        cells(rows, column).iter().map(|cell| cell.chars().count()).max().unwrap_or_default().max(header) + PADDING
    };
    let total = |rows: &[Vec<String>]| (0..columns).map(|column| widest(rows, column)).sum::<usize>();
    let times: Vec<Vec<bool>> = rows.iter().map(|row| row.iter().map(|cell| is_time(cell)).collect()).collect();
    for length in ["2026-01-31T12:00".len(), "2026-01-31".len()] {
        if total(rows) <= width {
            return;
        }
        for (row, times) in rows.iter_mut().zip(&times) {
            row.iter_mut().zip(times).filter(|(_, is_time)| **is_time).for_each(|(cell, _)| cell.truncate(length));
        }
    }
    if total(rows) <= width {
        return;
    }
    let mut whole: Vec<bool> = (0..columns).map(|column| !cells(rows, column).iter().any(|cell| cell.trim().contains(' '))).collect();
    let least = |whole: &[bool]| {
        whole.iter().enumerate().map(|(column, whole)| if *whole { widest(rows, column) } else { NARROWEST }).sum::<usize>()
    };
    // What is called by its first column is found by it: that one is broken last.
    while least(&whole) > width {
        let widest = whole.iter().enumerate().filter(|(_, whole)| **whole).max_by_key(|(column, _)| (*column > 0, widest(rows, *column)));
        let Some(column) = widest.map(|(column, _)| column) else { break };
        whole.iter_mut().skip(column).take(1).for_each(|whole| *whole = false);
    }
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(u16::try_from(width).unwrap_or(u16::MAX));
    table.set_constraints(
        whole.iter().map(|whole| if *whole { ColumnConstraint::ContentWidth } else { ColumnConstraint::LowerBoundary(Width::Fixed(0)) }),
    );
}

/// A time to the second, as tables have it.
fn is_time(cell: &str) -> bool {
    cell.len() == "2026-01-31T12:00:00Z".len() && cell.parse::<Timestamp>().is_ok()
}

/// What people are told of a table without rows. Programs see that themselves.
pub(super) fn remark(frame: Frame, what: &str, rows: &[Vec<String>]) -> Option<String> {
    match frame {
        Frame::Ruled if rows.is_empty() => Some(format!("no {what}")),
        Frame::Ruled | Frame::Bare => None,
    }
}

/// A dash where there is nothing, so that columns stay columns for `awk`.
pub(super) fn filled(cell: String) -> String {
    if cell.is_empty() { "-".to_owned() } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_escaped_and_an_empty_one_is_a_dash() {
        let rows = vec![vec!["a\u{7}".to_owned(), filled(String::new())], vec!["longer".to_owned(), "x".to_owned()]];

        let text = table(Frame::Bare, None, &["NAME", "GROUPS"], rows);

        assert_eq!(text, "NAME    GROUPS\na\\u{7}  -\nlonger  x\n");
    }

    #[test]
    fn a_table_that_is_too_wide_gives_up_seconds_then_hours_then_its_lines_but_never_an_id() {
        let id = "01hv0000000000000000000000";
        let groups = "platform, on-call, release-managers, everybody-else-in-the-company";
        let row = || vec![id.to_owned(), "ci".to_owned(), groups.to_owned(), "2027-01-31T12:30:45Z".to_owned()];
        let at = |width| table(Frame::Bare, width, &["ID", "NAME", "GROUPS", "EXPIRES"], [row(), row()]);
        let widest = |text: &str| text.lines().map(|line| line.chars().count()).max().unwrap();

        assert_eq!(at(None).lines().nth(1).unwrap(), format!("{id}  ci    {groups}  2027-01-31T12:30:45Z"));
        assert!(at(Some(122)).contains("2027-01-31T12:30\n"), "{}", at(Some(122)));
        assert!(at(Some(115)).contains("2027-01-31\n"), "{}", at(Some(115)));
        for width in [60, 70, 80, 100] {
            let text = at(Some(width));
            assert!(widest(&text) <= usize::from(width) && text.matches(id).count() == 2, "{width}:\n{text}");
            assert!(text.contains("on-call"), "{text}");
        }
    }

    #[test]
    fn a_list_without_items_has_its_head_and_a_record_without_fields_is_nothing() {
        assert_eq!(table(Frame::Bare, None, &["NAME", "STATE"], []), "NAME  STATE\n");
        assert_eq!(table(Frame::Bare, None, &[], []), "");
    }

    #[test]
    fn on_a_terminal_the_head_stands_apart() {
        let text = table(Frame::Ruled, None, &["NAME"], [vec!["ci".to_owned()], vec!["cd".to_owned()]]);

        assert_eq!(text, " NAME\n──────\n ci\n cd\n");
    }

    #[test]
    fn on_a_terminal_a_list_without_items_is_remarked_upon() {
        assert_eq!(remark(Frame::Ruled, "keys", &[]).as_deref(), Some("no keys"));
        assert_eq!(remark(Frame::Ruled, "keys", &[vec!["ci".to_owned()]]), None);
        assert_eq!(remark(Frame::Bare, "keys", &[]), None);
    }
}
