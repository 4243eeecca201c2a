// What is known about a model, as pairs of a name and a text.

import { sizeText } from "./units.js";

const ACCURACY_NAMES = { top1: "top-1", top5: "top-5", map: "mAP", macro_f1: "macro F1" };

// accuracy: as measured, or null.
export function modelFacts({ model, labels, accuracy, license, precision, target, preprocess }) {
  const [height, width] = preprocess.crop;
  return [
    ["Network", model],
    ["Classes", labels.length.toLocaleString("en")],
    ["Accuracy", accuracyText(accuracy)],
    ["License", license],
    ["Precision", precision],
    ["Quantized for", target ?? "not quantized"],
    ["Input", `${width} × ${height} ${preprocess.color === "L" ? "gray" : "RGB"}`],
  ];
}

export function bundleFacts(description, bundle, threads) {
  return [
    ...modelFacts(description),
    ["Size", sizeText(description.bytes)],
    ["Runtime", `${bundle.runtime.name} ${bundle.runtime.version}`],
    ["Threads", threads === 1 ? "1 (the page is not isolated)" : String(threads)],
    ["Made with", `edgekit ${bundle.edgekit}`],
    ["SHA-256", `${description.sha256.slice(0, 12)} …`],
  ];
}

function accuracyText(accuracy) {
  if (accuracy === null) {
    return "not measured";
  }
  const figures = Object.entries(ACCURACY_NAMES)
    .filter(([key]) => typeof accuracy[key] === "number")
    .map(([key, name]) => `${name} ${(100 * accuracy[key]).toFixed(2)}%`);
  return `${figures.join(", ")} on ${accuracy.images.toLocaleString("en")} images`;
}
