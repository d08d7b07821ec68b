/** Whether the page can be seen. */
export interface Tab {
  readonly hidden: boolean;
  addEventListener(type: "visibilitychange", listener: () => void, options: { signal: AbortSignal }): void;
}

/** The page's; where there is no page, as in a Worker, nothing is ever hidden. */
export function pageTab(): Tab {
  if (typeof document !== "undefined") return document;
  return { hidden: false, addEventListener: () => undefined };
}
