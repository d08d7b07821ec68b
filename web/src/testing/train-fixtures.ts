import type { Evaluation, Gate, TrainConfig, Update } from "looplm";

/** A run's configuration for tests. */
export function trainConfig(): TrainConfig {
  return {
    name: "small",
    seed: 1,
    task: { kind: "shuffle" },
    model: {
      hidden_size: 64,
      intermediate_size: 192,
      num_hidden_layers: 1,
      num_attention_heads: 2,
      head_dim: 32,
      total_ut_steps: 4,
    },
    objective: { kind: "stage-1", beta: 0.1, steps: [2, 4] },
    optimizer: { learning_rate: 2e-3, warmup: 200 },
    run: { updates: 1000, batch_size: 128, evaluate_every: 100 },
  };
}

export function update(number: number): Update {
  return {
    update: number,
    loss: 1 / number,
    stepLosses: [2 / number, 1 / number],
    entropy: 0.5,
    expectedSteps: 1.5,
    gradientNorm: 1,
    learningRate: 1e-3,
    tokensPerSecond: 1000,
    seconds: number,
    secondsLeft: 100 - number,
  };
}

/** An evaluation of two steps, from the accuracies of each difficulty. */
export function evaluation(number: number, ...rows: [number, number][]): Evaluation {
  return {
    update: number,
    samples: 10,
    targets: 10,
    stepLosses: [1, 0.5],
    accuracy: [rows[0]?.[0] ?? 0, rows[0]?.[1] ?? 0],
    entropy: 0.5,
    expectedSteps: 1.5,
    difficulties: rows.map((accuracy, i) => ({
      name: ["easy", "middling", "hard"][i] ?? String(i),
      targets: 5,
      accuracy,
      stepLosses: [1, 0.5],
      expectedSteps: 1 + i / 4,
    })),
    figures: [],
  };
}

export function gate(): Gate {
  return {
    update: 300,
    lossBefore: 0.6,
    lossAfter: 0.2,
    fullAccuracy: 0.98,
    sweep: [
      { q: 0.2, meanSteps: 1, accuracy: 0.62 },
      { q: 0.6, meanSteps: 1.4, accuracy: 0.975 },
      { q: 1, meanSteps: 2, accuracy: 0.98 },
    ],
    rankCorrelation: 0.9,
    q: 0.6,
    exitSteps: [1, 1.8],
  };
}
