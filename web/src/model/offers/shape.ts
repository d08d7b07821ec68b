/** What of a model's config.json decides how much memory it takes. */
export interface Shape {
  layers: number;
  hidden: number;
  inner: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  vocabulary: number;
  /** Recurrent steps it was trained with. */
  steps: number;
  /** Longest sequence it was made for. */
  positions: number;
  /** Whether the head is the embedding. */
  tied: boolean;
  /** Bytes that the checkpoint takes for a weight. */
  stored: 2 | 4;
}

/** The shape in a config.json; undefined where that is none of a model that could be opened. */
export function shapeOf(config: unknown): Shape | undefined {
  const found = Object(config) as Record<string, unknown>;
  const whole = (name: string) => {
    const value = found[name];
    return typeof value === "number" && Number.isInteger(value) && value > 0 ? value : undefined;
  };
  const [layers, hidden, inner] = ["num_hidden_layers", "hidden_size", "intermediate_size"].map(whole);
  const [heads, vocabulary] = ["num_attention_heads", "vocab_size"].map(whole);
  if (!layers || !hidden || !inner || !heads || !vocabulary) return undefined;
  return {
    layers,
    hidden,
    inner,
    heads,
    vocabulary,
    kvHeads: whole("num_key_value_heads") ?? heads,
    headDim: whole("head_dim") ?? Math.floor(hidden / heads),
    steps: whole("total_ut_steps") ?? 4,
    positions: whole("max_position_embeddings") ?? 2048,
    tied: found["tie_word_embeddings"] === true,
    stored: (found["torch_dtype"] ?? found["dtype"]) === "float32" ? 4 : 2,
  };
}

/** Rows and columns of a matrix. */
export interface MatrixSize {
  outputs: number;
  inputs: number;
}

/** The matrices of one layer. */
export function layerMatrices({ hidden, inner, heads, kvHeads, headDim }: Shape): MatrixSize[] {
  return [
    { outputs: (heads + 2 * kvHeads) * headDim, inputs: hidden },
    { outputs: hidden, inputs: heads * headDim },
    { outputs: 2 * inner, inputs: hidden },
    { outputs: hidden, inputs: inner },
  ];
}

/** Stored parameters: matrices, four norms a layer, the final norm, and the gate with its bias. */
export function parameters(shape: Shape): number {
  const { layers, hidden, vocabulary, tied } = shape;
  const layer = layerMatrices(shape).reduce((sum, { outputs, inputs }) => sum + outputs * inputs, 0);
  return layers * (layer + 4 * hidden) + (tied ? 1 : 2) * vocabulary * hidden + 2 * hidden + 1;
}
