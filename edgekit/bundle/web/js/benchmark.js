// What the network costs on this device: the document of edgekit.bench.device, schema 1.

import { Classifier } from "./classifier.js";

export const SETTINGS = { rounds: 15, seconds: 0.1 };
const SESSIONS = 5;
const WARM_UP_RUNS = 3;
const SHORTEST = 2; // milliseconds: clocks of browsers resolve 0.1, so faster runs are timed several at a time
const LARGEST_FLOAT32 = 2 ** 128 - 2 ** 104;

// A model in one runtime, with a fixed number of threads.
export class Subject {
  constructor(open, classifier, golden, crops) {
    this.reopen = open;
    this.classifier = classifier;
    this.golden = golden;
    this.crops = crops;
  }

  // model: content of the .onnx file; golden and crops: NAME.golden.json and content of its .bin file.
  static async open(ort, { model, description, golden, crops }) {
    const open = () => Classifier.open(ort, model, description, { executionProviders: ["wasm"] });
    return new Subject(open, await open(), golden, crops);
  }

  crop(number) {
    const size = this.golden.input.shape.slice(1).reduce((a, b) => a * b);
    return this.crops.subarray(number * size, (number + 1) * size);
  }

  // Whether the network computes here what it should: a wrong result is not timed.
  async check() {
    const tolerance = this.golden.tolerance.same_kernels;
    let sameLabels = 0;
    let largest = 0;
    for (const [number, vector] of this.golden.vectors.entries()) {
      const logits = await this.classifier.logits(this.crop(number));
      const expected = Float32Array.from(vector.logits);
      sameLabels += largestAt(logits) === largestAt(expected);
      const differences = Array.from(logits, (logit, i) => Math.abs(logit - expected[i]));
      largest = Math.max(largest, ...differences.map((value) => (Number.isNaN(value) ? LARGEST_FLOAT32 : value)));
    }
    const vectors = this.golden.vectors.length;
    return { vectors, same_labels: sameLabels, largest_difference: largest, tolerance, passed: largest <= tolerance };
  }

  async timeSessions() {
    const times = [];
    for (let i = 0; i < SESSIONS; i++) {
      const start = performance.now();
      const { session } = await this.reopen();
      times.push(performance.now() - start);
      await session.release();
    }
    return quartiles(times);
  }

  // Milliseconds of single runs, for about `seconds`.
  async round(seconds) {
    this.group ??= await this.groupSize();
    const times = [];
    const start = performance.now();
    do {
      times.push(await this.time(this.group));
    } while (performance.now() - start < 1e3 * seconds);
    return times;
  }

  async groupSize() {
    await this.time(WARM_UP_RUNS);
    let group = 1;
    while ((await this.time(group)) * group < SHORTEST) {
      group *= 2;
    }
    return group;
  }

  async time(runs) {
    const crop = this.crop(0);
    const start = performance.now();
    for (let i = 0; i < runs; i++) {
      await this.classifier.logits(crop);
    }
    return (performance.now() - start) / runs;
  }
}

// Times workloads in turn, every other round in the opposite order, so that all meet the same disturbances.
// workloads: [{threads, round: (seconds) -> Promise of times}]; step: called after each round of one.
// Returns {network, drift} as in the document.
export async function timeInTurn(workloads, step) {
  const timings = workloads.map(() => []);
  for (let round = 0; round < SETTINGS.rounds; round++) {
    const order = Array.from(workloads.keys());
    for (const position of round % 2 === 0 ? order : order.reverse()) {
      timings[position].push(await workloads[position].round(SETTINGS.seconds));
      step();
    }
  }
  const network = workloads.map(({ threads }, position) => latency(threads, timings[position]));
  return { network, drift: rounded(quantile(network.map(drift), 0.5)) };
}

// The whole document. check: result of Subject.check; device, versions: as in the document.
export function deviceDocument({ bundle, description, device, versions, check, session, network, drift }) {
  const { name, file, sha256, bytes, precision, target } = description;
  const unknown = { cold_start_ms: null, peak_memory_bytes: null };
  return {
    schema: 1,
    edgekit: bundle.edgekit,
    created: `${new Date().toISOString().slice(0, 19)}Z`,
    device: { name: null, processor: null, architecture: "wasm", features: null, memory_bytes: null, ...device },
    versions: { onnxruntime: null, numpy: null, python: null, [bundle.runtime.name]: bundle.runtime.version, ...versions },
    settings: SETTINGS,
    conditions: { temperature_c: null, frequency_mhz: null, throttled: null, drift },
    models: [{ name, file, sha256, bytes, precision, target, golden: check, session_ms: session, ...unknown, network }],
  };
}

function latency(threads, rounds) {
  const { median, low, high } = quartiles(rounds.flat());
  const medians = rounds.map((times) => rounded(quantile(times, 0.5)));
  return { threads, median_ms: median, low_ms: low, high_ms: high, runs: rounds.flat().length, rounds_ms: medians };
}

function drift({ rounds_ms: medians }) {
  const third = Math.max(Math.floor(medians.length / 3), 1);
  return quantile(medians.slice(-third), 0.5) / quantile(medians.slice(0, third), 0.5);
}

function quartiles(times) {
  return { median: rounded(quantile(times, 0.5)), low: rounded(quantile(times, 0.25)), high: rounded(quantile(times, 0.75)) };
}

function quantile(values, share) {
  const ascending = Float64Array.from(values).sort();
  const position = (ascending.length - 1) * share;
  const below = ascending[Math.floor(position)];
  return below + (ascending[Math.ceil(position)] - below) * (position % 1);
}

function rounded(milliseconds) {
  return Number(milliseconds.toFixed(4));
}

function largestAt(values) {
  return values.reduce((best, value, i) => (value > values[best] ? i : best), 0);
}
