import { LoopLM, type ModelInfo } from "looplm";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { lossWords } from "../views/ReplaceDialog.tsx";
import { question } from "./chat-run.ts";
import { FIRST, open, type Source } from "./model.ts";
import { answerWaiting, openInstead, waiting } from "./replacing.ts";

vi.mock("looplm", () => ({ LoopLM: { load: vi.fn() } }));

const load = vi.mocked(LoopLM.load);
const MIB = 2 ** 20;
const MINE: Source = { name: "mine", from: "https://models.test/mine/" };
const next: Source = { name: "next", from: "https://models.test/next/" };
const info = (weights: number, chatTemplate: boolean) =>
  ({ architecture: { steps: 4 }, memory: { weights }, tokenizer: { chatTemplate }, task: null }) as ModelInfo;
const model = (weights = 1, chatTemplate = false) =>
  ({ info: info(weights, chatTemplate), dispose: () => Promise.resolve() }) as unknown as LoopLM;

/** Has a model open. */
function has(weights: number, { chats = false, source = MINE } = {}) {
  const opened = model(weights, chats);
  open.value = { source, model: opened, info: opened.info, task: undefined };
}

beforeEach(() => void load.mockImplementation(() => Promise.resolve(model())));
afterEach(() => {
  vi.resetAllMocks();
  open.value = undefined;
  question.value = "";
  waiting.value = undefined;
});

it.each<[string, () => void]>([
  ["none is open", () => undefined],
  ["the open one is soon there again", () => has(50 * MIB)],
  ["nothing was said to it", () => has(50 * MIB, { chats: true })],
  ["the open one comes with the page", () => has(200 * MIB, { source: FIRST })],
])("opens a model at once where %s", async (_, given) => {
  given();
  await openInstead(next);
  expect(open.value?.source).toBe(next);
  expect(waiting.value).toBeUndefined();
});

it("asks before a conversation is lost, and opens only if that is wanted", async () => {
  has(50 * MIB, { chats: true });
  question.value = "Hi";
  await openInstead(next);
  expect(waiting.value).toMatchObject({ name: "mine", conversation: true, atOnce: false, source: next });
  expect(lossWords(waiting.value!, "next")).toBe(
    "Opening next closes mine, and your conversation with it is lost. It stays in use until the other is ready.",
  );
  await answerWaiting(false);
  expect(waiting.value).toBeUndefined();
  expect(load).not.toHaveBeenCalled();
  await openInstead(next);
  await answerWaiting(true);
  expect(open.value?.source).toBe(next);
});

it("asks before a large model is closed, and says that none is open if loading is cancelled", async () => {
  has(600 * MIB);
  await openInstead({ ...open.value!.source, held: { format: "q8", kv: "f16", context: 512 } });
  expect(waiting.value).toMatchObject({ conversation: false, atOnce: true, anew: true });
  expect(lossWords(waiting.value!, "mine")).toMatch(/^To hold mine in another way, .* no model is open\.$/);
  expect(open.value?.source.name).toBe("mine");
});
