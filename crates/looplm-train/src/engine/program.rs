//! A training step as a list of dispatches: the T recurrent steps forward, the head, the objective, and all of it back.
//!
//! Kept from the way forward are the state at every loop boundary and the input of every layer; the rest of a layer is
//! computed again when the way back comes to it. The shared weights' gradients add up over the steps in f32.

use looplm::Config;
use looplm_gpu::{
    Bound, Gpu, GpuError, View,
    kernels::{
        CausalAttentionGradients, ExitGateGradients, ExitObjective, ExitProbabilities,
        ObjectiveBuffers, RmsNormGradients,
    },
};

use super::{
    kernels::{BackwardKernels, Kernels, ProjectionGradient},
    layout::{Block, LayerBlocks},
    parameters::Parameters,
    workspace::{BackwardSlots, Slot, Workspace},
};

/// The dispatches for one shape of batch and one number of recurrent steps.
#[derive(Debug)]
pub(crate) struct Program {
    /// Recurrent steps.
    pub(crate) steps: usize,
    /// Everything up to the losses, the objective and its totals.
    pub(crate) forward: Vec<Bound>,
    /// From the losses to the gradient of every parameter; empty for programs that only look.
    pub(crate) backward: Vec<Bound>,
}

/// What a program is built from.
pub(crate) struct Builder<'a> {
    pub(crate) gpu: &'a Gpu,
    pub(crate) config: &'a Config,
    pub(crate) kernels: &'a Kernels,
    pub(crate) probabilities: &'a ExitProbabilities,
    pub(crate) objective: &'a ExitObjective,
    pub(crate) parameters: &'a Parameters,
    pub(crate) workspace: &'a Workspace,
    pub(crate) rotary_table: View<'a>,
    pub(crate) steps: usize,
}

