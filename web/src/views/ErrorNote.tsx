import type { ComponentChildren } from "preact";
import type { Explanation } from "../model/errors.ts";

/** An error in plain words, the engine's own below for whoever reports it. */
export function ErrorNote({ error, children }: { error: Explanation; children?: ComponentChildren }) {
  return (
    <div class="error" role="alert" data-code={error.code}>
      <p class="error-title">{error.title}</p>
      <p>{error.advice}</p>
      {children}
      <details>
        <summary>The engine’s words</summary>
        <p class="mono">
          {error.code}: {error.message}
        </p>
      </details>
    </div>
  );
}
