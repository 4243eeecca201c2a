// What is known about a model, as pairs of a name and a text.

const ACCURACY_NAMES = { top1: "top-1", top5: "top-5", map: "mAP", macro_f1: "macro F1" };

export function modelFacts(description, bundle, threads) {
  const [height, width] = description.preprocess.crop;
  return [
    ["Network", description.model],
    ["Classes", description.labels.length.toLocaleString("en")],
    ["Accuracy", accuracyText(description.accuracy)],
    ["License", description.license],
    ["Precision", description.precision],
    ["Quantized for", description.target ?? "not quantized"],
    ["Input", `${width} × ${height} ${description.preprocess.color === "L" ? "gray" : "RGB"}`],
    ["Size", sizeText(description.bytes)],
    ["Runtime", `${bundle.runtime.name} ${bundle.runtime.version}`],
    ["Threads", threads === 1 ? "1 (the page is not isolated)" : String(threads)],
    ["Made with", `edgekit ${bundle.edgekit}`],
    ["SHA-256", `${description.sha256.slice(0, 12)} …`],
  ];
}

function sizeText(bytes) {
  return bytes < 1e5 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(2)} MB`;
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
