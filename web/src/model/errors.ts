import { bytes } from "./format.ts";
import { readSuggestion, type Suggestion, suggestionWords } from "./offers/suggestion.ts";

/** An error as the page tells it: what happened, and what to do about it. */
export interface Explanation {
  code: string;
  title: string;
  advice: string;
  /** The engine's own words, for whoever reports it. */
  message: string;
  /** Where there was too little memory: what would have fitted. */
  suggestion?: Suggestion;
  /** Where a text was too long: the tokens there is room for, and those it came to. */
  room?: { limit: number; needed: number };
}

type Details = Record<string, unknown>;

const asBytes = (value: unknown) => (typeof value === "number" ? bytes(value) : undefined);
const asText = (value: unknown) =>
  value === undefined || value === null
    ? undefined
    : typeof value === "string"
      ? value
      : JSON.stringify(value);

function adapterTooSmall(d: Details): Omit<Explanation, "code" | "message"> {
  const [needed, offered] = [asBytes(d["needed"]), asBytes(d["offered"])];
  return {
    title: "This GPU is too small for this model",
    advice:
      needed && offered
        ? `The model needs ${needed} in one piece and the GPU offers ${offered}. Try a smaller model, or a machine with a larger GPU.`
        : "Try a smaller model, or a machine with a larger GPU.",
  };
}

const LAYOUT =
  "A model is a folder as Hugging Face lays out Ouro: config.json, model.safetensors (or its shards and their index) and tokenizer.json.";

function checkpoint(d: Details): Omit<Explanation, "code" | "message"> {
  const file = asText(d["file"]);
  const where = [file, asText(d["tensor"]), asText(d["field"])].filter(Boolean).join(", ");
  const [expected, found] = [asText(d["expected"]), asText(d["found"])];
  const mismatch = expected && found ? ` Expected ${expected}, found ${found}.` : "";
  const trouble = where === "" ? "" : `The trouble is in ${where}.${mismatch} `;
  switch (d["kind"]) {
    case "not-a-model-folder":
      return {
        title: "There is no model here",
        advice: `${found ?? "The folder"} has no config.json. ${LAYOUT}`,
      };
    case "missing-file":
      return {
        title: "A file of the model is missing",
        advice: `${file ?? "It"} is not there. Choose the model’s whole folder, or fetch the model again.`,
      };
    case "truncated":
      return {
        title: "A file of the model is incomplete",
        advice: `${trouble}Fetch it again.`,
      };
    case "missing-tensor":
    case "extra-tensor":
    case "wrong-shape":
      return {
        title: "The weights do not fit the configuration",
        advice: `${trouble}config.json and the weights must be of the same model.`,
      };
    case "non-finite":
      return {
        title: "The weights are damaged",
        advice: `${trouble}They hold values that are no numbers. Fetch the model again.`,
      };
    default:
      return { title: "This is not a model the page can run", advice: `${trouble}${LAYOUT}` };
  }
}

function network(d: Details): Omit<Explanation, "code" | "message"> {
  const url = asText(d["url"]);
  const status = typeof d["status"] === "number" ? d["status"] : undefined;
  const what = url ?? "A file of the model";
  if (url?.startsWith("https://huggingface.co/") && [401, 403, 404].includes(status ?? 0))
    return {
      title: "Hugging Face does not hand out this model",
      advice: `${what} answered with status ${status}: there is no such model, or it is private, or its licence has not been accepted. Check its name. If you may use it, download its folder there and choose it here.`,
    };
  if (status === 404)
    return {
      title: "There is no model at this address",
      advice: `${what} was not found (404). The address must be that of the folder that holds config.json.`,
    };
  if (status !== undefined)
    return {
      title: "The server did not hand out the model",
      advice: `${what} answered with status ${status}. Check the address, or try again later.`,
    };
  return {
    title: "The connection failed",
    advice: `${what} could not be read to its end. Check the address and the connection. A server on another address must allow this page to read from it (CORS).`,
  };
}

function outOfMemory(d: Details): Omit<Explanation, "code" | "message"> {
  const needed = asBytes(d["needed"]);
  const suggestion = readSuggestion(d["suggestion"]);
  const said = [
    needed && `${needed} more were needed.`,
    suggestion && `What fits: ${suggestionWords(suggestion)}.`,
    "Close other tabs that use the GPU, free the model that is open, or take a smaller one.",
  ];
  return {
    title: "The GPU has no memory left for this",
    advice: said.filter(Boolean).join(" "),
    ...(suggestion && { suggestion }),
  };
}

