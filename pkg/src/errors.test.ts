import { expect, test } from "vitest";
import {
  AbortedError,
  AdapterTooSmallError,
  errorFromPlain,
  errorToPlain,
  InternalError,
  LoopLMError,
  TokenizerError,
  toLoopLMError,
} from "./errors.js";
import { wasmError } from "./testing/fake-wasm.js";

test("an error crosses a message channel with class, code, details and where it came from", () => {
  const thrown = wasmError("adapter-too-small", "too small", {
    limit: "maxBufferSize",
    needed: 2,
    offered: 1,
  });
  const error = errorFromPlain(structuredClone(errorToPlain(thrown)));
  expect(error).toBeInstanceOf(AdapterTooSmallError);
  expect(error).toBeInstanceOf(LoopLMError);
  expect(error).toMatchObject({
    name: "AdapterTooSmallError",
    code: "adapter-too-small",
    message: "too small",
    details: { limit: "maxBufferSize", needed: 2, offered: 1 },
  });
  expect(String(error.cause)).toContain("too small");
});

test("families share a class", () => {
  for (const code of ["tokenizer-invalid", "tokenizer-missing", "chat-template-missing"]) {
    expect(toLoopLMError(wasmError(code, "m"))).toBeInstanceOf(TokenizerError);
  }
});

test("the platform's AbortError is ours too", () => {
  const error = toLoopLMError(new DOMException("stop", "AbortError"));
  expect(error).toBeInstanceOf(AbortedError);
  expect(error.name).toBe("AbortError");
});

test.each([[new RangeError("deep")], ["deep"], [wasmError("toString", "deep")], [{ message: "deep" }]])(
  "anything else is internal: %s",
  (thrown) => {
    const error = toLoopLMError(thrown);
    expect(error).toBeInstanceOf(InternalError);
    expect(error.message).toContain("deep");
    expect(error.cause).toBe(thrown);
  },
);

test("null and undefined are errors too", () => {
  expect(toLoopLMError(undefined).message).toContain("undefined");
  expect(toLoopLMError(null).code).toBe("internal");
});
