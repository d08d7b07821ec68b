import type { ChatMessage } from "looplm";

/** What a thought stands between, in the text of a model that thinks aloud. */
export const BEGIN = "<think>";
export const END = "</think>";

/** What a model wrote: the thought, and what it said. */
export interface Written {
  thought: string;
  said: string;
}

/** A question of a conversation and what came of it. */
export interface Exchange extends Written {
  question: string;
}

/** Tells thoughts from what is said. A thought without its end goes on to the end of the text. */
export function withoutThoughts(text: string): Written {
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  // The prompt may have begun the thought.
  const whole = end >= 0 && (begin < 0 || end < begin) ? BEGIN + text : text;
  const thoughts: string[] = [];
  const said = whole.replaceAll(/<think>([^]*?)(?:<\/think>\s*|$)/g, (_, thought: string) => {
    thoughts.push(thought.trim());
    return "";
  });
  return { thought: thoughts.join("\n\n"), said };
}

/**
 * The conversation as the model is told it: without thoughts, and without questions that nothing was said to. An empty
 * answer would teach the model to give more of them.
 */
export function told(exchanges: readonly Exchange[]): ChatMessage[] {
  return exchanges
    .filter(({ said }) => said.trim() !== "")
    .flatMap(({ question, said }) => [
      { role: "user", content: question },
      { role: "assistant", content: said },
    ]);
}
