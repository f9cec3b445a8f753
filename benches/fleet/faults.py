"""What fails under load, one after the other, and how soon all is well again."""

import pathlib
import signal
import time

from machines import MAX_STALENESS, Postgres, Trouble, until

# In seconds; what was acknowledged must show within it, where nobody is cut off.
BOUND = 1.0
# Whoever is cut off may go by what they knew, for so long.
CUT_OFF = MAX_STALENESS + 1.0
# Within which all is to be well again.
RECOVERY = 90.0


class Scene:
    """A fault under way."""

    def __init__(self, fleet, label):
        self.fleet, self.driver, self.label, self.remarks, self.failed, self.afterwards = fleet, fleet.driver, label, [], False, []

    def bounds(self, seconds, whom=None):
        self.driver.tell({"bounds": {one.name: seconds for one in (self.fleet.all if whom is None else whom)}})

    def late(self, seconds, whom):
        """What is older than the bound is told, and wrong when it is older than this; until the next bounds."""
        self.driver.tell({"late": {one.name: seconds for one in whom}})

    def expect(self, what, holds):
        self.remarks.append(what if holds else f"NOT SO: {what}")
        self.failed |= not holds

    def exchange(self, processes):
        """They are started anew, otherwise than before; and once more afterwards. What is counted begins between the two."""
        for one in processes:
            one.end()
            one.start()
        self.driver.mark(self.label)
        self.afterwards = processes

    def hold(self, seconds):
        time.sleep(seconds)

    def recovered(self):
        """How many seconds it takes until each control plane has made a change and all six show one of them; `None`: too many."""
        self.driver.tell("heal")
        recovered = self.driver.await_event("recovered", RECOVERY)
        return None if recovered is None else recovered["seconds"]

    def know(self):
        """A change that touches everybody has every key read again: the one that is asked with has been, just now."""
        for one in self.fleet.all:
            self.asked(one)

    def asked(self, one):
        return one.asked(one.proxy, key=self.fleet.probe)


def stopped(scene):
    """PostgreSQL stopped for 15 s, and started"""
    scene.bounds(CUT_OFF)
    scene.know()
    scene.fleet.postgres.stop(signal.SIGINT)
    scene.hold(15)
    scene.expect("all serve what they know", all(scene.asked(one) == 200 for one in scene.fleet.all))
    scene.fleet.postgres.start()


def restarted(scene):
    """PostgreSQL restarted as by a crash"""
    scene.bounds(CUT_OFF)
    scene.fleet.postgres.stop(signal.SIGQUIT)
    scene.fleet.postgres.start()


def cut(scene):
    """its connections cut, all of them"""
    scene.fleet.postgres.sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = 'fleet'")


