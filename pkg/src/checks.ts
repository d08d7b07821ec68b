import { createError, type LoopLMError } from "./errors.js";

/** A value as it should be; throws `invalid-argument` with its name. */
export type Check<T> = (value: unknown, name: string) => T;

/** The given options, each checked; undefined ones left out, unknown ones refused (a misspelt one would do nothing). */
export function checked<O extends object>(
  call: string,
  options: O,
  checks: Record<keyof O, Check<unknown>>,
): Partial<O> {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw invalid("options", "must be an object", options);
  }
  const known = Object.keys(checks);
  const result: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) {
    if (!known.includes(name)) {
      throw createError("invalid-argument", `${call} has no option "${name}"; it has ${known.join(", ")}`, {
        argument: name,
      });
    }
    if (value !== undefined) result[name] = checks[name as keyof O](value, name);
  }
  return result as Partial<O>;
}

export const flag: Check<boolean> = (value, name) => {
  if (typeof value !== "boolean") throw invalid(name, "must be true or false", value);
  return value;
};

export const callback: Check<unknown> = (value, name) => {
  if (typeof value !== "function") throw invalid(name, "must be a function", value);
  return value;
};

export const abortSignal: Check<AbortSignal> = (value, name) => {
  if (!(value instanceof AbortSignal)) throw invalid(name, "must be an AbortSignal", value);
  return value;
};

export const address: Check<string | URL> = (value, name) => {
  if (typeof value !== "string" && !(value instanceof URL)) throw invalid(name, "must be an address", value);
  return value;
};

/** A whole number in [min, max]. */
export function whole(min: number, max: number = Number.MAX_SAFE_INTEGER): Check<number> {
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  return (value, name) => {
    if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max) {
      throw invalid(name, `must be a whole number ${range}`, value);
    }
    return value as number;
  };
}

/** A finite number in [min, max], or in (min, max]. */
export function number(min: number, max: number, lower: "from" | "above" = "from"): Check<number> {
  const range = `${lower === "above" ? "above" : "at least"} ${min}${max === Infinity ? "" : ` and at most ${max}`}`;
  return (value, name) => {
    const low = lower === "above" ? (value as number) <= min : (value as number) < min;
    if (!Number.isFinite(value) || low || (value as number) > max) {
      throw invalid(name, `must be a number ${range}`, value);
    }
    return value as number;
  };
}

/** One of these words. */
export function oneOf(...words: string[]): Check<string> {
  return (value, name) => {
    if (!words.includes(value as string)) {
      throw invalid(name, `must be ${words.map((word) => `"${word}"`).join(" or ")}`, value);
    }
    return value as string;
  };
}

export function invalid(argument: string, must: string, found: unknown): LoopLMError {
  return createError("invalid-argument", `${argument} ${must}, not ${show(found)}`, { argument });
}

/** Short, whatever it is. */
function show(value: unknown): string {
  if (typeof value === "string")
    return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}...` : value);
  if (typeof value !== "object" || value === null) return String(value);
  const keys = Object.keys(value);
  return Array.isArray(value) ? `a list of ${value.length}` : `{ ${keys.slice(0, 4).join(", ")} }`;
}

/** Without the undefined ones. */
export function given<O extends object>(options: O): { [K in keyof O]?: Exclude<O[K], undefined> } {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof O]?: Exclude<O[K], undefined> };
}

export function without<O extends object, K extends keyof O>(options: O, key: K): Omit<O, K> {
  const rest: Partial<O> = { ...options };
  delete rest[key];
  return rest as Omit<O, K>;
}
