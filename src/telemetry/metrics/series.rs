//! Counters, gauges and histograms that cost the hot path next to nothing.
//!
//! A thread that counts borrows a stripe and is the only one that writes to it, so that adding is a plain load and store; reading sums
//! the stripes. The kinds of the `prometheus` crate keep one atomic for all threads and three or four locked additions for each
//! observation: with some fifteen numbers a request, at some 15 µs for the whole of it, that can be seen.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus::proto::{self, MetricFamily};

use super::exposition::{self, Family};
use super::label::{Labels, Member};

/// Bounds of histograms.
pub(super) const fn micros<const N: usize>(bounds: [u64; N]) -> [Duration; N] {
    let mut durations = [Duration::ZERO; N];
    let mut place = 0;
    while place < N {
        #[expect(clippy::indexing_slicing, reason = "checked by the compiler, which runs this")]
        {
            durations[place] = Duration::from_micros(bounds[place]);
        }
        place += 1;
    }
    durations
}

/// For one thread each at a time.
const EXCLUSIVE: usize = 15;
/// For all threads that found none free: slower, and still right.
const SHARED: usize = EXCLUSIVE;
const STRIPES: usize = EXCLUSIVE + 1;

/// Numbers that share no cache line with those of another stripe; 128 bytes because lines are fetched in pairs.
#[repr(align(128))]
struct Line([AtomicU64; 16]);

impl Line {
    const CELLS: usize = 16;
}

/// A row of numbers, once for each stripe.
pub(super) struct Cells {
    stripes: [Box<[Line]>; STRIPES],
}

impl Cells {
    pub(super) fn new(width: usize) -> Self {
        let line = || Line(std::array::from_fn(|_| AtomicU64::new(0)));
        Self { stripes: std::array::from_fn(|_| (0..width.div_ceil(Line::CELLS)).map(|_| line()).collect()) }
    }

    /// Adds, wrapping, so that a negative number is the complement of two.
    pub(super) fn add(&self, cell: usize, amount: u64) {
        let stripe = own_stripe();
        let Some(number) = self.number(stripe, cell) else { return };
        if stripe == SHARED {
            number.fetch_add(amount, Ordering::Relaxed);
        } else {
            // Nobody else writes to this stripe before this thread has given it back.
            number.store(number.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
        }
    }

    pub(super) fn sum(&self, cell: usize) -> u64 {
        let numbers = (0..STRIPES).filter_map(|stripe| self.number(stripe, cell));
        numbers.map(|number| number.load(Ordering::Relaxed)).fold(0, u64::wrapping_add)
    }

    fn number(&self, stripe: usize, cell: usize) -> Option<&AtomicU64> {
        self.stripes.get(stripe)?.get(cell / Line::CELLS)?.0.get(cell % Line::CELLS)
    }
}

/// Exclusive stripes that no thread has. The mutex also hands over what the last owner wrote.
static FREE: Mutex<Vec<usize>> = Mutex::new(Vec::new());
/// How many of them have ever been given out.
static GIVEN: Mutex<usize> = Mutex::new(0);

/// The calling thread's stripe.
fn own_stripe() -> usize {
    const NONE: usize = usize::MAX;
    thread_local! {
        // Apart from the loan, because what has no destructor is read without asking whether it is still there.
        static OWN: Cell<usize> = const { Cell::new(NONE) };
        static LOAN: Loan = const { Loan };
    }
    /// Gives the stripe back when the thread ends; what the thread counts even later goes to the shared one.
    struct Loan;
    impl Drop for Loan {
        fn drop(&mut self) {
            let own = OWN.replace(SHARED);
            if own < EXCLUSIVE {
                FREE.lock().unwrap_or_else(PoisonError::into_inner).push(own);
            }
        }
    }

    let own = OWN.get();
    if own != NONE {
        return own;
    }
    // Fails only if the thread is ending: then it gets none of its own.
    let own = LOAN.try_with(|_| borrow()).unwrap_or(SHARED);
    OWN.set(own);
    own
}

fn borrow() -> usize {
    if let Some(free) = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop() {
        return free;
    }
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let own = (*given).min(SHARED);
    *given = own.saturating_add(1).min(EXCLUSIVE);
    own
}

/// A number that goes up and down on many threads: the sum of what they added.
pub struct Gauge {
    name: &'static str,
    help: &'static str,
    cells: Cells,
}

impl Gauge {
    pub(super) fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help, cells: Cells::new(1) }
    }

    /// One more.
    pub fn inc(&self) {
        self.cells.add(0, 1);
    }

    /// One less; may be another thread than the one that said [`inc`](Self::inc).
    pub fn dec(&self) {
        self.cells.add(0, u64::MAX);
    }

    /// How many there are.
    pub fn get(&self) -> i64 {
        self.cells.sum(0).cast_signed()
    }
}

