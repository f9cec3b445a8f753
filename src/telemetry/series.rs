//! Counters, gauges and histograms that cost the hot path next to nothing.
//!
//! A thread that counts borrows a stripe and is the only one that writes to it, so that adding is a plain load and store; reading sums
//! the stripes. The kinds of the `prometheus` crate keep one atomic for all threads and three or four locked additions for each
//! observation: with some fifteen numbers a request, at some 15 µs for the whole of it, that can be seen.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus::proto::{self, LabelPair, Metric, MetricFamily, MetricType};

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
struct Cells {
    stripes: [Box<[Line]>; STRIPES],
}

impl Cells {
    fn new(width: usize) -> Self {
        let line = || Line(std::array::from_fn(|_| AtomicU64::new(0)));
        Self { stripes: std::array::from_fn(|_| (0..width.div_ceil(Line::CELLS)).map(|_| line()).collect()) }
    }

    /// Adds, wrapping, so that a negative number is the complement of two.
    fn add(&self, cell: usize, amount: u64) {
        let stripe = own_stripe();
        let Some(number) = self.number(stripe, cell) else { return };
        if stripe == SHARED {
            number.fetch_add(amount, Ordering::Relaxed);
        } else {
            // Nobody else writes to this stripe before this thread has given it back.
            number.store(number.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
        }
    }

    fn sum(&self, cell: usize) -> u64 {
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
pub struct Gauge(Cells);

impl Gauge {
    pub(super) fn new() -> Self {
        Self(Cells::new(1))
    }

    /// One more.
    pub fn inc(&self) {
        self.0.add(0, 1);
    }

    /// One less; may be another thread than the one that said [`inc`](Self::inc).
    pub fn dec(&self) {
        self.0.add(0, u64::MAX);
    }

    /// How many there are.
    pub fn get(&self) -> i64 {
        self.0.sum(0).cast_signed()
    }

    pub(super) fn family(&self, name: &str, help: &str) -> MetricFamily {
        #[expect(clippy::cast_precision_loss, reason = "a count of things at hand stays far below 2^53")]
        gauge_family(name, help, self.get() as f64, &[])
    }
}

/// A family with one gauge, for values that are known when they are asked for.
pub(super) fn gauge_family(name: &str, help: &str, value: f64, labels: &[(&str, &str)]) -> MetricFamily {
    let mut gauge = proto::Gauge::default();
    gauge.set_value(value);
    let mut metric = Metric::from_label(label_pairs(labels.iter().copied()));
    metric.set_gauge(gauge);
    family(name, help, MetricType::GAUGE, vec![metric])
}

/// A family of counters: one member for each combination of label values in a closed set.
pub(super) struct Counters {
    name: &'static str,
    help: &'static str,
    members: Vec<Vec<LabelPair>>,
    cells: Cells,
}

impl Counters {
    /// `members`: the values of `labels`, in their order, for each member.
    pub(super) fn new<const N: usize>(
        name: &'static str,
        help: &'static str,
        labels: [&'static str; N],
        members: impl IntoIterator<Item = [&'static str; N]>,
    ) -> Self {
        let members: Vec<_> = members.into_iter().map(|values| label_pairs(labels.into_iter().zip(values))).collect();
        let cells = Cells::new(members.len());
        Self { name, help, members, cells }
    }

    /// One more of the member at this place.
    pub(super) fn increment(&self, member: usize) {
        self.cells.add(member, 1);
    }

    /// So many more of it.
    pub(super) fn increment_by(&self, member: usize, more: u64) {
        self.cells.add(member, more);
    }

    pub(super) fn family(&self) -> MetricFamily {
        let metric = |(member, labels): (usize, &Vec<LabelPair>)| {
            let mut counter = proto::Counter::default();
            #[expect(clippy::cast_precision_loss, reason = "the format has floating-point numbers; counts are exact up to 2^53")]
            counter.set_value(self.cells.sum(member) as f64);
            let mut metric = Metric::from_label(labels.clone());
            metric.set_counter(counter);
            metric
        };
        family(self.name, self.help, MetricType::COUNTER, self.members.iter().enumerate().map(metric).collect())
    }
}

/// A family of histograms with common bounds.
pub(super) struct Histograms {
    name: &'static str,
    help: &'static str,
    members: Vec<Vec<LabelPair>>,
    /// Upper bounds of all buckets but the last, which has none.
    bounds: &'static [Duration],
    /// For each member: its buckets, each counting its own observations only, then the sum in nanoseconds.
    cells: Cells,
}

impl Histograms {
    pub(super) fn new<const N: usize>(
        name: &'static str,
        help: &'static str,
        labels: [&'static str; N],
        members: impl IntoIterator<Item = [&'static str; N]>,
        bounds: &'static [Duration],
    ) -> Self {
        let members: Vec<_> = members.into_iter().map(|values| label_pairs(labels.into_iter().zip(values))).collect();
        let cells = Cells::new(members.len() * (bounds.len() + 2));
        Self { name, help, members, bounds, cells }
    }

    /// Two additions: the count is the sum of the buckets.
    pub(super) fn observe(&self, member: usize, took: Duration) {
        let bucket = self.bounds.iter().take_while(|bound| took > **bound).count();
        let first = member * (self.bounds.len() + 2);
        self.cells.add(first + bucket, 1);
        self.cells.add(first + self.bounds.len() + 1, u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(super) fn family(&self) -> MetricFamily {
        let metric = |(member, labels): (usize, &Vec<LabelPair>)| {
            let first = member * (self.bounds.len() + 2);
            let mut seen = 0;
            let mut buckets = Vec::with_capacity(self.bounds.len());
            for (place, bound) in self.bounds.iter().enumerate() {
                seen += self.cells.sum(first + place);
                let mut bucket = proto::Bucket::default();
                bucket.set_upper_bound(bound.as_secs_f64());
                bucket.set_cumulative_count(seen);
                buckets.push(bucket);
            }
            let mut histogram = proto::Histogram::default();
            histogram.set_bucket(buckets);
            histogram.set_sample_count(seen + self.cells.sum(first + self.bounds.len()));
            histogram.set_sample_sum(Duration::from_nanos(self.cells.sum(first + self.bounds.len() + 1)).as_secs_f64());
            let mut metric = Metric::from_label(labels.clone());
            metric.set_histogram(histogram);
            metric
        };
        family(self.name, self.help, MetricType::HISTOGRAM, self.members.iter().enumerate().map(metric).collect())
    }
}

fn label_pairs<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<LabelPair> {
    let pair = |(name, value): (&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name(name.to_owned());
        pair.set_value(value.to_owned());
        pair
    };
    labels.into_iter().map(pair).collect()
}

fn family(name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: &[Duration] = &[Duration::from_micros(25), Duration::from_millis(1)];

    #[test]
    fn buckets_accumulate_and_a_bound_belongs_to_its_bucket() {
        let histograms = Histograms::new("x_seconds", "x", ["route"], [["-"], ["other"]], BOUNDS);
        for micros in [1, 25, 26, 1_000, 1_001] {
            histograms.observe(0, Duration::from_micros(micros));
        }
        histograms.observe(1, Duration::MAX);

        let family = histograms.family();
        let first = family.get_metric()[0].get_histogram();
        let counts: Vec<u64> = first.get_bucket().iter().map(proto::Bucket::cumulative_count).collect();
        assert_eq!(counts, [2, 4]);
        assert_eq!(first.get_sample_count(), 5);
        assert!((first.get_sample_sum() - 0.002_053).abs() < 1e-12);
        assert_eq!(family.get_metric()[1].get_histogram().get_sample_count(), 1);
    }

    /// Whether more threads count than there are stripes, or one after the other.
    #[test]
    fn nothing_is_lost_between_threads() {
        let counters = Counters::new("x_total", "x", ["kind"], [["a"], ["b"]]);
        let gauge = Gauge::new();
        let count = || {
            for _ in 0..1_000 {
                counters.increment(1);
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

        let family = counters.family();
        let values: Vec<f64> = family.get_metric().iter().map(|metric| metric.get_counter().get_value()).collect();
        assert_eq!(values, [0.0, 64_000.0]);
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
