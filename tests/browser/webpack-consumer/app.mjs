// All that an application has to write: the Worker and the wasm come along by themselves.
import { LoopLM } from "looplm";

const model = await LoopLM.load(new URLSearchParams(location.search).get("model"));
const { exitSteps } = await model.forward([1, 2, 3], { gate: 0.5 });
document.body.textContent = JSON.stringify({ vocabSize: model.info.architecture.vocabSize, exitSteps });
