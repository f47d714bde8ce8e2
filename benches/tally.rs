//! What adding a hit's cells to a tally costs, and what a group costs to merge and to write.
//!
//! What it is not: a whole hit; that is `benches/collector`.
//!
//! What surprises: the number of distinct pages hardly matters until the tally leaves the cache.

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use headcount_core::batch::Batch;
use headcount_core::cell::{Attribute, CellKey, Counts};
use headcount_core::tally::Tally;
use headcount_core::time::{Day, Hour};

const VIEW: Counts = Counts { views: 1, visitors: 0, visits: 1, clicks: 0, refused: 0 };

/// The ten cells of one view.
fn add_view(tally: &mut Tally<u32, u32>, page: u32) {
    tally.add(1, CellKey::Site { hour: Hour(24) }, &VIEW);
    tally.add(1, CellKey::Page { hour: Hour(24), page }, &VIEW);
    for attribute in Attribute::ALL {
        tally.add(1, CellKey::Attribute { day: Day(1), attribute, value: page % 7 }, &VIEW);
    }
}

fn filled(pages: u32) -> Tally<u32, u32> {
    let mut tally = Tally::default();
    (0..pages).for_each(|page| add_view(&mut tally, page));
    tally
}

fn adding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tally/add_view");
    for pages in [50, 10_000, 100_000] {
        group.bench_with_input(BenchmarkId::from_parameter(pages), &pages, |bencher, pages| {
            let mut tally = filled(*pages);
            let mut page = 0;
            bencher.iter(|| {
                page = (page + 7_919) % pages;
                add_view(&mut tally, page);
            });
        });
    }
    group.finish();
}

fn merging(criterion: &mut Criterion) {
    criterion.bench_function("tally/merge_and_sort_1000_pages", |bencher| {
        bencher.iter_batched(
            || (filled(1_000), filled(1_000)),
            |(mut a, b)| {
                a.merge(b);
                a.into_sorted()
            },
            BatchSize::SmallInput,
        );
    });
}

fn encoding(criterion: &mut Criterion) {
    let pages: Vec<String> =
        (0..1_000).map(|page| format!("/a/page-of-some-length/{page}")).collect();
    criterion.bench_function("batch/encode_1000_pages", |bencher| {
        bencher.iter(|| {
            let cells = pages.iter().map(|page| {
                let key = CellKey::Page { hour: Hour(24), page: page.as_str() };
                ("example.org", key, VIEW)
            });
            Batch::new(cells).map(|batch| batch.encode().len())
        });
    });
}

criterion_group!(benches, adding, merging, encoding);
criterion_main!(benches);
