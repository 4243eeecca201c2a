// The self-test of a bundle: its golden vectors, stage by stage, from JPEG to labels.

import { preprocess } from "./preprocess.js";
import { rankedScores } from "./scores.js";
import { sha256 } from "./sha256.js";

// read: path in the bundle -> Promise of a Uint8Array; decode: content of a JPEG -> Promise of {pixels, width, height};
// report: called with each finished stage, {name, passed, text}. Returns whether all stages passed. A crop whose image
// decodes differently here is judged from the golden one on.
export async function selfTest({ classifier, golden, read, decode, report }) {
  const results = [];
  const crops = await read(golden.input.file);
  for (const vector of golden.vectors) {
    results.push(await testVector(vector, { classifier, golden, crops, read, decode }));
  }
  const stages = [
    decodingStage(results),
    preprocessingStage(results),
    networkStage(results, golden.tolerance.same_kernels),
    labelStage(results),
  ];
  stages.forEach(report);
  return stages.every((stage) => stage.passed);
}

async function testVector(vector, { classifier, golden, crops, read, decode }) {
  const size = golden.input.shape.slice(1).reduce((a, b) => a * b);
  const crop = crops.subarray(vector.offset, vector.offset + size);
  const jpeg = await read(vector.jpeg.file);
  const image = await decode(jpeg);
  const decodedEqual =
    image.width === vector.decoded.width &&
    image.height === vector.decoded.height &&
    (await sha256(image.pixels)) === vector.decoded.sha256;
  const ownCrop = decodedEqual ? preprocess(image.pixels, image.height, image.width, golden.preprocess) : crop;
  const logits = await classifier.logits(crop);
  const ownLogits = decodedEqual ? await classifier.logits(ownCrop) : logits;
  const top = rankedScores(ownLogits, classifier.description).slice(0, vector.top.length);
  return {
    name: vector.image,
    fileEqual: (await sha256(jpeg)) === vector.jpeg.sha256 && (await sha256(crop)) === vector.pixels_sha256,
    decodedEqual,
    differentBytes: decodedEqual ? ownCrop.reduce((count, byte, i) => count + (byte !== crop[i]), 0) : null,
    difference: largestDifference(logits, vector.logits),
    labelsEqual: top.every(({ index }, rank) => mayHaveRank(vector, index, rank, golden.tolerance.same_kernels)),
  };
}

// Whether the class may have this rank: the golden one, or one whose logit the tolerance cannot tell from it.
function mayHaveRank(vector, index, rank, tolerance) {
  return Math.abs(vector.logits[index] - vector.logits[vector.top[rank].index]) <= 2 * tolerance;
}

function decodingStage(results) {
  const damaged = results.filter((result) => !result.fileEqual);
  if (damaged.length > 0) {
    return { name: "decoding", passed: false, text: `files of ${names(damaged)} are damaged` };
  }
  const different = results.filter((result) => !result.decodedEqual);
  const text = `${results.length - different.length} of ${results.length} images decoded byte for byte`;
  return { name: "decoding", passed: different.length === 0, text: withNames(text, different) };
}

function preprocessingStage(results) {
  const judged = results.filter((result) => result.differentBytes !== null);
  const different = judged.filter((result) => result.differentBytes > 0);
  const text = `${judged.length - different.length} of ${judged.length} crops equal byte for byte`;
  const skipped = results.length - judged.length;
  const note = skipped > 0 ? ` (${skipped} not judged, because they decode differently)` : "";
  return { name: "preprocessing", passed: different.length === 0, text: withNames(text, different) + note };
}

function networkStage(results, tolerance) {
  const different = results.filter((result) => !(result.difference <= tolerance));
  const largest = Math.max(...results.map((result) => result.difference));
  const text = `${results.length - different.length} of ${results.length} crops within the tolerance of the logits`;
  const figures = `; largest difference ${shortNumber(largest)}, tolerance ${shortNumber(tolerance)}`;
  return { name: "network", passed: different.length === 0, text: withNames(text, different) + figures };
}

function labelStage(results) {
  const different = results.filter((result) => !result.labelsEqual);
  const text = `${results.length - different.length} of ${results.length} images with the same labels in the same order`;
  return { name: "labels", passed: different.length === 0, text: withNames(text, different) };
}

function largestDifference(logits, expected) {
  if (logits.length !== expected.length) {
    return Infinity;
  }
  const differences = Array.from(logits, (logit, i) => Math.abs(logit - Math.fround(expected[i])));
  return differences.reduce((a, b) => Math.max(a, b)); // NaN stays NaN
}

function withNames(text, different) {
  return different.length > 0 ? `${text}; different: ${names(different)}` : text;
}

function names(results) {
  return results.map((result) => result.name).join(", ");
}

export function shortNumber(value) {
  return value === 0 ? "0" : value.toPrecision(2);
}
