import type { TrainConfig } from "looplm";

/** A part of a run's configuration that the page lets a person change. */
export interface Field {
  /** Where it is in the configuration, sections with dots between. */
  path: string;
  label: string;
  says: string;
  whole: boolean;
  min: number;
  max: number;
}

export const FIELDS: readonly Field[] = [
  { path: "model.hidden_size", label: "width", says: "of the hidden state", whole: true, min: 8, max: 1024 },
  {
    path: "model.num_hidden_layers",
    label: "layers",
    says: "in the stack that is looped",
    whole: true,
    min: 1,
    max: 24,
  },
  {
    path: "model.num_attention_heads",
    label: "heads",
    says: "of attention; they share the width",
    whole: true,
    min: 1,
    max: 64,
  },
  {
    path: "model.total_ut_steps",
    label: "loops T",
    says: "times the stack is applied",
    whole: true,
    min: 1,
    max: 8,
  },
  {
    path: "optimizer.learning_rate",
    label: "learning rate",
    says: "at its highest",
    whole: false,
    min: 1e-7,
    max: 1,
  },
  { path: "run.batch_size", label: "batch", says: "sequences at once", whole: true, min: 1, max: 4096 },
  { path: "run.updates", label: "updates", says: "of the weights", whole: true, min: 1, max: 1_000_000 },
  {
    path: "objective.beta",
    label: "beta",
    says: "how much spreading the exits is worth, in nats",
    whole: false,
    min: 0,
    max: 10,
  },
  {
    path: "seed",
    label: "seed",
    says: "same seed, same GPU, same run",
    whole: true,
    min: 0,
    max: 2 ** 32 - 1,
  },
];

/** Where a task that learns a text of one's own has it. It is no field of a link: it may be long, and private. */
export const TEXT = "task.text";
/** Longest text, in characters: it goes into every checkpoint's description. */
const LONGEST_TEXT = 4_000_000;

/** The text that a run learns, if it learns one. */
export function ownText(config: TrainConfig, changes: Changes): string | undefined {
  const text = config.task["text"];
  return typeof text === "string" ? (changes[TEXT] ?? text) : undefined;
}

/** What the trainer takes where a configuration is silent. */
const DEFAULTS: Readonly<Record<string, number>> = {
  "optimizer.learning_rate": 1e-3,
  "run.batch_size": 128,
  "objective.beta": 0.1,
  seed: 1,
};

/** Fewest updates between evaluations. */
const LEAST_BETWEEN = 10;

/** What a person has changed: texts by path, as typed. Anything absent is as the preset has it. */
export type Changes = Readonly<Record<string, string>>;

/** The value at a path of a configuration, or what the trainer would take. */
export function valueAt(config: TrainConfig, path: string): number {
  let at: unknown = config;
  for (const key of path.split(".")) at = Object(at)[key];
  return typeof at === "number" ? at : (DEFAULTS[path] ?? Number.NaN);
}

/** A number as a person would type it. */
export function shownNumber(value: number): string {
  return Math.abs(value) < 1e-3 && value !== 0 ? value.toExponential().replace("e-0", "e-") : String(value);
}

/** The text of a field: what was typed, or the preset's value. */
export function fieldText(config: TrainConfig, changes: Changes, path: string): string {
  return changes[path] ?? shownNumber(valueAt(config, path));
}

/** Notes that a field now has this text. A text that means the preset's value is no change. */
export function withChange(config: TrainConfig, changes: Changes, path: string, text: string): Changes {
  const rest = Object.fromEntries(Object.entries(changes).filter(([key]) => key !== path));
  const same =
    path === TEXT
      ? text === config.task["text"]
      : text.trim() !== "" && Number(text) === valueAt(config, path);
  return same ? rest : { ...rest, [path]: text };
}

