//! Policies written to break something, in force in a real server: each that cannot be saved is refused with a reason, each that can is
//! asked, and the process does not notice. Whether it was ended in time is read from the processor's time, which others on the machine do
//! not lengthen: what is not ended goes on taking it.

use crate::support::http;
use crate::support::server::{Key, Server, Setup};

/// Wall clock, for all evaluations of a question; above the default, since these run beside other tests.
const TIME_LIMIT: &str = "200ms";
/// The longest that `policies.time_limit` is in these tests: so long that it is the memory limit that ends what fills the memory.
const LONG: &str = "2s";
/// What a question may take of the processor's time, in seconds, with all that is asked beside it: the time limit for each evaluator, and
/// one long step.
const ENDED: f64 = 2.0;
/// What four questions at once may take of it that the memory limit ends: less than the clock would let them have.
const FILLED: f64 = 3.0;
/// What memory all that is under way at once may have taken at any time, in KiB. Four evaluations at their limit, and all else that the
/// process has, fit into a pod of 128 MiB.
const AT_MOST: u64 = 100 * 1024;
/// What memory may be left over of it all, in KiB: caches of patterns, and what the allocator keeps.
const LEFT_OVER: u64 = 48 * 1024;
/// How many evaluations are under way at once.
const AT_ONCE: usize = 4;

/// How a policy in force treats the one key that it is written against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// A limit ends it: 503.
    Ended,
    /// It has an answer, whatever it says.
    Answered,
    /// The one or the other, by how fast the machine is.
    Either,
}

/// A policy that springs at one key; for all others its body fails at its first statement.
struct Trap {
    name: &'static str,
    fate: Fate,
    /// Rules beside `allow`.
    rules: String,
    /// Statements of `allow`.
    body: String,
}

fn trap(name: &'static str, fate: Fate, body: impl Into<String>) -> Trap {
    Trap { name, fate, rules: String::new(), body: body.into() }
}

impl Trap {
    fn with(mut self, rules: impl Into<String>) -> Self {
        self.rules = rules.into();
        self
    }

    fn text(&self) -> String {
        let Self { name, rules, body, .. } = self;
        format!("package spacelift\n{rules}\nallow if {{\n  input.session.login == \"{name}\"\n{body}\n}}\n")
    }
}

/// `x0 := first`, and then each from the one before, `times` times.
fn tower(times: usize, first: &str, next: impl Fn(&str) -> String) -> String {
    let steps = (0..times).map(|n| format!("x{} := {}\n", n + 1, next(&format!("x{n}"))));
    format!("x0 := {first}\n{}", steps.collect::<Vec<_>>().concat())
}

