/** A result as text, for people and for a terminal; in brackets the middle half of the measurements. */
export function reportText(result) {
  const { adapter, model, agreement, counts, decode, prefill, firstTokenMs, memoryBytes } = result;
  const of = ({ median, low, high }, digits = 1, scale = 1) => {
    const [m, l, h] = [median, low, high].map((figure) => (figure * scale).toFixed(digits));
    return `${m} (${l}-${h})`;
  };
  const megabytes = (bytes) => (bytes === null ? "unknown" : `${(bytes / 1e6).toFixed(0)} MB`);
  const lines = [
    `${adapter.name || adapter.vendor}, tier ${result.tier}; ${result.browser}`,
    `${model.address}: ${model.parameters} parameters, ${model.steps} steps; weights in ${model.format}`,
    `best token as in f32: ${(100 * agreement.top1WithF32).toFixed(1)} %${counts ? "" : ": THIS RUN DOES NOT COUNT"}`,
    `streaming read: ${of(result.streamReadGbPerSecond)} GB/s`,
    "",
    "| decode after | tokens/s | ms a token | ms a pass | dispatches a token | weights GB/s | of streaming read |",
    "|---:|---:|---:|---:|---:|---:|---:|",
    ...decode.map((one) => {
      const share = `${(100 * one.ofStreamRead.median).toFixed(0)} %`;
      const speed = [of(one.tokensPerSecond, 2), of(one.msPerToken), of(one.msPerPass)];
      const cells = [one.context, ...speed, one.dispatchesPerToken, of(one.weightsGbPerSecond, 2), share];
      return `| ${cells.join(" | ")} |`;
    }),
    "",
    ...(prefill ? [`prefill of ${prefill.tokens} tokens: ${of(prefill.tokensPerSecond)} tokens/s`] : []),
    `first token since the page was opened: ${(firstTokenMs.cold / 1000).toFixed(2)} s with nothing kept, ` +
      `${of(firstTokenMs.warm, 2, 0.001)} s later`,
    `memory: weights ${megabytes(memoryBytes.weights)}, workspace ${megabytes(memoryBytes.workspace)}, ` +
      `all of the GPU at most ${megabytes(memoryBytes.gpuPeak)}; heap of JavaScript ${megabytes(memoryBytes.jsHeap)}`,
  ];
  return lines.join("\n");
}