/** What is wrong with the fields, in a sentence each, by path; empty if the run can be tried. */
export function problemsOf(config: TrainConfig, changes: Changes): Record<string, string> {
  const problems: Record<string, string> = {};
  const values: Record<string, number> = {};
  for (const { path, whole, min, max } of FIELDS) {
    const text = fieldText(config, changes, path).trim();
    const value = text === "" ? Number.NaN : Number(text);
    values[path] = value;
    const inside = value >= min && value <= max;
    if (!Number.isFinite(value) || !inside || (whole && !Number.isInteger(value)))
      problems[path] = `A ${whole ? "whole number" : "number"} from ${count(min)} to ${count(max)}.`;
  }
  const text = ownText(config, changes);
  if (text?.trim() === "") problems[TEXT] = "There is nothing to learn in it yet.";
  else if (text !== undefined && text.length > LONGEST_TEXT)
    problems[TEXT] = `At most ${count(LONGEST_TEXT)} characters; train on a part of it.`;
  const [width, heads] = [values["model.hidden_size"]!, values["model.num_attention_heads"]!];
  // Rotary embedding turns pairs, so a head's width is even.
  const changed =
    changes["model.hidden_size"] !== undefined || changes["model.num_attention_heads"] !== undefined;
  if (changed && !problems["model.hidden_size"] && !problems["model.num_attention_heads"]) {
    if (width % heads !== 0) problems["model.num_attention_heads"] = `Must divide the width, ${width}.`;
    else if ((width / heads) % 2 !== 0)
      problems["model.num_attention_heads"] = `Leaves heads ${width / heads} wide; their width must be even.`;
    else if (width / heads > 128)
      problems["model.num_attention_heads"] = `Leaves heads ${width / heads} wide; the widest are 128.`;
  }
  return problems;
}

function count(n: number): string {
  return n < 1e-3 && n > 0 ? shownNumber(n) : n.toLocaleString("en");
}

/**
 * The preset's configuration with the changes made, and what hangs on them: the feed-forward width keeps its ratio to
 * the width, warm-up and evaluations keep their place in a longer or shorter run.
 */
export function configured(preset: TrainConfig, changes: Changes): TrainConfig {
  const config = structuredClone(preset);
  for (const { path } of FIELDS) {
    const text = changes[path];
    if (text !== undefined) setAt(config, path, Number(text));
  }
  const text = ownText(preset, changes);
  if (text !== undefined) config.task["text"] = text;
  const { model, run, objective, optimizer } = config;
  const widthRatio = model.hidden_size / preset.model.hidden_size;
  if (widthRatio !== 1)
    model.intermediate_size = Math.max(8, Math.round((preset.model.intermediate_size * widthRatio) / 8) * 8);
  if (widthRatio !== 1 || model.num_attention_heads !== preset.model.num_attention_heads) {
    delete model.head_dim;
    delete model.num_key_value_heads;
  }
  const lengthRatio = run.updates / preset.run.updates;
  const scaled = (n: number) => Math.max(1, Math.round(n * lengthRatio));
  if (lengthRatio !== 1) {
    if (optimizer?.warmup) optimizer.warmup = Math.min(scaled(optimizer.warmup), run.updates);
    if (optimizer?.decay) optimizer.decay = Math.min(scaled(optimizer.decay), run.updates);
    // In a very short run evaluations would take longer than what they measure.
    if (run.evaluate_every) run.evaluate_every = Math.max(scaled(run.evaluate_every), LEAST_BETWEEN);
  }
  if (changes["objective.beta"] !== undefined && objective) delete objective.beta_end;
  fitSteps(config);
  return config;
}

/** The same model without the loop: as many parameters, as many updates, one step. */
export function withoutLoop(config: TrainConfig): TrainConfig {
  const plain = structuredClone(config);
  plain.name = `${config.name}-t1`;
  plain.model.total_ut_steps = 1;
  fitSteps(plain);
  return plain;
}

/** A range of steps to draw from cannot go beyond T. */
function fitSteps({ model, objective }: TrainConfig): void {
  if (!objective?.steps) return;
  const [low, high] = objective.steps;
  const most = model.total_ut_steps;
  if (most === 1) delete objective.steps;
  else objective.steps = [Math.min(low, most), Math.min(high, most)];
}

function setAt(config: TrainConfig, path: string, value: number): void {
  const keys = path.split(".");
  let at = config as unknown as Record<string, unknown>;
  for (const key of keys.slice(0, -1)) at = (at[key] ??= {}) as Record<string, unknown>;
  at[keys.at(-1)!] = value;
}