impl<'a> Builder<'a> {
    fn view(&self, slot: Slot) -> View<'a> {
        self.workspace.view(slot)
    }

    fn weight(&self, block: Block) -> Result<View<'a>, GpuError> {
        self.parameters.value(block)
    }

    fn gradient(&self, block: Block) -> Result<View<'a>, GpuError> {
        self.parameters.gradient(block)
    }

    /// The whole program. With `backward`, of a workspace that was planned for it.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if a buffer does not fit its kernel; a defect.
    pub(crate) fn build(&self) -> Result<Program, GpuError> {
        let mut forward = self.steps_forward()?;
        forward.push(self.exit_probabilities()?);
        forward.extend(self.head()?);
        forward.push(self.objective_gradient()?);
        let slots = &self.workspace.slots;
        let backward = match (&self.kernels.backward, &slots.backward) {
            (Some(kernels), Some(gradients)) => self.steps_backward(kernels, gradients)?,
            _ => Vec::new(),
        };
        Ok(Program {
            steps: self.steps,
            forward,
            backward,
        })
    }

    fn steps_forward(&self) -> Result<Vec<Bound>, GpuError> {
        let slots = &self.workspace.slots;
        let mut program = vec![self.kernels.gather.bind(
            self.gpu,
            self.view(slots.ids),
            self.weight(self.parameters.layout.embedding)?,
            self.view(slots.states[0]),
        )?];
        for step in 0..self.steps {
            for layer in 0..self.config.num_hidden_layers {
                program.extend(self.layer(step, layer, self.output(step, layer))?);
            }
            program.push(self.kernels.norm.bind(
                self.gpu,
                self.view(slots.layer.top),
                self.weight(self.parameters.layout.final_norm)?,
                self.view(slots.layer.top),
                self.view(slots.states[step + 1]),
            )?);
            program.push(
                self.kernels.gate.bind(
                    self.gpu,
                    self.view(slots.states[step + 1]),
                    self.weight(self.parameters.layout.gate)?,
                    self.workspace
                        .rows_of_step(slots.gate, step, 0, slots.rows)?,
                )?,
            );
        }
        Ok(program)
    }

    /// Where the input of a layer lies.
    fn input(&self, step: usize, layer: usize) -> Slot {
        let slots = &self.workspace.slots;
        match layer {
            0 => slots.states[step],
            _ => slots.inputs[step][layer - 1],
        }
    }

    /// Where the output of a layer goes.
    fn output(&self, step: usize, layer: usize) -> Slot {
        if layer + 1 == self.config.num_hidden_layers {
            self.workspace.slots.layer.top
        } else {
            self.input(step, layer + 1)
        }
    }

    /// A layer up to its down projection, and its output.
    fn layer(&self, step: usize, layer: usize, output: Slot) -> Result<Vec<Bound>, GpuError> {
        let (gpu, kernels, slots) = (self.gpu, self.kernels, &self.workspace.slots);
        let blocks = &self.parameters.layout.layers[layer];
        let at = &slots.layer;
        let input = self.view(self.input(step, layer));
        Ok(vec![
            kernels.norm.bind(
                gpu,
                input,
                self.weight(blocks.norms[0])?,
                input,
                self.view(at.x),
            )?,
            kernels.qkv.forward(
                gpu,
                self.view(at.x),
                self.weight(blocks.qkv)?,
                self.view(at.qkv),
            )?,
            kernels.rotary.bind(
                gpu,
                self.view(at.qkv),
                self.rotary_table,
                self.view(slots.positions),
            )?,
            kernels.attention.bind(
                gpu,
                self.view(at.qkv),
                self.view(slots.first),
                self.view(at.attention),
                self.view(at.log_sums),
            )?,
            kernels.output.forward(
                gpu,
                self.view(at.attention),
                self.weight(blocks.output)?,
                self.view(at.projected),
            )?,
            kernels.norm_add.bind(
                gpu,
                self.view(at.projected),
                self.weight(blocks.norms[1])?,
                input,
                self.view(at.middle),
            )?,
            kernels.norm.bind(
                gpu,
                self.view(at.middle),
                self.weight(blocks.norms[2])?,
                self.view(at.middle),
                self.view(at.middle_norm),
            )?,
            kernels.gate_up.forward(
                gpu,
                self.view(at.middle_norm),
                self.weight(blocks.gate_up)?,
                self.view(at.gate_up),
            )?,
            kernels
                .glu
                .bind(gpu, self.view(at.gate_up), self.view(at.glu))?,
            kernels.down.forward(
                gpu,
                self.view(at.glu),
                self.weight(blocks.down)?,
                self.view(at.down),
            )?,
            kernels.norm_add.bind(
                gpu,
                self.view(at.down),
                self.weight(blocks.norms[3])?,
                self.view(at.middle),
                self.view(output),
            )?,
        ])
    }

    fn exit_probabilities(&self) -> Result<Bound, GpuError> {
        let slots = &self.workspace.slots;
        self.probabilities.bind(
            self.gpu,
            self.view(slots.objective),
            self.view(slots.targets),
            self.view(slots.gate),
            self.view(slots.probabilities),
            self.view(slots.weights),
        )
    }

    /// Losses of every step, a chunk of rows at a time, and on the way back what follows from them for the states and
    /// the head: the logits of a chunk are gone when the next one comes.
    fn head(&self) -> Result<Vec<Bound>, GpuError> {
        let (gpu, kernels, slots) = (self.gpu, self.kernels, &self.workspace.slots);
        let (width, chunk) = (self.config.hidden_size, slots.chunk);
        let weight = self.weight(self.parameters.layout.head)?;
        let logits = self.view(slots.logits);
        let mut program = Vec::new();
        for step in 0..self.steps {
            for first in (0..slots.rows).step_by(chunk) {
                let part = |slot| self.workspace.rows_of_step(slot, step, first, chunk);
                let state = self
                    .workspace
                    .rows(slots.states[step + 1], width, first, chunk)?;
                program.push(kernels.head.forward(gpu, state, weight, logits)?);
                program.push(
                    kernels.cross_entropy.bind(
                        gpu,
                        logits,
                        self.workspace
                            .buffer(slots.targets)
                            .part(4 * first as u64, 4 * chunk as u64)?,
                        part(slots.weights)?,
                        part(slots.losses)?,
                        part(slots.predictions)?,
                    )?,
                );
                if let Some(&gradient) = slots.state_gradients.get(step) {
                    program.extend(kernels.head.backward(
                        gpu,
                        weight,
                        state,
                        ProjectionGradient {
                            y: logits,
                            x: self.workspace.rows(gradient, width, first, chunk)?,
                            weight: self.gradient(self.parameters.layout.head)?,
                            partials: self.view(slots.partials),
                        },
                    )?);
                }
            }
        }
        Ok(program)
    }

    fn objective_gradient(&self) -> Result<Bound, GpuError> {
        let slots = &self.workspace.slots;
        self.objective.bind(
            self.gpu,
            ObjectiveBuffers {
                params: self.view(slots.objective),
                targets: self.view(slots.targets),
                z: self.view(slots.gate),
                losses: self.view(slots.losses),
                dz: self.view(slots.gate_gradient),
                row_stats: self.view(slots.row_stats),
                totals: self.view(slots.totals),
            },
        )
    }

    fn steps_backward(
        &self,
        kernels: &BackwardKernels,
        gradients: &BackwardSlots,
    ) -> Result<Vec<Bound>, GpuError> {
        let (gpu, slots) = (self.gpu, &self.workspace.slots);
        let layout = &self.parameters.layout;
        let layers = self.config.num_hidden_layers;
        let mut program = Vec::new();
        // The gradient of the residual stream at the boundaries of layers, and in the middle of one.
        let [boundary, middle] = gradients.stream;
        for step in (0..self.steps).rev() {
            let state = self.view(slots.state_gradients[step]);
            if step + 1 < self.steps {
                program.push(kernels.accumulate.bind(gpu, state, self.view(boundary))?);
            }
            program.push(
                kernels.gate.bind(
                    gpu,
                    ExitGateGradients {
                        y: self.view(slots.states[step + 1]),
                        gate: self.weight(layout.gate)?,
                        dz: self.workspace.rows_of_step(
                            slots.gate_gradient,
                            step,
                            0,
                            slots.rows,
                        )?,
                        dy: state,
                        dgate: self.gradient(layout.gate)?,
                        partials: self.view(slots.partials),
                    },
                )?,
            );
            for layer in (0..layers).rev() {
                let mut again = self.layer(step, layer, slots.layer.top)?;
                if layer + 1 == layers {
                    // The very last layer's values are still there from the way forward.
                    if step + 1 < self.steps {
                        program.extend(again);
                    }
                    program.push(kernels.norm.bind(
                        gpu,
                        RmsNormGradients {
                            x: self.view(slots.layer.top),
                            gain: self.weight(layout.final_norm)?,
                            dy: state,
                            add: state,
                            dx: self.view(boundary),
                            dgain: self.gradient(layout.final_norm)?,
                            partials: self.view(slots.partials),
                        },
                    )?);
                } else {
                    // Its output was kept: it is the next layer's input.
                    again.pop();
                    program.extend(again);
                }
                program.extend(self.layer_backward(
                    kernels,
                    gradients,
                    &layout.layers[layer],
                    self.input(step, layer),
                    [boundary, middle],
                )?);
            }
        }
        program.push(kernels.gather.bind(
            gpu,
            self.view(slots.starts),
            self.view(slots.by_token),
            self.view(boundary),
            self.gradient(layout.embedding)?,
        )?);
        Ok(program)
    }

    /// From the gradient of a layer's output to that of its input, both in `boundary`.
    fn layer_backward(
        &self,
        kernels: &BackwardKernels,
        gradients: &BackwardSlots,
        blocks: &LayerBlocks,
        input: Slot,
        [boundary, middle]: [Slot; 2],
    ) -> Result<Vec<Bound>, GpuError> {
        let (gpu, slots) = (self.gpu, &self.workspace.slots);
        let at = &slots.layer;
        let partials = self.view(slots.partials);
        let branch = self.view(gradients.branch);
        let mut program = vec![kernels.norm.bind(
            gpu,
            RmsNormGradients {
                x: self.view(at.down),
                gain: self.weight(blocks.norms[3])?,
                dy: self.view(boundary),
                add: self.view(boundary),
                dx: branch,
                dgain: self.gradient(blocks.norms[3])?,
                partials,
            },
        )?];
        program.extend(self.kernels.down.backward(
            gpu,
            self.weight(blocks.down)?,
            self.view(at.glu),
            ProjectionGradient {
                y: branch,
                x: self.view(gradients.glu),
                weight: self.gradient(blocks.down)?,
                partials,
            },
        )?);
        program.push(kernels.glu.bind(
            gpu,
            self.view(at.gate_up),
            self.view(gradients.glu),
            self.view(gradients.gate_up),
        )?);
        program.extend(self.kernels.gate_up.backward(
            gpu,
            self.weight(blocks.gate_up)?,
            self.view(at.middle_norm),
            ProjectionGradient {
                y: self.view(gradients.gate_up),
                x: self.view(gradients.x),
                weight: self.gradient(blocks.gate_up)?,
                partials,
            },
        )?);
        // The middle of the residual stream: what comes from above, and through the SwiGLU.
        program.push(kernels.norm_add.bind(
            gpu,
            RmsNormGradients {
                x: self.view(at.middle),
                gain: self.weight(blocks.norms[2])?,
                dy: self.view(gradients.x),
                add: self.view(boundary),
                dx: self.view(middle),
                dgain: self.gradient(blocks.norms[2])?,
                partials,
            },
        )?);
        program.push(kernels.norm.bind(
            gpu,
            RmsNormGradients {
                x: self.view(at.projected),
                gain: self.weight(blocks.norms[1])?,
                dy: self.view(middle),
                add: self.view(middle),
                dx: branch,
                dgain: self.gradient(blocks.norms[1])?,
                partials,
            },
        )?);
        program.extend(self.kernels.output.backward(
            gpu,
            self.weight(blocks.output)?,
            self.view(at.attention),
            ProjectionGradient {
                y: branch,
                x: self.view(gradients.attention),
                weight: self.gradient(blocks.output)?,
                partials,
            },
        )?);
        program.push(kernels.attention.bind(
            gpu,
            CausalAttentionGradients {
                qkv: self.view(at.qkv),
                out: self.view(at.attention),
                dout: self.view(gradients.attention),
                lse: self.view(at.log_sums),
                first: self.view(slots.first),
                last: self.view(slots.last),
                delta: self.view(gradients.delta),
                dqkv: self.view(gradients.qkv),
            },
        )?);
        program.push(kernels.unrotate.bind(
            gpu,
            self.view(gradients.qkv),
            self.rotary_table,
            self.view(slots.positions),
        )?);
        program.extend(self.kernels.qkv.backward(
            gpu,
            self.weight(blocks.qkv)?,
            self.view(at.x),
            ProjectionGradient {
                y: self.view(gradients.qkv),
                x: self.view(gradients.x),
                weight: self.gradient(blocks.qkv)?,
                partials,
            },
        )?);
        program.push(kernels.norm_add.bind(
            gpu,
            RmsNormGradients {
                x: self.view(input),
                gain: self.weight(blocks.norms[0])?,
                dy: self.view(gradients.x),
                add: self.view(middle),
                dx: self.view(boundary),
                dgain: self.gradient(blocks.norms[0])?,
                partials,
            },
        )?);
        Ok(program)
    }
}
