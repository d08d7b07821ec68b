import { computed, signal } from "@preact/signals";
import type { Question } from "../../model/who/task.ts";
import { whoIsWho } from "../model.ts";

/** What the selects say. `reading` holds the relations as the sentence reads: the last one is looked up first. */
const chosen = signal<{ person: string; reading: readonly string[] }>({ person: "", reading: [] });
/** How many of the relations are asked for. */
export const hops = signal(1);

/** The question as it is put together. */
export const question = computed<Question>(() => ({
  person: chosen.value.person,
  path: chosen.value.reading.slice(-hops.value).reverse(),
}));

/** Shows a question in the selects. */
export function show({ person, path }: Question): void {
  const reading = [...path].reverse();
  hops.value = reading.length;
  // What a longer question asked before stays, to come back when more hops are chosen again.
  const before = chosen.value.reading.slice(0, -reading.length);
  chosen.value = { person, reading: [...before, ...reading] };
}

/** Forgets what the selects said: another model has other people. */
export function reset(): void {
  chosen.value = { person: "", reading: [] };
  hops.value = 1;
}

export function setPerson(person: string): void {
  chosen.value = { ...chosen.value, person };
}

/** Makes the question longer or shorter. What was asked of the person stays, at the sentence's end. */
export function setHops(count: number): void {
  const relations = whoIsWho.value?.relations ?? [];
  const { person, reading } = chosen.value;
  const missing = Array.from(
    { length: Math.max(count - reading.length, 0) },
    (_, i) => relations[(reading.length + i) % relations.length] ?? "",
  );
  chosen.value = { person, reading: [...missing.reverse(), ...reading] };
  hops.value = count;
}

/** Sets a relation by its place in the sentence as it is shown, from 0. */
export function setRelation(place: number, relation: string): void {
  const { person, reading } = chosen.value;
  const at = reading.length - hops.value + place;
  chosen.value = { person, reading: reading.map((word, i) => (i === at ? relation : word)) };
}