impl Family for Gauge {
    fn collect(&self) -> MetricFamily {
        exposition::gauges(self.name, self.help, [([].as_slice(), self.get())])
    }
}

/// A number that is known when it is set.
pub struct Level {
    name: &'static str,
    help: &'static str,
    value: AtomicI64,
}

impl Level {
    pub(super) fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help, value: AtomicI64::new(0) }
    }

    /// What it is from now on.
    pub fn set(&self, value: i64) {
        self.value.store(value, Ordering::Relaxed);
    }

    /// What it was set to.
    pub fn get(&self) -> i64 {
        self.value.load(Ordering::Relaxed)
    }
}

impl Family for Level {
    fn collect(&self) -> MetricFamily {
        exposition::gauges(self.name, self.help, [([].as_slice(), self.get())])
    }
}

/// A family of numbers that are set.
pub(super) struct Levels<M> {
    name: &'static str,
    help: &'static str,
    members: Vec<(Labels, AtomicI64)>,
    of: PhantomData<fn(M)>,
}

impl<M: Member> Levels<M> {
    pub(super) fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help, members: M::all().into_iter().map(|labels| (labels, AtomicI64::new(0))).collect(), of: PhantomData }
    }

    pub(super) fn set(&self, member: M, value: u64) {
        if let Some((_, number)) = self.members.get(member.place()) {
            number.store(i64::try_from(value).unwrap_or(i64::MAX), Ordering::Relaxed);
        }
    }
}

impl<M> Family for Levels<M> {
    fn collect(&self) -> MetricFamily {
        let members = self.members.iter().map(|(labels, value)| (labels.as_slice(), value.load(Ordering::Relaxed)));
        exposition::gauges(self.name, self.help, members)
    }
}

/// A family of counters: one for each member.
pub(super) struct Counters<M> {
    name: &'static str,
    help: &'static str,
    members: Vec<Labels>,
    cells: Cells,
    of: PhantomData<fn(M)>,
}

impl<M: Member> Counters<M> {
    pub(super) fn new(name: &'static str, help: &'static str) -> Self {
        let members = M::all();
        Self { name, help, cells: Cells::new(members.len()), members, of: PhantomData }
    }

    /// One more.
    pub(super) fn increment(&self, member: M) {
        self.cells.add(member.place(), 1);
    }

    /// So many more.
    pub(super) fn increment_by(&self, member: M, more: u64) {
        self.cells.add(member.place(), more);
    }
}

impl<M> Family for Counters<M> {
    fn collect(&self) -> MetricFamily {
        let members = self.members.iter().enumerate().map(|(place, labels)| (labels.as_slice(), self.cells.sum(place)));
        exposition::counters(self.name, self.help, members)
    }
}

/// A family of histograms with common bounds.
pub(super) struct Histograms<M> {
    name: &'static str,
    help: &'static str,
    members: Vec<Labels>,
    /// Upper bounds of all buckets but the last, which has none.
    bounds: &'static [Duration],
    /// For each member: its buckets, each counting its own observations only, then the sum in nanoseconds.
    cells: Cells,
    of: PhantomData<fn(M)>,
}

impl<M: Member> Histograms<M> {
    pub(super) fn new(name: &'static str, help: &'static str, bounds: &'static [Duration]) -> Self {
        let members = M::all();
        Self { name, help, cells: Cells::new(members.len() * (bounds.len() + 2)), members, bounds, of: PhantomData }
    }

