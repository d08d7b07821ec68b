import { signal } from "@preact/signals";
import { type AdapterFacts, type Device, deviceOf } from "../../model/offers/device.ts";

/** What the browser tells of the machine; undefined until it was asked, and where it has no adapter. */
export const device = signal<Device | undefined>(undefined);

/** What of `navigator` not every browser has. */
interface Hints {
  gpu?: { requestAdapter(options: { powerPreference: string }): Promise<AdapterFacts | null> };
  deviceMemory?: number;
  userAgentData?: { mobile?: boolean };
}

/** Asks for an adapter, as the engine will, and lets go of it again. */
export async function lookAtDevice(): Promise<void> {
  if (device.value !== undefined) return;
  const { gpu, deviceMemory, userAgentData } = navigator as Hints;
  try {
    const adapter = await gpu?.requestAdapter({ powerPreference: "high-performance" });
    if (adapter) device.value = deviceOf(adapter, deviceMemory, userAgentData?.mobile ?? false);
  } catch {
    // No adapter: whoever loads a model is told why.
  }
}
