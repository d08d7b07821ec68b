import { FORMATS } from "../model/offers/held.ts";
import { agreement, kvWords, type Quantised, quantised } from "../model/offers/quantisation.ts";
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
  const kv = current.source.held?.kv ?? "f16";
  const last = measured?.top1.at(-1);
  const otherKv = measured?.kv === kv ? undefined : measured?.kv;
  if (measured === undefined || last === undefined || otherKv !== undefined)
    return (
      <p class="badge" data-testid="badge">
        <span class="badge-format">{format}</span> weights in {name}
        {otherKv &&
          `, keys and values in ${kvWords(kv)}: what is lost was only measured with ${kvWords(otherKv)} for these`}
      </p>
    );
  return (
    <details class="badge" data-testid="badge">
      <summary>
        <span class="badge-format">{format}</span> {agreement(last)} as in full precision
      </summary>
      <p class="note">
        Weights in {name}, measured against the same model in full precision (f32)
        {measured.on && ` on ${measured.on}`}: how often the best next token is the same, and how far the
        probabilities of all tokens are apart.
      </p>
      <Steps measured={measured} />
      <p class="note">
        How far apart is the Kullback–Leibler divergence, in nats: 0 where all probabilities are the same, and
        the smaller, the closer they are.
      </p>
      {measured.everywhere && (
        <p class="note">
          Over all {count(measured.everywhere.positions)} tokens, those included that are given and not asked
          for, the best one is the same for {agreement(measured.everywhere.top1)}.
        </p>
      )}
      {measured.exitChanged !== undefined && (
        <p class="note">{percent(measured.exitChanged)} of the tokens leave the loop at another step.</p>
      )}
    </details>
  );
}

function Steps({ measured }: { measured: Quantised }) {
  return (
    <table class="badge-table">
      <thead>
        <tr>
          <th scope="col">step</th>
          <th scope="col">same best token</th>
          <th scope="col">apart</th>
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
  );
}
