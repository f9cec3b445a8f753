//! A request as a line for a shell.

use http::Method;

/// `curl` with the same request. The key does not stand in it: it is taken from the environment.
pub(super) fn line(method: &Method, url: &str, body: Option<&str>) -> String {
    let mut line = format!("curl -sS -H \"Authorization: Bearer $CLAVIGER_KEY\" {}", quoted(url));
    if method != Method::GET {
        line = format!("{line} -X {method}");
    }
    if let Some(body) = body {
        line = format!("{line} -H 'Content-Type: application/json' -d {}", quoted(body));
    }
    line
}

/// For a shell, whatever stands in it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_stands_in_a_request_is_one_word_for_a_shell() {
        let body = r#"{"name":"it's $HOME `id` \"x\""}"#;
        let line = line(&Method::POST, "http://127.0.0.1:8081/api/v1/keys?q=a&b", Some(body));
        let script = line.replace("curl", "printf '%s\\n'");
        let said = std::process::Command::new("sh").args(["-c", &script]).env("CLAVIGER_KEY", "secret").output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        let words: Vec<&str> = said.lines().collect();
        assert_eq!(words.last(), Some(&body), "{words:?}");
        assert!(words.contains(&"http://127.0.0.1:8081/api/v1/keys?q=a&b") && words.contains(&"Authorization: Bearer secret"), "{words:?}");
    }
}
