//! What scrapers read, put together of the parts that the `prometheus` crate writes as text.

use prometheus::proto::{self, LabelPair, Metric, MetricFamily, MetricType};

/// Something that has values to show.
pub(super) trait Family {
    fn collect(&self) -> MetricFamily;
}

pub(super) fn pair(name: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}

pub(super) fn gauges<'a>(name: &str, help: &str, members: impl IntoIterator<Item = (&'a [LabelPair], i64)>) -> MetricFamily {
    let metric = |(labels, value): (&[LabelPair], i64)| {
        let mut gauge = proto::Gauge::default();
        #[expect(clippy::cast_precision_loss, reason = "the format has floating-point numbers; counts are exact up to 2^53")]
        gauge.set_value(value as f64);
        let mut metric = Metric::from_label(labels.to_vec());
        metric.set_gauge(gauge);
        metric
    };
    family(name, help, MetricType::GAUGE, members.into_iter().map(metric).collect())
}

pub(super) fn counters<'a>(name: &str, help: &str, members: impl IntoIterator<Item = (&'a [LabelPair], u64)>) -> MetricFamily {
    let metric = |(labels, value): (&[LabelPair], u64)| {
        let mut counter = proto::Counter::default();
        #[expect(clippy::cast_precision_loss, reason = "the format has floating-point numbers; counts are exact up to 2^53")]
        counter.set_value(value as f64);
        let mut metric = Metric::from_label(labels.to_vec());
        metric.set_counter(counter);
        metric
    };
    family(name, help, MetricType::COUNTER, members.into_iter().map(metric).collect())
}

pub(super) fn histograms<'a>(
    name: &str,
    help: &str,
    members: impl IntoIterator<Item = (&'a [LabelPair], proto::Histogram)>,
) -> MetricFamily {
    let metric = |(labels, histogram): (&[LabelPair], proto::Histogram)| {
        let mut metric = Metric::from_label(labels.to_vec());
        metric.set_histogram(histogram);
        metric
    };
    family(name, help, MetricType::HISTOGRAM, members.into_iter().map(metric).collect())
}

fn family(name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}
