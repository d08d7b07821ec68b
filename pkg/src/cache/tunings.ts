import type { Tunings } from "../wasm/looplm.js";
import type { Storage } from "./store.js";

const FILE = "looplm-tunings.json";

/** Workgroups that were measured before; none where nothing is kept, or what is kept cannot be read. */
export async function readTunings(storage: Storage | undefined): Promise<Tunings> {
  try {
    const handle = await storage?.root.getFileHandle(FILE);
    const known: unknown = JSON.parse((await (await handle?.getFile())?.text()) ?? "{}");
    return typeof known === "object" && known !== null ? (known as Tunings) : {};
  } catch {
    // The first load, or a file cut short: measured again.
    return {};
  }
}

/** Keeps them where that is possible; elsewhere they are measured at every load. */
export async function keepTunings(storage: Storage | undefined, known: Tunings): Promise<void> {
  try {
    const handle = await storage?.root.getFileHandle(FILE, { create: true });
    const file = await handle?.createWritable();
    await file?.write(JSON.stringify(known));
    await file?.close();
  } catch {
    // No room: nothing is lost but a second.
  }
}
