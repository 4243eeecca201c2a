// The model of this folder, opened with onnxruntime-node: for programs of your own, too.

import { readFile } from "node:fs/promises";
import { Classifier, sessionOptions } from "./js/classifier.js";

// path in the bundle -> Promise of its content.
export async function readBytes(path) {
  return new Uint8Array(await readFile(new URL(path, import.meta.url)));
}

export async function readJson(path) {
  return JSON.parse(await readFile(new URL(path, import.meta.url), "utf8"));
}

// options: of the session, such as {intraOpNumThreads: 1}.
export async function openClassifier(options = {}) {
  const [{ description: path }] = (await readJson("bundle.json")).models;
  const description = await readJson(path);
  const ort = await importPackage("onnxruntime-node", "ONNXRUNTIME_NODE_INSTALL=skip npm install");
  const settings = { ...sessionOptions(description.target, await hasVnni()), ...options };
  return Classifier.open(ort, await readBytes(description.file), description, settings);
}

// Linux lists the instructions of an x86 processor; elsewhere they are unknown, and taken to be missing.
async function hasVnni() {
  const facts = await readFile("/proc/cpuinfo", "utf8").catch(() => "");
  return /^flags\s*:.* (avx512_vnni|avx_vnni)( |$)/m.test(facts);
}

export async function importPackage(name, command) {
  try {
    const module = await import(name);
    return module.default ?? module;
  } catch (error) {
    throw new Error(`${name} cannot be loaded; in the folder of the bundle, run: ${command}`, { cause: error });
  }
}
