//! The networks that a policy's text names, for guesses at what it would say elsewhere.

use ipnet::IpNet;

use super::source::PolicySource;
use super::syntax;

/// Every string of the text that is a network, in the order of the text, each once.
#[must_use]
pub fn networks(source: &PolicySource) -> Vec<IpNet> {
    let mut networks: Vec<IpNet> = Vec::new();
    for text in syntax::strings(&source.text) {
        if let Ok(network) = text.trim_matches(['"', '`']).parse::<IpNet>()
            && !networks.contains(&network)
        {
            networks.push(network);
        }
    }
    networks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_found_in_strings_and_nowhere_else() {
        let text = "# \"192.0.2.0/24\"\nx := {\"10.0.0.0/8\", `fd00::/8`, \"10.0.0.0/8\", \"10.0.0.1\", \"a/8\"}";
        let source = PolicySource { name: "p".parse().unwrap(), file: None, text: text.into(), rego: None };

        let found: Vec<String> = networks(&source).iter().map(ToString::to_string).collect();

        assert_eq!(found, ["10.0.0.0/8", "fd00::/8"]);
    }
}
