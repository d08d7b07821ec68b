import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { ballCup, cupsAt, ease, type DrawnCup } from "../layout/cups.ts";
import { cellColours } from "../layout/colours.ts";
import { ballPlace, label } from "../model/shuffle.ts";
import { answerAt, asked, playing, states } from "../state/shuffle-run.ts";
import { calm, theme } from "../state/theme.ts";
import { columns, exits, hovered, inspected, pointing, shownSteps } from "../state/view.ts";
import { CUP_PATH } from "./Cups.tsx";

const X = (place: number) => 70 + (place - 1) * 110;
const TABLE = 118;
const LIFT = 40;
const MOVE_MS = 430;
const SHOW_MS = 620;

/** Where the play is: `moment` in moves, and how high the ball's cup is lifted, 0 to 1. */
interface Play {
  moment: number;
  lift: number;
}

function playAt(ms: number, moves: number): Play | undefined {
  const shown = ms / SHOW_MS;
  if (shown < 1) return { moment: 0, lift: 1 - ease(shown * 2 - 1) };
  const moment = (ms - SHOW_MS) / MOVE_MS;
  if (moment < moves) return { moment, lift: 0 };
  const last = (ms - SHOW_MS - moves * MOVE_MS) / SHOW_MS;
  return last < 1 ? { moment: moves, lift: ease(last * 1.6) } : undefined;
}

/** The three cups: plays the shuffle, and then stands at the move that is looked at in the exit view. */
export function CupStage() {
  const play = useSignal<Play | undefined>(undefined);
  const frame = useRef(0);
  const moves = useComputed(() => states.value.length - 1);
  const rest = useComputed(() => (pointing.value ? inspected.value.column + 1 : moves.value));
  const moment = Math.min(play.value?.moment ?? rest.value, moves.value);
  const lift = play.value?.lift ?? 1;

  function stop() {
    cancelAnimationFrame(frame.current);
    play.value = undefined;
  }

  function start() {
    stop();
    if (calm() || moves.value === 0) return;
    const began = performance.now();
    const tick = (now: number) => {
      play.value = playAt(now - began, moves.value);
      if (play.value) frame.current = requestAnimationFrame(tick);
    };
    play.value = { moment: 0, lift: 1 };
    frame.current = requestAnimationFrame(tick);
  }

  // A new shuffle plays itself; looking at a cell of the exit view interrupts it.
  useEffect(() => {
    start();
    return stop;
  }, [asked.value]);
  useSignalEffect(() => {
    if (hovered.value) stop();
  });
  // The exit view marks the move that is being made.
  useSignalEffect(() => {
    playing.value = play.value && Math.min(Math.floor(play.value.moment), states.value.length - 2);
  });

  const cups = cupsAt(states.value, moment);
  const at = play.value ? undefined : rest.value;
  return (
    <figure class="stage">
      <Drawing cups={cups} lift={lift} said={at === undefined || at < 1 ? undefined : saidAt(at - 1)} />
      <figcaption>
        <span class="stage-words">{words(at, Math.floor(moment), moves.value)}</span>
        <button type="button" class="quiet" onClick={start} disabled={moves.value === 0}>
          Play
        </button>
      </figcaption>
    </figure>
  );
}

function saidAt(index: number) {
  const step = pointing.value && inspected.value.column === index ? inspected.value.step : exits.value[index];
  return step === undefined || !columns.value[index] ? undefined : answerAt(index, step);
}

function words(at: number | undefined, moment: number, moves: number): string {
  if (moves === 0) return "The ball is under the middle cup.";
  if (at === undefined) {
    const name = asked.value[moment];
    return name === undefined ? "Where is the ball?" : `Move ${moment + 1}: ${name}`;
  }
  const cups = states.value[at];
  if (!cups) return "";
  return `After ${at === moves ? "all " : ""}${at} ${at === 1 ? "move" : "moves"}: ${label(cups)}, ball at place ${ballPlace(cups)}`;
}

type Said = ReturnType<typeof answerAt>;

function Drawing({ cups, lift, said }: { cups: readonly DrawnCup[]; lift: number; said: Said }) {
  const ball = ballCup(cups);
  const colours = said && cellColours(theme.value, said.step, shownSteps.value, 1);
  return (
    <svg class="stage-svg" viewBox="0 0 360 178" aria-hidden="true">
      <line class="table" x1="14" x2="346" y1={TABLE + 6} y2={TABLE + 6} />
      {[1, 2, 3].map((place) => (
        <text key={place} class="place" x={X(place)} y={TABLE + 26} text-anchor="middle">
          place {place}
        </text>
      ))}
      {ball && <circle class="ball" cx={X(ball.place)} cy={TABLE - 8} r={lift > 0.02 ? 11 : 0} />}
      {[...cups]
        .sort((a, b) => a.depth - b.depth)
        .map((cup) => (
          <Cup key={cup.cup} cup={cup} lift={cup === ball ? lift : 0} />
        ))}
      {said?.place !== undefined && colours && (
        <g class="said" transform={`translate(${X(said.place)}, ${TABLE + 47})`}>
          <rect x="-50" y="-9" width="100" height="20" rx="10" fill={colours.background} />
          <path d="M-6 -9L0 -15L6 -9Z" fill={colours.background} />
          <text y="5.5" text-anchor="middle" fill={colours.text}>
            {said.right ? "✓" : "✗"} step {said.step} says
          </text>
        </g>
      )}
    </svg>
  );
}

function Cup({ cup, lift }: { cup: DrawnCup; lift: number }) {
  const size = 1 + cup.depth * 0.1;
  const x = X(cup.place) - 32 * size;
  const y = TABLE + cup.depth * 12 - 62 * size - lift * LIFT;
  return (
    <g transform={`translate(${x}, ${y}) scale(${size})`}>
      <path class={`cup cup-${cup.cup}`} d={CUP_PATH} />
      <path class="cup-rim" d="M3.2 50H60.8L62.5 57Q63 62 58 62H6Q1 62 1.5 57Z" />
      <text class="cup-number" x="32" y="37" text-anchor="middle">
        {cup.cup}
      </text>
    </g>
  );
}
