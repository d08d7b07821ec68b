import type { Port, WorkerLike } from "../channel.js";

/** A Worker whose other end is in this thread, behind a real message channel (and so real structured cloning). */
export class FakeWorker implements WorkerLike {
  terminated = false;
  readonly #events = new EventTarget();
  readonly #port: MessagePort;

  /** `serve` is what the Worker's script does with its end. */
  constructor(serve: (port: Port) => void) {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    port1.addEventListener("message", (event) => {
      if (!this.terminated)
        this.#events.dispatchEvent(new MessageEvent("message", { data: event.data as unknown }));
    });
    serve(port2);
    port1.start();
    port2.start();
  }

  addEventListener(type: string, listener: (event: never) => void): void {
    this.#events.addEventListener(type, listener as (event: Event) => void);
  }

  postMessage(message: unknown, transfer: Transferable[]): void {
    if (!this.terminated) this.#port.postMessage(message, transfer);
  }

  terminate(): void {
    this.terminated = true;
    this.#port.close();
  }

  /** As a Worker does on an exception nobody caught, or (without a message) when its script cannot be loaded. */
  crash(message = ""): void {
    this.#events.dispatchEvent(Object.assign(new Event("error"), { message }));
  }
}
