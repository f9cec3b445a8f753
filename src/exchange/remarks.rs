//! What is odd about policies that are put in force.

use super::timed::TimedCalls;
use crate::diagnostics::Severity;
use crate::policy::PolicyFault;
use crate::store::Source;
use crate::telemetry::StoreOperation;

/// Of how many keys a server reads the names for its remarks: as many as make a start no slower. `claviger check` reads more.
const NAMED_KEYS_MAX: u32 = 500;

/// The names of all keys, for remarks on policies, which are made without them if they cannot be had, or if there are many.
pub(super) async fn known_keys(timed: &TimedCalls, store: &dyn Source) -> Option<Vec<String>> {
    let read = timed.call(StoreOperation::KeyNames, store.key_names(NAMED_KEYS_MAX)).await;
    read.inspect_err(|error| tracing::debug!(%error, "the names of keys are not known to the remarks on policies")).ok().flatten()
}

/// Logs what is odd about policies that are put in force. What was told of those before them is not told again.
pub(super) fn log_warnings(warnings: Vec<PolicyFault>, warned: &mut Vec<PolicyFault>) {
    for warning in warnings.iter().filter(|warning| !warned.contains(warning)) {
        warning.diagnostic().log(match warning.severity {
            Severity::Note => "a login policy may do something else than it seems to",
            Severity::Warning | Severity::Error => "a login policy does not do what it seems to",
        });
    }
    *warned = warnings;
}
