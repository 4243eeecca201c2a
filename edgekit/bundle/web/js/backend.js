// What predicts for the page of a bundle: the network, in this browser.

import { openClassifier, readDescription, threadsHere } from "./bundle.js";
import { decodeImage } from "./decode.js";
import { bundleFacts } from "./facts.js";
import { milliseconds } from "./units.js";

const SHOWN = 5;

// onLoading: called with what is being loaded; onModel: called with {name, summary, facts}. Returns what app.js needs.
export async function openBackend({ onLoading, onModel }) {
  const { bundle, description } = await readDescription();
  onModel({
    name: description.name,
    summary: `${description.labels.length.toLocaleString("en")} classes, ${description.precision}, runs in this browser`,
    facts: bundleFacts(description, bundle, threadsHere()),
  });
  const classifier = await openClassifier(description, { report: onLoading });
  await warmUp(classifier);
  return {
    predict: (source) => predict(classifier, source),
    hasHeatMaps: false,
    privacy: "Images stay on this device: nothing is sent anywhere.",
    links: [["Self-test", "selftest.html"], ["Benchmark", "bench.html"]],
    keepOffline,
  };
}

// The first run is slower than the following ones, so it is not that of an image.
async function warmUp(classifier) {
  const { crop, color } = classifier.description.preprocess;
  await classifier.logits(new Uint8Array(crop[0] * crop[1] * color.length));
}

async function predict(classifier, source) {
  const start = performance.now();
  const image = await decodeImage(source, classifier.description.preprocess);
  const decoding = performance.now() - start;
  const { top, labels, times } = await classifier.predict(image, SHOWN);
  const { thresholds } = classifier.description;
  const note =
    `${milliseconds(decoding + times.preprocessing + times.network)}: decoding ${milliseconds(decoding)}, ` +
    `preprocessing ${milliseconds(times.preprocessing)}, network ${milliseconds(times.network)}. ` +
    `Image ${image.width} × ${image.height} pixels.` +
    (image.exact ? "" : " Its transparent pixels may be off by one level: this browser has no WebGL.");
  const scores = [...new Set([...top, ...labels])];
  return { scores: scores.map((score) => ({ ...score, threshold: thresholds?.[score.index] ?? null })), note };
}

// Keep every file of the bundle, so that the page works without a network from now on. Returns what to tell the user.
async function keepOffline() {
  if (navigator.serviceWorker === undefined) {
    return "Works offline only if served over HTTPS or from localhost.";
  }
  try {
    await navigator.serviceWorker.register("service_worker.js");
    await navigator.serviceWorker.ready;
    return "Available offline.";
  } catch (error) {
    return `Not available offline: ${error.message}`;
  }
}
