//! Names of headers, whole or by their beginning.

use crate::config::HeaderPattern;

/// Asked with names in lower case.
#[derive(Clone, Debug)]
pub(super) struct NameSet {
    /// In order.
    names: Vec<String>,
    /// In order, and none the beginning of another: only the last one that is not behind a name can be its beginning.
    prefixes: Vec<String>,
}

impl NameSet {
    pub(super) fn of(patterns: &[HeaderPattern]) -> Self {
        let (mut names, mut all) = (Vec::new(), Vec::new());
        for pattern in patterns {
            match pattern {
                HeaderPattern::Name(name) => names.push(name.clone()),
                HeaderPattern::Prefix(prefix) => all.push(prefix.clone()),
            }
        }
        names.sort_unstable();
        all.sort_unstable();
        let mut prefixes: Vec<String> = Vec::with_capacity(all.len());
        for prefix in all {
            if prefixes.last().is_none_or(|shorter| !prefix.starts_with(shorter.as_str())) {
                prefixes.push(prefix);
            }
        }
        Self { names, prefixes }
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        let behind = self.prefixes.partition_point(|prefix| prefix.as_str() <= name);
        let begins = behind.checked_sub(1).and_then(|last| self.prefixes.get(last)).is_some_and(|prefix| name.starts_with(prefix.as_str()));
        begins || self.names.binary_search_by(|known| known.as_str().cmp(name)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_whole_or_by_its_beginning() {
        let patterns = ["x-user", "x-user-*", "x-user-name-*", "cf-access-*", "x-*"].map(|text| match text.strip_suffix('*') {
            Some(prefix) => HeaderPattern::Prefix(prefix.to_owned()),
            None => HeaderPattern::Name(text.to_owned()),
        });
        let set = NameSet::of(&patterns[..4]);
        for name in ["x-user", "x-user-id", "x-user-name-first", "x-user-zzz", "cf-access-", "cf-access-jwt"] {
            assert!(set.contains(name), "{name}");
        }
        for name in ["x-use", "x-users", "cf-access", "cf", "a", "zzz", ""] {
            assert!(!set.contains(name), "{name}");
        }
        assert!(NameSet::of(&patterns).contains("x-anything"));
    }
}
