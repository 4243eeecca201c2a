#!/usr/bin/env node
// node classify.mjs IMAGE... : prints one JSON document for each image, with the keys of `edgekit predict`.

import { readFile } from "node:fs/promises";
import { openClassifier } from "./bundle.mjs";
import { decodeImage } from "./decode.mjs";

const SOME_FAILED = 3;
const paths = process.argv.slice(2);
if (paths.length === 0 || paths.some((path) => path.startsWith("-"))) {
  console.error("usage: node classify.mjs IMAGE...");
  process.exit(2);
}
const classifier = await openClassifier().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
for (const path of paths) {
  try {
    const image = await decodeImage(await readFile(path), classifier.description.preprocess);
    const { top, labels } = await classifier.predict(image);
    const result = classifier.description.task === "multi-label" ? { labels, top } : { top };
    console.log(JSON.stringify({ path, ...result }, ["path", "labels", "top", "label", "index", "probability"]));
  } catch (error) {
    console.log(JSON.stringify({ path, error: error.message }));
    process.exitCode = SOME_FAILED;
  }
}
