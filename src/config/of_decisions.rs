//! What decisions depend on, as it would be written: for whoever thinks decisions through elsewhere.

use std::collections::BTreeMap;

use super::quantity::show_duration;
use super::settings::Settings;
use crate::model::AdmitWithoutRoles;

impl Settings {
    /// The keys that a decision or the size of its token depends on, and what they say, to be read as [`load`](Self::load) reads flags.
    /// Where policies lie is not among them: that place is this machine's.
    #[must_use]
    pub fn of_decisions(&self) -> BTreeMap<&'static str, String> {
        let (token, policies) = (&self.token, &self.policies);
        let admits = match self.login.admit_without_roles {
            AdmitWithoutRoles::Yes => true,
            AdmitWithoutRoles::No => false,
        };
        BTreeMap::from([
            ("login.admit_without_roles", admits.to_string()),
            ("policies.evaluator", policies.evaluator.as_str().to_owned()),
            ("policies.memory_limit", policies.memory_limit.to_string()),
            ("policies.time_limit", show_duration(policies.time_limit)),
            ("token.algorithm", token.algorithm.as_str().to_owned()),
            ("token.audience", token.audience.clone()),
            ("token.confirm_client_certificate", token.confirm_client_certificate.to_string()),
            ("token.backdate", show_duration(token.backdate)),
            ("token.include_actions", token.include_actions.to_string()),
            ("token.issuer", token.issuer.clone()),
            ("token.max_bytes", token.max_bytes.to_string()),
            ("token.ttl", show_duration(token.ttl)),
            ("token.typ", token.typ.as_str().to_owned()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decisions_depend_on_is_read_as_it_is_written() {
        let text = "[token]\nissuer = \"https://a.example\"\naudience = \"b\"\nttl = \"1h30m\"\nalgorithm = \"RS256\"\ntyp = \"JWT\"\n\
                    backdate = \"1s500ms\"\nmax_bytes = 9000\ninclude_actions = true\nconfirm_client_certificate = true\n[login]\nadmit_without_roles = true\n\
                    [policies]\ntime_limit = \"70ms\"\nmemory_limit = \"9MiB\"\nevaluator = \"regorus\"\n";
        let settings = Settings::from_toml(text).unwrap().settings;
        let flags: Vec<_> = settings.of_decisions().into_iter().map(|(key, said)| (key.to_owned(), said)).collect();
        let read = Settings::load(None, [], &flags).unwrap().settings;
        assert_eq!((&read.token, &read.login, &read.policies), (&settings.token, &settings.login, &settings.policies));
        let usual: Vec<_> = Settings::default().of_decisions().into_iter().map(|(key, said)| (key.to_owned(), said)).collect();
        assert_eq!(Settings::load(None, [], &usual).unwrap().settings.token, Settings::default().token);
    }
}
