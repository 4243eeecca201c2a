// node preprocess_all.mjs MODULES CASES PIXELS: writes the crops of all cases, one after the other, to stdout. MODULES is
// the folder of preprocess.js. A case is {"height", "width", "spec"}; PIXELS contains their images in a row.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [modules, casesPath, pixelsPath] = process.argv.slice(2);
const { preprocess } = await import(pathToFileURL(`${modules}/preprocess.js`));
const pixels = new Uint8Array(readFileSync(pixelsPath));
const crops = [];
let offset = 0;
for (const { height, width, spec } of JSON.parse(readFileSync(casesPath, "utf8"))) {
  const length = height * width * spec.color.length;
  crops.push(preprocess(pixels.subarray(offset, (offset += length)), height, width, spec));
}
process.stdout.write(Buffer.concat(crops));
