// Counts what a page asks of its GPU by standing in front of WebGPU's own methods: only for an engine in the page.

/** What was asked for since the page began. */
export const counts = { dispatches: 0, bytes: 0, peakBytes: 0 };

/** The bytes of each buffer that is alive, and its label. */
const alive = new Map();

/** Bytes of the buffers whose label begins so. */
export function bytesOf(...beginnings) {
  let sum = 0;
  for (const { label, size } of alive.values()) {
    if (beginnings.some((beginning) => label.startsWith(beginning))) sum += size;
  }
  return sum;
}

/** Begins to count. */
export function count() {
  const { dispatchWorkgroups } = GPUComputePassEncoder.prototype;
  GPUComputePassEncoder.prototype.dispatchWorkgroups = function (...groups) {
    counts.dispatches++;
    return dispatchWorkgroups.apply(this, groups);
  };
  const { createBuffer } = GPUDevice.prototype;
  GPUDevice.prototype.createBuffer = function (descriptor) {
    const buffer = createBuffer.call(this, descriptor);
    alive.set(buffer, { label: descriptor.label ?? "", size: descriptor.size });
    counts.bytes += descriptor.size;
    counts.peakBytes = Math.max(counts.peakBytes, counts.bytes);
    return buffer;
  };
  const { destroy } = GPUBuffer.prototype;
  GPUBuffer.prototype.destroy = function () {
    counts.bytes -= alive.get(this)?.size ?? 0;
    alive.delete(this);
    return destroy.call(this);
  };
}
