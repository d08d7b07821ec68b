import type { ModelInfo } from "looplm";

/** A question that comes with the model. */
export interface Sample {
  question: Question;
  /** Kept out of the training, so that its answer cannot have been learnt as it stands. */
  heldOut: boolean;
}

/** "the boss of the friend of alice is": alice, and [friend, boss], in the order in which the facts are looked up. */
export interface Question {
  person: string;
  path: readonly string[];
}

/** Who is who, as a model's config describes it under `looplm_task`: people, and what they are to each other. */
export interface WhoTask {
  kind: "who-is-who";
  names: readonly string[];
  relations: readonly string[];
  /** Who is the boss of whom: `facts.get("boss").get("alice")`. */
  facts: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** Most relations of a question. */
  hops: number;
  samples: readonly Sample[];
  /** What a biography begins with, `names[0]` standing for its person; undefined if the model tells none. */
  biography: string | undefined;
}

/** Most hops that the page lets a person ask for. */
const MOST_HOPS = 8;

/** Reads `info.task`; undefined unless it is a whole who-is-who. */
export function whoTask({ task }: ModelInfo): WhoTask | undefined {
  if (task?.kind !== "who-is-who") return undefined;
  const { hops, held_out: share, biography } = task;
  const names = words(task["names"]);
  const relations = words(task["relations"]);
  if (!names || !relations || typeof hops !== "number" || !(hops >= 1)) return undefined;
  const facts = readFacts(task["facts"], names, relations);
  if (!facts) return undefined;
  const base = { names, relations, hops: Math.min(Math.floor(hops), MOST_HOPS) };
  const asked = Array.isArray(task["questions"]) ? (task["questions"] as unknown[]) : [];
  const samples = asked
    .map((entry) => parseQuestion((entry as { prompt?: unknown } | null)?.prompt, base))
    .filter((question) => question !== undefined)
    .map((question) => ({
      question,
      heldOut: typeof share === "number" && share > 0 && question.path.length === hops,
    }));
  const told = typeof biography === "string" && biography.split(" ").includes(names[0]!);
  return { kind: "who-is-who", ...base, facts, samples, biography: told ? biography : undefined };
}

function words(value: unknown): string[] | undefined {
  const all = Array.isArray(value) ? (value as unknown[]).filter((word) => typeof word === "string") : [];
  return all.length > 0 && all.length === (value as unknown[]).length ? all : undefined;
}

function readFacts(value: unknown, names: readonly string[], relations: readonly string[]) {
  const facts = new Map<string, Map<string, string>>();
  for (const relation of relations) {
    const row = (value as Record<string, unknown> | null | undefined)?.[relation];
    if (!Array.isArray(row) || row.length !== names.length) return undefined;
    const people = row.map((place: unknown) => (typeof place === "number" ? names[place] : undefined));
    if (!people.every((name) => name !== undefined)) return undefined;
    facts.set(relation, new Map(names.map((name, i) => [name, people[i]!])));
  }
  return facts;
}

/** Reads "the boss of the friend of alice is"; undefined if it is no question of this task. */
export function parseQuestion(
  prompt: unknown,
  task: Pick<WhoTask, "names" | "relations" | "hops">,
): Question | undefined {
  if (typeof prompt !== "string") return undefined;
  const match = /^((?:the \S+ of )+)(\S+) is$/.exec(prompt.trim());
  const [, chain = "", person = ""] = match ?? [];
  const path = [...chain.matchAll(/the (\S+) of /g)].map(([, relation]) => relation!).reverse();
  const known = task.names.includes(person) && path.every((relation) => task.relations.includes(relation));
  return known && path.length <= task.hops ? { person, path } : undefined;
}

/** What to ask first: a question of two facts, if one comes with the model. */
export function firstQuestion({ samples, names, relations }: WhoTask): Question {
  const sample = samples.find(({ question }) => question.path.length === 2) ?? samples[0];
  return sample?.question ?? { person: names[0]!, path: [relations[0]!] };
}

/** The words that ask a question. */
export function promptOf({ person, path }: Question): string {
  return `${path
    .map((relation) => `the ${relation} of `)
    .reverse()
    .join("")}${person} is`;
}

/** The words that a person's biography begins with. */
export function biographyOf(person: string, { biography, names }: WhoTask): string | undefined {
  return biography
    ?.split(" ")
    .map((word) => (word === names[0] ? person : word))
    .join(" ");
}

/** The people that lead to the answer, the asked person first and the answer last. */
export function trail({ person, path }: Question, { facts }: WhoTask): string[] {
  const people = [person];
  for (const relation of path) people.push(facts.get(relation)?.get(people.at(-1)!) ?? "");
  return people;
}
