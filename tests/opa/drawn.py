"""Random login policies, each a whole program.

What is drawn follows one idea: that a value may be missing wherever an expression can stand. So most expressions lead back to `input`
(which the askers then cut about), look something up that may not be there, or call what may not answer; and they stand in every place
that Rego has for one: steps and values of heads, arguments, operands, patterns, domains, what `with` puts in, what `not` denies.

A program is drawn from helpers to the rules that count, so that none needs itself, and each name has one kind. It is mostly, not always,
one that OPA takes: names are drawn from few, also those of rules, and types are meant and not proved. Rules that count mostly, not always,
get values that a login policy may have. Values of helpers are shown by `team contains json.marshal(…)`, so that nothing that differs inside
stays there.

One seed is one program, whatever was drawn before. This is longer than files are here, because it is one grammar, to be read from expressions to rules.
"""

import copy
import dataclasses
import random

WORDS = ["a", "b", "ci-1", "CI-1", "alice", "ops", "dev", "production", "staging", "deployer", "ops:a", "", "x-y"]
SPACES = ["production", "staging", "root"]
ROLES = ["deployer", "space-reader", "space-writer"]
LOCALS = ["x", "y", "z", "k", "v", "t", "i", "n", "s", "who"]
KEYS = ["a", "b", "ops", "ci-1", "alice", "x"]
TEXT_INPUTS = ["session.login", "session.name", "request.remote_ip", "session.nick", "session.teams[0]", "session.account_name", "who", "session.api_key_id"]
NUMBER_INPUTS = ["n", "session.age", "request.timestamp_ns", "session.level"]
LIST_INPUTS = ["session.teams", "session.teams", "session.teams", "session.labels", "groups"]
FLAG_INPUTS = ["session.admin", "session.member", "session.blocked", "flag"]
RULES = ["p", "q", "r", "h", "g", "level", "known", "grants", "blocked", "groups", "owner", "trusted", "x", "t", "names2", "is_ci", "inside", "who"]
COUNTED = {"allow", "deny", "admin", "deny_admin", "sample", "roles", "space_admin", "space_write", "space_read", "team"}


@dataclasses.dataclass
class Rule:
    """A head, and bodies: the first, and what stands behind each `else`. No body at all is a fact."""

    head: str
    bodies: list  # [(value behind `else` or None, [statement])]

    def text(self, style):
        text = self.head
        for number, (value, statements) in enumerate(self.bodies):
            if number:
                text += " else" + (f" {style.assign} {value}" if value is not None else "")
            if statements:
                lone = style.word and len(statements) == 1 and not statements[0].startswith("{") and number == 0
                lines = "{ " + "; ".join(statements) + " }" if len(text) % 3 == 0 else "{\n\t" + "\n\t".join(statements) + "\n}"
                block = statements[0] if lone else lines
                text += (" if " if style.word else " ") + block
        return text


@dataclasses.dataclass
class Style:
    """Which Rego it is written in."""

    is_v0: bool
    imports: list
    word: bool  # `if`, `contains`
    membership: bool  # `in`
    every: bool
    assign: str = ":="

    @staticmethod
    def draw(rng, is_v0):
        if not is_v0:
            return Style(False, ["import rego.v1"] if rng.random() < 0.2 else [], True, True, True)
        form = rng.choice(["plain", "plain", "in", "every", "keywords", "rego.v1"])
        assign = rng.choice([":=", ":=", "="])
        return {
            "plain": Style(True, [], False, False, False, assign),
            "in": Style(True, ["import future.keywords.in"], False, True, False, assign),
            "every": Style(True, ["import future.keywords.every", "import future.keywords.in"], False, True, True, assign),
            "keywords": Style(True, ["import future.keywords"], True, True, True, assign),
            "rego.v1": Style(True, ["import rego.v1"], True, True, True),
        }[form]


@dataclasses.dataclass
class Program:
    style: Style
    imports: list
    rules: list

    @property
    def is_v0(self):
        return self.style.is_v0

    def text(self):
        lines = ["package spacelift", "", *self.style.imports, *self.imports, ""]
        return "\n".join(lines) + "\n" + "\n\n".join(rule.text(self.style) for rule in self.rules) + "\n"


class Scope:
    """The names that a body has so far, with the types that they are meant to have."""

    def __init__(self, outer=None, is_flat=False):
        self.outer = outer
        self.names = {}
        # What has been used here as a name of an outer scope or of a rule cannot be declared any more.
        self.used = set()
        # Arguments of functions are declared where the body is.
        self.taken = set(outer.names) | outer.taken if is_flat else set()

    def get(self):
        found = dict(self.outer.get()) if self.outer else {}
        found.update(self.names)
        return found

    def of(self, kind):
        return [name for name, is_kind in self.get().items() if is_kind == kind]


