import { DeviceLostError, type ErrorCode, type LoopLMError } from "../errors.js";
import type { RestoreBudget } from "./budget.js";

/** Failures of a load that another try may not meet: a GPU that is coming back has little to give at first. */
const PASSING: readonly ErrorCode[] = [
  "device-lost",
  "webgpu-unavailable",
  "out-of-memory",
  "network",
  "internal",
];

export function mayPass({ code }: LoopLMError): boolean {
  return PASSING.includes(code);
}

/** While the model comes back. */
export function lostError(reason: string): DeviceLostError {
  return deviceLost(`the GPU device was lost (${reason}); the model is being loaded again`, reason);
}

/** When it does not come back. */
export function finalError(reason: string, budget: RestoreBudget, cause?: LoopLMError): DeviceLostError {
  const { most, within } = budget.limits;
  if (most === 0) return deviceLost(`the GPU device was lost (${reason}); load the model again`, reason);
  const why =
    cause !== undefined && !mayPass(cause)
      ? `the model cannot be restored: ${cause.message}`
      : `the model was loaded again ${budget.spent} times within ${within / 60_000} minutes, and is not any more${cause === undefined ? "" : ` (${cause.message})`}. Load it again when the GPU is well`;
  return deviceLost(`the GPU device was lost (${reason}), and ${why}`, reason, cause);
}

/** Of a call that met two losses. */
export function againError(reason: string): DeviceLostError {
  return deviceLost(
    `the GPU device was lost twice under this call (${reason}): it may be too much for it`,
    reason,
  );
}

function deviceLost(message: string, reason: string, cause?: LoopLMError): DeviceLostError {
  return new DeviceLostError("device-lost", message, { reason }, { cause });
}
