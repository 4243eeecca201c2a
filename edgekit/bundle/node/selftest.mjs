// node selftest.mjs : compares decoding, pixels, logits and labels with the golden vectors, one line for each stage.

import { openClassifier, readBytes, readJson } from "./bundle.mjs";
import { decodeImage } from "./decode.mjs";
import { selfTest } from "./js/golden.js";

try {
  const classifier = await openClassifier();
  const [{ golden: path }] = (await readJson("bundle.json")).models;
  const golden = await readJson(path);
  const decode = (jpeg) => decodeImage(jpeg, classifier.description.preprocess);
  const report = ({ name, passed, text }) => console.log(`${passed ? "passed" : "FAILED"}  ${name}: ${text}`);
  process.exitCode = (await selfTest({ classifier, golden, read: readBytes, decode, report })) ? 0 : 1;
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