#[expect(clippy::too_many_lines, reason = "a list")]
fn traps() -> Vec<Trap> {
    use Fate::{Answered, Either, Ended};
    let double = |x: &str| format!("concat(\"\", [{x}, {x}])");
    let megabyte = tower(16, "\"aaaaaaaaaaaaaaaa\"", double);
    vec![
        // Loops.
        trap("loops", Ended, "r := numbers.range(1, 5000)\ncount([1 | some a in r; some b in r; a + b < 0]) > 0"),
        trap("every", Ended, "r := numbers.range(1, 5000)\nevery a in r { every b in r { a + b > -1 } }"),
        trap("calls", Ended, "f9(1) == 1").with(
            (0..9).map(|n| format!("f{}(x) := sum([f{n}(x) | some i in numbers.range(1, 9)])\n", n + 1)).collect::<Vec<_>>().concat()
                + "f0(x) := x",
        ),
        trap(
            "comprehensions",
            Ended,
            "count({[a, b, c] | some a in numbers.range(1, 200); some b in numbers.range(1, 200); some c in numbers.range(1, 200)}) > 0",
        ),
        // Text that grows.
        trap("concat", Ended, tower(40, "\"aaaaaaaa\"", double)),
        trap("replace", Ended, tower(8, "\"aaaaaaaaaaaaaaaa\"", |x| format!("replace({x}, \"a\", \"aaaaaaaaaaaaaaaa\")"))),
        trap("sprintf-width", Ended, "sprintf(\"%0999999999d\", [1]) != \"\""),
        trap("sprintf", Ended, tower(60, "\"a\"", |x| format!("sprintf(\"%s%s\", [{x}, {x}])"))),
        trap("base64", Ended, tower(90, "\"aaaaaaaaaaaaaaaa\"", |x| format!("base64.encode({x})"))),
        trap("hex", Ended, tower(60, "\"aaaaaaaaaaaaaaaa\"", |x| format!("hex.encode({x})"))),
        trap("json-text", Ended, tower(60, "\"\\\\\"", |x| format!("json.marshal({x})"))),
        trap(
            "json-indent",
            Ended,
            tower(17, "1", |x| format!("[{x}, {x}]"))
                + "i := sprintf(\"%200s\", [\" \"])\njson.marshal_with_options(x17, {\"pretty\": true, \"indent\": i, \"prefix\": i}) != \"\"",
        ),
        trap("split", Ended, format!("{megabyte}count([y | some i in numbers.range(1, 100); y := split(x16, \"\")]) > 0")),
        // Work that grows faster than what it works on.
        trap("regex", Ended, format!("{megabyte}regex.match(`^(a|b|ab)*(a|b){{200}}c$`, x16)")),
        trap("regex-again", Ended, format!("{megabyte}count(regex.find_n(`a.*[^a]|a`, x16, -1)) > 0")),
        trap("regex-long", Ended, format!("{megabyte}regex.match(x16, x16)")),
        trap("glob", Ended, format!("{megabyte}glob.match(\"*a*a*a*a*a*a*a*b\", [], x16)")),
        trap(
            "glob-delimiters",
            Ended,
            "d := [\".\" | some i in numbers.range(1, 3000)]\nglob.match(\"..............\", d, \"..............\")",
        ),
        trap("trim", Ended, format!("{megabyte}b := replace(x16, \"a\", \"b\")\ntrim(x16, concat(\"\", [b, \"a\"])) == \"\"")),
        trap(
            "replace-n",
            Ended,
            format!("{megabyte}strings.replace_n({{sprintf(\"b%d\", [i]): \"c\" | some i in numbers.range(1, 5000)}}, x16) != \"\""),
        ),
        trap(
            "prefixes",
            Ended,
            format!(
                "{megabyte}b := {{c | some i in numbers.range(1, 15); c := concat(\"\", [x16, sprintf(\"%d\", [i])])}}\n\
                 strings.any_prefix_match([x16 | some i in numbers.range(1, 10)], b)"
            ),
        ),
        trap(
            "subset",
            Either,
            "a := [1 | some i in numbers.range(1, 40000)]\nb := array.concat([1 | some i in numbers.range(1, 20000)], [2])\nobject.subset(a, b)",
        ),
        trap(
            "subset-of-set",
            Either,
            "a := numbers.range(1, 60000)\nb := {i | some i in numbers.range(30000, 60000)}\nobject.subset(a, b)",
        ),
        trap(
            "networks",
            Ended,
            "a := net.cidr_expand(\"10.0.0.0/18\")\nb := {sprintf(\"%s/32\", [i]) | some i in net.cidr_expand(\"11.0.0.0/20\")}\ncount(net.cidr_contains_matches(b, a)) == 0",
        ),
        trap("product", Ended, "x := bits.lsh(1, 4000)\nproduct([x | some i in numbers.range(1, 20000)]) > 0"),
        // Numbers.
        trap("squares", Ended, tower(80, "3", |x| format!("{x} * {x}"))),
        trap("number-as-text", Ended, tower(19, "3", |x| format!("{x} * {x}")) + "sprintf(\"%d\", [x19]) != \"\""),
        trap("shift", Ended, "bits.lsh(1, 1000000000) > 0"),
        trap("shifts", Ended, tower(300, "1", |x| format!("bits.lsh({x}, 4000)"))),
        trap("exponent", Ended, "to_number(\"1e99999999\") > 0"),
        trap("private-number", Answered, "json.unmarshal(\"{\\\"x\\\":{\\\"$serde_json::private::Number\\\":\\\"1e99999999\\\"}}\")"),
        trap(
            "private-index",
            Ended,
            "json.filter({\"a\": [1]}, [[\"a\", \"{\\\"$serde_json::private::Number\\\":\\\"1e99999999\\\"}\"]]) == {}",
        ),
        // Ranges and networks.
        trap("range", Ended, "count(numbers.range(1, 1000000000000)) > 0"),
        trap("range-64", Ended, "count(numbers.range(0, 9223372036854775807)) > 0"),
        trap("range-step", Ended, "count(numbers.range_step(1, 1000000000000, 1)) > 0"),
        trap("range-step-0", Answered, "count(numbers.range_step(1, 9, 0)) > 0"),
        trap("cidr-8", Ended, "count(net.cidr_expand(\"10.0.0.0/8\")) > 0"),
        trap("cidr-0", Ended, "count(net.cidr_expand(\"0.0.0.0/0\")) > 0"),
        trap("cidr-v6", Ended, "count(net.cidr_expand(\"2001:db8::/64\")) > 0"),
        trap("cidr-16", Ended, "count([x | some i in numbers.range(1, 100); x := net.cidr_expand(\"10.0.0.0/16\")]) > 0"),
        // Collections that grow.
        trap("array-concat", Ended, tower(40, "[1, 2, 3, 4]", |x| format!("array.concat({x}, {x})"))),
        trap(
            "object-union",
            Ended,
            "o := {k: k | some k in numbers.range(1, 5000)}\ncount([u | some i in numbers.range(1, 5000); u := object.union(o, {\"x\": i})]) > 0",
        ),
        trap("set-union", Ended, "s := net.cidr_expand(\"10.0.0.0/17\")\ncount([u | some i in numbers.range(1, 50000); u := s | {i}]) > 0"),
        trap("shared", Ended, tower(60, "[input.session.login]", |x| format!("[{x}, {x}]")) + "count(json.marshal(x60)) > 0"),
        trap("shared-keys", Ended, tower(60, "[input.session.login]", |x| format!("[{x}, {x}]")) + "object.get({}, x60, 1) == 2"),
        // Small in memory, and without end for whoever walks through it.
        trap("shared-sum", Ended, shared("x") + "count([x40]) + 1 == 2"),
        trap("shared-union", Ended, shared("x") + "x40 | {1} == {1}"),
        trap("shared-equal", Ended, shared("x") + &shared("y").replace("{1}", "{input.session.login}") + "x40 == y40"),
        trap("shared-member", Ended, shared("x") + &shared("y").replace("{1}", "{input.session.login}") + "x40 in {y40}"),
        trap(
            "shared-often",
            Ended,
            tower(3, "numbers.range(1, 5000)", |x| format!("[{x} | some i in numbers.range(1, 5000)]")) + "count(json.marshal(x3)) > 0",
        ),
        trap("shared-roles", Ended, "true").with(format!(
            "roles[x40][y40] if {{\ninput.session.login == \"shared-roles\"\n{}{}}}",
            shared("x"),
            shared("y").replace("{1}", "{input.session.login}")
        )),
        // Depth.
        trap("deep-path", Ended, format!("{megabyte}p := replace(x16, \"a\", \"/\")\njson.filter({{\"a\": 1}}, [p]) == {{}}")),
        trap("deep-removal", Ended, format!("{megabyte}p := replace(x16, \"a\", \"/\")\njson.remove({{\"a\": 1}}, [p]) == {{}}")),
        trap("deep-json", Either, format!("{megabyte}json.unmarshal(replace(x16, \"a\", \"[\"))")),
        trap("deep-text", Ended, "sprintf(\"%v\", [f20(1)]) != \"\"").with(deepening(20)),
        trap("deep", Ended, "f20(1) != f20(2)").with(deepening(20)),
        // Time.
        trap("time-clock", Answered, "time.clock([9223372036854775807, \"Pacific/Kiritimati\"])"),
        trap("time-date", Answered, "time.add_date(9223372036854775807, 9223372036854775807, 9223372036854775807, 9223372036854775807)"),
        trap("time-diff", Answered, "time.diff(9223372036854775807, -9223372036854775808)"),
        trap("time-layout", Answered, "time.format([0, \"UTC\", sprintf(\"%999s\", [\"%Y%\"])])"),
        trap("time-parse", Answered, "time.parse_ns(input.session.login, \"é\")"),
        trap("time-duration", Answered, "time.parse_duration_ns(\"99999999999999999999h\")"),
        // Breadth.
        trap("thousands", Either, "true").with(
            (0..2500).map(|n| format!("roles[\"space-{n}\"][\"r\"] if input.session.login == \"key-{n}\"\n")).collect::<Vec<_>>().concat(),
        ),
        trap("statements", Either, "true\n".repeat(480)),
    ]
}

