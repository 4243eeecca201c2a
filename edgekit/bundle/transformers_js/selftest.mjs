// Compares this folder with its golden vectors, in Node: node selftest.mjs. Exits with 1 if a stage fails.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { env, pipeline, RawImage, Tensor } from "@huggingface/transformers";

const folder = dirname(fileURLToPath(import.meta.url));
env.allowRemoteModels = false;

const manifest = readJson("bundle.json");
const golden = readJson(manifest.models[0].golden);
const description = readJson(manifest.models[0].description);
const crops = read(golden.input.file);
const tolerance = golden.tolerance.same_kernels;
if (sha256(read(description.file)) !== description.sha256) {
  throw new Error(`${description.file} is not the file that ${description.name}.json describes; copy the folder again`);
}
// With these settings of onnxruntime, every processor computes a file for a target as the target does.
const settings = {
  arm64: { qdqisint8allowed: "1" },
  web: { x64quantprecision: "1" },
  "x86-vnni": { x64quantprecision: "1" },
};
const session_options = { extra: { session: settings[golden.target] ?? {} } };
const classifier = await pipeline("image-classification", folder, { session_options });

const results = [];
for (const vector of golden.vectors) {
  results.push(await testVector(vector));
}
const stages = [decodingStage(), preprocessingStage(), networkStage(), labelStage()];
for (const { name, passed, text } of stages) {
  console.log(`${passed ? "passed" : "FAILED"}  ${name}: ${text}`);
}
process.exitCode = stages.every((stage) => stage.passed) ? 0 : 1;

async function testVector(vector) {
  const file = join(folder, vector.jpeg.file);
  const image = await RawImage.read(file);
  const pixels = inColor(image.clone().rgb().data);
  const { pixel_values } = await classifier.processor([image]);
  const [height, width, channels] = golden.input.shape.slice(1);
  const crop = crops.subarray(vector.offset, vector.offset + height * width * channels);
  const logits = (await classifier.model({ pixel_values: planes(crop, height, width, channels) })).logits.data;
  const expected = vector.logits.map((logit) => Math.fround(Math.fround(logit) / Math.fround(golden.temperature ?? 1)));
  const order = Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a] || a - b);
  const [best] = await classifier(file, { top_k: 1 });
  return {
    name: vector.image,
    fileEqual: sha256(read(vector.jpeg.file)) === vector.jpeg.sha256 && sha256(crop) === vector.pixels_sha256,
    decodedEqual:
      image.width === vector.decoded.width &&
      image.height === vector.decoded.height &&
      sha256(pixels) === vector.decoded.sha256,
    acceptable:
      pixel_values.dims.join() === [1, 3, height, width].join() &&
      pixel_values.data.every((level) => Number.isInteger(level) && level >= 0 && level <= 255),
    levels: meanDifference(pixel_values.data, crop, height * width, channels),
    difference: logits.reduce((most, logit, i) => Math.max(most, Math.abs(logit - expected[i])), 0),
    labelsEqual: vector.top.every(
      ({ index, label }, rank) =>
        classifier.model.config.id2label[index] === label &&
        Math.abs(expected[order[rank]] - expected[index]) <= 2 * tolerance,
    ),
    ownLabelEqual: best.label === vector.top[0].label,
  };
}

function decodingStage() {
  const different = results.filter((result) => !(result.fileEqual && result.decodedEqual));
  return stage("decoding", different, "images decoded byte for byte");
}

// Its resampling is its own, so the pixels are only reported.
function preprocessingStage() {
  const different = results.filter((result) => !result.acceptable);
  const mean = results.reduce((sum, { levels }) => sum + levels, 0) / results.length;
  const text = `crops of the right form, on average ${mean.toFixed(1)} levels from edgekit's`;
  return stage("preprocessing", different, text);
}

function networkStage() {
  const different = results.filter((result) => !(result.difference <= tolerance));
  const largest = Math.max(...results.map(({ difference }) => difference)).toPrecision(2);
  return stage("network", different, `golden crops within ${tolerance} of the logits (largest difference ${largest})`);
}

function labelStage() {
  const different = results.filter((result) => !result.labelsEqual);
  const own = results.filter((result) => result.ownLabelEqual).length;
  return stage("labels", different, `golden crops with the same labels (${own} with its own preprocessing)`);
}

function stage(name, different, text) {
  const count = `${results.length - different.length} of ${results.length}`;
  const names = different.length > 0 ? `; different: ${different.map((result) => result.name).join(", ")}` : "";
  return { name, passed: different.length === 0, text: `${count} ${text}${names}` };
}

// RGB, or Pillow's gray of it for a gray model.
function inColor(rgb) {
  return golden.input.color === "L" ? Uint8Array.from({ length: rgb.length / 3 }, (_, i) => luma(rgb, 3 * i)) : rgb;
}

function luma(rgb, at) {
  return (rgb[at] * 19595 + rgb[at + 1] * 38470 + rgb[at + 2] * 7471 + 32768) >> 16;
}

// A crop as the image processor passes it: planes of levels, always three.
function planes(crop, height, width, channels) {
  const count = height * width;
  const levels = new Float32Array(3 * count);
  for (let i = 0; i < levels.length; i++) {
    const channel = channels === 1 ? 0 : Math.floor(i / count);
    levels[i] = crop[(i % count) * channels + channel];
  }
  return new Tensor("float32", levels, [1, 3, height, width]);
}

function meanDifference(values, crop, count, channels) {
  let sum = 0;
  for (let place = 0; place < count; place++) {
    const rgb = [values[place], values[count + place], values[2 * count + place]];
    const own = channels === 1 ? [luma(rgb, 0)] : rgb;
    own.forEach((value, channel) => {
      sum += Math.abs(value - crop[place * channels + channel]);
    });
  }
  return sum / (count * channels);
}

function read(name) {
  return readFileSync(join(folder, name));
}

function readJson(name) {
  return JSON.parse(read(name).toString("utf8"));
}

function sha256(bytes) {
  return createHash("sha256").update(bytes).digest("hex");
}
