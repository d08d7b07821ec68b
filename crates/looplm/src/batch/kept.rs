//! What an answer that has ended leaves for the next: the keys and values of a conversation, so that of its next prompt only what
//! is new has to be computed.

use super::request::Request;
use crate::{engine::Engine, kv_policy::KvPolicy, row::SequenceId};

/// Tokens in common from which on a prompt goes on where another ended. Fewer are computed again as quickly, and conversations
/// that merely begin alike come to the same bits whatever was said before.
const WORTH: usize = 16;

/// The sequence of the answer that ended last, of those that asked for it. It takes no memory that a request could use: see
/// [`Kept::make_way`].
#[derive(Debug, Default)]
pub(super) struct Kept(Option<SequenceId>);

impl Kept {
    /// Sequences kept.
    pub(super) fn count(&self) -> usize {
        usize::from(self.0.is_some())
    }

    /// Keeps a sequence in place of the one before, as far as all its tokens have taken all their steps.
    pub(super) fn keep(&mut self, engine: &mut Engine, id: SequenceId, request: &Request) {
        self.release(engine);
        let complete = engine.complete_tokens(id);
        let exact = match request.kv {
            KvPolicy::Full => complete,
            // What answers left is not what a prompt computes; the prompt itself is.
            KvPolicy::LastExited => complete.min(request.prompt.len()),
            KvPolicy::Last | KvPolicy::Mean | KvPolicy::First => 0,
        };
        if exact >= WORTH && engine.truncate(id, exact).is_ok() {
            self.0 = Some(id);
        } else {
            engine.end(id);
        }
    }

    /// Gives the memory back. Whether there was any.
    pub(super) fn release(&mut self, engine: &mut Engine) -> bool {
        let kept = self.0.take();
        if let Some(id) = kept {
            engine.end(id);
        }
        kept.is_some()
    }

    /// Goes, if a request that cannot use it would find less memory or no place for it: what is kept must not be the reason that
    /// the cache grows. `entries`: those that all requests may come to hold, this one included.
    pub(super) fn make_way(&mut self, engine: &mut Engine, request: &Request, entries: usize) {
        let Some(id) = self.0 else { return };
        if self.common(engine, request) == 0
            && (engine.is_crowded() || !engine.holds_beside(id, entries))
        {
            self.release(engine);
        }
    }

    /// The sequence for a request to go on with, and how many tokens of its prompt are in it. The last token of the prompt never
    /// is: it has to be computed for what comes after it.
    pub(super) fn take(
        &mut self,
        engine: &mut Engine,
        request: &Request,
    ) -> Option<(SequenceId, usize)> {
        let common = self.common(engine, request);
        if common == 0 {
            return None;
        }
        let id = self.0.take()?;
        match engine.truncate(id, common) {
            Ok(()) => Some((id, common)),
            Err(_) => None,
        }
    }

    /// Tokens of a request's prompt that need not be computed.
    fn common(&self, engine: &Engine, request: &Request) -> usize {
        let Some(id) = self.0.filter(|_| request.cache_prompt) else {
            return 0;
        };
        if !engine.is_made_for(id, request.steps, request.kv) {
            return 0;
        }
        let kept = engine.tokens(id).unwrap_or_default();
        let asked = request
            .prompt
            .split_last()
            .map_or(&[][..], |(_, rest)| rest);
        let same = kept.iter().zip(asked).take_while(|(a, b)| a == b).count();
        if same >= WORTH { same } else { 0 }
    }
}
