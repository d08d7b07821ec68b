//! Buffers, row tables and their limits.

use looplm_gpu::{Buffer, DeviceOptions, GpuError, Readback, RowTables, Tier};

use crate::support::{self, SMALL_BINDING, fetch, upload, wait};

#[test]
fn buffers_start_as_zeros_and_are_rounded_up() {
    let gpu = support::gpu();
    for (bytes, size) in [(0, 16), (1, 16), (16, 16), (17, 32), (100, 112)] {
        let buffer = wait(Buffer::storage(gpu, "test", bytes)).expect("a small buffer");
        assert_eq!(buffer.size(), size);
        assert!(
            fetch::<u8>(gpu, &buffer, size as usize)
                .iter()
                .all(|&byte| byte == 0)
        );
    }
    let buffer = upload(gpu, &[1u32, 2, 3, 4]);
    buffer.write(gpu, 8, bytemuck::cast_slice(&[7u32]));
    buffer.write(gpu, 0, &[]);
    assert_eq!(fetch::<u32>(gpu, &buffer, 4), [1, 2, 7, 4]);
}

#[test]
fn a_buffer_above_the_largest_binding_is_an_error() {
    let gpu = support::small_gpu();
    assert_eq!(gpu.max_binding(), SMALL_BINDING);
    assert!(wait(Buffer::storage(gpu, "test", SMALL_BINDING)).is_ok());
    match wait(Buffer::storage(gpu, "keys", SMALL_BINDING + 1)) {
        Err(
            error @ GpuError::AdapterTooSmall {
                limit: "maxStorageBufferBindingSize",
                ..
            },
        ) => {
            assert_eq!(error.code(), "adapter-too-small");
            assert_eq!(
                error.to_string(),
                "the adapter's maxStorageBufferBindingSize is 8192, but keys needs 8208"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_buffer_above_the_largest_size_is_out_of_memory() {
    let gpu = support::gpu();
    match wait(Readback::new(gpu, gpu.max_buffer() + 1)) {
        Err(error @ GpuError::OutOfMemory { .. }) => assert_eq!(error.code(), "out-of-memory"),
        other => panic!("{other:?}"),
    }
    gpu.check().expect("the refusal leaves no fault behind");
}

#[test]
fn a_limit_of_memory_is_kept_and_what_is_dropped_is_there_again() {
    let gpu = support::open(&DeviceOptions {
        memory_limit: Some(1000),
        ..DeviceOptions::default()
    });
    let storage = |bytes| wait(Buffer::storage(&gpu, "test", bytes));
    let first = storage(600).expect("there is room");
    assert_eq!(gpu.allocated(), first.size());
    match storage(500) {
        Err(GpuError::OutOfMemory {
            needed: 512,
            available: 1000,
            ..
        }) => {}
        other => panic!("{other:?}"),
    }
    let second = storage(384).expect("there is room for less");
    assert_eq!(gpu.allocated(), first.size() + second.size());
    drop(first);
    assert!(storage(500).is_ok(), "it is there again");
    drop(second);
    assert_eq!(gpu.allocated(), 0);
}

#[test]
fn row_tables_refuse_what_they_have_no_room_for() {
    let gpu = support::gpu();
    let mut tables = wait(RowTables::new(gpu, 2, 3)).expect("two small tables");
    assert_eq!(tables.max_rows(), 3);
    assert!(matches!(
        tables.push(&support::rows(4)),
        Err(GpuError::Shape { kernel: "rows", .. })
    ));
    for _ in 0..2 {
        assert_eq!(
            tables.push(&support::rows(3)).expect("there is room").rows,
            3
        );
    }
    assert!(matches!(
        tables.push(&support::rows(1)),
        Err(GpuError::Shape { kernel: "rows", .. })
    ));
    tables.clear();
    assert!(tables.push(&[]).is_ok());
}

#[test]
fn row_tables_have_room_for_many_small_ones() {
    let gpu = support::gpu();
    let mut tables = wait(RowTables::with_small(gpu, (2, 300), (40, 2))).expect("small tables");
    assert!(tables.room(2) >= 40, "{} tables", tables.room(2));
    for rows in [2, 300, 1] {
        let room = tables.room(rows);
        tables.clear();
        for _ in 0..room {
            tables.push(&support::rows(rows)).expect("there is room");
        }
        assert!(tables.push(&support::rows(rows)).is_err());
    }
}

#[test]
fn the_adapter_is_reported() {
    let report = support::gpu().report();
    assert!(!report.name.is_empty());
    let offered = report.offers.contains(&"subgroups");
    let tier = if offered { "subgroups" } else { "baseline" };
    assert_eq!(report.tier.name(), tier);
    assert!(
        ["vulkan", "metal", "dx12"].contains(&report.backend.as_str()),
        "{}",
        report.backend
    );
    assert!(
        support::gpu().max_binding() >= 128 << 20,
        "WebGPU guarantees 128 MiB"
    );
}

#[test]
fn a_lower_tier_can_be_asked_for() {
    let gpu = support::open(&DeviceOptions {
        max_tier: Some(Tier::Baseline),
        ..DeviceOptions::default()
    });
    assert_eq!(gpu.report().tier, Tier::Baseline);
}
