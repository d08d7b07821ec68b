import type { PlainError } from "./errors.js";

/** Calls by name: what goes there and what comes back. */
export type CallMap<C> = { [N in keyof C]: { args: object; result: unknown } };

/** One call, of any name. */
export type Call<C extends CallMap<C>> = {
  [N in keyof C]: { type: "call"; id: number; name: N; args: C[N]["args"] };
}[keyof C];

/** Page to Worker. `id` is the caller's; every call is answered once, by `result` or `error`. */
export type Request<C extends CallMap<C>> =
  | Call<C>
  /** The signal of call `id` fired. The call still gets its answer. */
  | { type: "abort"; id: number };

/** Worker to page. */
export type Reply<C extends CallMap<C>, P, N = never> =
  | { type: "result"; id: number; value: C[keyof C]["result"] }
  | { type: "error"; id: number; error: PlainError }
  /** While call `id` runs. */
  | { type: "progress"; id: number; progress: P }
  /** At any time, and of no call. */
  | { type: "notice"; notice: N };

/** The end of a channel: a Worker, a Worker's own scope, or a MessagePort. */
export interface Port {
  postMessage(message: unknown, transfer: Transferable[]): void;
  addEventListener(type: "message", listener: (event: MessageEvent) => void): void;
}

/** What the page needs of a Worker; tests put a MessageChannel there. */
export interface WorkerLike extends Port {
  addEventListener(type: "message", listener: (event: MessageEvent) => void): void;
  addEventListener(type: "error", listener: (event: ErrorEvent) => void): void;
  addEventListener(type: "messageerror", listener: (event: MessageEvent) => void): void;
  terminate(): void;
}