class Draw:
    def __init__(self, seed, is_v0):
        self.rng = random.Random(seed)
        self.style = Style.draw(self.rng, is_v0)
        self.imports, self.rules = [], []
        # name -> kind: ("value", type), ("set",), ("pairs",), ("map",), ("numbers",), ("deep", steps), ("function", [types], type, is path)
        self.kinds = {}
        # What rules are called by an import.
        self.imported = {}
        self.scope = Scope()
        self.inputs = ["input"]
        self.sessions = ["input.session"]
        self.selves = ["data.spacelift"]
        self.depth = 0
        self.inside = 0
        # Whether statements may stand in any order, so that none declares.
        self.is_loose = False
        # Where the values of helpers are shown.
        self.board = "team"
        # How dear the program may become.
        self.loops = 0
        # Names that have become steps of the head at hand.
        self.stepped = []

    # ------------------------------------------------------------------------------------------------------- small draws

    def chance(self, probability):
        return self.rng.random() < probability

    def pick(self, items):
        return self.rng.choice(items)

    def weighted(self, *pairs):
        pairs = [(weight, way) for weight, way in pairs if weight > 0]
        return self.rng.choices([way for _, way in pairs], [weight for weight, _ in pairs])[0]

    def word(self):
        return quoted(self.pick(WORDS))

    def fresh(self, kind, declares=True):
        """A name that this scope does not have yet; now and then one of an outer scope, or a rule's."""
        here, outer = set(self.scope.names) | self.scope.taken | self.scope.used, self.scope.outer.get() if self.scope.outer else {}
        names = [name for name in LOCALS if name not in here and (declares or (name not in outer and name not in RULES))]
        if declares and self.chance(0.08):
            rules = [name for name in self.kinds if name not in here and "." not in name]
            names = rules or names
        else:
            shadowing = [name for name in names if name in outer]
            unknown = [name for name in names if name not in outer]
            names = shadowing if shadowing and (self.chance(0.3) or not unknown) else unknown
        if not names:
            names = [f"w{self.rng.randrange(1000)}"]
        name = self.pick(names)
        self.scope.names[name] = kind
        if not declares:
            self.scope.used.add(name)
        return name

    def local(self, names):
        name = self.pick(names)
        self.scope.used.add(name)
        return name

    def index(self):
        """What a look-up looks for. A literal that cannot be there is refused by OPA."""
        for _ in range(4):
            text = self.of("text")
            if not text.startswith('"') or self.chance(0.03):
                break
        return text

    def within(self, draw):
        """Draws in a scope of its own."""
        is_loose, self.is_loose = self.is_loose, False
        self.scope, self.inside = Scope(self.scope), self.inside + 1
        try:
            return draw()
        finally:
            self.is_loose = is_loose
            self.scope.outer.used |= self.scope.used - (set(self.scope.names) - set(self.scope.outer.names))
            self.scope, self.inside = self.scope.outer, self.inside - 1

    def deeper(self, draw):
        self.depth += 1
        try:
            return draw()
        finally:
            self.depth -= 1

    def is_deep(self):
        return self.depth >= 3

    # ---------------------------------------------------------------------------------------------------------- references

    def path(self, paths):
        path = self.pick(paths)
        head, _, rest = path.partition(".")
        if head == "session":
            base = self.pick(self.sessions)
        else:
            base, rest = self.pick(self.inputs), path
        steps = rest.split(".") if rest else []
        return base + "".join(f'["{step}"]' if self.chance(0.08) and "[" not in step else f".{step}" for step in steps)

    def rule(self, name):
        """A rule by its name, or by its whole path."""
        bare = name not in self.scope.get() and name not in self.shadowed()
        if bare and self.chance(0.75):
            self.scope.used.add(name)
            return name
        if name in self.imported and self.imported[name] not in self.scope.get() and self.chance(0.6):
            return self.imported[name]
        way = self.pick(self.selves)
        return f'{way}["{name}"]' if self.chance(0.05) else f"{way}.{name}"

    def shadowed(self):
        return self.scope.get()

    def named(self, *wanted):
        return [name for name, kind in self.kinds.items() if kind[: len(wanted)] == wanted]

    def called(self, *wanted):
        """Calls that give this type."""
        return [name for name, kind in self.kinds.items() if kind[0] == "function" and kind[2] in wanted]

    def call(self, name):
        _, kinds, _, is_path = self.kinds[name]
        arguments = ", ".join(self.of(kind) for kind in kinds)
        root = name.split(".")[0]
        bare = root not in self.scope.get() and self.chance(0.85)
        if bare:
            self.scope.used.add(root)
        way = name if bare else f"{self.pick(self.selves)}.{name}"
        return f"{way}({arguments})"

    # --------------------------------------------------------------------------------------------------------- expressions

    def of(self, kind):
        draw = {"text": self.text, "number": self.number, "flag": self.flag, "list": self.list, "map": self.map, "any": self.any, "decision": self.decision}[kind]
        return self.deeper(draw)

    def decision(self):
        """True or false, but for a few."""
        way = self.weighted((6, "test"), (3, "literal"), (0.15, "flag"))
        if way == "literal":
            return self.pick(["true", "false"])
        return self.test() if way == "test" else self.flag()

    def any(self):
        kind = self.weighted((4, "text"), (2, "number"), (2, "flag"), (2, "list"), (2, "map"), (0.4, "null"), (1, "bare"))
        if kind == "null":
            return "null"
        if kind == "bare":
            return self.pick([*self.inputs, *self.sessions, f"{self.pick(self.inputs)}.attachment", f"{self.pick(self.inputs)}.spaces[0]"])
        return self.of(kind)

    def text(self):
        names, deep = self.scope.of("text"), self.is_deep()
        maps, values, calls = self.maps(), self.named("value", "text"), self.called("text")
        way = self.weighted(
            (3, "word"), (5, "input"), (6 if names else 0, "name"), (2 if values else 0, "rule"), (0 if deep or not calls else 2, "call"),
            (0 if deep else 2, "look up"), (0 if deep else 3, "builtin"), (0 if deep or self.style.is_v0 else 1, "template"),
            (0 if deep else 0.5, "first"), (0.3 if deep else 0.5, "foreign"), (0 if deep else 0.3, "literal look up"),
        )
        match way:
            case "word":
                return self.word()
            case "input":
                return self.path(TEXT_INPUTS)
            case "name":
                return self.local(names)
            case "rule":
                return self.rule(self.pick(values))
            case "call":
                return self.call(self.pick(calls))
            case "look up":
                return f"{self.pick(maps)}[{self.index()}]" if maps else f'{{"a": "b", "ci-1": "alice"}}[{self.index()}]'
            case "literal look up":
                return f'{{{quoted(self.pick(KEYS))}: {self.of("text")}, "ci-1": "alice"}}[{self.index()}]'
            case "template":
                return f'$"{self.pick(["", "a", "x-"])}{{{self.of(self.pick(["text", "number", "any"]))}}}{self.pick(["", "-b"])}"'
            case "first":
                return f'{self.pick(["split", "split"])}({self.of("text")}, {self.pick([quoted(":"), quoted("-")])})[{self.pick(["0", "1"])}]'
            case "foreign":
                return self.pick(["data.other.x", "data.teams.owner", "data.other"])
        one = lambda: self.of("text")  # noqa: E731
        return self.pick([
            lambda: f"lower({one()})", lambda: f"upper({one()})", lambda: f"trim_space({one()})",
            lambda: f'trim_prefix({one()}, {self.pick([quoted("ci-"), quoted("a"), one()])})',
            lambda: f'replace({one()}, "-", {self.pick([quoted("_"), quoted("")])})',
            lambda: f'concat({self.pick([quoted("-"), quoted(","), one()])}, [{one()}, {one()}])',
            lambda: f'concat("+", {self.of("list")})',
            lambda: f'sprintf("%v-%v", [{self.any()}, {one()}])', lambda: f'sprintf("%s", [{one()}])',
            lambda: f'sprintf("%d", [{self.of("number")}])',
            lambda: f'substring({one()}, {self.pick(["0", "1"])}, {self.pick(["1", "2", "-1"])})',
            lambda: f'format_int({self.of("number")}, 10)',
            lambda: f"json.marshal({self.any()})", lambda: f"type_name({self.any()})",
            lambda: f'object.get({self.of("map")}, {one()}, {one()})',
            lambda: f'max([{one()}, {one()}])', lambda: f'min({self.of("list")})',
            lambda: f"time.weekday({self.path(NUMBER_INPUTS)})",
            lambda: f"trim({one()}, {one()})", lambda: f'trim_suffix({one()}, "-1")',
            lambda: f'strings.reverse({one()})',
        ])()

    def number(self):
        names, deep = self.scope.of("number"), self.is_deep()
        values, calls, maps = self.named("value", "number"), self.called("number"), self.named("numbers")
        way = self.weighted(
            (3, "literal"), (2, "input"), (5 if names else 0, "name"), (2 if values else 0, "rule"), (0 if deep or not calls else 2, "call"),
            (0 if deep or not maps else 2, "look up"), (0 if deep else 3, "count"), (0 if deep else 2.5, "arithmetic"), (0 if deep else 2, "builtin"),
        )
        match way:
            case "literal":
                return str(self.pick([0, 1, 2, 3, 5, 10, -1]))
            case "input":
                return self.path(NUMBER_INPUTS)
            case "name":
                return self.local(names)
            case "rule":
                return self.rule(self.pick(values))
            case "call":
                return self.call(self.pick(calls))
            case "look up":
                return f"{self.rule(self.pick(maps))}[{self.index()}]"
            case "count":
                return f"count({self.of(self.pick(['list', 'list', 'map', 'text']))})"
            case "arithmetic":
                left = self.of(self.weighted((8, "number"), (1, "any")))
                sign = self.pick(["+", "-", "*", "+"])
                if self.chance(0.1):
                    return f"{left} % {self.pick(['2', '3', '10'])}"
                right = self.of("number")
                text = f"{left} {sign} {right}"
                if self.chance(0.1):
                    return f"(-count({self.of('list')}))" if self.chance(0.3) else f"(-{self.path(NUMBER_INPUTS)})"
                return f"({text})" if self.chance(0.4) else text
        return self.pick([
            lambda: f"to_number({self.of('text')})", lambda: f"to_number({quoted(self.pick(['1', '12', '-3', '0', '', 'x', '7', '07'] if self.chance(0.9) else ['+5', '.5', '5.', '1.5']))})",
            lambda: f"indexof({self.of('text')}, {self.word()})", lambda: f"abs({self.of('number')})",
            lambda: f"sum([{self.of('number')}, {self.of('number')}])", lambda: f"max([{self.of('number')}, {self.of('number')}])",
            lambda: f"time.clock({self.path(NUMBER_INPUTS)})[0]", lambda: f"round({self.of('number')})",
            lambda: f"object.get({self.of('map')}, {self.of('text')}, {self.of('number')})",
            lambda: f"count([1 | {self.inner_body(1)}])",
        ])()

    def flag(self):
        names, deep = self.scope.of("flag"), self.is_deep()
        values, calls = self.named("value", "flag"), self.called("flag")
        way = self.weighted(
            (2, "literal"), (3, "input"), (5 if names else 0, "name"), (2 if values else 0, "rule"), (0 if deep or not calls else 2, "call"),
            (0 if deep else 4, "test"),
        )
        match way:
            case "literal":
                return self.pick(["true", "false"])
            case "input":
                return self.path(FLAG_INPUTS)
            case "name":
                return self.local(names)
            case "rule":
                return self.rule(self.pick(values))
            case "call":
                return self.call(self.pick(calls))
        test = self.test()
        return test

    def list(self):
        """Something with items that are texts."""
        names, deep = self.scope.of("list"), self.is_deep()
        sets, lists, calls = self.named("set"), self.named("value", "list"), self.called("list")
        way = self.weighted(
            (4, "input"), (4 if names else 0, "name"), (3 if sets else 0, "set"), (2 if lists else 0, "rule"), (0 if deep or not calls else 1, "call"),
            (3, "array"), (2, "curly"), (0 if deep else 2, "comprehension"), (0 if deep else 2, "builtin"), (0.3, "nothing"),
        )
        match way:
            case "input":
                return self.path(LIST_INPUTS)
            case "name":
                return self.local(names)
            case "set":
                return self.rule(self.pick(sets))
            case "rule":
                return self.rule(self.pick(lists))
            case "call":
                return self.call(self.pick(calls))
            case "array":
                return "[" + ", ".join(self.of("text") for _ in range(self.rng.randrange(1, 4))) + "]"
            case "curly":
                return "{" + ", ".join(self.of("text") for _ in range(self.rng.randrange(1, 3))) + "}"
            case "comprehension":
                return self.comprehension()
            case "nothing":
                return self.pick(["[]", "set()"])
        one = lambda: self.of("list")  # noqa: E731
        return self.pick([
            lambda: f'split({self.of("text")}, {self.pick([quoted("-"), quoted(":"), quoted(",")])})',
            lambda: f"object.keys({self.of('map')})", lambda: f"array.concat({self.array()}, {self.array()})", lambda: f"sort({one()})",
            lambda: f"({self.as_set()} {self.pick(['|', '&', '-'])} {self.as_set()})", lambda: f"array.slice({self.array()}, 0, 1)",
            lambda: f"union({{{self.as_set()}, {self.as_set()}}})", lambda: f"array.reverse({self.array()})",
            lambda: f"numbers.range(1, {self.pick(['3', 'count(' + one() + ')', self.of('text')])})" if self.chance(0.2) else one(),
        ])()

    def array(self):
        way = self.weighted((3, "input"), (2, "literal"), (2, "comprehension"), (1, "split"))
        match way:
            case "input":
                return self.path(LIST_INPUTS)
            case "literal":
                return "[" + ", ".join(self.of("text") for _ in range(self.rng.randrange(0, 3))) + "]"
            case "comprehension":
                return self.comprehension("array")
        return f'split({self.of("text")}, "-")'

    def written_out(self):
        """A list or a set of constants, and of what has a name."""
        items = ", ".join(self.word() if self.chance(0.5) else self.of("text") for _ in range(self.rng.randrange(2, 5)))
        return f"[{items}]" if self.chance(0.6) else f"{{{items}}}"

    def as_set(self):
        sets = self.named("set")
        if sets and self.chance(0.5):
            return self.rule(self.pick(sets))
        if self.chance(0.4):
            return f"{{{self.of('text')}}}"
        if self.chance(0.5):
            return self.comprehension("set")
        return self.pick(["set()", self.path(LIST_INPUTS)])

    def maps(self):
        return [self.rule(name) for name in self.named("map")] + self.scope.of("map")

    def map(self):
        """Texts by texts."""
        maps, deep = self.maps(), self.is_deep()
        way = self.weighted((5 if maps else 0, "name"), (2, "literal"), (1, "input"), (0 if deep else 1.5, "comprehension"), (0 if deep else 1, "builtin"))
        match way:
            case "name":
                return self.pick(maps)
            case "literal":
                keys = self.rng.sample(KEYS, self.rng.randrange(1, 3))
                parts = [f"{quoted(key) if self.chance(0.7) else self.of('text')}: {self.of('text')}" for key in keys]
                return "{" + ", ".join(parts) + "}"
            case "input":
                return self.pick([*self.sessions, f"{self.pick(self.inputs)}.request", f"{self.pick(self.inputs)}.limits"])
            case "comprehension":
                return self.comprehension("map")
        return self.pick([
            lambda: f"object.union({self.of('map')}, {self.of('map')})",
            lambda: f"object.remove({self.of('map')}, {self.of('list')})",
            lambda: f"object.filter({self.of('map')}, {self.of('list')})",
        ])()

    def comprehension(self, form=None):
        form = form or self.weighted((3, "array"), (3, "set"))

        def draw():
            statements = self.statements(self.rng.randrange(1, 3))
            key = self.of("text")
            if form == "map":
                value = self.of(self.weighted((4, "text"), (1, "list"), (1, "number")))
                # Two values for one key end an evaluation.
                key = self.unique(key)
                return "{" + f"{key}: {value} | {'; '.join(statements)}" + "}"
            opening, closing = ("[", "]") if form == "array" else ("{", "}")
            return f"{opening}{key} | {'; '.join(statements)}{closing}"

        return self.within(lambda: self.deeper(draw))

    def unique(self, key):
        names = [name for name, kind in self.scope.names.items() if kind == "text"]
        return names[-1] if names else key

    def inner_body(self, most):
        return self.within(lambda: self.deeper(lambda: "; ".join(self.statements(self.rng.randrange(1, most + 1)))))

    # ---------------------------------------------------------------------------------------------------------- statements

    def test(self):
        """A condition that binds nothing, so that it can stand under `not` and as a value."""
        deep = self.is_deep()
        way = self.weighted(
            (5, "compare"), (3, "builtin"), (5 if self.style.membership else 0, "in"), (1.5 if self.style.membership else 0, "in with key"),
            (2 if self.named("set") or self.maps() else 0, "look up"), (0 if deep else 1, "counted"), (0 if deep else 0.7, "comprehensions"),
        )
        kind = self.weighted((4, "text"), (2, "number"), (1, "flag"), (1, "list"), (1, "any"), (0.5, "map"))
        match way:
            case "compare":
                sign = self.weighted((6, "=="), (3, "!="), (1.5, "<"), (1, "<="), (1.5, ">"), (1, ">="))
                left, right = self.of(kind), self.of(kind if self.chance(0.9) else "any")
                if kind == "list":
                    alike = self.pick([self.array, self.as_set])
                    left, right = self.deeper(alike), self.deeper(alike)
                if kind == "flag":
                    left, right = enclosed(left), enclosed(right)
                return f"{left} {sign} {right}"
            case "in":
                item = self.of(self.weighted((6, "text"), (1, "any"), (1, "number")))
                domain = self.written_out() if self.chance(0.1) else self.of(self.weighted((5, "list"), (1, "map"), (0.5, "any")))
                return f"{enclosed(item)} in {enclosed(domain)}"
            case "in with key":
                domain = self.of(self.weighted((2, "list"), (3, "map")))
                text = f"{enclosed(self.of(self.pick(['text', 'number'])))}, {enclosed(self.of('text'))} in {enclosed(domain)}"
                # Behind another comma it would mean something else.
                return text if self.depth <= 1 and not self.inside else f"({text})"
            case "look up":
                names = [self.rule(name) for name in self.named("set")] + self.maps()
                return f"{self.pick(names)}[{self.index()}]"
            case "counted":
                return f"count({self.of('list')}) {self.pick(['>', '==', '<', '!='])} {self.of('number')}"
            case "comprehensions":
                form, alike = self.pick([("array", self.array), ("set", self.as_set)])
                return f"{self.comprehension(form)} {self.pick(['==', '!=', '<'])} {self.deeper(alike)}"
        one = lambda: self.of("text")  # noqa: E731
        return self.pick([
            lambda: f"startswith({one()}, {one()})", lambda: f'startswith({one()}, "ci-")', lambda: f"endswith({one()}, {one()})",
            lambda: f"contains({one()}, {one()})", lambda: f'regex.match("^ci-[0-9]+$", {one()})', lambda: f'regex.match({one()}, {one()})' if self.chance(0.1) else f'regex.match("^a", {one()})',
            lambda: f'net.cidr_contains({self.pick([quoted("10.0.0.0/8"), quoted("203.0.113.0/24"), one()])}, {self.path(["request.remote_ip"])})',
            lambda: f'glob.match("ci-*", [], {one()})', lambda: f"is_string({self.any()})", lambda: f"is_array({self.any()})",
            lambda: f"is_number({self.any()})", lambda: f"is_null({self.any()})", lambda: f"is_object({self.any()})", lambda: f"is_set({self.of('list')})",
            lambda: f"strings.any_prefix_match({one()}, {self.of('list')})", lambda: f"object.subset({self.of('map')}, {self.of('map')})",
            lambda: f"is_boolean({self.flag()})",
        ])()

    def truth(self):
        """A condition of whatever form that binds nothing: a test, a rule, a call, a reference."""
        values, calls = self.named("value"), self.called("flag", "text", "number", "list")
        deeps = self.named("deep")
        way = self.weighted(
            (6, "test"), (2, "input"), (3 if values else 0, "rule"), (2.5 if calls else 0, "call"), (1 if self.scope.get() else 0, "name"),
            (1.5 if deeps else 0, "deep"), (0.4, "literal"), (0.3, "comprehension"), (0.3, "foreign"),
        )
        match way:
            case "test":
                return self.deeper(self.test)
            case "input":
                return self.path(FLAG_INPUTS + TEXT_INPUTS[:3] + LIST_INPUTS[:1])
            case "rule":
                return self.rule(self.pick(values))
            case "call":
                return self.call(self.pick(calls))
            case "name":
                return self.local(list(self.scope.get()))
            case "deep":
                return self.deep(self.pick(deeps))
            case "comprehension":
                return self.comprehension()
            case "foreign":
                return self.pick(["data.other.x", "data.other"])
        return self.pick(["true", "false", "1", "null", '"a"'])

    def deep(self, name, binds=False):
        """A reference into a rule of several steps."""
        text = self.rule(name)
        for step in self.kinds[name][1]:
            if step != "*":
                text += f".{step}"
            elif binds and self.chance(0.5):
                text += f"[{self.pick(['_', self.fresh('text', declares=False)])}]"
            else:
                text += f"[{self.index()}]"
            if self.chance(0.15):
                return text
        return text

    def statements(self, number):
        found = []
        for _ in range(number):
            found.extend(self.statement())
        return found

    def loop(self):
        self.loops += 1
        return self.loops <= 12 and self.inside <= 2

    def statement(self):
        """One statement, or two that belong together."""
        style, loop = self.style, self.loops <= 12 and self.inside <= 2
        pairs = self.named("pairs")
        way = self.weighted(
            (3, "truth"), (3, "not"), (4, "unify"), (2, "array pattern"), (1, "object pattern"), (1, "wildcard"), (2, "iterate"),
            (1 if pairs else 0, "pairs"),
        ) if self.is_loose else self.weighted(
            (5, "truth"), (4, "not"), (3, "assign"), (1.5, "unify"), (1.5, "array pattern"), (0.7, "object pattern"),
            (4 if loop and style.membership else 0, "some in"), (1.5 if loop and style.membership else 0, "some key in"),
            (0.6 if loop and style.membership else 0, "some pattern"),
            (1.2 if loop else 0, "some index"), (1.5 if loop else 0, "wildcard"), (1.2 if loop else 0, "iterate"), (1 if loop else 0, "bind from"),
            (1.7 if loop and style.every and self.inside <= 1 else 0, "every"), (1.5, "with"), (0.8 if self.named("deep") and loop else 0, "deep"),
            (0.8 if loop else 0, "spaces"), (0.5, "split"), (1.5 if loop and pairs else 0, "pairs"), (0.15, "last argument"),
        )
        match way:
            case "truth":
                return [self.truth()]
            case "not":
                return [f"not {self.truth()}"]
            case "assign":
                kind = self.weighted((4, "text"), (2, "number"), (2, "flag"), (2, "list"), (1, "map"), (1, "any"))
                value = self.of(kind)
                return [f"{self.fresh(kind)} := {value}"]
            case "unify":
                kind = self.weighted((4, "text"), (2, "number"), (1, "list"), (1, "any"))
                value = self.of(kind)
                name = self.fresh(kind, declares=False)
                return [f"{name} = {value}" if self.chance(0.7) else f"{value} = {name}"]
            case "array pattern":
                return [self.array_pattern()]
            case "object pattern":
                return [self.object_pattern()]
            case "some in":
                self.loop()
                domain = self.of(self.weighted((6, "list"), (1, "map"), (0.3, "any")))
                return [f"some {self.fresh('text')} in {domain}"]
            case "some key in":
                self.loop()
                domain = self.of(self.weighted((3, "list"), (3, "map")))
                key = "_" if self.chance(0.1) else self.fresh(self.pick(["text", "number"]))
                return [f"some {key}, {self.fresh('text')} in {domain}"]
            case "some pattern":
                self.loop()
                one, two = self.of("text"), self.of("text")
                domain = f"[[{one}, {two}], [{self.word()}, {self.of('number')}]]"
                first = self.word() if self.chance(0.3) else self.fresh("text")
                return [f"some [{first}, {self.fresh('text')}] in {domain}"]
            case "some index":
                self.loop()
                domain = self.reference()
                if self.chance(0.5):
                    key = self.fresh("text")
                    value = self.fresh("text")
                    return [f"some {key}", f"{value} := {domain}[{key}]"]
                key, other = self.fresh("text"), self.of("text")
                return [f"some {key}", f"{domain}[{key}] {self.pick(['==', '!=', '=='])} {other}"]
            case "wildcard":
                self.loop()
                domain, other = self.reference(), self.of("text")
                return [f"{domain}[_] {self.weighted((4, '=='), (1, '!='))} {other}" if self.chance(0.7) else f"{other} == {domain}[_]"]
            case "iterate":
                self.loop()
                domain = self.reference()
                return [f"{domain}[{self.fresh('text', declares=False)}]"]
            case "bind from":
                self.loop()
                domain = self.reference()
                return [f"{self.fresh('text')} := {domain}[_]"]
            case "every":
                return [self.every()]
            case "with":
                return [self.with_()]
            case "deep":
                self.loop()
                return [self.deep(self.pick(self.named("deep")), binds=True)]
            case "spaces":
                self.loop()
                list_ = f"{self.pick(self.inputs)}.{self.pick(['spaces', 'spaces', 'roles'])}"
                if style.membership and self.chance(0.6):
                    name = self.fresh("space")
                    step = self.pick(["id", "name", "parent", "labels[0]", "nothing"])
                    return [f"some {name} in {list_}", f"{name}.{step} {self.pick(['==', '!='])} {self.of('text')}"]
                return [f"{list_}[_].{self.pick(['id', 'name', 'labels[_]'])} == {self.of('text')}"]
            case "pairs":
                self.loop()
                pairs = self.rule(self.pick(pairs))
                one = self.of("text")
                if style.membership and not self.is_loose and self.chance(0.5):
                    first = self.fresh("text") if self.chance(0.7) else one
                    return [f"some [{first}, {self.fresh('text')}] in {pairs}"]
                return [f"{pairs}[[{one}, {self.fresh('text', declares=False)}]]" if self.chance(0.6) else f"{pairs}[[{one}, {self.of('text')}]]"]
            case "last argument":
                one = self.of("text")
                return [f"{self.pick(['lower', 'upper', 'count'])}({one}, {self.fresh('text', declares=False)})"]
            case "split":
                text = self.of("text")
                name = self.fresh("list")
                return [f'{name} := split({text}, "{self.pick([":", "-"])}")', f'{name}[{self.pick(["0", "1"])}] {self.pick(["==", "!="])} {self.of("text")}']

    def reference(self):
        """Something that an index can follow."""
        ways = [self.path(LIST_INPUTS)] + [self.rule(name) for name in self.named("set") + self.named("value", "list")] + self.maps() + self.scope.of("list")
        if self.chance(0.1):
            ways = self.sessions
        return self.pick(ways)

    def array_pattern(self):
        if self.chance(0.3) and not self.is_loose:
            text = self.of("text")
            parts = [self.fresh("text") if self.chance(0.8) else "_" for _ in range(2)]
            return f'[{", ".join(parts)}] := split({text}, "{self.pick([":", "-"])}")'
        values = [self.of("text"), self.of(self.pick(["text", "number", "any"]))]
        declares = self.chance(0.5) and not self.is_loose
        names = []
        for value in values:
            kind = self.weighted((5, "name"), (1, "same"), (1, "wildcard"), (0.7, "nested"))
            if kind == "nested":
                # A list around the value, on either side.
                index = values.index(value)
                values[index] = f"[{value}, 1]"
                names.append(f"[{self.fresh('text', declares)}, {'_' if declares else '1'}]")
            elif kind == "same" and not declares:
                names.append(self.of("text"))
            elif kind == "wildcard":
                names.append("_")
            else:
                names.append(self.fresh("text", declares))
        left, right = f"[{', '.join(names)}]", f"[{', '.join(values)}]"
        if declares:
            return f"{left} := {right}"
        return f"{left} = {right}" if self.chance(0.6) else f"{right} = {left}"

    def object_pattern(self):
        value, declares = self.of("text"), self.chance(0.4) and not self.is_loose
        key = quoted(self.pick(KEYS))
        if self.chance(0.5):
            other = self.path(["request", "session", "limits"])
            pattern = f'{{"remote_ip": {self.fresh("text", declares)}, "timestamp_ns": {self.fresh("number", declares)}}}'
            return f"{pattern} := {other}" if declares else (f"{pattern} = {other}" if self.chance(0.6) else f"{other} = {pattern}")
        more, match_ = ("", "") if self.chance(0.5) else (', "z": 1', ', "z": 1' if not declares else ', "z": _')
        left, right = f"{{{key}: {self.fresh('text', declares)}{match_}}}", f"{{{key}: {value}{more}}}"
        if declares:
            return f"{left} := {right}"
        return f"{left} = {right}" if self.chance(0.6) else f"{right} = {left}"

    def every(self):
        self.loop()
        domain = self.of(self.weighted((6, "list"), (1, "map"), (0.3, "any")))

        def draw():
            with_key = self.chance(0.3)
            key = self.fresh(self.pick(["number", "text"])) if with_key else None
            value = self.fresh("text")
            body = self.statements(self.rng.randrange(0, 2))
            body.append(f"{value} {self.pick(['!=', '==', '>'])} {self.of('text')}" if self.chance(0.7) else f"not {value} == {self.of('text')}")
            if key:
                body.append(f"{key} != {self.of('number')}")
            names = f"{key}, {value}" if key else value
            return f"every {names} in {domain} {{ {'; '.join(body)} }}"

        return self.within(lambda: self.deeper(draw))

    def with_(self):
        inner = self.truth()
        if self.chance(0.25):
            inner = f"not {inner}"
        elif self.chance(0.2):
            inner = f"{self.fresh('any')} := {self.truth()}"
        for _ in range(1 if self.chance(0.8) else 2):
            consts = [name for name, kind in self.kinds.items() if kind[0] in ("set", "map", "numbers", "value")]
            if consts and self.chance(0.35):
                name = self.pick(consts)
                kind = self.kinds[name]
                value = self.of({"set": "list", "map": "map", "numbers": "map", "value": kind[-1]}[kind[0]])
                inner += f" with data.spacelift.{name} as {enclosed(value)}"
            elif self.chance(0.1):
                inner += f' with data.other as {{"x": {self.of("text")}}}'
            elif self.chance(0.15):
                inner += f' with input as {{"session": {{"login": {self.of("text")}, "teams": {self.of("list")}}}}}'
            else:
                path, kind = self.pick([("session.login", "text"), ("session.teams", "list"), ("session.nick", "text"), ("n", "number"), ("session.teams", "any"), ("request.remote_ip", "text"), ("session", "map")])
                inner += f" with input.{path} as {enclosed(self.of(kind))}"
        return inner

    # --------------------------------------------------------------------------------------------------------------- rules

    def body(self, least=1, most=3):
        if self.chance(0.88):
            return self.statements(self.rng.randrange(least, most + 1))
        self.is_loose = True
        try:
            found = self.statements(self.rng.randrange(2, most + 2))
        finally:
            self.is_loose = False
        self.rng.shuffle(found)
        return found

    def chain(self, value, kind, least=1):
        """Bodies of a rule or a function: the first and those behind `else`. Answers with the first value, too."""
        outer = self.scope
        self.scope = Scope(outer, is_flat=True)
        first = self.body(least)
        value = value()
        bodies = [(None, first)]
        self.scope = outer
        while self.chance(0.3) and len(bodies) < 4:
            self.scope = Scope(outer, is_flat=True)
            statements = self.body() if self.chance(0.8) else []
            bodies.append((self.of(kind), statements))
            self.scope = outer
            if not statements:
                break
        return value, bodies

    def new_rule(self, head, bodies):
        self.rules.append(Rule(head, bodies))

    def name(self):
        free = [name for name in RULES if name not in self.kinds and not any(other.split(".")[0] == name for other in self.kinds)]
        return self.pick(free)

    def sets_head(self, name, item):
        """A head that puts an item into a set."""
        return f"{name} contains {item}" if self.style.word else f"{name}[{item}]"

    def step(self):
        """A step of a head, in all its forms."""
        way = self.weighted((3, "text"), (2, "name"), (1, "word"))
        names = self.scope.of("text")
        if way == "name" and names:
            return self.stepping(names)
        return self.word() if way == "word" else self.of("text")

    def constant(self):
        name = self.name()
        words = self.rng.sample(WORDS, self.rng.randrange(1, 4))
        kind = self.weighted((4, "set"), (2, "array"), (4, "map"), (2, "numbers"), (1, "text"), (1, "number"), (2, "named input"), (0.7, "flag"))
        assign = self.style.assign
        match kind:
            case "set":
                self.new_rule(f"{name} {assign} {{{', '.join(map(quoted, words))}}}", [])
                self.kinds[name] = ("set",)
            case "array":
                self.new_rule(f"{name} {assign} [{', '.join(map(quoted, words))}]", [])
                self.kinds[name] = ("value", "list")
            case "map":
                keys = self.rng.sample(KEYS + ["production"], self.rng.randrange(1, 4))
                self.new_rule(f"{name} {assign} {{{', '.join(f'{quoted(key)}: {self.word()}' for key in keys)}}}", [])
                self.kinds[name] = ("map",)
            case "numbers":
                keys = self.rng.sample(KEYS, self.rng.randrange(1, 4))
                self.new_rule(f"{name} {assign} {{{', '.join(f'{quoted(key)}: {self.rng.randrange(0, 4)}' for key in keys)}}}", [])
                self.kinds[name] = ("numbers",)
            case "text":
                self.new_rule(f"{name} {assign} {self.word()}", [])
                self.kinds[name] = ("value", "text")
            case "number":
                self.new_rule(f"{name} {assign} {self.rng.randrange(-1, 12)}", [])
                self.kinds[name] = ("value", "number")
            case "flag":
                self.new_rule(f"{name} {assign} {self.pick(['true', 'false'])}", [])
                self.kinds[name] = ("value", "flag")
            case "named input":
                paths, of = self.pick([(TEXT_INPUTS, "text"), (LIST_INPUTS, "list"), (TEXT_INPUTS, "text"), (NUMBER_INPUTS, "number"), (FLAG_INPUTS, "flag")])
                value = self.path(paths)
                if of == "text" and self.chance(0.3):
                    value = f"lower({value})"
                self.new_rule(f"{name} {assign} {value}", [])
                self.kinds[name] = ("value", of)

    def helper(self):
        kind = self.weighted((4, "value"), (2, "flag"), (3, "set"), (1, "pairs"), (2.5, "map"), (2.5, "deep"), (4, "function"), (1, "default path"))
        getattr(self, "helper_" + kind.replace(" ", "_"))()

    def helper_flag(self):
        name = self.name()
        with_default = self.chance(0.3)
        for _ in range(self.rng.randrange(1, 4)):
            _, bodies = self.chain(lambda: None, "flag")
            self.new_rule(name, self.some_values(bodies, 0.4))
        if with_default:
            self.new_rule(f"default {name} {self.style.assign} {self.pick(['false', 'false', 'true'])}", [])
        self.kinds[name] = ("value", "flag")

    def some_values(self, bodies, share):
        """Without a value a rule is true, and so is an `else`."""
        return [(None if body and self.chance(share) else value, body) for value, body in bodies]

    def helper_value(self):
        name, kind = self.name(), self.weighted((3, "text"), (2, "number"), (1, "flag"), (2, "list"))
        for _ in range(1 if self.chance(0.75) else 2):
            value, bodies = self.chain(lambda: self.of(kind), kind)
            self.new_rule(f"{name} {self.style.assign} {value}", bodies)
        if self.chance(0.3):
            default = {"text": [quoted("none"), "null"], "number": ["0", "-1"], "flag": ["true", "false"], "list": ["[]", "set()", '["a"]', "[v | v := [1, 2][_]]"]}[kind]
            self.new_rule(f"default {name} {self.style.assign} {self.pick(default)}", [])
        self.kinds[name] = ("value", kind)

    def helper_set(self):
        name = self.name()
        for _ in range(self.rng.randrange(1, 4)):
            item, bodies = self.in_one_scope(self.step)
            if not self.style.word and item in COUNTED:
                continue
            self.new_rule(self.sets_head(name, item), bodies)
        self.kinds[name] = ("set",)

    def helper_pairs(self):
        """A set whose items are arrays."""
        name = self.name()
        for _ in range(self.rng.randrange(1, 3)):
            item, bodies = self.in_one_scope(lambda: f"[{self.step()}, {self.step()}]")
            self.new_rule(self.sets_head(name, item), bodies)
        self.kinds[name] = ("pairs",)

    def in_one_scope(self, head):
        """One body, and a head that is made of what it binds."""
        self.scope = Scope(self.scope)
        if self.chance(0.12):
            bodies = []
        else:
            bodies = [(None, self.body())]
        # A head without a body has nothing to bind it but its own steps.
        text = head()
        self.scope = self.scope.outer
        return text, bodies

    def helper_map(self):
        name = self.name()
        for _ in range(self.rng.randrange(1, 3)):
            value_kind = self.weighted((12, "text"), (1, "number"), (1, "list"))

            def head():
                step = self.step()
                return f"{name}[{step}] {self.style.assign} {self.of(value_kind)}"

            text, bodies = self.in_one_scope(head)
            self.new_rule(text, bodies)
        self.kinds[name] = ("map",)

    def helper_deep(self):
        """`p.q := v`, `p.q contains x`, `p[x].y contains z`, `p[x][y] := v`, and mixtures."""
        name = self.name()
        shape = self.pick([["q"], ["a", "b"], ["*", "y"], ["*", "*"], ["q", "*"], ["*", "y", "*"]])
        ends_in_set = self.chance(0.5) and (self.style.word or len(shape) > 1)
        for _ in range(self.rng.randrange(1, 4)):

            def head():
                text = name
                for step in shape:
                    if step == "*":
                        text += f"[{self.step()}]"
                    elif self.chance(0.1):
                        text += f"[{self.step()}]"
                    else:
                        text += f".{step}"
                if ends_in_set and self.style.word:
                    return f"{text} contains {self.step()}"
                if self.chance(0.3):
                    return text
                return f"{text} {self.style.assign} {self.of(self.pick(['text', 'number', 'flag']))}"

            text, bodies = self.in_one_scope(head)
            self.new_rule(text, bodies or [(None, ["true"])] if "=" not in text and "contains" not in text else bodies)
        self.kinds[name] = ("deep", shape + (["*"] if ends_in_set and self.style.word else []))

    def helper_default_path(self):
        name = self.name()
        step = self.pick([".q", '["a"]'])
        self.new_rule(f"default {name}{step} {self.style.assign} {self.pick(['false', '0', quoted('none')])}", [])
        for _ in range(self.rng.randrange(0, 2)):
            value, bodies = self.chain(lambda: self.of("text"), "text")
            self.new_rule(f"{name}{step} {self.style.assign} {value}", bodies)
        self.kinds[name] = ("deep", [step.strip('.[]"')])

    def helper_function(self):
        name, kind = self.name(), self.weighted((3, "flag"), (3, "text"), (2, "number"), (1, "list"))
        is_path = self.chance(0.12)
        name += ".sub" if is_path else ""
        kinds = [self.weighted((5, "text"), (1, "number"), (1, "list"), (1, "any")) for _ in range(1 if self.chance(0.7) else 2)]
        for _ in range(self.rng.randrange(1, 4)):
            self.scope = Scope(self.scope)
            arguments = [self.argument(of) for of in kinds]
            head = f"{name}({', '.join(arguments)})"
            if self.chance(0.2):
                value = {"flag": "true", "text": self.word(), "number": "1", "list": '["a"]'}[kind]
                bodies = []
            elif kind == "flag":
                _, bodies = self.chain(lambda: None, "flag", 1)
                value, bodies = None, self.some_values(bodies, 0.4)
            else:
                value, bodies = self.chain(lambda: self.of(kind), kind, 1)
                if self.chance(0.15) and len(bodies) == 1:
                    # A value that may be missing, under a condition that holds: what stands behind `else` counts then.
                    bodies.append((self.of(kind), []))
            self.scope = self.scope.outer
            if value is not None and not (value == "true" and self.chance(0.5) and bodies):
                head += f" {self.style.assign} {value}"
            self.new_rule(head, bodies)
        if self.chance(0.15) and not is_path:
            default = {"flag": "false", "text": quoted("none"), "number": "0", "list": "[]"}[kind]
            self.new_rule(f"default {name}({', '.join('_' for _ in kinds)}) {self.style.assign} {default}", [])
        self.kinds[name] = ("function", kinds, kind, is_path)

    def argument(self, kind):
        way = self.weighted((7, "name"), (1, "word"), (0.7, "array"), (0.4, "wildcard"), (0.3, "object"))
        match way:
            case "word":
                return {"text": self.word(), "number": str(self.rng.randrange(0, 3)), "list": '["a", "b"]', "any": self.pick(["null", "true", self.word()])}[kind]
            case "array" if kind in ("list", "any"):
                return f"[{self.fresh('text')}, {self.pick(['_', self.word(), self.fresh('text')])}]"
            case "object" if kind == "any":
                return f'{{"a": {self.fresh("text")}}}'
            case "wildcard":
                return "_"
        return self.fresh(kind)

    # ------------------------------------------------------------------------------------------------- the rules that count

    def counted_flag(self, name):
        with_values = self.chance(0.25)
        # Two that say different things at once are an error.
        for _ in range(1 if with_values and self.chance(0.95) else self.rng.randrange(1, 3)):
            if with_values and self.chance(0.6):
                value, bodies = self.chain(lambda: self.of("decision"), "decision")
                self.new_rule(f"{name} {self.style.assign} {value}", bodies)
            else:
                _, bodies = self.chain(lambda: None, "decision")
                self.new_rule(name, self.some_values(bodies, 0.4 if with_values else 0.98))
        if self.chance(0.2):
            self.new_rule(f"default {name} {self.style.assign} {self.pick(['false', 'false', 'true'])}", [])
        self.kinds[name] = ("value", "flag")

    def stepping(self, names):
        name = self.pick(names)
        self.stepped.append(name)
        return name

    def of_texts(self, head):
        """One body and its head, of whose steps those that are names are texts, but for a few."""
        self.stepped = []
        text, bodies = self.in_one_scope(head)
        for name in self.stepped:
            if bodies and self.chance(0.97):
                bodies[0][1].append(f"is_string({name})")
        return text, bodies

    def space_step(self):
        names = self.scope.of("text")
        if names and self.chance(0.5):
            return self.stepping(names)
        return quoted(self.pick(SPACES)) if self.chance(0.5) else self.of("text")

    def role_step(self):
        names = self.scope.of("text")
        if names and self.chance(0.3):
            return self.stepping(names)
        return quoted(self.pick(ROLES)) if self.chance(0.7) else self.of("text")

    def counted_roles(self):
        shape = self.weighted((6, "steps"), (2 if self.style.word else 0, "contains"), (1, "value by space"), (1, "whole"), (1, "dotted"))
        has_value = shape in ("value by space", "whole")
        for _ in range(1 if has_value and self.chance(0.95) else self.rng.randrange(1, 4)):

            def head():
                match shape:
                    case "steps":
                        return f"roles[{self.space_step()}][{self.role_step()}]" + (f" {self.style.assign} true" if self.chance(0.1) else "")
                    case "contains":
                        return f"roles[{self.space_step()}] contains {self.role_step()}"
                    case "value by space":
                        return f"roles[{self.space_step()}] {self.style.assign} {self.pick([f'{{{self.role_step()}}}', f'[{self.role_step()}]', f'{{{self.role_step()}: true}}'])}"
                    case "whole":
                        return f"roles {self.style.assign} {{{self.space_step()}: {{{self.role_step()}}}}}"
                return f"roles.{self.pick(SPACES)}{self.pick(['.deployer', f'[{self.role_step()}]'])}"

            text, bodies = self.of_texts(head)
            if not bodies and "=" not in text and "contains" not in text:
                bodies = [(None, ["true"])]
            self.new_rule(text, bodies)
        if shape == "steps" and self.chance(0.1):
            self.new_rule('roles["staging"]["space-reader"]', [(None, ['roles["production"]["deployer"]'])])
        self.kinds["roles"] = ("deep", ["*", "*"])

    def counted_names(self, name):
        if self.chance(0.15):
            value, bodies = self.chain(self.names_of_any, "list")
            bodies = bodies[:1] + [(value if value is None or self.chance(0.1) else "[]", body) for value, body in bodies[1:]]
            self.new_rule(f"{name} {self.style.assign} {value}", bodies)
            if name == "team":
                self.board = "space_read"
            return
        for _ in range(self.rng.randrange(1, 3)):
            text, bodies = self.of_texts(lambda: self.sets_head(name, self.step()))
            self.new_rule(text, bodies)

    def names_of_any(self):
        """A set or an array of texts, but for a few."""
        form = self.pick(["set", "array"])
        found = self.comprehension(form)
        if self.chance(0.03):
            return found
        found = f"w1 | w1 := {found}[_]; is_string(w1)"
        return f"{{{found}}}" if form == "set" else f"[{found}]"

    def shown(self):
        """What helpers come to, as text."""
        for name, kind in list(self.kinds.items()):
            if name in COUNTED and self.chance(0.7):
                continue
            self.scope = Scope()
            if kind[0] == "function":
                shown = self.call(name)
            else:
                shown = self.rule(name)
            label = name.replace(".", "_")
            way = self.weighted((6, "value"), (1.5, "not"), (1, "count"))
            if way == "value":
                if self.chance(0.7):
                    body, value = [f"w := {shown}"], "w"
                else:
                    body, value = ["true"], shown
                self.new_rule(self.sets_head(self.board, f'concat("=", ["{label}", json.marshal({value})])'), [(None, body)])
            elif way == "not":
                self.new_rule(self.sets_head(self.board, quoted(f"not {label}")), [(None, [f"not {shown}"])])
            else:
                count = f"count({shown})" if kind[0] not in ("value", "function") or kind[-1] == "list" else shown
                self.new_rule(self.sets_head(self.board, f'concat("#", ["{label}", json.marshal({count})])'), [(None, ["true"])])
        self.scope = Scope()

    def aliases(self):
        for _ in range(3):
            if not self.chance(0.25):
                continue
            way = self.pick(["self", "me", "session", "s", "input", "other"])
            match way:
                case "self" if "spacelift" not in self.selves:
                    self.imports.append("import data.spacelift")
                    self.selves += ["spacelift"] * 3
                case "me" if "me" not in self.selves:
                    self.imports.append("import data.spacelift as me")
                    self.selves += ["me"] * 3
                case "session" if "session" not in self.sessions:
                    self.imports.append("import input.session")
                    self.sessions += ["session"] * 2
                case "s" if "sess" not in self.sessions:
                    self.imports.append("import input.session as sess")
                    self.sessions += ["sess"] * 2
                case "input" if "inp" not in self.inputs:
                    self.imports.append("import input as inp")
                    self.inputs += ["inp"] * 2
                case "other":
                    self.imports.append("import data.other")

    def program(self):
        # Small ones show what differs more clearly, and large ones what differs together.
        is_small = self.chance(0.45)
        self.aliases()
        for _ in range(self.rng.randrange(0, 3 if is_small else 4)):
            self.constant()
        for _ in range(self.rng.randrange(0, 2) if is_small else self.rng.randrange(1, 5)):
            self.loops = 0
            self.helper()
            if self.chance(0.08):
                name = self.pick([name for name in self.kinds if "." not in name and self.kinds[name][0] != "function"] or [None])
                if name:
                    self.imported[name] = f"own_{name}"
        counted = [name for name in ("allow", "deny", "admin", "deny_admin", "sample") if self.chance({"allow": 0.8, "deny": 0.5}.get(name, 0.12))]
        counted += [name for name in ("roles", "team", "space_admin", "space_write") if self.chance({"roles": 0.6, "team": 0.5}.get(name, 0.07))]
        self.rng.shuffle(counted)
        if is_small:
            counted = counted[:1] or ["allow"]
        for name in counted:
            self.loops = 0
            if name == "roles":
                self.counted_roles()
            elif name in ("team", "space_admin", "space_write"):
                self.counted_names(name)
            else:
                self.counted_flag(name)
        if "roles" in counted and "deny" not in counted and self.chance(0.2):
            self.new_rule("deny", [(None, [self.pick(["count(roles) == 0", "not roles", "not roles.production", "count(data.spacelift.roles) > 1"])])])
        self.shown()
        self.imports += [f"import data.spacelift.{name} as {alias}" for name, alias in self.imported.items()]
        self.rng.shuffle(self.imports)
        self.rng.shuffle(self.rules)
        return Program(self.style, self.imports, self.rules)


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def enclosed(text):
    """In parentheses, if it is more than a term."""
    depth, in_text = 0, False
    for index, character in enumerate(text):
        if character == '"' and text[index - 1 : index] != "\\":
            in_text = not in_text
        elif in_text:
            continue
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character == " " and depth == 0:
            return f"({text})"
    return text