    /// Two additions: the count is the sum of the buckets.
    pub(super) fn observe(&self, member: M, took: Duration) {
        let bucket = self.bounds.iter().take_while(|bound| took > **bound).count();
        let first = member.place() * (self.bounds.len() + 2);
        self.cells.add(first + bucket, 1);
        self.cells.add(first + self.bounds.len() + 1, u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }
}

impl<M> Histograms<M> {
    fn member(&self, place: usize) -> proto::Histogram {
        let inner = self.bounds.len();
        let first = place * (inner + 2);
        let mut seen = 0;
        let mut buckets = Vec::with_capacity(inner);
        for (place, bound) in self.bounds.iter().enumerate() {
            seen += self.cells.sum(first + place);
            let mut bucket = proto::Bucket::default();
            bucket.set_upper_bound(bound.as_secs_f64());
            bucket.set_cumulative_count(seen);
            buckets.push(bucket);
        }
        let mut histogram = proto::Histogram::default();
        histogram.set_bucket(buckets);
        histogram.set_sample_count(seen + self.cells.sum(first + inner));
        histogram.set_sample_sum(Duration::from_nanos(self.cells.sum(first + inner + 1)).as_secs_f64());
        histogram
    }
}

impl<M> Family for Histograms<M> {
    fn collect(&self) -> MetricFamily {
        let members = self.members.iter().enumerate().map(|(place, labels)| (labels.as_slice(), self.member(place)));
        exposition::histograms(self.name, self.help, members)
    }
}

#[cfg(test)]
mod tests {
    use prometheus::TextEncoder;

    use super::super::label::label;
    use super::*;

    const BOUNDS: &[Duration] = &[Duration::from_micros(25), Duration::from_millis(1)];

    label! {
        enum Kinds: "kind" {
            A = "a",
            B = "b",
        }
    }

    fn shown(family: &impl Family) -> String {
        TextEncoder::new().encode_to_string(&[family.collect()]).unwrap()
    }

    #[test]
    fn buckets_accumulate_and_a_bound_belongs_to_its_bucket() {
        let histograms = Histograms::<(Kinds,)>::new("x_seconds", "An x.", BOUNDS);
        for micros in [1, 25, 26, 1_000, 1_001] {
            histograms.observe((Kinds::A,), Duration::from_micros(micros));
        }
        histograms.observe((Kinds::B,), Duration::MAX);

        let text = shown(&histograms);
        assert!(
            text.starts_with(
                "# HELP x_seconds An x.\n# TYPE x_seconds histogram\n\
             x_seconds_bucket{kind=\"a\",le=\"0.000025\"} 2\nx_seconds_bucket{kind=\"a\",le=\"0.001\"} 4\n\
             x_seconds_bucket{kind=\"a\",le=\"+Inf\"} 5\nx_seconds_sum{kind=\"a\"} 0.002053\nx_seconds_count{kind=\"a\"} 5\n"
            ),
            "{text}"
        );
        assert!(text.contains("x_seconds_count{kind=\"b\"} 1\n"), "{text}");
    }

    /// Whether more threads count than there are stripes, or one after the other.
    #[test]
    fn nothing_is_lost_between_threads() {
        let counters = Counters::<(Kinds,)>::new("x_total", "x");
        let gauge = Gauge::new("x", "x");
        let count = || {
            for _ in 0..1_000 {
                counters.increment((Kinds::B,));
                gauge.inc();
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..2 * STRIPES {
                scope.spawn(count);
            }
        });
        for _ in 0..2 * STRIPES {
            std::thread::scope(|scope| scope.spawn(count).join().unwrap());
        }
        // Another thread takes off what its fellows put on.
        std::thread::scope(|scope| scope.spawn(|| (0..63_999).for_each(|_| gauge.dec())).join().unwrap());

        let text = shown(&counters);
        assert!(text.ends_with("x_total{kind=\"a\"} 0\nx_total{kind=\"b\"} 64000\n"), "{text}");
        assert_eq!(gauge.get(), 1);
    }

    #[test]
    fn no_two_living_threads_have_one_exclusive_stripe() {
        let threads = 2 * STRIPES;
        let all_have_one = std::sync::Barrier::new(threads);
        let mut stripes: Vec<usize> = std::thread::scope(|scope| {
            let one = || {
                let own = own_stripe();
                all_have_one.wait();
                assert_eq!(own, own_stripe(), "a thread keeps its stripe");
                own
            };
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        stripes.retain(|stripe| *stripe != SHARED);
        let given = stripes.len();
        stripes.sort_unstable();
        stripes.dedup();
        assert_eq!(stripes.len(), given);
    }
}
