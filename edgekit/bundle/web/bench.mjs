// What the network costs in Node's WebAssembly, with one thread: node bench.mjs > device.json

import { readFile } from "node:fs/promises";
import { arch, availableParallelism, cpus, platform, release, totalmem } from "node:os";
import { Subject, deviceDocument, timeInTurn } from "./js/benchmark.js";
import * as ort from "./runtime/ort.wasm.bundle.min.js";

const read = async (path) => new Uint8Array(await readFile(new URL(path, import.meta.url)));
const readJson = async (path) => JSON.parse(await readFile(new URL(path, import.meta.url), "utf8"));

const bundle = await readJson("bundle.json");
const [{ description: descriptionFile, golden: goldenFile }] = bundle.models;
const description = await readJson(descriptionFile);
const golden = await readJson(goldenFile);
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmBinary = await read("runtime/ort-wasm-simd-threaded.wasm");
const [model, crops] = await Promise.all([read(description.file), read(golden.input.file)]);
const subject = await Subject.open(ort, { model, description, golden, crops });
const check = await subject.check();
const session = check.passed ? await subject.timeSessions() : null;
const workload = { threads: 1, round: (seconds) => subject.round(seconds) };
const { network, drift } = check.passed ? await timeInTurn([workload], () => process.stderr.write(".")) : { network: [], drift: null };
process.stderr.write("\n");
const device = {
  processor: cpus()[0]?.model ?? null,
  cores: availableParallelism(),
  memory_bytes: totalmem(),
  system: `${platform()} ${release()} ${arch()}, Node.js ${process.versions.node}`,
};
const result = deviceDocument({ bundle, description, device, check, session, network, drift });
process.stdout.write(`${JSON.stringify(result, null, 1)}\n`, () => process.exit(check.passed ? 0 : 1));
