//! Random login policies, addresses and times, made so that they meet: networks and addresses at their edges, zones and times at which
//! their clocks change, constants and the nanoseconds around them.
//!
//! All that policies do with address and time is here: what the analysis follows, in many spellings, and what it must give up on.

use std::fmt::Write;

use jiff::{SignedDuration, Timestamp};

/// Where all that is random comes from: the same seed, the same text.
pub(crate) struct Draw {
    state: u64,
    variables: u32,
    /// The only condition of the policy at hand: beside others, most ways to use an address would not be missed.
    only: Option<String>,
}

const NETWORKS: [&str; 16] = [
    "10.0.0.0/8",
    "10.1.0.0/16",
    "10.1.2.0/24",
    "10.1.2.3/32",
    "10.1.2.3/24",
    "192.0.2.0/24",
    "0.0.0.0/0",
    "::/0",
    "2001:db8::/32",
    "2001:db8:0:1::/64",
    "2001:db8::1/128",
    "::ffff:10.1.0.0/112",
    // None of these is one.
    "10.0.0.0/33",
    "010.0.0.0/8",
    "10.1.2.3",
    "office",
];

/// On both sides of every edge of a network.
pub(crate) const ADDRESSES: [&str; 22] = [
    "10.1.2.3",
    "192.0.2.1",
    "::ffff:10.1.2.3",
    "9.255.255.255",
    "10.0.0.0",
    "10.1.0.0",
    "10.1.2.2",
    "10.1.2.4",
    "10.1.3.0",
    "10.255.255.255",
    "11.0.0.0",
    "192.0.1.255",
    "192.0.3.0",
    "0.0.0.0",
    "255.255.255.255",
    "::",
    "::1",
    "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
    "2001:db8::1",
    "2001:db8:0:1::5",
    "2001:db8:0:2::",
    "2001:db9::",
];

/// What an address may be compared with; not all of it is ever an address's text.
const HOSTS: [&str; 7] = ["10.1.2.3", "192.0.2.1", "2001:db8::1", "2001:DB8::1", "::ffff:10.1.2.3", "10.1.2.4", "office"];

const ZONES: [&str; 9] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/St_Johns",
    "Pacific/Kiritimati",
    "",
    // No zone.
    "Mars/Olympus",
];

/// Around each of these something changes in some zone, or is compared with.
const EDGES: [&str; 18] = [
    "2026-03-02T12:00:00Z",
    "2026-03-29T00:59:59Z",
    "2026-03-29T01:00:00Z",
    "2026-10-25T00:00:00Z",
    "2026-10-25T01:00:00Z",
    "2026-03-08T07:00:00Z",
    "2026-11-01T06:00:00Z",
    "2026-04-04T15:00:00Z",
    "2026-10-03T15:30:00Z",
    "2026-05-01T18:15:00Z",
    "2026-05-01T10:00:00Z",
    "2026-12-31T23:00:00Z",
    "2027-01-01T00:00:00Z",
    "2026-02-28T23:59:59Z",
    "2027-01-15T08:00:00Z",
    // Minutes past midnight, and a time before clocks were whole hours apart.
    "1987-10-25T02:31:00Z",
    "1910-06-01T12:00:00Z",
    "1970-01-01T00:00:00Z",
];

