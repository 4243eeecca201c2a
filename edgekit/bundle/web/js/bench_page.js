// The benchmark in the browser: a worker for each number of threads, timed in turn.

import { SETTINGS, deviceDocument, timeInTurn } from "./benchmark.js";
import { readDescription } from "./bundle.js";

const LONGEST = 200; // characters of the name of the browser
const byId = (id) => document.getElementById(id);

start().catch(showError);

async function start() {
  const documents = await readDescription();
  document.title = `${documents.description.name}: benchmark`;
  byId("name").textContent = documents.description.name;
  byId("summary").textContent = `${documents.bundle.runtime.name} ${documents.bundle.runtime.version}, threads: ${threadCounts().join(", ")}`;
  byId("start").disabled = false;
  byId("start").onclick = () => measure(documents).catch(showError);
}

async function measure({ bundle, description, goldenFile }) {
  byId("start").disabled = true;
  byId("error").hidden = true;
  byId("status").textContent = "Loading …";
  const workers = threadCounts().map((threads) => ({ threads, ask: startWorker() }));
  for (const { threads, ask } of workers) {
    await ask("open", { threads, description, goldenFile });
  }
  const [{ ask }] = workers;
  const check = await ask("check");
  const session = check.passed ? await ask("timeSessions") : null;
  const { network, drift } = check.passed ? await timeRounds(workers) : { network: [], drift: null };
  const device = { cores: navigator.hardwareConcurrency, system: navigator.userAgent.slice(0, LONGEST) };
  showDocument(deviceDocument({ bundle, description, device, check, session, network, drift }));
}

function timeRounds(workers) {
  const progress = byId("progress");
  progress.max = SETTINGS.rounds * workers.length;
  progress.value = 0;
  progress.hidden = false;
  byId("status").textContent = "Measuring …";
  const workloads = workers.map(({ threads, ask }) => ({ threads, round: (seconds) => ask("round", seconds) }));
  return timeInTurn(workloads, () => progress.value++);
}

// 1, 2, 4 and so on, and all cores. Threads share memory, which needs an isolated page (headers COOP and COEP).
function threadCounts() {
  if (!globalThis.crossOriginIsolated) {
    return [1];
  }
  const counts = [];
  for (let count = 1; count < navigator.hardwareConcurrency; count *= 2) {
    counts.push(count);
  }
  return [...counts, navigator.hardwareConcurrency];
}

// Returns a function that gives the worker a task, and resolves to its result.
function startWorker() {
  const worker = new Worker(new URL("bench_worker.js", import.meta.url), { type: "module" });
  return (task, argument) =>
    new Promise((resolve, reject) => {
      worker.onmessage = ({ data: { result, error } }) => (error === undefined ? resolve(result) : reject(new Error(error)));
      worker.onerror = (event) => reject(new Error(event.message ?? "a worker cannot be started"));
      worker.postMessage({ task, argument });
    });
}

function showDocument(result) {
  const [{ golden, network }] = result.models;
  const text = `${JSON.stringify(result, null, 1)}\n`;
  byId("progress").hidden = true;
  byId("status").textContent = golden.passed
    ? network.map(({ threads, median_ms }) => `${median_ms.toPrecision(3)} ms with ${threads} ${threads === 1 ? "thread" : "threads"}`).join(", ")
    : `Not timed: logits differ by ${golden.largest_difference}, more than ${golden.tolerance}; see the self-test.`;
  byId("document").textContent = text;
  byId("document").hidden = false;
  byId("save").href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  byId("save").hidden = false;
  byId("start").disabled = false;
}

function showError(error) {
  byId("error").textContent = error.message;
  byId("error").hidden = false;
  byId("status").textContent = "Not finished.";
}
