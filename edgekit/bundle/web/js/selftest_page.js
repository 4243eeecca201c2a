// The self-test in the browser: one line for each stage.

import { openClassifier, readBytes, readDescription, readJson } from "./bundle.js";
import { decodeImage } from "./decode.js";
import { selfTest } from "./golden.js";

const byId = (id) => document.getElementById(id);

run().catch((error) => {
  byId("error").textContent = error.message;
  byId("error").hidden = false;
  showVerdict(false, "Not finished");
});

async function run() {
  const { bundle, description, goldenFile } = await readDescription();
  document.title = `${description.name}: self-test`;
  byId("name").textContent = description.name;
  const golden = await readJson(goldenFile);
  byId("summary").textContent = `${golden.vectors.length} golden vectors, ${bundle.runtime.name} ${bundle.runtime.version}`;
  const classifier = await openClassifier(description, { report: () => {} });
  const decode = (jpeg) => decodeImage(new Blob([jpeg], { type: "image/jpeg" }), description.preprocess);
  const passed = await selfTest({ classifier, golden, read: readBytes, decode, report: showStage });
  showVerdict(passed, passed ? "Passed: this device computes what edgekit computes." : "Failed");
}

function showStage({ name, passed, text }) {
  const item = document.createElement("li");
  item.className = passed ? "passed" : "failed";
  const mark = document.createElement("b");
  mark.textContent = passed ? "passed" : "FAILED";
  const line = document.createElement("span");
  line.textContent = `${name}: ${text}`;
  item.append(mark, " ", line);
  byId("stages").append(item);
}

function showVerdict(passed, text) {
  byId("verdict").textContent = text;
  byId("verdict").className = `verdict ${passed ? "passed" : "failed"}`;
}
