//! Devices that tests share.

use std::{
    cell::RefCell,
    ptr,
    sync::{Mutex, PoisonError},
};

use looplm_gpu::{DeviceOptions, Gpu};

/// Devices of the same options, no more than there are tests at work at a time.
///
/// What a device has compiled for one test it has for the next. It is not one for all, since an adapter that is a program on the CPU compiles
/// on one thread a device, and that is what tests wait for.
pub struct Devices {
    options: fn() -> DeviceOptions,
    idle: Mutex<Vec<&'static Gpu>>,
}

/// A device that a thread has until it ends. Each test has a thread of its own.
struct Held {
    of: &'static Devices,
    gpu: &'static Gpu,
}

thread_local! {
    static HELD: RefCell<Vec<Held>> = const { RefCell::new(Vec::new()) };
}

impl Devices {
    /// Devices that are opened with `options` when they are wanted.
    pub const fn new(options: fn() -> DeviceOptions) -> Self {
        Self {
            options,
            idle: Mutex::new(Vec::new()),
        }
    }

    /// The device of this thread, always the same.
    ///
    /// # Panics
    ///
    /// Where there is no adapter.
    pub fn of_this_thread(&'static self) -> &'static Gpu {
        HELD.with_borrow_mut(|held| {
            if let Some(mine) = held.iter().find(|mine| ptr::eq(mine.of, self)) {
                return mine.gpu;
            }
            let idle = self.idle().pop();
            let gpu = idle.unwrap_or_else(|| {
                let gpu = pollster::block_on(Gpu::open(&(self.options)()));
                Box::leak(Box::new(gpu.expect("the tests need a WebGPU adapter")))
            });
            held.push(Held { of: self, gpu });
            gpu
        })
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<&'static Gpu>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.of.idle().push(self.gpu);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_at_work_together_have_a_device_each_and_leave_it_to_the_next() {
        static DEVICES: Devices = Devices::new(DeviceOptions::default);
        let mine = DEVICES.of_this_thread();
        assert!(ptr::eq(mine, DEVICES.of_this_thread()));
        let of_a_thread = || {
            let thread = std::thread::spawn(|| ptr::from_ref(DEVICES.of_this_thread()) as usize);
            thread.join().expect("there is an adapter")
        };
        let other = of_a_thread();
        assert_ne!(other, ptr::from_ref(mine) as usize);
        assert_eq!(other, of_a_thread());
    }
}
