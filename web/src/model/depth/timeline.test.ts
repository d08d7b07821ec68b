import type { PassTrace } from "looplm";
import { describe, expect, it } from "vitest";
import { MOST_PASSES, passWords, type Said, takenBack, timelineOf, timelineSentence } from "./timeline.ts";

const pass = (rows: [position: number, step: number][], discardedFrom?: number): PassTrace => ({
  rows: rows.map(([position, step]) => ({ position, step })),
  ...(discardedFrom === undefined ? {} : { discardedFrom }),
});
const TEXTS = new Map([
  [7, "cat"],
  [8, "dog"],
]);
const textOf = (id: number) => TEXTS.get(id);
const said = (position: number, label: string, drafts: number[] = []): Said => ({
  ...{ id: 0, position, label, drafts },
});

/** Two steps. The token at 5 guesses "cat" after step 1, and is wrong: it is "dog". */
const WRONG = [pass([[5, 1]]), pass([[5, 2], [6, 1]], 6), pass([[6, 1]]), pass([[6, 2]])]; // prettier-ignore
const SAID = [said(5, "a", [7]), said(6, "dog"), said(7, ".")];
const FINISH = { newTokens: 3, passes: 6, prefillPasses: 2, drafts: [{ step: 1, drafted: 1, accepted: 0 }] };

describe("the lanes", () => {
  it("are tokens as they begin, and twice one that was taken back", () => {
    const { lanes, passes } = timelineOf(WRONG, 2, SAID, textOf);
    expect(passes).toBe(4);
    expect(lanes.map(({ position, takenBack }) => [position, takenBack])).toEqual([
      [5, undefined],
      [6, 1],
      [6, undefined],
    ]);
    expect(lanes[0]!.bars).toEqual([
      { pass: 0, step: 1, early: true },
      { pass: 1, step: 2 },
    ]);
    expect(lanes[2]!.bars.map((bar) => bar.pass)).toEqual([2, 3]);
  });

  it("of a guess say what was guessed, if it was seen before it was taken back", () => {
    // Certain when the prompt was done, "a" had guessed nothing; that it will be "cat" was not to be seen.
    const labels = (tokens: Said[]) => timelineOf(WRONG, 2, tokens, textOf).lanes.map((lane) => lane.label);
    expect(labels([said(5, "a"), said(6, "dog")])).toEqual(["a", undefined, "dog"]);
    // Three steps: the second token becomes certain while its successor's guess is under way.
    const passes = [
      pass([[5, 1]]),
      pass([[5, 2], [6, 1]]),
      pass([[5, 3], [6, 2], [7, 1]]),
      pass([[6, 3], [7, 2]], 7),
      pass([[7, 1]]),
    ]; // prettier-ignore
    const tokens = [said(5, "a"), said(6, "b", [7]), said(7, "dog")];
    expect(timelineOf(passes, 3, tokens, textOf).lanes.map((lane) => lane.label)).toEqual([
      ...["a", "b", "cat", "dog"],
    ]);
  });

  it("show where a token left whose steps were made up for later", () => {
    const passes = [pass([[5, 1]]), pass([[6, 1]]), pass([[5, 2], [6, 2]])]; // prettier-ignore
    const { lanes } = timelineOf(passes, 2, [], textOf);
    expect(lanes.map(({ bars }) => bars.map(({ early }) => early === true))).toEqual([
      [true, false],
      [false, false],
    ]);
  });

  it("end where nothing more can be told apart", () => {
    const many = Array.from({ length: MOST_PASSES + 40 }, (_, i) => pass([[i, 1]]));
    expect(timelineOf(many, 1, [], textOf)).toMatchObject({ passes: MOST_PASSES, of: MOST_PASSES + 40 });
    expect(timelineOf([], 4, [], textOf)).toEqual({ lanes: [], passes: 0, of: 0 });
  });
});

describe("in words", () => {
  const timeline = timelineOf(WRONG, 2, SAID, textOf);
  it("a timeline is a sentence", () => {
    expect(takenBack(FINISH, timeline)).toEqual({ wrong: 1, begun: 1 });
    expect(timelineSentence(FINISH, timeline, 2, "word")).toBe(
      "The prompt gave the first word. The other 2 took 4 passes; full depth takes 4. 1 guess was wrong, and 1 word begun on it was taken back.",
    );
    const right = { ...FINISH, drafts: [{ step: 1, drafted: 1, accepted: 1 }], passes: 5 };
    expect(timelineSentence(right, timeline, 2)).toMatch(
      /^The prompt .* first token.* took 3 passes; full depth takes 4\.$/,
    );
    expect(timelineSentence({ ...FINISH, newTokens: 1 }, timeline, 2)).toMatch(/^One token/);
  });
  it("a pass says who took which step", () => {
    expect(passWords(timeline, 1)).toEqual({
      took: ["step 2 of “a”", "step 1 of a guess for place 7"],
      takenBack: ["a guess for place 7"],
    });
  });
});
