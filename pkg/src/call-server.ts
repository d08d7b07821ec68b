import type { Call, CallMap, Port, Reply, Request } from "./channel.js";
import { errorToPlain } from "./errors.js";

/** Answers a call; `signal` fires when the caller gives up. */
export type Answer<C extends CallMap<C>, P> = (
  call: Call<C>,
  signal: AbortSignal,
  onProgress: (progress: P) => void,
) => Promise<C[keyof C]["result"]>;

/** The Worker's half of a channel: answers the calls that come through a port. Returns what sends notices. */
export function serveCalls<C extends CallMap<C>, P, N = never>(
  port: Port,
  answer: Answer<C, P>,
): (notice: N) => void {
  const aborts = new Map<number, AbortController>();
  const post = (reply: Reply<C, P, N>, transfer: Transferable[] = []): void =>
    port.postMessage(reply, transfer);

  const serve = async (call: Call<C>): Promise<void> => {
    const { id } = call;
    const abort = new AbortController();
    aborts.set(id, abort);
    try {
      const value = await answer(call, abort.signal, (progress) => post({ type: "progress", id, progress }));
      post({ type: "result", id, value }, transferables(value));
    } catch (thrown) {
      post({ type: "error", id, error: errorToPlain(thrown) });
    } finally {
      aborts.delete(id);
    }
  };
  port.addEventListener("message", (event: MessageEvent<Request<C>>) => {
    const request = event.data;
    if (request.type === "abort") aborts.get(request.id)?.abort();
    else void serve(request);
  });
  return (notice) => post({ type: "notice", notice });
}

/** The buffers of a result's large arrays: moved to the page instead of copied. */
function transferables(value: unknown): Transferable[] {
  if (typeof value !== "object" || value === null) return [];
  const arrays = ArrayBuffer.isView(value) ? [value] : Object.values(value).filter(ArrayBuffer.isView);
  const buffers = arrays
    // A view of part of a buffer (of wasm's memory, say) must be copied: moving takes the whole buffer.
    .filter((array) => array.byteLength === array.buffer.byteLength && array.byteLength > 0)
    .map((array) => array.buffer)
    .filter((buffer) => buffer instanceof ArrayBuffer);
  return [...new Set(buffers)];
}
