import { LoopLM } from "looplm";
import { renderToString } from "preact-render-to-string";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { ask, clear, exchanges, filled, prompt, state, stop, waiting } from "../state/chat-run.ts";
import { open } from "../state/model.ts";
import { ChatPanel } from "./ChatPanel.tsx";

vi.mock("looplm", () => import("../testing/looplm-double.ts"));
vi.mock("../state/theme.ts", () => ({ theme: { value: "light" } }));

const html = () => renderToString(<ChatPanel />).replaceAll(/\s+/g, " ");
const submit = () => /<button type="submit"[^>]*>[^<]*/.exec(html())![0];
const status = () => /role="status">([^<]*)/.exec(html())![1];

beforeEach(async () => {
  const model = await LoopLM.load("chat");
  open.value = { source: { name: "m", from: "m" }, model, info: model.info, task: undefined };
  clear();
  prompt.value = "";
});

it("folds what was thought away, and says where it led to nothing", () => {
  exchanges.value = [
    { question: "2 + 2?", thought: "add", said: "4" },
    { question: "And 3?", thought: "add three and", said: "" },
  ];
  expect(html()).toMatch(/<summary>What it thought<\/summary><p class="message">add<\/p><\/details>.*4<\/p>/);
  expect(html().match(/goes on without this question/g)).toHaveLength(1);
});

describe("the panel", () => {
  it("has one button, which asks, and stops what was asked", async () => {
    expect(submit()).toBe('<button type="submit" class="primary" disabled>Ask');
    prompt.value = "Hi";
    expect(submit()).toBe('<button type="submit" class="primary">Ask');
    const answering = ask();
    expect(submit()).toBe('<button type="submit" class="secondary">Stop');
    stop();
    await answering;
    expect(state.value).toBe("done");
    expect(submit()).toContain("Ask");
  });

  it("keeps what was said in a box of its own, which the keyboard reaches", async () => {
    prompt.value = "Hi";
    const answering = ask();
    stop();
    await answering;
    const shown = html();
    expect(shown).toMatch(/class="transcript" tabindex="0" role="group" aria-label="Conversation"/);
    // Neither how it ended nor the form may scroll away with it.
    expect(shown).toMatch(/data-testid="answer"[^>]*><\/p><\/div><div>.*Stopped after.*<form/);
  });

  it("says what it waits for until the first word, in a place that is always there", async () => {
    expect(status()).toBe("");
    prompt.value = "Hi";
    const answering = ask();
    expect(status()).toBe("Reading your prompt …");
    waiting.value = "first-prompt";
    expect(status()).toContain("that happens once");
    await answering;
    expect(status()).toBe("");
    filled.value = true;
    expect(status()).toContain("Start over");
  });
});
