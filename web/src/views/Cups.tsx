import { BALL_CUP, parseLabel } from "../model/shuffle.ts";

/** A tumbler turned over, 64 wide and 62 high, its rim at the bottom. */
export const CUP_PATH = "M15 2H49Q54 2 55 7L62.5 57Q63 62 58 62H6Q1 62 1.5 57L9 7Q10 2 15 2Z";

/** Three cups as small as a word, the ball under the one that hides it. Text that is no arrangement stays text. */
export function MiniCups({ text }: { text: string }) {
  const cups = parseLabel(text);
  if (!cups) return <span class="mono">{text}</span>;
  return (
    <svg class="mini-cups" viewBox="0 0 66 30" aria-hidden="true">
      {cups.map((cup, place) => (
        <g key={place} transform={`translate(${place * 23}, 0)`}>
          <path
            class={cup === BALL_CUP ? "mini-cup hides" : "mini-cup"}
            d="M5.2 1h9.6q1.6 0 2 1.8l2.4 17q.2 2-1.6 2H2.4q-1.8 0-1.6-2l2.4-17q.4-1.8 2-1.8z"
          />
          <text x="10" y="15.5" text-anchor="middle">
            {cup}
          </text>
          {cup === BALL_CUP && <circle class="ball" cx="10" cy="26" r="3.4" />}
        </g>
      ))}
    </svg>
  );
}

/** An arrangement as digits, a dot for the ball under its cup; any other token as it is. */
export function TokenText({ text }: { text: string }) {
  const cups = parseLabel(text);
  if (!cups) return <>{text}</>;
  return (
    <span class="digits">
      {cups.map((cup, place) => (
        <span key={place} class={cup === BALL_CUP ? "has-ball" : undefined}>
          {cup}
        </span>
      ))}
    </span>
  );
}
