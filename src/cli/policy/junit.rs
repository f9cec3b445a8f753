//! Results of tests in `JUnit`'s XML, which build servers show.

use std::fmt::Write as _;

use super::count::Count;
use crate::policy::testing::{TestOutcome, TestResult};

/// The results, a suite for each file.
pub(super) fn xml(results: &[TestResult]) -> String {
    let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n".to_owned();
    for suite in results.chunk_by(|one, other| one.file == other.file) {
        let Count { failed, broken, skipped, .. } = Count::of(suite);
        let file = suite.first().map(|result| escaped(&result.file)).unwrap_or_default();
        let time: f64 = suite.iter().map(|result| result.took.as_secs_f64()).sum();
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{file}\" tests=\"{}\" failures=\"{failed}\" errors=\"{broken}\" skipped=\"{skipped}\" time=\"{time:.6}\">",
            suite.len()
        );
        for result in suite {
            case(&mut xml, result);
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn case(xml: &mut String, result: &TestResult) {
    let TestResult { file, name, line, outcome, prints, took } = result;
    let (file, name, time) = (escaped(file), escaped(name), took.as_secs_f64());
    let _ = writeln!(xml, "    <testcase classname=\"{file}\" name=\"{name}\" file=\"{file}\" line=\"{line}\" time=\"{time:.6}\">");
    match outcome {
        TestOutcome::Passed => {}
        TestOutcome::Skipped => xml.push_str("      <skipped/>\n"),
        TestOutcome::Failed { at: None } => xml.push_str("      <failure message=\"it is not true\"/>\n"),
        TestOutcome::Failed { at: Some(at) } => {
            let values: Vec<String> = at.values.iter().map(|(name, value)| format!("{name} is {value}")).collect();
            let message = escaped(&format!("line {}: {}", at.line, at.text));
            let _ = writeln!(xml, "      <failure message=\"{message}\">{}</failure>", escaped(&values.join("\n")));
        }
        TestOutcome::Broken { message } => {
            let _ = writeln!(xml, "      <error message=\"{}\"/>", escaped(message));
        }
    }
    if !prints.is_empty() {
        let _ = writeln!(xml, "      <system-out>{}</system-out>", escaped(&prints.join("\n")));
    }
    xml.push_str("    </testcase>\n");
}

/// What XML 1.0 can hold: its own signs spelled out, characters that it has none for replaced.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' | '\t' => safe.push(character),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            _ => safe.push(character),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_hold_does_not_stand_in_it() {
        assert_eq!(escaped("a<b> & \"c\"\u{1b}"), "a&lt;b&gt; &amp; &quot;c&quot;\u{fffd}");
    }
}
