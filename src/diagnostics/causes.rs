//! An error, and what lies behind it.

use std::error::Error;
use std::iter;

/// What the error says and what each of its causes does, the nearest first: many libraries say in one what has failed, and in the other why.
pub fn with_causes(error: &dyn Error) -> String {
    let all = iter::successors(Some(error), |error| (*error).source());
    all.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the connection has ended")]
    struct Ended(#[source] std::io::Error);

    #[test]
    fn what_lies_behind_an_error_is_told_behind_it() {
        let reset = || std::io::Error::other("reset by peer");
        assert_eq!(with_causes(&Ended(reset())), "the connection has ended: reset by peer");
        assert_eq!(with_causes(&reset()), "reset by peer");
    }
}
