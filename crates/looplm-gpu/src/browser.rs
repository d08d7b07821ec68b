//! Which browser this is, where no feature tells.

use js_sys::{Reflect, global};

pub(crate) fn is_firefox() -> bool {
    calls_itself("Firefox/")
}

/// Whether the system is one of Apple's, whose browsers compute by Metal. A phone's says "like Mac OS X".
pub(crate) fn has_metal() -> bool {
    calls_itself("Mac OS X")
}

/// A page and a Worker both have a navigator.
fn calls_itself(name: &str) -> bool {
    Reflect::get(&global(), &"navigator".into())
        .and_then(|navigator| Reflect::get(&navigator, &"userAgent".into()))
        .is_ok_and(|agent| agent.as_string().is_some_and(|agent| agent.contains(name)))
}
