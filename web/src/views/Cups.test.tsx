import { renderToString } from "preact-render-to-string";
import { describe, expect, it } from "vitest";
import { TokenText } from "./Cups.tsx";

describe("TokenText", () => {
  it("puts the ball under cup 2, wherever it stands", () => {
    expect(renderToString(<TokenText text="312" />)).toBe(
      '<span class="digits"><span>3</span><span>1</span><span class="has-ball">2</span></span>',
    );
    expect(renderToString(<TokenText text="loop" />)).toBe("loop");
  });
});
