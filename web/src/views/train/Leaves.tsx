/** Where between the first and the last step the gate lets go, as a mark on a line and a number. */
export function Leaves({ at, steps }: { at: number; steps: number }) {
  const share = ((at - 1) / (steps - 1)) * 100;
  return (
    <td class="leaves">
      <span class="leaves-line" aria-hidden="true">
        <i style={{ left: `${Math.min(Math.max(share, 0), 100)}%` }} />
      </span>
      <span class="mono">{at.toFixed(1)}</span>
    </td>
  );
}
