interface Props {
  id?: string;
  class?: string;
  min: number;
  max: number;
  step?: number;
  value: number;
  label?: string;
  valueText?: string;
  onValue: (value: number) => void;
}

/** A range input whose track is filled up to its value, which only Firefox can style by itself. */
export function Slider({ min, max, step = 1, value, label, valueText, onValue, ...rest }: Props) {
  const share = max > min ? ((value - min) / (max - min)) * 100 : 0;
  return (
    <input
      {...rest}
      type="range"
      min={min}
      max={max}
      step={step}
      value={value}
      aria-label={label}
      aria-valuetext={valueText}
      style={{ "--share": `${share}%` }}
      onInput={(event) => onValue(event.currentTarget.valueAsNumber)}
    />
  );
}
