//! What is between two texts, line by line.

/// What is beyond this is not compared: lines of one text times lines of the other, without what both begin and end with.
const MOST: usize = 1_000_000;
/// How many lines are shown around what has changed.
const AROUND: usize = 3;

/// A line of one text or of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DiffLine<'a> {
    Same(&'a str),
    Gone(&'a str),
    New(&'a str),
    /// So many lines that both have, far from what has changed.
    Passed(usize),
}

/// The lines of both in their order, as few of them gone and new as can be; of texts that are too long, everything that differs.
pub(super) fn between<'a>(before: &'a str, after: &'a str) -> Vec<DiffLine<'a>> {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let head = old.iter().zip(&new).take_while(|(one, other)| one == other).count();
    let (old_rest, new_rest) = (old.get(head..).unwrap_or_default(), new.get(head..).unwrap_or_default());
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(one, other)| one == other).count();
    let (old_middle, ending) = old_rest.split_at(old_rest.len() - tail);
    let new_middle = new_rest.get(..new_rest.len() - tail).unwrap_or_default();
    let mut lines: Vec<DiffLine<'_>> = old.iter().take(head).map(|line| DiffLine::Same(line)).collect();
    lines.extend(of_middles(old_middle, new_middle));
    lines.extend(ending.iter().map(|line| DiffLine::Same(line)));
    lines
}

fn of_middles<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<DiffLine<'a>> {
    let all = || old.iter().map(|line| DiffLine::Gone(line)).chain(new.iter().map(|line| DiffLine::New(line))).collect();
    if old.len().saturating_mul(new.len()) > MOST {
        return all();
    }
    let longest = Longest::of(old, new);
    let (mut lines, mut at, mut to) = (Vec::with_capacity(old.len() + new.len()), 0, 0);
    loop {
        match (old.get(at), new.get(to)) {
            (Some(gone), Some(line)) if gone == line => {
                lines.push(DiffLine::Same(line));
                (at, to) = (at + 1, to + 1);
            }
            (Some(gone), found) if found.is_none() || longest.from(at + 1, to) >= longest.from(at, to + 1) => {
                lines.push(DiffLine::Gone(gone));
                at += 1;
            }
            (_, Some(line)) => {
                lines.push(DiffLine::New(line));
                to += 1;
            }
            (Some(_) | None, None) => return lines,
        }
    }
}

/// How many lines the rests of two texts have in common, at most, in the same order.
struct Longest {
    lengths: Vec<u32>,
    width: usize,
}

impl Longest {
    fn of(old: &[&str], new: &[&str]) -> Self {
        let width = new.len() + 1;
        let mut longest = Self { lengths: vec![0; (old.len() + 1) * width], width };
        for (at, gone) in old.iter().enumerate().rev() {
            for (to, line) in new.iter().enumerate().rev() {
                let length =
                    if gone == line { longest.from(at + 1, to + 1) + 1 } else { longest.from(at + 1, to).max(longest.from(at, to + 1)) };
                if let Some(place) = longest.lengths.get_mut(at * width + to) {
                    *place = length;
                }
            }
        }
        longest
    }

    fn from(&self, at: usize, to: usize) -> u32 {
        self.lengths.get(at * self.width + to).copied().unwrap_or_default()
    }
}

/// Without the lines that are far from what has changed.
pub(super) fn in_short<'a>(lines: &[DiffLine<'a>]) -> Vec<DiffLine<'a>> {
    let is_same = |line: &DiffLine<'_>| matches!(line, DiffLine::Same(_));
    let mut near = vec![false; lines.len()];
    for (number, _) in lines.iter().enumerate().filter(|(_, line)| !is_same(line)) {
        let reach = number.saturating_sub(AROUND)..(number + AROUND + 1).min(lines.len());
        near.get_mut(reach).unwrap_or_default().fill(true);
    }
    let mut shown: Vec<DiffLine<'a>> = Vec::new();
    for (line, is_near) in lines.iter().zip(near) {
        match (is_near, shown.last_mut()) {
            (true, _) => shown.push(*line),
            (false, Some(DiffLine::Passed(count))) => *count += 1,
            (false, _) => shown.push(DiffLine::Passed(1)),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(lines: &[DiffLine<'_>]) -> Vec<String> {
        let line = |line: &DiffLine<'_>| match line {
            DiffLine::Same(text) => format!(" {text}"),
            DiffLine::Gone(text) => format!("-{text}"),
            DiffLine::New(text) => format!("+{text}"),
            DiffLine::Passed(count) => format!("@{count}"),
        };
        lines.iter().map(line).collect()
    }

    #[test]
    fn as_few_lines_as_can_be_are_gone_and_new() {
        for (before, after, expected) in [
            ("", "", &[][..]),
            ("a\nb", "a\nb", &[" a", " b"]),
            ("", "a", &["+a"]),
            ("a", "", &["-a"]),
            ("a\nb\nc", "a\nc", &[" a", "-b", " c"]),
            ("a\nc", "a\nb\nc", &[" a", "+b", " c"]),
            ("a\nb\nc", "a\nx\nc", &[" a", "-b", "+x", " c"]),
            ("a\nb\nc\nd", "b\nc\na\nd", &["-a", " b", " c", "+a", " d"]),
            ("a\na", "a\na\na", &[" a", " a", "+a"]),
            ("a\r\nb", "a\nb", &[" a", " b"]),
        ] {
            assert_eq!(written(&between(before, after)), expected, "{before:?} {after:?}");
        }
    }

    #[test]
    fn both_texts_can_be_read_from_what_is_between_them() {
        let texts = ["x\ny\nz\nx\ny", "y\nx\nx\nz\nw", "", "z\nz\nz", "a\nx\nb\ny\nc\nz"];
        for (before, after) in texts.iter().flat_map(|one| texts.iter().map(move |other| (*one, *other))) {
            let (mut old, mut new) = (Vec::new(), Vec::new());
            for line in between(before, after) {
                match line {
                    DiffLine::Same(text) => {
                        old.push(text);
                        new.push(text);
                    }
                    DiffLine::Gone(text) => old.push(text),
                    DiffLine::New(text) => new.push(text),
                    DiffLine::Passed(_) => panic!("nothing is passed over"),
                }
            }
            assert_eq!((old.join("\n").as_str(), new.join("\n").as_str()), (before, after));
        }
    }

    #[test]
    fn texts_that_are_too_long_to_be_compared_are_shown_whole() {
        let text = |name: &str| (0..1100).fold(String::new(), |text, number| text + name + &number.to_string() + "\nboth\n");
        let (before, after) = (format!("begin\n{}end\n", text("a")), format!("begin\n{}end\n", text("b")));
        let lines = between(&before, &after);
        let count = |wanted: fn(&DiffLine<'_>) -> bool| lines.iter().filter(|line| wanted(line)).count();
        assert_eq!(count(|line| matches!(line, DiffLine::Gone(_))), 2199);
        assert_eq!(count(|line| matches!(line, DiffLine::Same(_))), 3, "what both begin and end with");
    }

    #[test]
    fn lines_far_from_what_has_changed_are_counted() {
        let (before, after) = ("1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12", "1\n2\n3\n4\n5\n6\nx\n8\n9\n10\n11\n12");
        let shown = written(&in_short(&between(before, after)));
        assert_eq!(shown, ["@3", " 4", " 5", " 6", "-7", "+x", " 8", " 9", " 10", "@2"]);
        assert_eq!(written(&in_short(&between("a\nb", "a\nb"))), ["@2"]);
    }
}
