/** The median of some figures, and where their middle half lies. */
export function spread(figures) {
  const sorted = figures.toSorted((a, b) => a - b);
  const n = sorted.length;
  const at = (part) => sorted[Math.floor(n * part)];
  return { median: at(1 / 2), low: at(1 / 4), high: at(3 / 4), n };
}

/** Every figure passed through `change`, which may turn their order around. */
export function map({ median, low, high, n }, change) {
  const ends = [change(low), change(high)].toSorted((a, b) => a - b);
  return { median: change(median), low: ends[0], high: ends[1], n };
}
