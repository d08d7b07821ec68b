import { map, spread } from "./statistics.js";

const BYTES = 128 << 20;
const WORKGROUPS = 4096;
const LANES = 64;
const REPEATS = 9;

/** Bytes a second of a kernel that only reads (shaders/stream_read.wgsl, as looplm_gpu's `StreamRead` runs it). */
export async function streamRead() {
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
  const device = await adapter.requestDevice();
  const code = await (await fetch("/shaders/stream_read.wgsl")).text();
  const elements = BYTES / 16;
  const pipeline = await device.createComputePipelineAsync({
    layout: "auto",
    compute: {
      module: device.createShaderModule({ code }),
      constants: {
        COUNT: elements,
        SPAN: Math.ceil(Math.ceil(elements / WORKGROUPS) / LANES) * LANES,
      },
    },
  });
  const storage = (size) => device.createBuffer({ size, usage: GPUBufferUsage.STORAGE });
  const buffers = [storage(BYTES), storage(WORKGROUPS * LANES * 4)];
  const bindGroup = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
  });
  const taken = [];
  // The first is to warm up.
  for (let i = 0; i <= REPEATS; i++) {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(WORKGROUPS);
    pass.end();
    const started = performance.now();
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
    if (i > 0) taken.push(performance.now() - started);
  }
  for (const buffer of buffers) buffer.destroy();
  device.destroy();
  return map(spread(taken), (ms) => (BYTES / ms) * 1000);
}
