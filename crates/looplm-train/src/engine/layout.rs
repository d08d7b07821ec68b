//! Where every parameter lies in the flat buffers of weights, gradient and moments.

use looplm::Config;
use looplm_gpu::{VIEW_ALIGN, stride};

/// Consecutive elements of the flat buffers that a kernel binds as one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    /// First element; a place where a buffer can be bound.
    pub(crate) offset: usize,
    /// Elements, padding included.
    pub(crate) elements: usize,
}

/// One tensor of the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its published name.
    pub(crate) name: String,
    /// Its shape as checkpoints give it.
    pub(crate) shape: Vec<usize>,
    /// First element of its first row.
    pub(crate) offset: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

impl Entry {
    /// Elements without padding.
    pub(crate) fn elements(&self) -> usize {
        self.rows * self.columns
    }

    /// Takes its elements out of a flat buffer.
    pub(crate) fn gather(&self, flat: &[f32]) -> Vec<f32> {
        let pitch = stride(self.columns);
        (0..self.rows)
            .flat_map(|row| &flat[self.offset + row * pitch..][..self.columns])
            .copied()
            .collect()
    }

    /// Puts its elements into a flat buffer.
    pub(crate) fn scatter(&self, values: &[f32], flat: &mut [f32]) {
        let pitch = stride(self.columns);
        for (row, values) in values.chunks_exact(self.columns).enumerate() {
            flat[self.offset + row * pitch..][..self.columns].copy_from_slice(values);
        }
    }
}

/// The blocks of one layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LayerBlocks {
    /// q, k and v, one below the other: [(H + 2G) d, stride(D)].
    pub(crate) qkv: Block,
    /// [D, stride(H d)].
    pub(crate) output: Block,
    /// gate, then up: [2I, stride(D)].
    pub(crate) gate_up: Block,
    /// [D, stride(I)].
    pub(crate) down: Block,
    /// The four norms: before and after the attention, before and after the SwiGLU.
    pub(crate) norms: [Block; 4],
}

/// The place of every parameter: matrices first, which alone are decayed, then norms and the gate.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) entries: Vec<Entry>,
    pub(crate) embedding: Block,
    /// The head; the embedding where they are tied.
    pub(crate) head: Block,
    pub(crate) layers: Vec<LayerBlocks>,
    pub(crate) final_norm: Block,
    /// The gate's weight, stride(D) elements, then its bias and padding.
    pub(crate) gate: Block,
    /// Length of the flat buffers.
    pub(crate) elements: usize,
    /// Elements below this are matrices.
    pub(crate) matrices: usize,
}

#[derive(Default)]
struct Placer {
    entries: Vec<Entry>,
    end: usize,
}

impl Placer {
    /// Places tensors of `columns` columns one below the other.
    fn place(&mut self, columns: usize, tensors: &[(String, usize)]) -> Block {
        let offset = self.end.next_multiple_of(VIEW_ALIGN as usize / 4);
        self.end = offset;
        for (name, rows) in tensors {
            self.entries.push(Entry {
                name: name.clone(),
                shape: vec![*rows, columns],
                offset: self.end,
                rows: *rows,
                columns,
            });
            self.end += rows * stride(columns);
        }
        Block {
            offset,
            elements: self.end - offset,
        }
    }

    /// Places a vector.
    fn vector(&mut self, name: String, columns: usize) -> Block {
        let block = self.place(columns, &[(name, 1)]);
        if let Some(entry) = self.entries.last_mut() {
            entry.shape = vec![columns];
        }
        block
    }
}

