import { Comparison } from "./Comparison.tsx";
import { TimelineCard } from "./TimelineCard.tsx";
import { MemoryMeter } from "./MemoryMeter.tsx";

/** What answers took, in passes, in time and in memory. */
export function CostPanel() {
  return (
    <div class="cost">
      <TimelineCard />
      <Comparison />
      <MemoryMeter />
    </div>
  );
}
