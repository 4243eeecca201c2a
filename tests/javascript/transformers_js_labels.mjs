// The most probable label of each image, one a line: transformers_js_labels.mjs FOLDER IMAGE...

import { env, pipeline } from "@huggingface/transformers";

const [folder, ...images] = process.argv.slice(2);
env.allowRemoteModels = false;
const classifier = await pipeline("image-classification", folder);
for (const image of images) {
  const [{ label, score }] = await classifier(image, { top_k: 1 });
  console.log(JSON.stringify({ label, score }));
}