/// A value that holds one other two to the power of forty times.
fn shared(name: &str) -> String {
    tower(40, "{1}", |x| format!("[{x}, {x}]")).replace('x', name)
}

/// Functions that nest their argument 2 to the power of `times` times.
fn deepening(times: usize) -> String {
    (0..times).map(|n| format!("f{}(x) := f{n}(f{n}(x))\n", n + 1)).collect::<Vec<_>>().concat() + "f0(x) := [[[[[[[[x]]]]]]]]"
}

#[test]
fn no_trap_hurts_anybody_but_the_key_that_springs_it() {
    let traps = traps();
    let files: Vec<(String, String)> = traps.iter().map(|trap| (format!("{}.rego", trap.name), trap.text())).collect();
    let server = Setup::new()
        .environment("CLAVIGER_POLICIES__TIME_LIMIT", TIME_LIMIT)
        // Longer than the test: whoever has been decided about is not asked about again.
        .environment("CLAVIGER_TOKEN__TTL", "1h")
        .policies(files.iter().map(|(name, text)| (name.as_str(), text.as_str())))
        .start();
    server.make_role("observer", "run:read");
    let calm = server.key("calm", &["--bind", "observer@root"]);
    let admin = server.key("admin", &["--bind", "space-admin@root"]);
    let victims: Vec<Key> = traps.iter().map(|trap| server.key(trap.name, &["--bind", "observer@root"])).collect();
    // On a busy machine the first question about all of these policies may take longer than its time.
    for key in [&calm, &admin] {
        server.until("an answer for who springs nothing", |server| server.get(&key.text).status == 200);
    }
    let before = memory_kib(&server, "VmRSS");

    for (trap, victim) in traps.iter().zip(&victims) {
        let begun = cpu_seconds(&server);
        let ask = || {
            let answer = http::try_get(server.proxy(), "/", &[("Authorization", &format!("Bearer {}", victim.text))]);
            answer.unwrap_or_else(|| panic!("{} ended the server: {}", trap.name, last_lines(&server)))
        };
        let mut answer = ask();
        // The thread that the trap before has held on to may not be back yet, and until it is, whoever is not known is refused.
        if trap.fate == Fate::Answered {
            server.until(trap.name, |_| {
                answer = ask();
                answer.status != 503
            });
        }
        let expected: &[u16] = match trap.fate {
            Fate::Ended => &[503],
            Fate::Answered => &[200],
            Fate::Either => &[200, 503],
        };
        assert!(expected.contains(&answer.status), "{}: {}", trap.name, answer.text());
        for beside in [&calm, &admin] {
            assert_eq!(server.get(&beside.text).status, 200, "beside {}: {}", trap.name, last_lines(&server));
        }
        let taken = cpu_seconds(&server) - begun;
        assert!(taken < ENDED, "{} takes {taken} s", trap.name);
    }
    let most = memory_kib(&server, "VmHWM");
    assert!(most < before + AT_MOST, "{} KiB", most - before);
    server.until("the memory to be given back", |server| memory_kib(server, "VmRSS") < before + LEFT_OVER);
}

