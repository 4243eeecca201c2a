// Measures models in WebAssembly (onnxruntime-web in Node, one thread): the table in docs/guides/quantize.md.
//
//     npm install --ignore-scripts onnxruntime-web
//     edgekit bundle float32.onnx --for node --data photos/ -o bundle
//     node scripts/bench_wasm.mjs node_modules/onnxruntime-web bundle/float32.golden.bin float32.onnx int8.onnx ...
//
// The second argument is a file of pixels: uint8 images of the models' input size, one after the other. They must come
// from photos: the time of integer kernels depends on the values (MobileNetV2 in int8: 46 ms on noise, 32 on a smooth
// pattern; in float32: 28 on both). Models run in turn, so that a busy machine slows all of them alike. Times are CPU
// time of the process. The last column is the median over the rounds of the first model's time divided by this one's:
// above 1 the model is faster.

import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';

const ROUNDS = 40;
const WARMUP = 50; // until then, V8 replaces the code that it compiled first

const [runtime, pixelsFile, ...files] = process.argv.slice(2);
if (files.length === 0) {
  console.error('usage: node bench_wasm.mjs RUNTIME PIXELS MODEL...');
  process.exit(2);
}
const module = path.resolve(runtime, 'dist', 'ort.wasm.min.mjs');
const ort = await import(pathToFileURL(module));
ort.env.wasm.numThreads = 1;

const sessions = [];
for (const file of files) {
  sessions.push(await ort.InferenceSession.create(fs.readFileSync(file), { executionProviders: ['wasm'] }));
}

/** The images of the file as inputs of a model. */
function feedsOf(session) {
  const [input] = session.inputMetadata;
  const shape = [1, ...input.shape.slice(1)];
  const size = shape.reduce((product, extent) => product * extent, 1);
  if (pixels.length === 0 || pixels.length % size !== 0) {
    throw new Error(`${pixelsFile}: ${pixels.length} bytes are not images of ${size} bytes`);
  }
  const count = pixels.length / size;
  return Array.from({ length: count }, (_, index) => ({
    [input.name]: new ort.Tensor('uint8', pixels.slice(index * size, (index + 1) * size), shape),
  }));
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

const pixels = new Uint8Array(fs.readFileSync(pixelsFile));
const feeds = sessions.map(feedsOf);
const times = sessions.map(() => []);
for (let round = 0; round < WARMUP + ROUNDS; round++) {
  const order = sessions.map((_, index) => (round % 2 ? sessions.length - 1 - index : index));
  for (const index of order) {
    const start = process.cpuUsage();
    await sessions[index].run(feeds[index][round % feeds[index].length]);
    const spent = process.cpuUsage(start);
    if (round >= WARMUP) times[index].push((spent.user + spent.system) / 1000);
  }
}

console.log(`onnxruntime-web ${ort.env.versions.web}, Node ${process.version}, one thread, ${ROUNDS} rounds in turn`);
console.log('| model | MB | CPU time, ms | speed relative to the first |\n|---|---|---|---|');
files.forEach((file, index) => {
  const size = (fs.statSync(file).size / 1e6).toFixed(2);
  const ratio = median(times[0].map((time, round) => time / times[index][round]));
  console.log(`| ${path.basename(file)} | ${size} | ${median(times[index]).toFixed(1)} | ${ratio.toFixed(2)} |`);
});
