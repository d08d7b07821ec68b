/** What the double of a model says that knows who is who: the truth, found the later the more facts it takes. */
import type { ModelInfo } from "looplm";
import { parseQuestion, trail, whoTask } from "../model/who/task.ts";
import { WHO_TASK } from "./who-fixtures.ts";

const task = whoTask({ task: WHO_TASK } as unknown as ModelInfo)!;

/** The words of the sentences, where an id is a place. */
export const WHO_WORDS = [
  ...["<unk>", "<bos>", "<eos>", "the", "of", "is", ".", "about", ":", ","],
  ...task.relations,
  ...task.names,
];

export const WHO_NAMES = task.names;

export function whoIds(text: string): number[] {
  return [1, ...text.split(" ").map((word) => Math.max(WHO_WORDS.indexOf(word), 0))];
}

/** The words that complete a prompt, each with the step from which the double is sure of it. */
export function completion(ids: readonly number[]): { text: string; difficulty: number }[] {
  const words = ids.slice(1).map((id) => WHO_WORDS[id]!);
  const easy = (text: string) => ({ text, difficulty: 0.4 });
  const question = parseQuestion(words.join(" "), task);
  if (question) {
    const text = trail(question, task).at(-1)!;
    return [{ text, difficulty: 0.6 + question.path.length }, easy(".")];
  }
  const person = words[1]!;
  return task.relations.flatMap((relation, i) => [
    ...["the", relation, "is"].map(easy),
    { text: task.facts.get(relation)!.get(person)!, difficulty: 1.6 },
    easy(i + 1 < task.relations.length ? "," : "."),
  ]);
}