def program(seed, number):
    """The program of this number. Three in ten are Rego v0."""
    return Draw(f"{seed}/{number}", number % 10 in (2, 5, 8)).program()


# -------------------------------------------------------------------------------------------------------------------- inputs


def whole(rng):
    """An `input` as every key has it, and fields that none has."""
    teams = rng.choice([["ops", "dev"], ["ops"], ["a", "b", "ops:a"], [], ["alice", "x-y", "production"]])
    return {
        "attachment": None,
        "request": {"remote_ip": rng.choice(["203.0.113.9", "10.1.2.3"]), "timestamp_ns": 1782907200000000000 + rng.choice([0, 13, 40]) * 3600 * 10**9},
        "roles": [{"id": role, "name": role.title(), "slug": role} for role in ROLES],
        "session": {
            "account_name": "corpus", "actor": "api::1", "admin": rng.random() < 0.3, "api_key_id": "1", "creator_ip": "203.0.113.9",
            "login": rng.choice(["ci-1", "alice", "a", "ops", "CI-1"]), "machine": True, "member": True, "name": rng.choice(["ci-1", "alice"]),
            "stack_id": "", "teams": teams,
        },
        "spaces": [{"id": space, "labels": ["a", "tier:1"] if space != "root" else [], "name": space.title(), "parent": None if space == "root" else "root"} for space in SPACES],
    }


