//! Comma-separated values (RFC 4180), for spreadsheets: which take some texts for formulas, and must not.

/// A line, with its end.
pub(super) fn line<'a>(fields: impl IntoIterator<Item = &'a str>) -> String {
    let mut line = String::new();
    for (number, text) in fields.into_iter().enumerate() {
        if number > 0 {
            line.push(',');
        }
        field(&mut line, text);
    }
    line.push_str("\r\n");
    line
}

/// In quotes where something in it would end it (section 2, 6 and 7).
fn field(line: &mut String, text: &str) {
    let apostrophe = if is_formula(text) { "'" } else { "" };
    if text.contains([',', '"', '\r', '\n']) {
        line.push('"');
        line.push_str(apostrophe);
        line.push_str(&text.replace('"', "\"\""));
        line.push('"');
    } else {
        line.push_str(apostrophe);
        line.push_str(text);
    }
}

/// What a spreadsheet would work out and not show, by how it begins (OWASP, CSV injection): with the wide forms of the same signs, which some
/// take for them.
fn is_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As a reader by RFC 4180 does: the fields of a text of one line.
    fn read(text: &str) -> Vec<String> {
        let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
        let mut chars = text.strip_suffix("\r\n").unwrap().chars().peekable();
        while let Some(sign) = chars.next() {
            match sign {
                '"' if quoted && chars.peek() == Some(&'"') => field.extend(chars.next()),
                '"' => quoted = !quoted,
                ',' if !quoted => fields.push(std::mem::take(&mut field)),
                '\r' | '\n' if !quoted => panic!("a line ends in {text:?}"),
                other => field.push(other),
            }
        }
        fields.push(field);
        fields
    }

    #[test]
    fn what_would_end_a_field_stands_in_quotes() {
        assert_eq!(line(["1", "a,b", "say \"hi\"", "two\nlines", ""]), "1,\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\",\r\n");
    }

    #[test]
    fn what_a_spreadsheet_would_take_for_a_formula_is_a_text() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\n=x", "=HYPERLINK(\"http://x\",\"y\")", "＝1"] {
            let written = line([text]);
            assert_eq!(read(&written), [format!("'{text}")], "{text:?}");
        }
        assert_eq!(line(["a=1", "2026-01-02T03:04:05Z", "{\"a\":-1}"]), "a=1,2026-01-02T03:04:05Z,\"{\"\"a\"\":-1}\"\r\n");
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_back_as_the_same_fields(fields in proptest::collection::vec(any::<String>(), 1..6)) {
            let read = read(&line(fields.iter().map(String::as_str)));
            prop_assert_eq!(read.len(), fields.len());
            for (read, text) in read.iter().zip(&fields) {
                let is_same = read == text || (is_formula(text) && read.strip_prefix('\'') == Some(text));
                prop_assert!(is_same, "{:?} {:?}", read, text);
                prop_assert!(!is_formula(read));
            }
        }
    }
}
