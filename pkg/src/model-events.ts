import type { LoopLMEventMap } from "./types.js";

/** A listener of one type of event. */
export type LoopLMListener<K extends keyof LoopLMEventMap> = (event: LoopLMEventMap[K]) => unknown;

/** An EventTarget that knows the types of its events. */
export class LoopLMEvents extends EventTarget {
  /** Calls the listener whenever an event of the type comes. */
  override addEventListener<K extends keyof LoopLMEventMap>(
    type: K,
    listener: LoopLMListener<K> | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  override addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  override addEventListener(
    type: string,
    // Either signature's: what a listener takes depends on the type.
    listener: unknown,
    options?: boolean | AddEventListenerOptions,
  ): void {
    super.addEventListener(type, listener as EventListener | null, options);
  }

  /** Calls it no longer. */
  override removeEventListener<K extends keyof LoopLMEventMap>(
    type: K,
    listener: LoopLMListener<K> | null,
    options?: boolean | EventListenerOptions,
  ): void;
  override removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
  override removeEventListener(
    type: string,
    listener: unknown,
    options?: boolean | EventListenerOptions,
  ): void {
    super.removeEventListener(type, listener as EventListener | null, options);
  }

  /** Tells the listeners. */
  protected tell<K extends keyof LoopLMEventMap>(type: K, detail: LoopLMEventMap[K]["detail"]): void {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