def cut(rng, document):
    """The same with fields that are missing, of other types, or new."""
    document = whole(rng) if document is None else document
    if rng.random() < 0.06:
        return rng.choice([{}, {"session": {}}, {"session": None}, {"session": "x"}, [], {"request": {}}])
    session = document["session"]
    values = [None, "", "a", "ops", 0, 7, -2, 1.5, True, False, [], ["a"], ["a", 1, None], {}, {"a": "b"}, {"a": "ops", "ops": "a"}, [["a", "b"]], [1, 2], "ci-1", "ops:a"]
    for _ in range(rng.randrange(1, 6)):
        place, names = rng.choice([
            (session, ["teams", "login", "name", "admin", "member", "account_name", "api_key_id"]),
            (session, ["teams", "login", "teams"]),
            (document, ["session", "request", "spaces", "roles"] if rng.random() < 0.2 else ["request", "roles"]),
            (document["request"] if isinstance(document.get("request"), dict) else {}, ["remote_ip", "timestamp_ns"]),
        ])
        name = rng.choice(names)
        if rng.random() < 0.5:
            place.pop(name, None)
        else:
            place[name] = copy.deepcopy(rng.choice(values))
    for place, name in [(session, "nick"), (session, "age"), (session, "level"), (session, "labels"), (session, "blocked"), (document, "n"), (document, "flag"), (document, "groups"), (document, "who"), (document, "limits")]:
        if rng.random() < 0.3:
            place[name] = copy.deepcopy(rng.choice(values))
    return document


def inputs(seed, number, count=5):
    """The questions to a batch of programs: one as every key has it, the others cut about."""
    rng = random.Random(f"{seed}/{number}/inputs")
    return [whole(rng)] + [cut(rng, whole(rng)) for _ in range(count - 1)]