const WEEKDAYS: [&str; 3] = ["\"Monday\"", "\"Friday\"", "\"Sunday\""];
const COMPARISONS: [&str; 6] = ["<", "<=", ">", ">=", "==", "!="];
pub(crate) const LOGINS: [&str; 4] = ["key-0", "key-1", "key-2", "key-3"];
/// One of them reads as a network: nobody may take it for one that stands in a policy.
pub(crate) const GROUPS: [&str; 2] = ["platform", "10.1.0.0/16"];

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed, variables: 0, only: None }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }

    /// For the names of variables: none is declared twice.
    fn number(&mut self) -> u32 {
        self.variables += 1;
        self.variables
    }

    fn chance(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    /// A time at, shortly before, or shortly after an edge.
    pub(crate) fn time(&mut self) -> Timestamp {
        let edge: Timestamp = self.pick(&EDGES).parse().unwrap();
        let off = match self.below(6) {
            0 => SignedDuration::ZERO,
            1 => SignedDuration::from_nanos(-1),
            2 => SignedDuration::from_millis(self.pick(&[-1000, -999, 1, 999, 1000])),
            3 => SignedDuration::from_secs(self.pick(&[-60, -59, 59, 60, 1799, 1800])),
            4 => SignedDuration::from_secs(self.pick(&[-3600, 3599, 3600, 86_399, 86_400])),
            _ => SignedDuration::from_secs(i64::try_from(self.below(7 * 86_400)).unwrap()),
        };
        edge.checked_add(off).unwrap()
    }

    /// The same, of the years that tokens know.
    pub(crate) fn time_of_tokens(&mut self) -> Timestamp {
        loop {
            let time = self.time();
            if time.as_second() > 1_500_000_000 {
                return time;
            }
        }
    }

    /// The rules of a policy in Rego v1, without its package line.
    pub(crate) fn policy(&mut self) -> String {
        let mut policy = String::from("import input.request as request\nimport input.request as asked\nimport input.session as who\n");
        let nets = self.networks();
        let table: Vec<String> = LOGINS.iter().map(|login| format!("\"{login}\": {}", self.network())).collect();
        let zones: Vec<String> = LOGINS.iter().map(|login| format!("\"{login}\": \"{}\"", self.pick(&ZONES))).collect();
        let ends: Vec<String> = LOGINS.iter().map(|login| format!("\"{login}\": {}", self.instant())).collect();
        let others = self.networks();
        let (host, zone) = (self.pick(&HOSTS), self.pick(&ZONES));
        let _ = write!(
            policy,
            "nets := {nets}\nothers := {others}\ntable := {{{}}}\nzones := {{{}}}\nends := {{{}}}\nhosts := {{\"{host}\": 1, \"10.1.2.4\": 2}}\n\
             zone := \"{zone}\"\nip := input.session.creator_ip\nnow := request.timestamp_ns\n\
             from(networks) if {{ some n in networks; net.cidr_contains(n, input.request.remote_ip) }}\n\
             within(network, address) := net.cidr_contains(network, address)\nsame(x) := x\n\
             is_here(address) if input.request.remote_ip == address\nis_later(time) if input.request.timestamp_ns > time\nhour_in(z) := h if {{ [h, _, _] := time.clock([now, z]) }}\n",
            table.join(", "),
            zones.join(", "),
            ends.join(", ")
        );
        policy.push_str(&self.conflicting());
        self.only = None;
        if self.chance(3) {
            self.only = Some(if self.chance(3) { self.about_the_time() } else { self.about_the_address() });
        }
        let (aside, level) = (self.plain(), self.plain());
        let _ = write!(policy, "aside if {{ {aside} }}\nlevel := 1 if {{ {level} }} else := 2\n");
        for number in 0..=self.below(3) {
            let size = self.below(2);
            let body = self.body(size);
            let head = match self.below(14) {
                0..=3 => "allow".to_owned(),
                4 | 5 => "deny".to_owned(),
                6 | 7 => "roles.staging.reader".to_owned(),
                8 => "roles[s][\"reader\"]".to_owned(),
                9 => format!("team contains \"night-{number}\""),
                10 => "admin".to_owned(),
                11 => "deny_admin".to_owned(),
                12 => "team contains t".to_owned(),
                _ => "space_write contains \"eu\"".to_owned(),
            };
            let bound = if head.contains("[s]") {
                "some s in {\"staging\", \"eu\"}; ".to_owned()
            } else if head.ends_with(" t") {
                match self.below(12) {
                    _ if self.only.is_some() => "t := \"ops\"; ".to_owned(),
                    0 => format!("t := {}; ", self.address()),
                    1 => format!("t := time.weekday([now, \"{}\"]); ", self.pick(&ZONES)),
                    2 => format!("t := sprintf(\"%v\", [hour_in(\"{}\")]); ", self.pick(&ZONES)),
                    _ => "some t in nets; net.cidr_contains(t, ip); ".to_owned(),
                }
            } else {
                String::new()
            };
            let _ = writeln!(policy, "{head} if {{ {bound}{body} }}");
        }
        policy.push_str("allow if true\nroles.production.reader if true\n");
        policy
    }

    /// Rules and functions that may come to two values: then the evaluation fails.
    fn conflicting(&mut self) -> String {
        let (address, time, instant) = (self.address(), self.now(), self.instant());
        // Of these keys alone: a policy that fails for the sample that it is loaded with is not taken.
        let of_key = |draw: &mut Self| format!("input.session.login == \"{}\"", draw.pick(&LOGINS));
        let (one, other) = (of_key(self), of_key(self));
        let host = self.pick(&HOSTS);
        // Half of them never do, or most requests would be refused.
        let text = |draw: &mut Self| if draw.chance(2) { format!("\"{host}\"") } else { address.to_owned() };
        let (first, second, third) = (text(self), text(self), text(self));
        format!(
            "where := {address}\nwhere := {first} if {{ {one} }}\nat(1) := {address}\nat(_) := {second} if {{ {other} }}\n\
             picked := p if {{ some g in [1, 2]; p := choice(g) }}\nchoice(1) := {third} if {{ {one} }}\nchoice(2) := {address}\n\
             end := {time}\nend := {} if {{ {other} }}\n",
            if self.chance(2) { instant } else { time.to_owned() }
        )
    }

    /// At most so many conditions more than one.
    fn body(&mut self, more: u64) -> String {
        if let Some(only) = &self.only {
            return only.clone();
        }
        let conditions: Vec<String> = (0..=more).map(|_| self.condition()).collect();
        conditions.join("; ")
    }

    /// A condition that uses neither `aside` nor `level`.
    fn plain(&mut self) -> String {
        match self.below(8) {
            0..=3 => self.about_the_address(),
            4..=6 => self.about_the_time(),
            _ => self.about_the_key(),
        }
    }

    fn condition(&mut self) -> String {
        match self.below(40) {
            0..=15 => self.about_the_address(),
            16..=30 => self.about_the_time(),
            31..=35 => self.about_the_key(),
            // What gives the analysis up for the whole policy, or for much of it, is rare, or nothing else would be tried.
            36 if self.chance(3) => self.pick(&["aside with data.spacelift.nets as [\"10.1.2.0/24\"]", "aside with input as {\"request\": {\"remote_ip\": \"10.1.2.3\", \"timestamp_ns\": 5}, \"session\": {\"login\": \"key-0\"}}", "count(input.request) == 2", "some k; input.request[k] == \"10.1.2.3\""]).to_owned(),
            36 => self.beside_another(),
            37 => format!("{} with input.request.remote_ip as \"{}\"", self.pick(&["aside", "level == 2", "from(nets)"]), self.pick(&ADDRESSES)),
            38 => format!("aside with input.request.timestamp_ns as {}", self.instant()),
            _ => self.pick(&["level == 2", "not aside", "aside", "level < 2"]).to_owned(),
        }
    }

    /// The request's address or time beside another one that is put in its place.
    fn beside_another(&mut self) -> String {
        let (i, address, time) = (self.number(), self.address(), self.now());
        let (instant, other) = (self.instant(), self.pick(&ADDRESSES));
        let not = self.pick(&["", "not "]);
        match self.below(6) {
            0 | 1 => format!("here{i} := {address}; {not}is_here(here{i}) with input.request.remote_ip as \"{other}\""),
            2 => format!("here{i} := {address}; {not}is_here(here{i}) with request.remote_ip as \"{other}\""),
            3 => format!("here{i} := {address}; input.session.creator_ip == here{i} with input.session.creator_ip as \"{other}\""),
            4 => format!("here{i} := {address}; is_here(here{i}) with input.request as {{\"remote_ip\": \"{other}\"}}"),
            _ => format!("then{i} := {time}; {not}is_later(then{i}) with input.request.timestamp_ns as {instant}"),
        }
    }

    fn about_the_address(&mut self) -> String {
        let (i, address) = (self.number(), self.address());
        let network = self.network();
        match self.below(38) {
            0..=2 => format!("net.cidr_contains({network}, {address})"),
            3 => format!("b{i} := {address}; not net.cidr_contains({network}, b{i})"),
            4 => format!("some n{i} in nets; net.cidr_contains(n{i}, input.request.remote_ip)"),
            5 => format!("a1{i} := {address}; net.cidr_contains(nets[_], a1{i})"),
            6 => format!("net.cidr_contains(table[input.session.login], {address})"),
            7 => "from(nets)".to_owned(),
            8 => "from(nets | others)".to_owned(),
            9 => "from(nets - others)".to_owned(),
            10 => format!("within({network}, {address})"),
            11 => format!("within(same({network}), same({address}))"),
            12 => format!("every n{i} in nets {{ net.cidr_contains(n{i}, {address}) }}"),
            13 => format!(
                "count([n{i} | some n{i} in nets; net.cidr_contains(n{i}, {address})]) {} {}",
                self.pick(&COMPARISONS),
                self.below(3)
            ),
            14 | 29 => format!("net.cidr_intersects({address}, {network})"),
            30 | 31 => format!("net.cidr_intersects({network}, {address})"),
            32 => format!("count(net.cidr_contains_matches(nets, {address})) > 0"),
            33 => format!("net.cidr_contains({network}, where)"),
            34 => format!("net.cidr_contains({network}, picked)"),
            35 => format!("net.cidr_contains({network}, at(1))"),
            36 => format!("end > {}", self.instant()),
            15 => format!("some n{i}, _ in {{{network}: 1, {}: 2}}; net.cidr_contains(n{i}, {address})", self.network()),
            16 => format!("some o{i} in [{{\"net\": {network}}}, {{\"net\": {}}}]; net.cidr_contains(o{i}.net, {address})", self.network()),
            17 => format!("[n{i}, a2{i}] = [{network}, {address}]; net.cidr_contains(n{i}, a2{i})"),
            18 => format!("{address} {} \"{}\"", self.pick(&["==", "!="]), self.pick(&HOSTS)),
            19 => format!("{address} in {{\"{}\", \"{}\"}}", self.pick(&HOSTS), self.pick(&HOSTS)),
            20 => format!("hosts[{address}] == 1"),
            21 => format!("\"{}\" = {address}", self.pick(&HOSTS)),
            22 => format!("net.cidr_contains({address}, {network})"),
            // These tell more than which networks hold it.
            23 => format!("startswith({address}, \"10.1\")"),
            24 => format!("{address} {} \"192.0.2.0\"", self.pick(&["<", ">="])),
            25 => format!("net.cidr_contains(concat(\"/\", [\"10.1.0.0\", \"{}\"]), {address})", self.pick(&["8", "16", "24"])),
            26 => format!("some g{i} in input.session.teams; net.cidr_contains(g{i}, {address})"),
            27 => format!("pair{i} := [{address}, 1]; pair{i}[0] == \"{}\"", self.pick(&HOSTS)),
            28 => format!("net.cidr_contains(sprintf(\"%s/%d\", [{address}, 24]), \"10.1.2.3\")"),
            _ => format!("net.cidr_contains(object.get(table, input.session.login, {network}), {address})"),
        }
    }

    fn about_the_time(&mut self) -> String {
        let (zone, time, compare) = (self.zone(), self.now(), self.pick(&COMPARISONS));
        let hour = self.below(24);
        let (i, minute) = (self.number(), self.pick(&[0, 15, 30, 45]));
        match self.below(22) {
            0..=2 => format!("[h{i}, _, _] := time.clock([{time}, {zone}]); h{i} {compare} {hour}"),
            3 => format!("[h{i}, m{i}, _] = time.clock([{time}, {zone}]); (h{i} * 60) + m{i} {compare} {}", hour * 60 + minute),
            4 => format!("time.clock({time})[0] {compare} {hour}"),
            5 => format!("c{i} := time.clock([{time}, {zone}]); c{i}[1] {compare} {minute}"),
            6 => format!("hour_in({zone}) {compare} {hour}"),
            7 | 8 => format!("time.weekday([{time}, {zone}]) in {{{}, {}}}", self.pick(&WEEKDAYS), self.pick(&WEEKDAYS)),
            9 => format!("time.weekday({time}) != {}", self.pick(&WEEKDAYS)),
            10 => format!("[_, mo{i}, d{i}] := time.date([{time}, {zone}]); mo{i} {compare} 3; d{i} > {}", self.below(29)),
            11 => format!("time.date([{time}, {zone}]) == [2026, 10, 25]"),
            12..=14 => format!("{time} {compare} {}", self.instant()),
            15 => format!("{time} {compare} time.parse_rfc3339_ns(\"{}\")", self.pick(&EDGES)),
            16 => format!("{time} {compare} ends[input.session.login]"),
            // These tell more than the hour or the day.
            17 => format!("[_, _, s{i}] := time.clock([{time}, {zone}]); s{i} {compare} 30"),
            18 => format!("{time} % 2000000000 {compare} 1000000000"),
            19 => format!("endswith(time.format([{time}, {zone}]), \"{}:00Z\")", self.pick(&["00", "59"])),
            20 => format!("{time} {compare} {} + 1", self.instant()),
            _ => format!("t1{i} := [{time}, {zone}]; time.clock(t1{i})[0] {compare} {hour}"),
        }
    }

    fn about_the_key(&mut self) -> String {
        let i = self.number();
        match self.below(4) {
            0 => format!("input.session.login == \"{}\"", self.pick(&LOGINS)),
            1 => format!("\"{}\" in input.session.teams", self.pick(&GROUPS)),
            2 => format!("some space{i} in input.spaces; space{i}.id == \"eu\""),
            _ => "not input.session.admin".to_owned(),
        }
    }

    fn address(&mut self) -> &'static str {
        self.pick(&[
            "input.request.remote_ip",
            "input.request.remote_ip",
            "input.session.creator_ip",
            "ip",
            "request.remote_ip",
            "asked.remote_ip",
            "who.creator_ip",
            "data.spacelift.ip",
            "input[\"request\"].remote_ip",
        ])
    }

    fn now(&mut self) -> &'static str {
        self.pick(&["input.request.timestamp_ns", "input.request.timestamp_ns", "now", "request.timestamp_ns", "asked.timestamp_ns"])
    }

    fn zone(&mut self) -> String {
        match self.below(6) {
            0 => "zone".to_owned(),
            1 => "zones[input.session.login]".to_owned(),
            2 if self.chance(4) => "input.session.login".to_owned(),
            _ => format!("\"{}\"", self.pick(&ZONES)),
        }
    }

    fn network(&mut self) -> String {
        format!("\"{}\"", self.pick(&NETWORKS))
    }

    fn networks(&mut self) -> String {
        let items: Vec<String> = (0..=self.below(3)).map(|_| self.network()).collect();
        format!("{{{}}}", items.join(", "))
    }

    fn instant(&mut self) -> String {
        let edge: Timestamp = self.pick(&EDGES).parse().unwrap();
        (edge.as_nanosecond() + i128::from(self.pick(&[0, 0, 1, -1]))).to_string()
    }
}
