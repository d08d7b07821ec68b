// Imported before the package, in the page or in a Worker: lets a test take the GPU away, or some of its memory.
const devices = [];
const told = new BroadcastChannel("gpu");
/** Bytes that all buffers of a device may have. */
let memory = Infinity;

const { requestDevice } = GPUAdapter.prototype;
GPUAdapter.prototype.requestDevice = async function (...args) {
  const device = await requestDevice.apply(this, args);
  devices.push(device);
  return device;
};

told.addEventListener("message", ({ data }) => {
  if (data.memory !== undefined) memory = data.memory;
  if (data.lose) devices.splice(0).forEach((device) => device.destroy());
});

// A device's memory, as its specification has it: what does not fit is an error of the scope around it.
const held = new WeakMap();
const scopes = new WeakMap();
const { createBuffer, pushErrorScope, popErrorScope } = GPUDevice.prototype;
GPUDevice.prototype.createBuffer = function (descriptor) {
  const before = held.get(this) ?? 0;
  if (before + descriptor.size <= memory) {
    held.set(this, before + descriptor.size);
    return createBuffer.call(this, descriptor);
  }
  const scope = scopes.get(this)?.findLast(({ filter }) => filter === "out-of-memory");
  if (scope !== undefined) scope.failed = true;
  return createBuffer.call(this, { ...descriptor, size: 16 });
};
GPUDevice.prototype.pushErrorScope = function (filter) {
  scopes.set(this, [...(scopes.get(this) ?? []), { filter, failed: false }]);
  return pushErrorScope.call(this, filter);
};
GPUDevice.prototype.popErrorScope = async function () {
  const scope = scopes.get(this)?.pop();
  const error = await popErrorScope.call(this);
  return scope?.failed ? new GPUOutOfMemoryError("no more of it") : error;
};
