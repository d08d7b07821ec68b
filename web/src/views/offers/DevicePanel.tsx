import { bytes } from "../../model/format.ts";
import { device } from "../../state/offers/device.ts";

/** What the browser tells of the machine, and what it does not. */
export function DevicePanel() {
  const machine = device.value;
  return (
    <section class="card device" aria-labelledby="device-title">
      <h2 id="device-title">This machine</h2>
      {machine ? (
        <>
          <dl>
            <dt>GPU</dt>
            <dd>{machine.gpu || "not named"}</dd>
            <dt>memory</dt>
            <dd>
              {machine.memory === undefined
                ? "not told"
                : `${machine.atLeast ? "at least" : "about"} ${bytes(machine.memory)}`}
            </dd>
            <dt>most in one piece</dt>
            <dd>{bytes(machine.maxBuffer)}</dd>
            <dt>most read at once</dt>
            <dd>{bytes(machine.maxBinding)}</dd>
          </dl>
          <p class="note">
            The last two are the GPU’s own bounds: on a single piece of memory, and on what a program reads at
            once, which bounds how long a conversation can be.
          </p>
          <p class="note">
            {machine.onCpu
              ? "There is no graphics card: the processor computes in its place, and large models will be very slow."
              : "Browsers do not tell how much memory the GPU has. Whether a large model fits shows when it is loaded; if not, nothing is lost."}
          </p>
        </>
      ) : (
        <p class="note">Asking the browser for the GPU.</p>
      )}
    </section>
  );
}
