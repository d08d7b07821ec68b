/** How a question to the model goes. */
export type RunState = "idle" | "running" | "done" | "error";
