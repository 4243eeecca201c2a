// What lies in the bundle, read in the browser: its documents, the model and onnxruntime-web.

import { Classifier } from "./classifier.js";

const ROOT = new URL("../", import.meta.url);
const MAX_THREADS = 4; // more cores than these are rarely fast ones on a phone

// path in the bundle -> Promise of a Uint8Array.
export async function readBytes(path) {
  return new Uint8Array(await (await request(path)).arrayBuffer());
}

// Returns {bundle, description, goldenFile}: bundle.json, NAME.json and the path of the golden vectors.
export async function readDescription() {
  const bundle = await readJson("bundle.json");
  const [model] = bundle.models;
  return { bundle, description: await readJson(model.description), goldenFile: model.golden };
}

export async function readJson(path) {
  const response = await request(path);
  try {
    return await response.json();
  } catch (error) {
    throw new Error(`${path} is not a JSON document; copy the whole bundle again`, { cause: error });
  }
}

// Threads share memory, which a browser allows only to pages that isolate themselves (headers COOP and COEP).
export function threadsHere() {
  return globalThis.crossOriginIsolated ? Math.min(MAX_THREADS, navigator.hardwareConcurrency) : 1;
}

// report: called with what is being loaded. Returns a Classifier.
export async function openClassifier(description, { report, threads = threadsHere() }) {
  report("the runtime");
  const ort = await openRuntime(threads);
  report("the model");
  const model = await readBytes(description.file);
  return Classifier.open(ort, model, description, { executionProviders: ["wasm"] });
}

export async function openRuntime(threads) {
  const [binary, ort] = await Promise.all([
    readBytes("runtime/ort-wasm-simd-threaded.wasm"),
    importRuntime("runtime/ort.wasm.bundle.min.js"),
  ]);
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmBinary = binary.buffer; // so that no server has to know the type of .wasm files
  ort.env.logLevel = "error";
  return ort;
}

async function importRuntime(path) {
  try {
    return await import(new URL(path, ROOT).href);
  } catch (error) {
    throw new Error(`${path} cannot be loaded; copy the whole bundle again`, { cause: error });
  }
}

async function request(path) {
  let response;
  try {
    response = await fetch(new URL(path, ROOT));
  } catch (error) {
    throw new Error(`${path} cannot be loaded: the server does not respond`, { cause: error });
  }
  if (!response.ok) {
    throw new Error(`${path} is missing (status ${response.status}); copy the whole bundle again`);
  }
  return response;
}