/// Two loops of 90,000 turns.
const MANY: &str = "some a in numbers.range(1, 90000)\nsome b in numbers.range(1, 90000)\n";

/// What takes as much memory as it gets, each in another way: its name, statements of `allow`, and rules beside it, of which `HERE` stands for
/// the statement that makes it spring.
fn hogs() -> Vec<(&'static str, String, String)> {
    let body = |name, body: &str| (name, body.replace("MANY", &MANY.trim().replace('\n', "; ")), String::new());
    let each = |name, first: &str, value: &str| {
        let sets = "s := {n | some n in numbers.range(1, 60000)}\nr := numbers.range(1, 60000)\n";
        body(name, &format!("{sets}{first}count([v | some i in r; v := {value}]) > 0"))
    };
    let rule = |name, counted: &str, rules: &str| (name, format!("count({counted}) > 0"), rules.replace("MANY", MANY));
    let squares = |times| tower(times, "3 + count(input.session.teams)", |x| format!("{x} * {x}"));
    vec![
        body("array", "count([1 | MANY]) > 0"),
        body("pairs", "count([[a, b] | MANY]) > 0"),
        body("set", "count({n | MANY; n := a * 100000 + b}) > 0"),
        body("set-of-pairs", "count({[a, b] | MANY}) > 0"),
        body("object", "count({n: b | MANY; n := a * 100000 + b}) > 0"),
        body("texts", "count([s | MANY; s := sprintf(\"%d-%d\", [a, b])]) > 0"),
        body("text", &tower(40, "\"aaaaaaaa\"", |x| format!("concat(\"\", [{x}, {x}])"))),
        body("number", &(squares(40) + "x40 > 0")),
        body("numbers", &(squares(8) + "count([n | MANY; n := x8 + a]) > 0")),
        each("ranges", "", "numbers.range(1, 60000)"),
        each("slices", "", "array.slice(r, 1, 60000)"),
        each("concatenations", "", "array.concat(r, [i])"),
        each("unions", "", "s | {0 - i}"),
        each("differences", "", "s - {i}"),
        each("intersections", "", "s & s"),
        each("objects", "o := {n: 1 | some n in r}\n", "object.union(o, {\"x\": i})"),
        each("parts", "t := concat(\",\", [sprintf(\"%d\", [n]) | some n in numbers.range(1, 20000)])\n", "split(t, \",\")"),
        rule("set-rule", "many", "many contains n if {\nHERE\nMANYn := (a * 100000) + b\n}\n"),
        rule("object-rule", "by_number", "by_number[n] := b if {\nHERE\nMANYn := (a * 100000) + b\n}\n"),
        rule("function", "[v | some i in numbers.range(1, 60000); v := f(i)]", "f(x) := [x | some _ in numbers.range(1, 1000)]\n"),
    ]
}