impl Layout {
    /// The layout for a model.
    pub(crate) fn new(config: &Config) -> Self {
        let (d, i) = (config.hidden_size, config.intermediate_size);
        let (q, kv) = (config.query_size(), config.key_value_size());
        let mut placer = Placer::default();
        let embedding = placer.place(
            d,
            &[("model.embed_tokens.weight".into(), config.vocab_size)],
        );
        let head = if config.tie_word_embeddings {
            embedding
        } else {
            placer.place(d, &[("lm_head.weight".into(), config.vocab_size)])
        };
        let mut products = Vec::new();
        for layer in 0..config.num_hidden_layers {
            let name = |rest: &str| format!("model.layers.{layer}.{rest}.weight");
            products.push((
                placer.place(
                    d,
                    &[
                        (name("self_attn.q_proj"), q),
                        (name("self_attn.k_proj"), kv),
                        (name("self_attn.v_proj"), kv),
                    ],
                ),
                placer.place(q, &[(name("self_attn.o_proj"), d)]),
                placer.place(d, &[(name("mlp.gate_proj"), i), (name("mlp.up_proj"), i)]),
                placer.place(i, &[(name("mlp.down_proj"), d)]),
            ));
        }
        let matrices = placer.end;
        let layers = products
            .into_iter()
            .enumerate()
            .map(|(layer, (qkv, output, gate_up, down))| LayerBlocks {
                qkv,
                output,
                gate_up,
                down,
                norms: [
                    "input_layernorm",
                    "input_layernorm_2",
                    "post_attention_layernorm",
                    "post_attention_layernorm_2",
                ]
                .map(|norm| placer.vector(format!("model.layers.{layer}.{norm}.weight"), d)),
            })
            .collect();
        let final_norm = placer.vector("model.norm.weight".into(), d);
        let weight = placer.place(d, &[("model.early_exit_gate.weight".into(), 1)]);
        // The bias stands right behind the weight's padding, in a row of its own.
        placer.entries.push(Entry {
            name: "model.early_exit_gate.bias".into(),
            shape: vec![1],
            offset: placer.end,
            rows: 1,
            columns: 1,
        });
        placer.end += stride(1);
        let gate = Block {
            offset: weight.offset,
            elements: placer.end - weight.offset,
        };
        Self {
            elements: placer.end.next_multiple_of(VIEW_ALIGN as usize / 4),
            entries: placer.entries,
            embedding,
            head,
            layers,
            final_norm,
            gate,
            matrices,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(tied: bool) -> Config {
        Config {
            vocab_size: 11,
            hidden_size: 30,
            intermediate_size: 37,
            num_hidden_layers: 2,
            num_attention_heads: 3,
            num_key_value_heads: 1,
            head_dim: 10,
            total_ut_steps: 4,
            rms_norm_eps: 1e-6,
            rope_theta: 1e4,
            max_position_embeddings: 8,
            tie_word_embeddings: tied,
            early_exit_threshold: 1.0,
            looplm_task: None,
        }
    }

    #[test]
    fn it_has_every_tensor_of_a_checkpoint_in_its_shape() {
        for tied in [false, true] {
            let config = config(tied);
            let layout = Layout::new(&config);
            let mut placed: Vec<_> = layout
                .entries
                .iter()
                .map(|e| (e.name.clone(), e.shape.clone()))
                .collect();
            let mut wanted: Vec<_> = config.tensor_shapes().collect();
            placed.sort();
            wanted.sort();
            assert_eq!(placed, wanted);
            assert_eq!(tied, layout.head == layout.embedding);
        }
    }

    #[test]
    fn tensors_do_not_overlap_and_blocks_can_be_bound() {
        let layout = Layout::new(&config(false));
        let mut entries: Vec<_> = layout.entries.iter().collect();
        entries.sort_by_key(|e| e.offset);
        for pair in entries.windows(2) {
            assert!(pair[0].offset + pair[0].rows * stride(pair[0].columns) <= pair[1].offset);
        }
        let norms = layout.layers.iter().flat_map(|l| l.norms);
        for block in norms.chain([layout.gate, layout.final_norm, layout.head]) {
            assert!((4 * block.offset as u64).is_multiple_of(VIEW_ALIGN));
            assert!(block.offset + block.elements <= layout.elements);
        }
        assert!(layout.layers[1].down.offset < layout.matrices);
        assert!(layout.final_norm.offset >= layout.matrices);
    }

    #[test]
    fn what_is_scattered_is_gathered() {
        let layout = Layout::new(&config(false));
        let mut flat = vec![0.0; layout.elements];
        for (i, entry) in layout.entries.iter().enumerate() {
            entry.scatter(&vec![i as f32 + 1.0; entry.elements()], &mut flat);
        }
        for (i, entry) in layout.entries.iter().enumerate() {
            assert_eq!(
                entry.gather(&flat),
                vec![i as f32 + 1.0; entry.elements()],
                "{}",
                entry.name
            );
        }
    }
}
