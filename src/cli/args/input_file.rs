//! Texts that a command is given, in a file or on stdin.
//!
//! None is read further than it may be long: `/dev/zero` has no end, and memory has one. A file that cannot be read is a refusal and no
//! wrong usage, whichever command it is given to.

use std::io::{self, Read};
use std::path::Path;

use crate::cli::failure::Failure;

/// In bytes: far more than a policy may have, which is refused like any other fault of a policy, and than anybody writes else.
const LONGEST: usize = 16 * 1024 * 1024;

/// The text of a file, or of stdin for `-`.
pub(crate) fn text(file: &Path) -> Result<String, Failure> {
    let read = if file == Path::new("-") { bounded(io::stdin().lock()) } else { std::fs::File::open(file).and_then(bounded) };
    read.map_err(|error| Failure::refused(format_args!("cannot read {}: {error}", file.display())))
}

fn bounded(source: impl Read) -> io::Result<String> {
    let mut text = String::new();
    source.take(LONGEST as u64 + 1).read_to_string(&mut text)?;
    if text.len() > LONGEST { Err(io::Error::other(format!("it has more than {LONGEST} bytes"))) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_up_to_its_bound() {
        let longest = "x".repeat(LONGEST);

        assert_eq!(bounded(longest.as_bytes()).unwrap(), longest);
        assert!(bounded(io::repeat(b'x')).unwrap_err().to_string().contains("more than"));
        assert!(text(Path::new("/nonexistent")).unwrap_err().to_string().starts_with("cannot read /nonexistent: "));
    }
}
