import { FORMATS } from "../model/offers/held.ts";
import { agreement, quantised } from "../model/offers/quantisation.ts";
import { count, percent } from "../model/format.ts";
import { open } from "../state/model.ts";
import { offerOf } from "../state/offers/offers.ts";

/** What the open model's weights are held as and, where that was measured, what was lost by it. */
export function ModelBadge() {
  const current = open.value;
  if (!current || current.info.format === "stored") return null;
  const { format } = current.info;
  const { name } = FORMATS.find((one) => one.format === format)!;
  const measured = quantised(offerOf(current.source)?.quantisation, format);
  const last = measured?.top1.at(-1);
  if (measured === undefined || last === undefined)
    return (
      <p class="badge" data-testid="badge">
        <span class="badge-format">{format}</span> weights in {name}
      </p>
    );
  return (
    <details class="badge" data-testid="badge">
      <summary>
        <span class="badge-format">{format}</span> {agreement(last)} as f32
      </summary>
      <p class="note">
        Weights in {name}, measured against the same model in f32
        {measured.positions !== undefined && ` on ${count(measured.positions)} tokens of its task`}: how often
        the best next token is the same, and how far the probabilities of all of them are apart.
      </p>
      <table class="badge-table">
        <thead>
          <tr>
            <th scope="col">step</th>
            <th scope="col">same best token</th>
            <th scope="col">KL, nats</th>
          </tr>
        </thead>
        <tbody>
          {measured.top1.map((share, i) => (
            <tr key={i}>
              <th scope="row">{i + 1}</th>
              <td>{agreement(share)}</td>
              <td>{measured.kl[i]!.toPrecision(2)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {measured.exitChanged !== undefined && (
        <p class="note">{percent(measured.exitChanged)} of the tokens leave the loop at another step.</p>
      )}
    </details>
  );
}
