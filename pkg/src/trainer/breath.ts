/**
 * Turns of the event loop, so that messages get in between two updates. By message and not by timer: timers wait 4 ms when
 * nested, and a second in a hidden tab.
 */
export class Breath {
  readonly #channel = new MessageChannel();
  #waiting: (() => void)[] = [];

  constructor() {
    this.#channel.port1.onmessage = () => {
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const go of waiting) go();
    };
  }

  /** Resolves in a later turn. */
  take(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#channel.port2.postMessage(undefined);
    });
  }

  close(): void {
    this.#channel.port1.close();
  }
}
