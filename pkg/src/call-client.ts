import type { Call, CallMap, Reply, Request, WorkerLike } from "./channel.js";
import { abortedError, createError, errorFromPlain, toLoopLMError, type LoopLMError } from "./errors.js";

interface PendingCall<P> {
  resolve: (value: never) => void;
  reject: (error: LoopLMError) => void;
  onProgress: ((progress: P) => void) | undefined;
}

/** How long a Worker may take to put its things away before it is ended anyway, in milliseconds. */
const PATIENCE = 10_000;

const WHERE =
  "Say where the package's worker.js is, with all that it imports, with the option workerUrl; or pass worker: false";

/** The page's half of a channel to a Worker: calls that are answered, and notices that come by themselves. */
export class CallClient<C extends CallMap<C>, P, N = never> {
  readonly #worker: WorkerLike;
  readonly #onNotice: (notice: N) => void;
  readonly #pending = new Map<number, PendingCall<P>>();
  #nextId = 1;
  #ended: LoopLMError | undefined;

  constructor(worker: WorkerLike, onNotice: (notice: N) => void = () => undefined) {
    this.#worker = worker;
    this.#onNotice = onNotice;
    worker.addEventListener("message", (event: MessageEvent<Reply<C, P, N>>) => this.#receive(event.data));
    worker.addEventListener("error", (event) => {
      // Without a message it is the script itself that could not be loaded.
      const why = event.message
        ? `the Worker failed: ${event.message}`
        : `the Worker's script could not be loaded. ${WHERE}`;
      this.#end(createError("internal", why, { where: "worker" }));
    });
    worker.addEventListener("messageerror", () => {
      this.#end(createError("internal", "a message of the Worker could not be read", { where: "worker" }));
    });
  }

  /** One call, answered by the Worker. The signal asks it to stop early; its answer still comes. */
  call<K extends keyof C>(
    name: K,
    args: C[K]["args"],
    signal?: AbortSignal,
    onProgress?: (progress: P) => void,
  ): Promise<C[K]["result"]> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    // A message after the call would come too late: the Worker has begun by then.
    if (signal?.aborted) return Promise.reject(abortedError(String(name)));
    const id = this.#nextId++;
    const abort = (): void => this.#post({ type: "abort", id });
    const answer = new Promise<C[K]["result"]>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, onProgress });
    });
    try {
      // The name and its arguments belong together by this method's own type.
      this.#post({ type: "call", id, name, args } as Call<C>);
    } catch (thrown) {
      // Something in the arguments cannot be cloned.
      this.#pending.get(id)?.reject(toLoopLMError(thrown));
      this.#pending.delete(id);
      return answer;
    }
    signal?.addEventListener("abort", abort);
    return answer.finally(() => signal?.removeEventListener("abort", abort));
  }

  /** Ends the Worker when `putAway` has been answered, or has taken too long; calls then reject with `error`. */
  async end(putAway: () => Promise<unknown>, error: LoopLMError): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, PATIENCE);
    });
    // Ending the Worker frees its GPU device whatever happened before, so an error here is of no use to anyone.
    const asked = this.#ended === undefined ? putAway().catch(() => undefined) : undefined;
    await Promise.race([asked, patience]);
    clearTimeout(timer);
    this.#end(error);
  }

  #receive(reply: Reply<C, P, N>): void {
    if (reply.type === "notice") {
      this.#onNotice(reply.notice);
      return;
    }
    const call = this.#pending.get(reply.id);
    if (call === undefined) return;
    switch (reply.type) {
      case "progress":
        call.onProgress?.(reply.progress);
        return;
      case "result":
        call.resolve(reply.value as never);
        break;
      case "error":
        call.reject(errorFromPlain(reply.error));
        break;
    }
    this.#pending.delete(reply.id);
  }

  #post(request: Request<C>): void {
    this.#worker.postMessage(request, []);
  }

  /** After this every call, open or new, rejects with `error`. */
  #end(error: LoopLMError): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    this.#worker.terminate();
    for (const call of this.#pending.values()) call.reject(error);
    this.#pending.clear();
  }
}

/** Why `new Worker(...)` threw. */
export function workerNotStarted(cause: unknown): LoopLMError {
  const message = `the Worker could not be started: ${String(cause)}. ${WHERE}`;
  return createError("internal", message, { where: "worker" }, { cause });
}
