/**
 * How the test double goes through the loop: which token takes which step in which pass, what is guessed and taken back.
 * Rules and schedule are those of the engine; what the steps think is given.
 */
import type { ExitRule, Finish, GenerateOptions, GeneratedToken, PassTrace, StepTrace } from "looplm";

/** Whether a rule lets a token leave after the steps that it has taken. */
export function leaves(rule: ExitRule, taken: readonly StepTrace[], of: number): boolean {
  const now = taken.at(-1);
  if (!now || taken.length >= of) return taken.length >= of;
  if (rule === "full") return false;
  const sum = (steps: readonly StepTrace[]) => steps.reduce((s, { probability }) => s + probability, 0);
  if ("step" in rule) return taken.length >= rule.step;
  if ("gate" in rule) return rule.gate < 1 && sum(taken) >= rule.gate;
  if ("gateDelayed" in rule) return sum(taken.slice(0, -1)) >= rule.gateDelayed;
  if ("hidden" in rule) return (now.change ?? 1) < rule.hidden;
  if ("hiddenAbs" in rule) return (now.change ?? 1) < rule.hiddenAbs;
  if ("confidence" in rule) return (now.top?.[0]?.probability ?? 0) >= rule.confidence;
  if ("entropy" in rule) return (now.entropy ?? 1) <= rule.entropy;
  const same = taken.slice(-rule.agree);
  return same.length === rule.agree && same.every((step) => step.top?.[0]?.id === now.top?.[0]?.id);
}

interface Flight {
  /** Which token it finds, counted from the answer's first. */
  finds: number;
  depth: number;
  left: boolean;
  /** The step that guessed, and whether rightly. */
  draft?: { step: number; right: boolean };
  /** Built on a wrong guess. */
  wrong: boolean;
}

/** A token, and the passes until it came. */
export interface Played {
  token: GeneratedToken;
  passes: number;
}

/**
 * Plays an answer.
 *
 * @param traces what every step thinks of each token, the right one being the last step's best
 * @param prompt tokens of the prompt
 * @param kvBytes of a step of a token
 */
export function play(
  traces: readonly (readonly StepTrace[])[],
  options: Pick<GenerateOptions, "exit" | "kv" | "verify">,
  { prompt, kvBytes }: { prompt: number; kvBytes: number },
): { tokens: Played[]; finish: Omit<Finish, "seconds" | "reason"> } {
  const { exit = "full", kv = "full", verify = "auto" } = options;
  const of = traces[0]?.length ?? 1;
  const checks = verify === true || verify === "always";
  const timeline: PassTrace[] = [];
  const tokens: Played[] = [];
  const drafts = Array.from({ length: of }, (_, i) => ({ step: i + 1, drafted: 0, accepted: 0 }));
  let flights: Flight[] = [];
  let discarded = 0;
  let kept = 0;

  const begin = (finds: number, wrong: boolean) => {
    if (finds < traces.length) flights.push({ finds, depth: 0, left: false, wrong });
  };
  const release = (i: number, at: number, draftStep?: number) => {
    const all = traces[i]!;
    const steps = all.slice(0, checks || i === 0 ? of : at);
    const top = all[at - 1]?.top?.[0];
    kept += kv === "full" ? of : kv === "last-exited" ? steps.length : 1;
    const ahead = flights.filter((f) => f.finds >= i && f.draft);
    const token: GeneratedToken = {
      id: top?.id ?? i,
      text: top?.text ?? "",
      position: prompt + i,
      exitStep: at,
      ...(draftStep === undefined ? {} : { draftStep }),
      drafts: ahead.map((f) => (f.draft && traces[f.finds]?.[f.draft.step - 1]?.top?.[0]?.id) ?? 0),
      exitPdf: steps.map(({ probability }) => probability),
      steps: [...steps],
    };
    tokens.push({ token, passes: timeline.length });
  };
  const best = (i: number, step: number) => traces[i]?.[step - 1]?.top?.[0]?.id;

  if (traces.length > 0) {
    const taken = traces[0]!;
    const first = taken.findIndex((_, s) => leaves(exit, taken.slice(0, s + 1), of)) + 1;
    release(0, checks ? of : first);
    begin(1, false);
  }
  while (flights.some((f) => !f.left)) {
    const rows = nextPass(flights);
    for (const flight of rows) flight.depth++;
    const pass: PassTrace = {
      rows: rows.map(({ finds, depth }) => ({ position: prompt + finds - 1, step: depth })),
    };
    timeline.push(pass);
    for (const flight of rows) {
      if (flight.left || !flights.includes(flight)) continue;
      const { finds, depth } = flight;
      const taken = traces[finds]!.slice(0, depth);
      if (!checks) {
        if (!leaves(exit, taken, of)) continue;
        flight.left = true;
        // What is kept of skipped steps is made up for only where every step is kept.
        if (kv === "last-exited" || kv === "first" || depth === of)
          flights = flights.filter((f) => f !== flight);
        release(finds, depth);
        begin(finds + 1, false);
      } else if (depth < of) {
        if (flight.draft || flight.wrong || !leaves(exit, taken, of)) continue;
        flight.draft = { step: depth, right: best(finds, depth) === best(finds, of) };
        begin(finds + 1, !flight.draft.right);
      } else {
        flights = flights.filter((f) => f !== flight);
        const { draft } = flight;
        if (draft) drafts[draft.step - 1]!.drafted++;
        if (draft?.right) drafts[draft.step - 1]!.accepted++;
        else if (draft) {
          discarded += flights.reduce((sum, f) => sum + f.depth, 0);
          if (flights.length > 0) pass.discardedFrom = prompt + finds;
          flights = [];
        }
        release(finds, draft?.right ? draft.step : of, draft?.right ? draft.step : undefined);
        if (!draft?.right) begin(finds + 1, false);
      }
    }
  }
  const made = drafts.filter(({ drafted }) => drafted > 0);
  return {
    tokens,
    finish: {
      promptTokens: prompt,
      cachedTokens: 0,
      newTokens: tokens.length,
      passes: of + timeline.length,
      prefillPasses: of,
      rowSteps: of * prompt + timeline.reduce((sum, { rows }) => sum + rows.length, 0),
      accepted: made.reduce((sum, { accepted }) => sum + accepted, 0),
      discarded,
      drafts: made,
      kvBytes: kvBytes * (prompt * (kv === "full" || kv === "last-exited" ? of : 1) + kept),
      timeline,
    },
  };
}

/** Those that take a step together: a step of a token needs that step of all tokens before it. */
function nextPass(flights: readonly Flight[]): Flight[] {
  const current = flights.find((f) => !f.left);
  const needed = current ? current.depth + 1 : 0;
  let reached = Infinity;
  return flights.filter((flight) => {
    const takes = (!flight.left || flight.depth < needed) && flight.depth < reached;
    reached = Math.min(reached, flight.depth + (takes ? 1 : 0));
    return takes;
  });
}
