//! GB/s of the checksums, on bytes that are in the processor's cache and on more than it holds.

#![allow(missing_docs, reason = "criterion's macros make public items")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use jetfs::format::PageSize;
use jetfs::format::checksum::{check_page, header_checksum, stamp_page};
use std::hint::black_box;

fn page(size: PageSize) -> Vec<u8> {
    let mut page: Vec<u8> = (0..=250).cycle().take(size.bytes()).collect();
    stamp_page(&mut page, size, 7);
    page
}

fn verify_in_cache(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("check_page");
    for size in PageSize::ALL {
        let page = page(size);
        group.throughput(Throughput::Bytes(size.bytes_u64()));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| check_page(black_box(&page), size, 7));
        });
    }
}

fn verify_from_memory(criterion: &mut Criterion) {
    const LEN: usize = 256 << 20;
    let mut group = criterion.benchmark_group("check_page, 256 MiB");
    group.sample_size(10);
    for size in [PageSize::Kib4, PageSize::Kib32] {
        let pages = page(size).repeat(LEN / size.bytes());
        group.throughput(Throughput::Bytes(LEN as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                for page in pages.chunks_exact(size.bytes()) {
                    black_box(check_page(page, size, 7));
                }
            });
        });
    }
}

fn header(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("header_checksum");
    for size in [PageSize::Kib4, PageSize::Kib32] {
        let header = page(size);
        group.throughput(Throughput::Bytes(size.bytes_u64()));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| header_checksum(black_box(&header)));
        });
    }
}

criterion_group!(benches, verify_in_cache, verify_from_memory, header);
criterion_main!(benches);
