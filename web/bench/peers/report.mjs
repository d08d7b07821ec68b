// A table for people.

export function print({ size, parameters, adapter, tokens, rounds, contestants }) {
  const { vendor, architecture, description, driver } = adapter;
  const name = [vendor, architecture, description, driver].filter(Boolean).join(" ");
  console.log(
    `${size.name}: ${(parameters / 1e6).toFixed(1)} million parameters, hidden ${size.hidden_size}, ` +
      `${size.num_hidden_layers} layers x ${size.steps} steps, vocabulary ${size.vocab_size}; ${name}; ` +
      `answers of ${tokens} tokens, ${rounds} rounds\n`,
  );
  console.log("| | load s | first token after loading s |\n|---|---:|---:|");
  for (const { name, failure, loadMs, coldFirstMs, notes } of contestants) {
    const cells = failure ? ["fails", failure] : [seconds(loadMs), seconds(coldFirstMs)];
    console.log(`| ${name}${notes ? ` (${notes.join(", ")})` : ""} | ${cells.join(" | ")} |`);
  }
  const able = contestants.filter(({ failure }) => !failure);
  for (const length of Object.keys(able[0]?.turns ?? {})) table(Number(length), able);
  console.log();
}

function table(length, contestants) {
  console.log(
    `\nPrompt of ${length} tokens: median (least to most); "x" is what looplm does in the time of this one, median of the rounds\n\n` +
      "| | first token s | prefill tokens/s | x | processor s | x | decode tokens/s | ms a token | x | processor ms a token | x | as the reference |\n" +
      "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|",
  );
  const ours = contestants.find(({ name }) => name === "looplm")?.turns[length];
  for (const { name, exact, turns: byLength } of contestants) {
    const turns = byLength[length];
    const of = (key) => turns.map((turn) => turn[key]);
    const times = (key) => {
      if (!ours || ours === turns) return "";
      return median(turns.map((turn, round) => turn[key] / ours[round][key])).toFixed(2);
    };
    const cells = [
      spread(of("firstMs").map((ms) => ms / 1000)),
      spread(of("firstMs").map((ms) => (1000 * length) / ms)),
      times("firstMs"),
      spread(of("firstProcessorMs").map((ms) => ms / 1000)),
      times("firstProcessorMs"),
      spread(of("tokenMs").map((ms) => 1000 / ms)),
      spread(of("tokenMs")),
      times("tokenMs"),
      spread(of("tokenProcessorMs")),
      times("tokenProcessorMs"),
      exact ? `${Math.min(...of("agreeing"))} of ${turns[0].compared}` : "another model",
    ];
    console.log(`| ${name} | ${cells.join(" | ")} |`);
  }
}

const seconds = (ms) => (ms / 1000).toFixed(1);

function spread(values) {
  const text = (value) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));
  return `${text(median(values))} (${text(Math.min(...values))}-${text(Math.max(...values))})`;
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
