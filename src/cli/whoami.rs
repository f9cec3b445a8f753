//! `claviger whoami`: who asks, what they hold, and what they may manage.

use serde_json::{Value, json};

use super::args::value::joined;
use super::failure::Failure;
use super::operator;
use super::output::Output;
use super::place::Place;
use crate::model::Actor;

#[derive(Debug, clap::Args)]
pub(crate) struct Whoami {
    #[command(flatten)]
    place: Place,
}

impl Whoami {
    pub(crate) async fn run(self, out: &Output) -> Result<(), Failure> {
        let store = self.place.look(out).await?;
        let Some(who) = store.whoami().await? else {
            let actor = Actor::Operator(operator::name()?).label();
            let rows = [("actor", actor.clone()), ("may", "everything: the store itself is at hand".to_owned())];
            return out.record(&json!({ "actor": actor, "root_admin": true }), rows);
        };
        let text = |pointer: &str| who.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let list = |pointer: &str| -> Vec<Value> { who.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default() };
        let words = |items: &[Value]| joined(items.iter().filter_map(Value::as_str));
        let grant = |grant: &Value| {
            let part = |name: &str| grant.get(name).and_then(Value::as_str).unwrap_or_default();
            format!("{}@{}", part("role"), part("space"))
        };
        let is_root_admin = who.get("root_admin").and_then(Value::as_bool).unwrap_or_default();
        let rows = [
            ("id", text("/key/id")),
            ("name", text("/key/name")),
            ("groups", words(&list("/key/groups"))),
            ("expires", text("/key/expires_at")),
            ("grants", joined(list("/grants").iter().map(grant))),
            ("administers", if is_root_admin { "everything".to_owned() } else { words(&list("/administers")) }),
            ("may", words(&list("/may"))),
        ];
        out.record(&who, rows)
    }
}
