/** What a browser tells of the machine. None tells how much memory its GPU has. */
export interface Device {
  /** The GPU, as far as it is named. */
  gpu: string;
  /** Bytes that a program of the GPU can bind at once. */
  maxBinding: number;
  /** Bytes of the largest single buffer. */
  maxBuffer: number;
  /** Bytes of the machine's memory, roughly; undefined where the browser keeps that to itself. */
  memory: number | undefined;
  /** Whether `memory` is only the least there is: browsers name no figure above some bound. */
  atLeast: boolean;
  /** Whether the GPU is known to have no memory of its own, so that `memory` is all there is. */
  shared: boolean;
  /** Whether the "GPU" is the processor. */
  onCpu: boolean;
}

const GIB = 2 ** 30;

/** Figures of `navigator.deviceMemory` that mean "this or more": the bound it had for years, and the present one. */
const BOUNDS: readonly number[] = [8, 32];

/** Makers whose GPUs have no memory of their own. */
const SHARING = /^(apple|arm|qualcomm|imagination|samsung)/i;

/** What is read of an adapter; older browsers lack parts of it. */
export interface AdapterFacts {
  limits: { maxStorageBufferBindingSize: number; maxBufferSize: number };
  info?: { vendor?: string; architecture?: string; description?: string; isFallbackAdapter?: boolean };
}

/**
 * @param reported `navigator.deviceMemory`, in GiB
 * @param mobile whether this is a phone or a tablet, which share their memory with the GPU
 */
export function deviceOf(
  { limits, info }: AdapterFacts,
  reported: number | undefined,
  mobile: boolean,
): Device {
  const { maxStorageBufferBindingSize, maxBufferSize } = limits;
  const named = info?.description || [info?.vendor, info?.architecture].filter(Boolean).join(" ");
  return {
    gpu: named || "",
    maxBinding: Math.min(maxStorageBufferBindingSize, maxBufferSize),
    maxBuffer: maxBufferSize,
    memory: reported === undefined ? undefined : reported * GIB,
    atLeast: reported !== undefined && BOUNDS.includes(reported),
    shared: mobile || SHARING.test(info?.vendor ?? ""),
    onCpu: info?.isFallbackAdapter === true || info?.architecture === "swiftshader",
  };
}
