import { useSignal } from "@preact/signals";
import { passWords, type Timeline } from "../../model/depth/timeline.ts";

/** The timeline for those who do not see it: a row for each pass. */
export function TimelineTable({ timeline }: { timeline: Timeline }) {
  const open = useSignal(false);
  return (
    <details class="chart-table" onToggle={(event) => (open.value = event.currentTarget.open)}>
      <summary>As a table</summary>
      {open.value && (
        <div class="table-scroll tall" tabIndex={0} role="group" aria-label="Table of the passes">
          <table>
            <caption class="visually-hidden">Which steps were taken in which pass</caption>
            <thead>
              <tr>
                <th scope="col">pass</th>
                <th scope="col">steps taken</th>
                <th scope="col">taken back after it</th>
              </tr>
            </thead>
            <tbody>
              {Array.from({ length: timeline.passes }, (_, pass) => {
                const { took, takenBack } = passWords(timeline, pass);
                return (
                  <tr key={pass}>
                    <th scope="row">{pass + 1}</th>
                    <td>{took.join(", ")}</td>
                    <td>{takenBack.join(", ") || "–"}</td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      )}
    </details>
  );
}
