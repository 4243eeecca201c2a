// What predicts for the page of `edgekit serve`: the server that sent it.

import { modelFacts } from "./facts.js";
import { milliseconds } from "./units.js";

const ROOT = new URL("../", import.meta.url);
const SHOWN = 5;
const FRAME_QUALITY = 0.9; // of the JPEG that a frame of the camera becomes

// onModel: called with {name, summary, facts}; onModelChange: called after another model was chosen; controls: element
// for what only this page has. Returns what app.js needs.
export async function openBackend({ onLoading, onModel, onModelChange, controls }) {
  onLoading("the list of models");
  const server = new Server(controls);
  const { models } = await server.json("models");
  let model;
  const choose = async (name) => {
    model = await server.json(`models/${encodeURIComponent(name)}`);
    model.name = name;
    model.hasHeatMaps = models.find((entry) => entry.name === name).outputs.includes("maps");
    onModel({ name, summary: `${model.labels.length.toLocaleString("en")} classes, ${model.precision}, runs on this server`, facts: factsOf(model) });
  };
  await choose(models[0].name);
  if (models.length > 1) {
    controls.append(modelChoice(models, async (name) => {
      await choose(name);
      onModelChange();
    }));
  }
  return {
    predict: (source) => predict(server, model, source),
    heatMap: async (source) => (await server.send("heat-map", model, source)).blob(),
    get hasHeatMaps() {
      return model.hasHeatMaps;
    },
    privacy: "Images are sent to this server, which keeps none of them.",
    links: [["API (OpenAPI)", "openapi.json"], ["Metrics", "metrics"]],
    keepOffline: async () => "",
  };
}

async function predict(server, model, source) {
  const start = performance.now();
  const response = await server.send("predict", model, source, { top: SHOWN });
  const { top, labels, unknown } = await response.json();
  const assigned = labels ?? (unknown ? [] : top.slice(0, 1));
  const isAssigned = (entry) => assigned.some((other) => other.index === entry.index);
  const scores = [...top, ...assigned.filter((entry) => !top.some((other) => other.index === entry.index))];
  return {
    scores: scores.map((entry) => ({
      ...entry,
      assigned: isAssigned(entry),
      threshold: labels === undefined ? null : (model.thresholds?.[entry.index] ?? 0.5),
    })),
    note: `${milliseconds(performance.now() - start)} to the server and back${serverTimes(response)}.`,
  };
}

// The header Server-Timing lists what the server did, e.g. "queue;dur=0.1, predict;dur=6.3".
function serverTimes(response) {
  const entries = (response.headers.get("server-timing") ?? "").matchAll(/([\w-]+);dur=([\d.]+)/g);
  const times = [...entries].map(([, name, duration]) => `${name} ${milliseconds(Number(duration))}`);
  return times.length > 0 ? `: ${times.join(", ")}` : "";
}

function factsOf(model) {
  return [
    ...modelFacts({ ...model, accuracy: model.metrics }),
    ...(model.attribution ? [["Attribution", model.attribution]] : []),
  ];
}

function modelChoice(models, onChoice) {
  const label = document.createElement("label");
  const select = document.createElement("select");
  select.replaceChildren(...models.map(({ name }) => new Option(name, name)));
  select.onchange = () => onChoice(select.value);
  label.append("Model", select);
  return label;
}

// The server's HTTP interface. A key, if it wants one, is asked for, and forgotten when the page is closed.
class Server {
  constructor(controls) {
    this.controls = controls;
    this.key = null;
  }

  async json(path) {
    return (await this.request(path)).json();
  }

  async send(path, model, source, parameters = {}) {
    const query = new URLSearchParams({ model: model.name, ...parameters });
    const body = source instanceof HTMLVideoElement ? await frameOf(source) : source;
    return this.request(`${path}?${query}`, { method: "POST", body, headers: { "content-type": "application/octet-stream" } });
  }

  async request(path, options = {}) {
    let response;
    try {
      const authorization = this.key === null ? {} : { authorization: `Bearer ${this.key}` };
      response = await fetch(new URL(path, ROOT), { ...options, headers: { ...options.headers, ...authorization } });
    } catch (error) {
      throw new Error("the server does not respond", { cause: error });
    }
    if (response.status === 401) {
      await this.askForKey();
      return this.request(path, options);
    }
    if (!response.ok) {
      throw new Error(await errorOf(response));
    }
    return response;
  }

  // Returns when a key was entered, which may be a wrong one.
  async askForKey() {
    const form = document.createElement("form");
    form.className = "controls";
    const label = document.createElement("label");
    const input = document.createElement("input");
    input.type = "password";
    input.required = true;
    input.autocomplete = "current-password";
    const button = document.createElement("button");
    button.textContent = "Use key";
    label.append(this.key === null ? "API key" : "Not a valid key. API key", input);
    form.append(label, button);
    this.controls.replaceChildren(form, ...this.controls.children);
    input.focus();
    this.key = await new Promise((resolve) => {
      form.onsubmit = (event) => {
        event.preventDefault();
        resolve(input.value);
      };
    });
    form.remove();
  }
}

async function errorOf(response) {
  try {
    const { error } = await response.json();
    return error.message ?? error;
  } catch {
    return `the server responds with status ${response.status}`;
  }
}

async function frameOf(video) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext("2d").drawImage(video, 0, 0);
  return new Promise((resolve, reject) => {
    const done = (blob) => (blob === null ? reject(new Error("the camera's frame cannot be encoded")) : resolve(blob));
    canvas.toBlob(done, "image/jpeg", FRAME_QUALITY);
  });
}
