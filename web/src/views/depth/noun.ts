import { whoIsWho } from "../../state/model.ts";

/** Who is who speaks whole words only; elsewhere a word may be several tokens. */
export function noun(token: string, word: string): string {
  return whoIsWho.value ? word : token;
}
