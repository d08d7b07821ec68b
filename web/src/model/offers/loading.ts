import type { LoadProgress, WeightFormat } from "looplm";
import { bytes } from "../format.ts";

/** The parts of loading that take time, as a person would count them. */
export type Stage = "download" | "upload" | "compile";

export function stageOf(phase: LoadProgress["phase"]): Stage {
  if (phase === "download") return "download";
  return phase === "compile" || phase === "ready" ? "compile" : "upload";
}

/** What each part is called. */
export function stageNames(format: WeightFormat): Record<Stage, string> {
  const download = format === "stored" ? "Download" : "Download and convert";
  return { download, upload: "Bring it to the GPU", compile: "Prepare the GPU’s programs" };
}

/** What is going on, in words. */
export function phaseWords({ phase, total }: LoadProgress, format: WeightFormat): string {
  switch (phase) {
    case "download":
      if (total === 0) return "Looking at what there is to download";
      return format === "stored" ? "Downloading" : `Downloading, and converting to ${format} on the way`;
    case "adapter":
      return "Asking the browser for the GPU";
    case "config":
      return "Reading the configuration";
    case "tokenizer":
      return "Reading the tokenizer";
    case "weights":
      return "Bringing the weights to the GPU";
    case "compile":
      return "Preparing the GPU’s programs";
    case "ready":
      return "Ready";
  }
}

/** The part that is done, 0 to 1; undefined where there is nothing to count. */
export function shareOf({ phase, loaded, total }: LoadProgress): number | undefined {
  const counts = phase === "download" || phase === "weights" || phase === "compile";
  return counts && total > 0 ? Math.min(loaded / total, 1) : undefined;
}

/** "1.1 GiB of 2.7 GiB, 24.0 MiB/s, about 2 min left". */
export function progressFigures(progress: LoadProgress): string {
  if (shareOf(progress) === undefined) return "";
  const { phase, loaded, total, bytesPerSecond, secondsLeft } = progress;
  if (phase === "compile") return `${loaded} of ${total}`;
  return [
    `${bytes(loaded)} of ${bytes(total)}`,
    bytesPerSecond === undefined ? "" : `${bytes(bytesPerSecond)}/s`,
    secondsLeft === undefined ? "" : timeLeft(secondsLeft),
  ]
    .filter(Boolean)
    .join(", ");
}

/** 95 -> "about 2 min left". */
export function timeLeft(seconds: number): string {
  if (seconds < 5) return "a moment left";
  if (seconds < 60) return `about ${Math.ceil(seconds / 5) * 5} s left`;
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 60) return `about ${minutes} min left`;
  const rest = minutes % 60;
  return `about ${Math.floor(minutes / 60)} h${rest === 0 ? "" : ` ${rest} min`} left`;
}
