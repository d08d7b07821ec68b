//! Compiling on threads: drivers compile where they are called.

use super::Work;

/// Begins at once. A pipeline that is asked for meanwhile is waited for.
pub(super) fn begin(work: Work) {
    let begun = std::thread::Builder::new()
        .name("looplm compiles".into())
        .spawn(move || {
            let pipeline = &work.0;
            pipeline.made(|| pipeline.recipe.create());
        });
    // No thread to be had: then it is compiled when it is first used.
    drop(begun);
}
