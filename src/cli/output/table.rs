//! Columns of text.

use comfy_table::{LineStyle, Table, TableStyle, presets};

use crate::diagnostics::escaped;

/// How much of a table is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// A line under the head: on a terminal.
    Ruled,
    /// Columns alone, one line each row, for `grep` and `awk`.
    Bare,
}

/// The columns of a table; cells are escaped here, so that no caller can forget it.
pub(super) fn table(frame: Frame, headers: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(match frame {
        Frame::Ruled => TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─')),
        Frame::Bare => presets::NOTHING,
    });
    if !headers.is_empty() {
        table.set_header(headers.to_vec());
    }
    for row in rows {
        table.add_row(row.iter().map(|cell| escaped(cell)).collect::<Vec<_>>());
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

        let text = table(Frame::Bare, &["NAME", "GROUPS"], rows);

        assert_eq!(text, "NAME    GROUPS\na\\u{7}  -\nlonger  x\n");
    }

    #[test]
    fn a_list_without_items_has_its_head_and_a_record_without_fields_is_nothing() {
        assert_eq!(table(Frame::Bare, &["NAME", "STATE"], []), "NAME  STATE\n");
        assert_eq!(table(Frame::Bare, &[], []), "");
    }

    #[test]
    fn on_a_terminal_the_head_stands_apart() {
        let text = table(Frame::Ruled, &["NAME"], [vec!["ci".to_owned()], vec!["cd".to_owned()]]);

        assert_eq!(text, " NAME\n──────\n ci\n cd\n");
    }

    #[test]
    fn on_a_terminal_a_list_without_items_is_remarked_upon() {
        assert_eq!(remark(Frame::Ruled, "keys", &[]).as_deref(), Some("no keys"));
        assert_eq!(remark(Frame::Ruled, "keys", &[vec!["ci".to_owned()]]), None);
        assert_eq!(remark(Frame::Bare, "keys", &[]), None);
    }
}