#[test]
fn four_evaluations_at_their_memory_limit_fit_into_a_pod_of_128_mib() {
    let hogs = hogs();
    // Each springs at an address.
    let here = |number: usize| format!("input.request.remote_ip == \"192.0.2.{number}\"");
    let files = hogs.iter().enumerate().map(|(number, (name, body, rules))| {
        let rules = rules.replace("HERE", &here(number));
        (format!("{name}.rego"), format!("package spacelift\n{rules}allow if {{\n{}\n{body}\n}}\n", here(number)))
    });
    let files: Vec<(String, String)> = files.collect();
    let server = Setup::new()
        .environment("CLAVIGER_POLICIES__TIME_LIMIT", LONG)
        .policies(files.iter().map(|(name, text)| (name.as_str(), text.as_str())))
        .start();
    server.make_role("observer", "run:read");
    let keys: Vec<Key> = (0..AT_ONCE).map(|number| server.key(&format!("key-{number}"), &["--bind", "observer@root"])).collect();
    assert_eq!(server.get_from(&keys[0].text, "198.51.100.1").status, 200);
    let before = memory_kib(&server, "VmRSS");

    for (number, (name, ..)) in hogs.iter().enumerate() {
        // From here on the most that is taken is counted anew.
        std::fs::write(format!("/proc/{}/clear_refs", server.pid()), "5").unwrap();
        let begun = cpu_seconds(&server);
        let ask = |key: &Key| server.get_from(&key.text, &format!("192.0.2.{number}")).status;
        let ask = &ask;
        let beside = || server.get_from(&keys[0].text, &format!("198.51.100.{number}")).status;
        let (answers, calm) = std::thread::scope(|scope| {
            let asked: Vec<_> = keys.iter().map(|key| scope.spawn(move || ask(key))).collect();
            let calm = beside();
            (asked.into_iter().map(|asked| asked.join().unwrap()).collect::<Vec<_>>(), calm)
        });
        assert_eq!((&*answers, calm), (&[503; AT_ONCE][..], 200), "{name}: {}", last_lines(&server));
        let most = memory_kib(&server, "VmHWM");
        assert!(most < before + AT_MOST, "{name} takes {} KiB", most - before);
        let taken = cpu_seconds(&server) - begun;
        assert!(taken < FILLED, "{name} takes {taken} s");
    }
    // An allocator gives back as it goes on: somebody asks now and then, as somebody always does.
    let mut asked = 0_u32;
    server.until("the memory to be given back", |server| {
        asked += 1;
        server.get_from(&keys[0].text, &format!("198.51.101.{}", asked % 250));
        memory_kib(server, "VmRSS") < before + LEFT_OVER
    });
}