def copy(scene):
    """failed over to a streaming copy"""
    fleet, primary = scene.fleet, scene.fleet.postgres
    copy = Postgres(fleet.disk("postgres-copy")).copy_of(primary)
    copy.start()
    primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
    primary.sql("SELECT pg_reload_conf()")
    until("the copy to be in step", lambda: primary.sql("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == "1")
    scene.hold(3)
    scene.driver.mark(scene.label)
    scene.bounds(CUT_OFF)
    primary.stop(signal.SIGQUIT)
    copy.promote()
    fleet.postgres = copy
    scene.driver.tell({"relay": f"127.0.0.1:{copy.port}"})


def disk(scene):
    """its disk full for 20 s"""
    scene.bounds(CUT_OFF)
    postgres = scene.fleet.postgres
    filler = postgres.directory / "filler"
    began, full = time.monotonic(), False
    while time.monotonic() - began < 20:
        try:
            with open(filler, "ab", buffering=0) as file:
                while True:
                    file.write(bytes(1 << 16))
        except OSError:
            full = True
        time.sleep(0.2)
    scene.expect("it was full", full)
    scene.remarks.append("PostgreSQL ended" if postgres.has_ended() else "PostgreSQL ran on")
    filler.unlink()
    if postgres.has_ended():
        postgres.start()


def kill(scene):
    """a control plane killed with -9, and started 5 s later"""
    plane = scene.fleet.planes[0]
    plane.kill()
    scene.hold(5)
    plane.start()


def planes_gone(scene, seconds):
    """all control planes gone for {seconds} s"""
    fleet = scene.fleet
    scene.bounds(CUT_OFF, fleet.sidecars)
    scene.know()
    began = time.monotonic()
    for plane in fleet.planes:
        plane.kill()
    scene.hold(min(seconds, MAX_STALENESS) - 5)
    scene.expect("sidecars serve what they know", all(scene.asked(one) == 200 for one in fleet.sidecars))
    if seconds > MAX_STALENESS:
        scene.hold(began + MAX_STALENESS + 3 - time.monotonic())
        scene.expect("sidecars refuse after 60 s", all(scene.asked(one) == 503 for one in fleet.sidecars))
    scene.hold(max(0.0, began + seconds - time.monotonic()))
    for plane in fleet.planes:
        plane.start(wait=False)
    for plane in fleet.planes:
        until(f"{plane.name} to be ready", plane.is_ready)


def gone_30(scene):
    """all control planes gone for 30 s"""
    planes_gone(scene, 30)


def gone_90(scene):
    """all control planes gone for 90 s"""
    planes_gone(scene, 90)


def paused(scene, seconds):
    sidecar = scene.fleet.sidecars[1]
    # What is asked meanwhile is answered on waking.
    scene.driver.tell({"patience": seconds + 30.0})
    scene.hold(1)
    sidecar.signal(signal.SIGSTOP)
    scene.hold(seconds)
    sidecar.signal(signal.SIGCONT)
    scene.hold(2)
    scene.driver.tell({"patience": 5.0})


def paused_30(scene):
    """a sidecar paused for 30 s"""
    paused(scene, 30)


def paused_90(scene):
    """a sidecar paused for 90 s"""
    paused(scene, 90)


def hole(scene):
    """a black hole between a control plane and PostgreSQL, and between a sidecar and all control planes, for 30 s"""
    wired = [scene.fleet.planes[2], scene.fleet.sidecars[2]]
    scene.bounds(CUT_OFF, wired)
    scene.know()
    for one in wired:
        one.place.be("drop")
    scene.hold(30)
    scene.expect("who is cut off serves what it knows", all(scene.asked(one) == 200 for one in wired))
    for one in wired:
        one.place.be("sound")


def wires(scene, how, seconds):
    wired = [scene.fleet.planes[2], scene.fleet.sidecars[2]]
    # What was lost is sent again by TCP, later each time. Nobody behind such a network is promised more than whoever is cut off.
    scene.late(CUT_OFF, wired)
    for one in wired:
        one.place.be(how)
    scene.hold(seconds)
    for one in wired:
        one.place.be("sound")


def slow(scene):
    """200 ms from there and back between them, for 30 s"""
    wires(scene, "delay 0.1", 30)


def lossy(scene):
    """every tenth packet lost between them, for 30 s"""
    wires(scene, "lose 0.1", 30)


def clocks(scene):
    """clocks an hour apart, for 20 s"""
    library = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if library is None:
        raise LeftOut("needs libfaketime (Debian: apt-get install faketime)")
    changed = [(scene.fleet.planes[1], "+3600s"), (scene.fleet.sidecars[1], "-3600s"), (scene.fleet.sidecars[2], "+3600s")]
    for one, by in changed:
        one.preload = {"LD_PRELOAD": str(library), "FAKETIME": by, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    scene.exchange([one for one, _ in changed])
    scene.hold(20)
    for one, _ in changed:
        one.preload = {}


def older(scene):
    """an older version upgraded under load: two of six, and the others 20 s later"""
    fleet = scene.fleet
    schema = lambda: int(fleet.postgres.sql("SELECT max(version) FROM _sqlx_migrations", "fleet"))
    before = schema()
    # A sidecar that follows an older control plane, and the one that an older sidecar follows.
    plane, sidecar = fleet.planes[1], fleet.sidecars[0]
    upgrade(fleet, plane)
    after = schema()
    scene.expect(f"the newer one has migrated, from {before} to {after}, while older ones ran", after > before)
    upgrade(fleet, sidecar)
    seconds = scene.recovered()
    scene.expect("all make changes and show those of all, whichever version they are of", seconds is not None)
    scene.remarks.append(f"that took {seconds} s")
    scene.hold(20)
    scene.expect("all serve", all(scene.asked(one) == 200 for one in fleet.all))
    for one in fleet.all:
        if one not in (plane, sidecar):
            upgrade(fleet, one)


def upgrade(fleet, one):
    one.end()
    one.binary = fleet.binary
    one.start()


class LeftOut(Exception):
    """Why a fault was not tried."""


FAULTS = [stopped, restarted, cut, copy, disk, kill, gone_30, gone_90, paused_30, paused_90, hole, slow, lossy, clocks, older]
NAMES = [fault.__name__ for fault in FAULTS]


def wanted(options):
    names = [name for name in options.only.split(",") if name] or NAMES
    if unknown := [name for name in names if name not in NAMES]:
        raise Trouble(f"there is no fault called {', '.join(unknown)}; there are {', '.join(NAMES)}")
    return [fault for fault in FAULTS if fault.__name__ in names]


def run_all(fleet, faults):
    time.sleep(5)
    fleet.driver.mark("calm")
    return [row for fault in faults for row in one(fleet, fault)]


def one(fleet, fault):
    title = fault.__doc__
    scene = Scene(fleet, title)
    print(f"{time.strftime('%H:%M:%S')} {title} …", flush=True)
    calm = row_of(fleet.driver.mark(title), "calm before")
    try:
        fault(scene)
    except LeftOut as why:
        print(f"  left out: {why}", flush=True)
        return [calm] if calm["wrong"] else []
    recovered = scene.recovered()
    scene.bounds(BOUND)
    time.sleep(3)
    row = row_of(fleet.driver.mark("calm"), title)
    for process in scene.afterwards:
        process.end()
        process.start()
    last = row["last_error"]
    row["recovered"] = recovered
    row["failed"] = recovered is None or scene.failed
    row["remarks"] = scene.remarks
    print(f"  recovered after {row['recovered']} s, last error {last}; {row['errors']}; changes {row['refused_changes']}; "
          f"wrong {row['wrong']}; late {row['late']}; oldest {row['oldest']}; {scene.remarks}", flush=True)
    return ([calm] if calm["wrong"] else []) + [row]


def row_of(phase, title):
    errors = {}
    for kinds in phase["errors"].values():
        for kind, count in kinds.items():
            errors[kind] = errors.get(kind, 0) + count
    late = {}
    for kinds in phase["late"].values():
        for kind, each in kinds.items():
            count, most = late.get(kind, (0, 0.0))
            late[kind] = (count + each["count"], max(most, each["most"]))
    wrong = sum(count for kinds in phase["violations"].values() for count in kinds.values())
    return {
        "title": title, "wrong": wrong, "late": late, "errors": errors, "refused_changes": phase["refused_changes"], "answers": phase["answers"],
        "changes": phase["changes"], "oldest": max(phase["oldest"].values(), default=0.0), "last_error": phase["last_error"], "failed": False,
        "recovered": 0.0, "remarks": [], "phase": phase,
    }


def show(rows):
    print(f"\n| {'what fails':<60} | recovered after | last error | answers other than 200 and 401 | changes asked for again | oldest state | late answers | wrong answers |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        recovered = "not" if row["recovered"] is None else f"{row['recovered']:.1f} s"
        last = "-" if row["last_error"] is None else f"{row['last_error']:.1f} s"
        errors = ", ".join(f"{count} {kind}" for kind, count in sorted(row["errors"].items())) or "none"
        again = ", ".join(f"{count} {kind}" for kind, count in sorted(row["refused_changes"].items())) or "none"
        share = f" of {row['answers'] + sum(row['errors'].values())}"
        late = ", ".join(f"{count} {kind}, by {most:.1f} s at most" for kind, (count, most) in sorted(row["late"].items())) or "none"
        print(f"| {row['title']:<60} | {recovered} | {last} | {errors}{share} | {again} of {row['changes']} | {row['oldest']:.1f} s | {late} | {row['wrong']} |")
        for remark in row["remarks"]:
            print(f"|   {remark} ||||||||")
