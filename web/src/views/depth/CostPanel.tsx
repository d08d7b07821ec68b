import { whoIsWho } from "../../state/model.ts";
import { Comparison } from "./Comparison.tsx";
import { CurveCard } from "./CurveCard.tsx";
import { MemoryMeter } from "./MemoryMeter.tsx";
import { TimelineCard } from "./TimelineCard.tsx";

/** What answers took, in passes, in time and in memory. */
export function CostPanel() {
  return (
    <div class={whoIsWho.value ? "cost curved" : "cost"}>
      <TimelineCard />
      <Comparison />
      <CurveCard />
      <MemoryMeter />
    </div>
  );
}
