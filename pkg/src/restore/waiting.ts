import { abortedError } from "../errors.js";

/** The promise's result, or a rejection as soon as the signal fires. */
export function orAborted<R>(promise: Promise<R>, signal: AbortSignal, what = "the call"): Promise<R> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(abortedError(what));
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** So many milliseconds, or a rejection as soon as the signal fires. */
export function delay(milliseconds: number, signal: AbortSignal): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  return orAborted(over, signal).finally(() => clearTimeout(timer));
}
