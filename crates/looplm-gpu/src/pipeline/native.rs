//! Compiling on threads: drivers compile where they are called.

use std::sync::Arc;

use futures::channel::oneshot;

use super::{Compiling, Inner};

/// Begins at once. A pipeline that is asked for meanwhile is waited for.
pub(super) fn compile(pipeline: Arc<Inner>) -> Compiling {
    let (sender, receiver) = oneshot::channel();
    let begun = std::thread::Builder::new()
        .name("looplm compiles".into())
        .spawn({
            let pipeline = pipeline.clone();
            move || {
                pipeline.made(|| pipeline.recipe.create());
                // The receiver is gone when nobody waits.
                let _ = sender.send(());
            }
        });
    if begun.is_err() {
        // No thread to be had: then it takes its time here.
        pipeline.made(|| pipeline.recipe.create());
    }
    Box::pin(async move {
        // A thread that is gone without a word leaves the pipeline to its first use.
        let _ = receiver.await;
    })
}

/// The thread needs nobody.
pub(super) fn go_on(compiling: Compiling) {
    drop(compiling);
}
