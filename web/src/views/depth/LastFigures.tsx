import { stepHue } from "../../layout/colours.ts";
import { type Figures, rounded } from "../../model/depth/figures.ts";
import { MODES, ruleWords } from "../../model/depth/settings.ts";
import { type Answer, last, live } from "../../state/depth/meter.ts";
import { theme } from "../../state/theme.ts";
import { noun } from "./noun.ts";

/** What the last answer took, and what there is of it while it comes. */
export function LastFigures() {
  const answer = last.value;
  const now = live.value;
  return (
    <div class="depth-figures" aria-live="polite" aria-busy={now !== undefined} data-testid="figures">
      <h3>{now ? "This answer" : "The last answer"}</h3>
      {now ? (
        <dl>
          <dt>{noun("tokens", "words")} so far</dt>
          <dd>{now.tokens}</dd>
          <dt>a second</dt>
          <dd>{now.tokensPerSecond === undefined ? "–" : rounded(now.tokensPerSecond)}</dd>
          <dt>guessed right</dt>
          <dd>{now.guessed}</dd>
        </dl>
      ) : answer ? (
        <Ended answer={answer} />
      ) : (
        <p class="note">Speed, passes and guesses will be here.</p>
      )}
    </div>
  );
}

function Ended({ answer: { figures, depth, steps } }: { answer: Answer }) {
  const token = noun("token", "word");
  const name = MODES.find(({ mode }) => mode === depth.mode)!.name;
  const { tokensPerSecond, passesPerToken, rowsPerToken } = figures;
  return (
    <>
      <p class="note">
        {name}
        {depth.mode !== "full" && `, ${ruleWords(depth)}`}
      </p>
      <dl>
        <dt>{token}s a second</dt>
        <dd data-testid="speed">{tokensPerSecond === undefined ? "–" : rounded(tokensPerSecond)}</dd>
        <dt>passes a {token}</dt>
        <dd>
          {passesPerToken === undefined ? "–" : rounded(passesPerToken)} <small>of {steps}</small>
        </dd>
        <dt>rows a {token}</dt>
        <dd>
          {rowsPerToken === undefined ? "–" : rounded(rowsPerToken)} <small>of {steps}</small>
        </dd>
        {depth.mode === "verified" && (
          <>
            <dt>rows thrown away</dt>
            <dd>
              {figures.discarded} <small>of {figures.rows}</small>
            </dd>
          </>
        )}
      </dl>
      {depth.mode === "verified" && <Guesses figures={figures} steps={steps} />}
      <p class="small-print">
        A pass runs the layers once, for one {token} or several; a row is one {token} in it.
      </p>
    </>
  );
}

/** How often the guesses of each step held. */
function Guesses({ figures: { drafts }, steps }: { figures: Figures; steps: number }) {
  if (drafts.length === 0) return <p class="note">Nothing was guessed.</p>;
  return (
    <ul class="guesses" aria-label="Guesses that held, by the step that made them">
      {drafts.map(({ step, drafted, accepted }) => (
        <li key={step} style={{ "--hue": stepHue(theme.value, step, steps) }}>
          <span>guessed at step {step}</span>
          <span class="bar" aria-hidden="true">
            <i style={{ width: `${(accepted / drafted) * 100}%` }} />
          </span>
          <span>
            {accepted} of {drafted} <span class="visually-hidden">held</span>
          </span>
        </li>
      ))}
    </ul>
  );
}