#[test]
fn what_cannot_be_held_when_it_is_asked_is_refused_when_it_is_saved() {
    let server = Server::start();
    let admin = server.key("admin", &["--bind", "space-admin@root"]);
    let chain = (0..500).map(|n| format!("a{n} if a{}\n", n + 1)).collect::<Vec<_>>().concat();
    for (text, reason) in [
        ("# ten million bytes\n".repeat(500_000), "bytes; at most"),
        ("allow if f(1) == 1\nf(x) := f(x + 1)".to_owned(), "recursive"),
        ("allow if a\na if b\nb if a".to_owned(), "recursive"),
        (format!("allow if a0\n{chain}a500 if true"), "chain of more than"),
        (format!("allow if {{\n{}}}", "true\n".repeat(5000)), "5000 statements"),
        (format!("allow if {}1{} == 1", "[".repeat(500), "]".repeat(500)), "more than 100 brackets"),
        (format!("allow if {}1{} == 1", "{\"x\":\n".repeat(500), "}".repeat(500)), "more than 100 brackets"),
        (format!("allow if 1 < 1{}", "\n + 1".repeat(5000)), "250 operators"),
        ("allow if graph.reachable_paths({}, [])".to_owned(), "no function `graph.reachable_paths`"),
        ("allow if units.parse(\"1e99999999G\") > 0".to_owned(), "no function `units.parse`"),
        ("allow if walk(input, [p, v])".to_owned(), "no function `walk`"),
        ("allow if http.send({\"url\": \"http://127.0.0.1\"})".to_owned(), "may not use the network"),
        ("allow if numbers.range(1, 1000000000000)[0] == 1".to_owned(), "at most 100000 numbers"),
        (
            format!("allow if {{\n{}\nx40 != \"\"\n}}", tower(40, "\"aaaaaaaa\"", |x| format!("concat(\"\", [{x}, {x}])"))),
            "more memory than it may",
        ),
    ] {
        let file = server.dir().join("hostile.rego");
        std::fs::write(&file, format!("package spacelift\n{text}\n")).unwrap();
        let refused = server.try_run(&["policy", "create", "hostile", "--file", file.to_str().unwrap()]);
        let told = String::from_utf8_lossy(&refused.stdout);
        assert_eq!(refused.status.code(), Some(1), "{reason}: {told}");
        assert!(told.contains(reason) && told.len() < 2000, "{reason}: {told}");
    }
    assert_eq!(server.get(&admin.text).status, 200);
}

/// What the process has taken of the processor's time, all threads together.
fn cpu_seconds(server: &Server) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.pid())).unwrap();
    // Behind the name, which may hold anything: from the state on, `utime` and `stime` are the 12th and the 13th field.
    let fields = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2);
    // In hundredths of a second, whatever the kernel counts in.
    fields.map(|field| field.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

/// A line of what the system knows of the process's memory.
fn memory_kib(server: &Server, which: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(which)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn last_lines(server: &Server) -> String {
    let log = server.log();
    let from = log.lines().count().saturating_sub(5);
    log.lines().skip(from).collect::<Vec<_>>().join("\n")
}
