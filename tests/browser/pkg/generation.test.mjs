// Generating in a real browser through the built package: streaming, stopping, several at once, limits.
// What load() below leaves in the page.
/* global collect */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { thrownBy, usePage } from "./browser.mjs";

const tab = usePage();

for (const worker of [true, false]) {
  describe(worker ? "in a Worker" : "in the page", () => {
    /** Leaves a model in the page as `model`. */
    async function load(url, options = {}) {
      await tab.page.evaluate(
        async ([url, options]) => {
          const { LoopLM } = await import("/looplm/index.js");
          await globalThis.model?.dispose();
          globalThis.model = await LoopLM.load(url, options);
          globalThis.collect = async (stream) => {
            const tokens = [];
            for await (const token of stream) tokens.push(token);
            return tokens;
          };
        },
        [url, { worker, ...options }],
      );
    }

    test("a prompt that begins as an answer did goes on there", async () => {
      await load("/models/who-is-who/");
      const [first, second, anew] = await tab.page.evaluate(async () => {
        const options = { maxNewTokens: 8, temperature: 0, verify: false };
        const finish = async (prompt, cachePrompt) => {
          const stream = model.generate(prompt, { ...options, cachePrompt });
          const ids = (await collect(stream)).map(({ id }) => id);
          return { ids, ...(await stream.finished) };
        };
        const prompt = [...(await model.tokenize("about alice :"))];
        while (prompt.length < 18) prompt.push(...prompt.slice(1, 5));
        const first = await finish(prompt, true);
        const next = [...prompt, ...first.ids, ...prompt.slice(0, 9)];
        return [first, await finish(next, true), await finish(next, false)];
      });
      assert.equal(first.cachedTokens, 0);
      // The last token of an answer has taken no step.
      assert.equal(second.cachedTokens, first.promptTokens + first.newTokens - 1);
      assert.equal(anew.cachedTokens, 0);
      assert.equal(anew.rowSteps - second.rowSteps, 4 * second.cachedTokens);
      assert.deepEqual(second.ids, anew.ids);
    });

    test("tokens carry text, position and every step; the finish adds up", async () => {
      await load("/models/shell-game/");
      const { tokens, finish, prompt } = await tab.page.evaluate(async () => {
        const stream = model.generate("swap12 left", {
          maxNewTokens: 3,
          trace: { topK: 2 },
          exit: { gate: 0.5 },
        });
        const tokens = await collect(stream);
        return { tokens, finish: await stream.finished, prompt: [...(await model.tokenize("swap12 left"))] };
      });
      assert.equal(finish.promptTokens, prompt.length);
      assert.equal(finish.newTokens, tokens.length);
      assert.ok(finish.seconds > 0 && finish.kvBytes > 0);
      const decoded = tokens.slice(1).reduce((steps, { exitStep }) => steps + exitStep, 0);
      assert.equal(finish.prefillPasses, 4);
      assert.ok(finish.passes >= 4 + decoded && finish.rowSteps >= 4 * prompt.length + decoded);
      assert.deepEqual([finish.accepted, finish.discarded, finish.drafts, finish.timeline], [0, 0, [], []]);
      tokens.forEach((token, i) => {
        assert.equal(token.position, prompt.length + i);
        assert.ok(token.exitStep >= 1 && token.exitStep <= 4);
        // The prompt takes all steps, and the first token is read from them; the others take what they need.
        assert.equal(token.steps.length, i === 0 ? 4 : token.exitStep);
        const sum = token.exitPdf.reduce((sum, p) => sum + p, 0);
        assert.ok(token.steps.length === 4 ? Math.abs(sum - 1) < 1e-5 : sum >= 0.5 && sum < 1, `${sum}`);
        assert.deepEqual([token.draftStep, token.drafts], [undefined, []]);
        assert.deepEqual(
          token.steps.map(({ probability }) => probability),
          token.exitPdf,
        );
        for (const { lambda, entropy, change, top } of token.steps) {
          assert.ok(lambda >= 0 && lambda <= 1 && entropy >= 0 && change > 0);
          assert.equal(top.length, 2);
          assert.ok(top[0].probability >= top[1].probability && top[0].text !== "");
        }
        // Greedy: the token is the exit step's best.
        assert.equal(token.id, token.steps[token.exitStep - 1].top[0].id);
      });
    });

    test("forward answers at every position, and the trace is of the same logits", async () => {
      const { result, ids } = await tab.page.evaluate(async () => {
        const ids = await model.tokenize("swap12 left swap23");
        const result = await model.forward(ids, { trace: { topK: 3 }, logits: true, gate: 0.5 });
        return { ids: [...ids], result: { ...result, logits: [...result.logits], ids: [...result.ids] } };
      });
      const [T, M, V] = [4, ids.length, 14];
      assert.deepEqual(result.ids, ids);
      assert.equal(result.positions.length, M);
      for (let t = 0; t < T; t++) {
        for (let m = 0; m < M; m++) {
          const logits = result.logits.slice((t * M + m) * V, (t * M + m + 1) * V);
          const best = logits.indexOf(Math.max(...logits));
          const share = 1 / logits.reduce((sum, x) => sum + Math.exp(x - logits[best]), 0);
          const { top } = result.positions[m].steps[t];
          assert.equal(top[0].id, best);
          assert.ok(Math.abs(top[0].probability - share) < 1e-3, `${top[0].probability} is not ${share}`);
        }
      }
    });

    test("text goes to ids and back", async () => {
      const { text, one } = await tab.page.evaluate(async () => {
        const ids = await model.tokenize("swap12 left right", { addSpecialTokens: false });
        return { text: await model.detokenize(ids), one: await model.tokenText(ids[1]) };
      });
      assert.equal(text, "swap12 left right");
      assert.equal(one, "left");
    });

    test("a seed gives the same text again; another gives another", async () => {
      const texts = await tab.page.evaluate(async () => {
        const texts = [];
        for (const seed of [1, 1, 2, 3]) {
          const options = { maxNewTokens: 24, temperature: 2, seed };
          texts.push((await collect(model.generate("stay", options))).map(({ id }) => id).join());
        }
        return texts;
      });
      assert.equal(texts[0], texts[1]);
      assert.ok(new Set(texts).size >= 2, texts.join(" | "));
    });

    test("two generations and a forward at once are as each alone", async () => {
      await load("/fixtures/f32-mha/model");
      const { alone, together } = await tab.page.evaluate(async () => {
        const runs = [
          async () => (await collect(model.generate([1, 2, 3], { maxNewTokens: 20 }))).map(({ id }) => id),
          async () => {
            const options = { maxNewTokens: 20, temperature: 1.5, seed: 5, steps: 3, exit: { gate: 0.6 } };
            return (await collect(model.generate([30, 4], options))).map(({ id, exitStep }) => [
              id,
              exitStep,
            ]);
          },
          async () => [...(await model.forward([7, 8, 9, 10, 11])).exitPdf],
        ];
        const alone = [];
        for (const run of runs) alone.push(await run());
        return { alone, together: await Promise.all(runs.map((run) => run())) };
      });
      assert.deepEqual(together, alone);
    });

    test("a verified answer is that of full depth, greedy and sampled, however wrong the guesses", async () => {
      const runs = await tab.page.evaluate(async () => {
        const runs = [];
        for (const sampling of [{}, { temperature: 1.2, seed: 7 }]) {
          const options = { maxNewTokens: 30, ...sampling };
          const ids = async (more) =>
            (await collect(model.generate([1, 2, 3], { ...options, ...more }))).map(({ id }) => id);
          const plain = await ids({ verify: false });
          const auto = await ids({});
          const on = await ids({ verify: true, exit: { confidence: 0.1 } });
          const stream = model.generate([1, 2, 3], {
            ...options,
            verify: "always",
            exit: { step: 1 },
            timeline: true,
          });
          const always = await collect(stream);
          runs.push({ plain, auto, on, always, finish: await stream.finished });
        }
        return runs;
      });
      for (const { plain, auto, on, always, finish } of runs) {
        assert.equal(plain.length, 30);
        assert.deepEqual(auto, plain);
        assert.deepEqual(on, plain);
        assert.deepEqual(
          always.map(({ id }) => id),
          plain,
        );
        for (const { steps, exitStep, draftStep = 4 } of always) {
          assert.deepEqual([steps.length, exitStep], [4, draftStep]);
        }
        const right = always.filter(({ draftStep }) => draftStep === 1).length;
        const [{ step, drafted, accepted }, ...others] = finish.drafts;
        // The first token comes of the prompt, and is not guessed.
        assert.deepEqual([step, drafted, accepted, others], [1, 29, right, []]);
        assert.equal(finish.accepted, right);
        assert.ok(
          right < drafted && finish.discarded > 0,
          `${right} right, ${finish.discarded} rows discarded`,
        );
        assert.equal(finish.timeline.length, finish.passes - finish.prefillPasses);
        assert.ok(finish.timeline.some(({ rows }) => rows.length > 1));
        assert.ok(finish.timeline.some(({ discardedFrom }) => discardedFrom > 3));
        for (const { rows } of finish.timeline) {
          for (const { position, step } of rows) assert.ok(position >= 3 && step >= 1 && step <= 4);
        }
      }
    });

    test("two answers at once, one of them verified, are as one after the other", async () => {
      const { alone, together } = await tab.page.evaluate(async () => {
        const run = async (prompt, options) => {
          const tokens = await collect(model.generate(prompt, { maxNewTokens: 20, ...options }));
          return tokens.map(({ id, exitStep }) => [id, exitStep]);
        };
        const runs = [
          () => run([1, 2, 3], { temperature: 1.5, seed: 5, verify: "always", exit: { gate: 0.55 } }),
          () => run([30, 4], { exit: { hidden: 0.7 }, kv: "last-exited" }),
        ];
        return {
          alone: [await runs[0](), await runs[1]()],
          together: await Promise.all(runs.map((run) => run())),
        };
      });
      assert.deepEqual(together, alone);
    });

    test("an early exit that is final computes fewer rows, and holds fewer keys and values", async () => {
      const { full, early, shared, exitSteps } = await tab.page.evaluate(async () => {
        const run = async (options) => {
          const stream = model.generate([29, 9, 29, 30, 30, 3], { maxNewTokens: 20, ...options });
          const tokens = await collect(stream);
          return { finish: await stream.finished, exitSteps: tokens.map(({ exitStep }) => exitStep) };
        };
        const { finish: full } = await run({ verify: false });
        const { finish: early, exitSteps } = await run({ kv: "last-exited", exit: { gate: 0.55 } });
        return { full, early, exitSteps, shared: (await run({ kv: "last" })).finish };
      });
      const decoded = exitSteps.slice(1).reduce((sum, step) => sum + step, 0);
      assert.ok(Math.min(...exitSteps) < 4, exitSteps.join());
      assert.equal(full.rowSteps, 4 * 6 + 4 * 19);
      assert.equal(early.rowSteps, 4 * 6 + decoded);
      assert.equal(early.passes, early.prefillPasses + decoded);
      assert.ok(early.rowSteps < full.rowSteps && early.kvBytes < full.kvBytes);
      assert.ok(shared.kvBytes < full.kvBytes / 3, `${shared.kvBytes} of ${full.kvBytes} bytes`);
    });

    test("answers for which there is no room wait, and one too large alone says so", async () => {
      // 2 layers, keys and values of 4 heads, each 8 wide in memory, f16: room for 40 tokens of 4 steps.
      await load("/fixtures/f32-mha/model", { kvBytes: 2 * 2 * 4 * 8 * 2 * 4 * 40 });
      const lengths = await tab.page.evaluate(async () => {
        const run = async () => (await collect(model.generate([1, 2, 3], { maxNewTokens: 20 }))).length;
        return Promise.all([run(), run(), run()]);
      });
      assert.deepEqual(lengths, [20, 20, 20]);
      const error = await thrownBy(tab.page, () => collect(model.generate([1], { maxNewTokens: 100 })));
      assert.deepEqual([error.code, error.details.limit], ["context-full", 40]);
      await load("/fixtures/f32-mha/model");
    });

    test("a signal stops within one pass", async () => {
      const { error, finish, before, afterwards } = await tab.page.evaluate(async () => {
        const abort = new AbortController();
        const stream = model.generate([1, 2, 3], { maxNewTokens: 200, signal: abort.signal });
        let [error, tokens, before] = [undefined, 0, 0];
        try {
          for await (const token of stream) {
            tokens++;
            if (token.position !== 5) continue;
            // While the next token's passes run.
            setTimeout(() => {
              before = tokens;
              abort.abort();
            }, 0);
          }
        } catch ({ name, code }) {
          error = { name, code };
        }
        const afterwards = await collect(model.generate([1, 2, 3], { maxNewTokens: 2 }));
        return { error, finish: await stream.finished, before, afterwards };
      });
      assert.deepEqual(error, { name: "AbortError", code: "aborted" });
      assert.equal(finish.reason, "aborted");
      // The token on its way when the signal fired may still have been finished, and not one more.
      assert.ok(before >= 3 && before < 20, `${before} tokens before the signal`);
      assert.ok(
        finish.newTokens >= before && finish.newTokens <= before + 1,
        `${finish.newTokens} tokens, ${before} of them before the signal`,
      );
      assert.equal(afterwards.length, 2);
    });

    test("a signal stops the prefill of a long prompt", async () => {
      await load("/fixtures/f32-mha/model", { maxRows: 4 });
      const { code, waited, whole, passes } = await tab.page.evaluate(async () => {
        const prompt = Array.from({ length: 200 }, (_, i) => i % 48);
        const time = async (signal) => {
          const start = performance.now();
          const stream = model.generate(prompt, { maxNewTokens: 1, signal });
          const error = await collect(stream).catch((error) => error);
          return {
            took: performance.now() - start,
            code: error.code,
            passes: (await stream.finished).passes,
          };
        };
        // The first compiles kernels.
        await time();
        const whole = await time();
        const stopped = await time(AbortSignal.timeout(whole.took / 10));
        return { code: stopped.code, waited: stopped.took, whole: whole.took, passes: stopped.passes };
      });
      assert.equal(code, "aborted");
      assert.ok(passes < 100, `${passes} of 200 passes`);
      assert.ok(waited < whole / 2, `${waited} ms of ${whole}`);
    });

    test("leaving the loop ends it, and the model goes on", async () => {
      const { finish, again } = await tab.page.evaluate(async () => {
        const stream = model.generate([1, 2, 3], { maxNewTokens: 200 });
        for await (const token of stream) if (token.position === 4) break;
        return {
          finish: await stream.finished,
          again: (await collect(model.generate([1], { maxNewTokens: 3 }))).length,
        };
      });
      assert.equal(finish.reason, "aborted");
      assert.equal(finish.newTokens, 2);
      assert.equal(again, 3);
    });

    test("many left generations do not fill the memory of a short context", async () => {
      await tab.page.evaluate(async () => {
        for (let i = 0; i < 40; i++) {
          const stream = model.generate([1, 2, 3, 4, 5, 6, 7, 8]);
          await stream.next();
          await stream.return();
        }
      });
    });

    test("64 generations run at once: one more waits, and forward is told that there is no place", async () => {
      const { busy, waited, forward } = await tab.page.evaluate(async () => {
        const streams = Array.from({ length: 64 }, (_, i) =>
          model.generate([1 + (i % 40)], { maxNewTokens: 100, steps: 1 }),
        );
        for (const stream of streams) await stream.next();
        const { name, code, details } = await model.forward([1]).catch((error) => error);
        const more = collect(model.generate([1], { maxNewTokens: 2 }));
        await streams[0].return();
        const waited = (await more).length;
        const { steps: forward } = await model.forward([1]);
        for (const stream of streams) await stream.return();
        return { busy: { name, code, offered: details?.offered }, waited, forward };
      });
      assert.deepEqual(busy, { name: "BusyError", code: "busy", offered: 64 });
      assert.equal(waited, 2);
      assert.equal(forward, 4);
    });

    test("a full context is an error that says how much there is", async () => {
      await load("/fixtures/f32-mha/model", { contextLength: 12 });
      const { tokens, error } = await tab.page.evaluate(async () => {
        let tokens = 0;
        const stream = model.generate([1, 2, 3], { maxNewTokens: 100 });
        try {
          while (!(await stream.next()).done) tokens++;
        } catch ({ name, code, details }) {
          return { tokens, error: { name, code, details } };
        }
        return { tokens };
      });
      assert.equal(error?.code, "context-full");
      assert.equal(error.name, "ContextFullError");
      assert.equal(error.details.limit, 12);
      assert.ok(tokens <= 10, `${tokens} tokens in a context of 12`);
      const long = await thrownBy(tab.page, () => collect(model.generate(Array(13).fill(1))));
      assert.equal(long.code, "context-full");
      const forward = await thrownBy(tab.page, () => model.forward(Array(13).fill(1)));
      assert.equal(forward.code, "context-full");
    });

    test("without a tokenizer or a chat template, what needs one says so", async () => {
      const text = await thrownBy(tab.page, () => collect(model.generate("text")));
      assert.equal(text.code, "tokenizer-missing");
      const tokenize = await thrownBy(tab.page, () => model.tokenize("text"));
      assert.equal(tokenize.name, "TokenizerError");
      await load("/models/shell-game/");
      const chat = await thrownBy(tab.page, () => collect(model.chat([{ role: "user", content: "left" }])));
      assert.equal(chat.code, "chat-template-missing");
    });

    test("dispose ends what runs", async () => {
      const codes = await tab.page.evaluate(async () => {
        const stream = model.generate("left", { maxNewTokens: 1000 });
        await stream.next();
        const running = [stream.next(), model.forward("left right")];
        const ended = running.map((call) => call.then(() => "finished").catch(({ code }) => code));
        await model.dispose();
        await model.dispose();
        const after = await model.tokenize("left").catch(({ code }) => code);
        return [...(await Promise.all(ended)), after];
      });
      assert.equal(codes[0], "disposed");
      assert.equal(codes[2], "disposed");
      // The forward may have been done just before.
      assert.ok(["disposed", "finished"].includes(codes[1]));
    });
  });
}
