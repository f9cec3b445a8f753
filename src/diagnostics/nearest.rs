//! What was probably meant by a name that is not there.

/// The candidate that was probably meant: at most two characters differ, and at most a third of them. Case, and whether words are joined by
/// `-` or `_`, do not count.
pub fn nearest<C: AsRef<str>>(written: &str, candidates: impl IntoIterator<Item = C>) -> Option<C> {
    nearest_by(written, candidates, |candidate| candidate.as_ref().to_owned())
}

/// The same of candidates that are compared by what `spelled` makes of them.
pub fn nearest_by<C>(written: &str, candidates: impl IntoIterator<Item = C>, spelled: impl Fn(&C) -> String) -> Option<C> {
    let folded = |name: &str| name.to_lowercase().replace('-', "_");
    let written = folded(written);
    let allowed = (written.chars().count() / 3).min(2);
    let scored = candidates.into_iter().map(|candidate| (strsim::damerau_levenshtein(&written, &folded(&spelled(&candidate))), candidate));
    scored.filter(|(distance, _)| *distance <= allowed).min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_near() {
        let keys = ["issuer", "audience", "ttl", "max_bytes", "production"];
        for (written, meant) in [
            ("isuer", Some("issuer")),
            ("max-bytes", Some("max_bytes")),
            ("TTL", Some("ttl")),
            ("prodction", Some("production")),
            ("colour", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, keys), meant, "{written}");
        }
        assert_eq!(nearest("x", [""; 0]), None);
    }
}
