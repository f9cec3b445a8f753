//! What calls do with what they are given.

use regorus::unstable::{Expr, Ref};

use super::definition::Global;
use super::source::Source;
use super::walk::Walk;
use crate::policy::builtins;
use crate::policy::check::ast;

/// Builtins that make a value out of parts of their arguments and of nothing else.
const REARRANGING: [&str; 10] = [
    "array.concat",
    "array.reverse",
    "array.slice",
    "intersection",
    "object.filter",
    "object.get",
    "object.keys",
    "object.remove",
    "object.union",
    "union",
];

impl<'m> Walk<'_, 'm> {
    /// A call of a function of the policy, or of a builtin.
    pub(super) fn call(&mut self, function: &'m Expr, params: &'m [Ref<Expr>]) -> Source {
        let Some(names) = ast::path(function) else { return self.not_understood(params) };
        let (first, rest) = names.split_first().map_or(("", &[][..]), |(first, rest)| (*first, rest));
        let name = names.join(".");
        match self.definitions.global(first, rest) {
            Global::Rule(rule, used) if used == rest.len() => {
                // Which of the two a name means is a question that no policy should raise.
                let is_function = self.definitions.named(rule).all(|(_, definition)| definition.args.len() == params.len());
                self.uses.obscure |= !is_function || builtins::arity(&name).is_ok();
                for (index, param) in params.iter().enumerate() {
                    let given = self.expr(param);
                    self.give(rule, index, given);
                }
                self.result(rule)
            }
            Global::Nothing if builtins::arity(&name) == Ok(params.len()) => self.builtin(&name, params),
            Global::Nothing | Global::Rule(..) | Global::Input(_) | Global::Obscure => self.not_understood(params),
        }
    }

    fn builtin(&mut self, name: &str, params: &'m [Ref<Expr>]) -> Source {
        match (name, params) {
            ("net.cidr_contains", [network, address]) => {
                let (network, address) = (self.expr(network), self.expr(address));
                self.uses.network(network, address);
                Source::LITERAL
            }
            ("net.cidr_intersects", [one, other]) => {
                let (one, other) = (self.expr(one), self.expr(other));
                if one.may_be(Source::ADDRESS) {
                    self.uses.network(other, one);
                } else {
                    self.uses.network(one, other);
                }
                Source::LITERAL
            }
            ("time.clock", [of]) => {
                if self.local_time(of) {
                    self.uses.clock_part(0);
                    Source::CLOCK | Source::OTHER
                } else {
                    Source::OTHER
                }
            }
            ("time.weekday", [of]) => {
                self.uses.parts.weekday |= self.local_time(of);
                Source::OTHER
            }
            ("time.date", [of]) => {
                self.uses.parts.date |= self.local_time(of);
                Source::OTHER
            }
            // A text of the policy is read as a time; which, is seen to where the texts are.
            ("time.parse_rfc3339_ns", [text]) => self.part(text),
            (name, params) if REARRANGING.contains(&name) => params.iter().fold(Source::NUMBER, |made, param| made | self.part(param)),
            (_, params) => {
                for param in params {
                    self.part(param);
                }
                Source::OTHER
            }
        }
    }

    /// The argument of a function of local time: a time, or a time and a zone. Whether it may be the request's.
    fn local_time(&mut self, of: &'m Expr) -> bool {
        let (time, zone) = match of {
            Expr::Array { items, .. } => match items.as_slice() {
                [time] => (self.expr(time), None),
                [time, zone] => (self.expr(time), Some(self.part(zone))),
                _ => (self.part(of), None),
            },
            _ => (self.expr(of), None),
        };
        self.uses.read(time.without(Source::TIME));
        if !time.may_be(Source::TIME) {
            return false;
        }
        match zone {
            None => self.uses.utc = true,
            Some(zone) if zone.may_be(Source::OTHER) => {
                self.uses.read(Source::TIME);
            }
            Some(_) => self.uses.zones = true,
        }
        true
    }

    fn not_understood(&mut self, params: &'m [Ref<Expr>]) -> Source {
        self.uses.obscure = true;
        for param in params {
            self.expr(param);
        }
        Source::OTHER
    }
}
