import { BROWSERS } from "../model/webgpu-support.ts";
import { Illustration } from "./Illustration.tsx";

/** What stands here where nothing can run: why, how to get WebGPU, and what there would be to see. */
export function NoWebGpu() {
  return (
    <div class="no-webgpu">
      <section class="card" aria-labelledby="no-webgpu-title" data-testid="no-webgpu">
        <h2 id="no-webgpu-title">This browser offers no WebGPU here</h2>
        <p>
          looplm runs its model on your own GPU, through WebGPU. This browser has none to offer: it may be too
          old, WebGPU may be switched off, the GPU’s driver may be on its list of unsafe ones, or the page may
          have been opened over plain http from another machine (https or localhost is needed).
        </p>
        <h3>How to get it</h3>
        <dl class="browsers">
          {BROWSERS.map(({ name, advice, command }) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                {advice}
                {command && (
                  <>
                    {" "}
                    <code>{command}</code>.
                  </>
                )}
              </dd>
            </div>
          ))}
        </dl>
        <p>
          <button type="button" class="primary" onClick={() => location.reload()}>
            Try again
          </button>
        </p>
      </section>
      <section class="card" aria-labelledby="illustration-title">
        <h2 id="illustration-title">What you would see</h2>
        <p>
          Three cups are shuffled and a small model says, after every move, how they stand. It thinks in
          steps: the same layers, applied again and again. Each column is a move and each row a step; a cell
          shows what the model would answer there, fuller where it is surer. The line is where its gate let
          each move go. Moves late in a long shuffle take more steps.
        </p>
        <Illustration />
      </section>
    </div>
  );
}
