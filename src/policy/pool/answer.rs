//! What policies answer.

use crate::model::{PolicyName, Verdict};
use crate::policy::error::PolicyError;

pub(super) type Answer = Result<Verdicts, PolicyError>;

pub(super) type Verdicts = Vec<(PolicyName, Verdict)>;
