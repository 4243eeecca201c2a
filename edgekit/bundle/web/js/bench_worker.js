// One runtime with a fixed number of threads: it cannot be changed once the runtime is loaded.

import { Subject } from "./benchmark.js";
import { openRuntime, readBytes, readJson } from "./bundle.js";

let subject = null;

const TASKS = {
  async open({ threads, description, goldenFile }) {
    const golden = await readJson(goldenFile);
    const [model, crops] = await Promise.all([readBytes(description.file), readBytes(golden.input.file)]);
    subject = await Subject.open(await openRuntime(threads), { model, description, golden, crops });
  },
  check: () => subject.check(),
  timeSessions: () => subject.timeSessions(),
  round: (seconds) => subject.round(seconds),
};

onmessage = async ({ data: { task, argument } }) => {
  try {
    postMessage({ result: await TASKS[task](argument) });
  } catch (error) {
    postMessage({ error: error.message });
  }
};
