// A model with its description (NAME.json), for the browser and Node: upright pixels in, logits and labels out.

import { preprocess } from "./preprocess.js";
import { rankedScores } from "./scores.js";
import { sha256 } from "./sha256.js";

const SIGNED_ACTIVATIONS = ["arm64"];
const UNSCALED_WEIGHTS = ["web", "x86-vnni"];

// The settings of onnxruntime with which every processor computes a file for a target as the target does; the reasons
// stand at session_settings in edgekit.runtime.targets. hasVnni: whether the processor is known to have these
// instructions: there, the second setting changes no result, but MobileNetV2 takes 2.4 times as long.
export function sessionOptions(target, hasVnni = false) {
  const session = {};
  if (SIGNED_ACTIVATIONS.includes(target)) {
    session.qdqisint8allowed = "1";
  } else if (UNSCALED_WEIGHTS.includes(target) && !hasVnni) {
    session.x64quantprecision = "1";
  }
  return { extra: { session } };
}

export class Classifier {
  constructor(ort, session, description) {
    this.ort = ort;
    this.session = session;
    this.description = description;
  }

  // ort: onnxruntime-web or onnxruntime-node; model: content of the .onnx file; options: of the session.
  static async open(ort, model, description, options = {}) {
    if ((await sha256(model)) !== description.sha256) {
      throw new Error(`${description.file} is not the file that its description was written for; copy the whole bundle again`);
    }
    const session = await ort.InferenceSession.create(model, { ...sessionOptions(description.target), ...options });
    return new Classifier(ort, session, description);
  }

  // image: {pixels, width, height} with upright bytes in the color of the model (RGB or L).
  // Returns {top, labels, logits, times}: the `count` most probable classes; those that the image has, which is one of a
  // single-label model; milliseconds of preprocessing and network.
  async predict(image, count = 5) {
    const start = performance.now();
    const crop = preprocess(image.pixels, image.height, image.width, this.description.preprocess);
    const cut = performance.now();
    const logits = await this.logits(crop);
    const times = { preprocessing: cut - start, network: performance.now() - cut };
    const scores = rankedScores(logits, this.description);
    return { top: scores.slice(0, count), labels: scores.filter((score) => score.assigned), logits, times };
  }

  // crop: result of `preprocess`. Returns a Float32Array of classes.
  async logits(crop) {
    const { input, output, labels } = this.description;
    const [batch, ...shape] = input.shape;
    const pixels = new Uint8Array((batch ?? 1) * crop.length); // a model of a fixed batch size wants that many images
    pixels.set(crop);
    const tensor = new this.ort.Tensor("uint8", pixels, [batch ?? 1, ...shape]);
    const outputs = await this.session.run({ [input.name]: tensor });
    return outputs[output.name].data.slice(0, labels.length);
  }
}