function contextFull(d: Details, conversation: boolean): Omit<Explanation, "code" | "message"> {
  const { limit, needed } = d;
  const known = typeof limit === "number" && typeof needed === "number" ? { limit, needed } : undefined;
  const tokens = (n: number) => n.toLocaleString("en");
  const said = [
    known && `There is room for ${tokens(known.limit)} tokens, and it came to ${tokens(known.needed)}.`,
    conversation ? "Start over: what was said is forgotten, what you typed stays." : "Shorten the prompt.",
  ];
  return {
    title: conversation
      ? "The conversation has grown too long for the model"
      : "The text has reached the model's limit",
    advice: said.filter(Boolean).join(" "),
    ...(known && { room: known }),
  };
}

function plain(code: string, d: Details, conversation: boolean): Omit<Explanation, "code" | "message"> {
  switch (code) {
    case "webgpu-unavailable":
      return {
        title: "This browser offers no WebGPU here",
        advice: "The engine runs on WebGPU. The page says below how to get it.",
      };
    case "adapter-too-small":
      return adapterTooSmall(d);
    case "out-of-memory":
      return outOfMemory(d);
    case "device-lost":
      return {
        title: "The GPU went away",
        advice:
          "The driver restarted, the machine slept, or the browser took the GPU back. Open the model again.",
      };
    case "checkpoint-invalid":
      return checkpoint(d);
    case "tokenizer-invalid":
      return {
        title: "The model's tokenizer cannot be read",
        advice: `Check ${asText(d["file"]) ?? "tokenizer.json"}: it must be the one that belongs to this model.`,
      };
    case "tokenizer-missing":
      return {
        title: "The model has no tokenizer",
        advice: "Add tokenizer.json to its folder; without it text cannot become tokens.",
      };
    case "chat-template-missing":
      return {
        title: "The model has no chat template",
        advice: "It can continue text, but it was not made for conversation.",
      };
    case "context-full":
      return contextFull(d, conversation);
    case "busy":
      return {
        title: "Too many answers at once",
        advice: "Wait until one has ended, or stop one.",
      };
    case "network":
      return network(d);
    case "invalid-argument":
      if (d["argument"] === "source")
        return {
          title: "This is no address of a model",
          advice:
            "It must be that of a folder, as in https://example.org/a-model/, or a model’s name on Hugging Face, as in hf:organisation/name.",
        };
      return {
        title: "The model cannot do that",
        advice: asText(d["argument"])
          ? `Check the setting “${asText(d["argument"])}”.`
          : "Check the settings.",
      };
    case "config-invalid":
      return {
        title: "The run cannot be tried like this",
        advice: asText(d["field"])
          ? `Check “${asText(d["field"])}”${asText(d["expected"]) ? `: it should be ${asText(d["expected"])}` : ""}.`
          : "Check the settings of the run.",
      };
    case "non-finite":
      return {
        title: "The numbers ran away",
        advice: "The loss is no number any more. Try a smaller learning rate.",
      };
    case "run-elsewhere":
      return {
        title: "Another tab has this run",
        advice: "Pause it there and close that tab, or train another one here.",
      };
    case "run-lost":
      return {
        title: "The run’s checkpoint is gone",
        advice:
          "It is no longer in this browser’s storage: newer runs have taken its place, or the browser has cleared it. What was measured can still be seen; train it anew.",
      };
    case "folder-unreadable":
      return {
        title: "What was dropped cannot be read",
        advice:
          "The browser may not read it, or it was moved meanwhile. Drop the model’s folder again, or choose it with “Choose a folder”.",
      };
    case "aborted":
      return { title: "Stopped", advice: "Nothing was changed." };
    case "disposed":
      return { title: "This model was closed", advice: "Open it again." };
    default:
      return {
        title: "Something went wrong inside",
        advice: "Reload the page. If it happens again, please report it with the words below.",
      };
  }
}

/** The `code` of one of the package's errors; "internal" for anything else that was thrown. */
export function errorCode(thrown: unknown): string {
  const { code } = Object(thrown) as { code?: unknown };
  return typeof code === "string" ? code : "internal";
}

/** Tells an error in plain words; `conversation`: more was said before what failed. */
export function explain(thrown: unknown, conversation = false): Explanation {
  const { details, message } = Object(thrown) as { details?: unknown; message?: unknown };
  const code = errorCode(thrown);
  const known = typeof details === "object" && details !== null ? (details as Details) : {};
  return {
    code,
    ...plain(code, known, conversation),
    message: typeof message === "string" ? message : String(thrown),
  };
}
