// The page: choose, drop, paste or photograph an image, and see its labels.

import { openClassifier, readDescription, threadsHere } from "./bundle.js";
import { decodeImage } from "./decode.js";
import { modelFacts } from "./facts.js";

const SHOWN = 5;
const TINY = 128; // pixels: such images are enlarged without blur
const FRAME_PAUSE = 100; // milliseconds between frames of the camera, so that the page stays responsive
const byId = (id) => document.getElementById(id);

let classifier = null;
let shown = 0; // counts images, so that a slow one does not replace a later one
let stream = null;

start().catch(showError);

async function start() {
  acceptImages();
  const { bundle, description } = await readDescription();
  document.title = `${description.name}: image classifier`;
  byId("name").textContent = description.name;
  byId("summary").textContent = `${description.labels.length.toLocaleString("en")} classes, ${description.precision}, runs in this browser`;
  byId("facts").replaceChildren(...modelFacts(description, bundle, threadsHere()).map(factItem));
  classifier = await openClassifier(description, { report: (what) => showStatus(`Loading ${what} …`) });
  await warmUp();
  showStatus("Ready: drop, paste, choose or photograph an image.");
  byId("choose").disabled = byId("camera").disabled = false;
  await keepOffline();
}

// The first run is slower than the following ones, so it is not that of an image.
async function warmUp() {
  const { crop, color } = classifier.description.preprocess;
  await classifier.logits(new Uint8Array(crop[0] * crop[1] * color.length));
}

function acceptImages() {
  const stage = byId("stage");
  byId("choose").onclick = () => byId("file").click();
  byId("camera").onclick = () => toggleCamera().catch(showError);
  for (const input of [byId("file"), byId("capture")]) {
    input.onchange = () => {
      showFile(input.files[0]);
      input.value = ""; // so that the same file can be chosen again
    };
  }
  document.ondragover = (event) => {
    event.preventDefault();
    stage.classList.add("over");
  };
  document.ondragleave = () => stage.classList.remove("over");
  document.ondrop = (event) => {
    event.preventDefault();
    stage.classList.remove("over");
    showFile(event.dataTransfer.files[0]);
  };
  document.onpaste = (event) => showFile(event.clipboardData.files[0]);
}

async function showFile(file) {
  if (file === undefined) {
    showError(new Error("no image file was dropped or pasted; save the image, then choose the file"));
    return;
  }
  stopCamera();
  const number = ++shown;
  try {
    await predict(file, number, file.name);
    if (number === shown) {
      showImage(file);
    }
  } catch (error) {
    if (number === shown) {
      showError(error);
    }
  }
}

async function predict(source, number, name) {
  if (classifier === null) {
    throw new Error("the model is not loaded yet; try again when the page is ready");
  }
  const start = performance.now();
  const image = await decodeImage(source, classifier.description.preprocess);
  const decoding = performance.now() - start;
  const result = await classifier.predict(image, SHOWN);
  if (number === shown) {
    showPrediction(result, image, decoding, name);
  }
}

function showPrediction({ top, labels, times }, image, decoding, name) {
  byId("error").hidden = true;
  showStatus("");
  byId("prediction").hidden = false;
  byId("label").textContent = labels.length > 0 ? labels.map((score) => score.label).join(", ") : "no label";
  byId("probability").textContent = labels.length === 1 ? percent(labels[0].probability) : "";
  byId("scores").replaceChildren(...[...new Set([...top, ...labels])].map(scoreItem));
  byId("image").alt = `${name}, classified as ${byId("label").textContent}`;
  byId("times").textContent =
    `${milliseconds(decoding + times.preprocessing + times.network)}: decoding ${milliseconds(decoding)}, ` +
    `preprocessing ${milliseconds(times.preprocessing)}, network ${milliseconds(times.network)}. ` +
    `Image ${image.width} × ${image.height} pixels.` +
    (image.exact ? "" : " Its transparent pixels may be off by one level: this browser has no WebGL.");
}

function scoreItem({ index, label, probability, assigned }) {
  const item = element("li");
  item.classList.toggle("assigned", assigned);
  const bar = element("span");
  bar.className = "bar";
  bar.ariaHidden = "true";
  const fill = element("i");
  fill.style.width = `${100 * probability}%`;
  bar.append(fill);
  const { thresholds } = classifier.description;
  if (thresholds !== null) {
    const mark = element("b");
    mark.style.left = `${100 * thresholds[index]}%`;
    bar.append(mark);
  }
  const amount = element("span", percent(probability));
  amount.className = "amount";
  item.append(element("bdi", label), amount, bar);
  return item;
}

function factItem([name, text]) {
  const item = element("div");
  item.append(element("dt", name), element("dd", text));
  return item;
}

function showImage(file) {
  const image = byId("image");
  URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(file);
  image.onload = () => image.classList.toggle("tiny", Math.max(image.naturalWidth, image.naturalHeight) <= TINY);
  showStage({ live: false });
}

async function toggleCamera() {
  if (stream !== null) {
    stopCamera();
  } else if (navigator.mediaDevices === undefined) {
    byId("capture").click(); // a page served over HTTP has no live view, but a phone's camera takes a photo
  } else {
    await watchCamera();
  }
}

async function watchCamera() {
  const [button, video] = [byId("camera"), byId("video")];
  button.disabled = true;
  try {
    stream = await openCamera();
    video.srcObject = stream;
    await video.play();
    showStage({ live: true });
    button.disabled = false;
    while (stream !== null) {
      await predict(video, ++shown, "camera");
      await new Promise((resolve) => setTimeout(resolve, FRAME_PAUSE));
    }
  } finally {
    button.disabled = false;
    stopCamera();
  }
}

async function openCamera() {
  try {
    return await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch (error) {
    throw new Error(`the camera cannot be opened: ${error.message}`, { cause: error });
  }
}

function stopCamera() {
  if (stream !== null) {
    stream.getTracks().forEach((track) => track.stop());
    stream = null;
    showStage({ live: false });
  }
}

function showStage({ live }) {
  const hasImage = byId("image").src !== "";
  byId("video").hidden = !live;
  byId("image").hidden = live || !hasImage;
  byId("hint").hidden = live || hasImage;
  byId("stage").classList.toggle("filled", live || hasImage);
  byId("camera").textContent = live ? "Stop the camera" : "Camera";
  byId("prediction").ariaLive = live ? "off" : "polite"; // ten predictions a second are too many to read aloud
}

// Keep every file of the bundle, so that the page works without a network from now on.
async function keepOffline() {
  if (navigator.serviceWorker === undefined) {
    byId("offline").textContent = "Works offline only if served over HTTPS or from localhost.";
    return;
  }
  try {
    await navigator.serviceWorker.register("service_worker.js");
    await navigator.serviceWorker.ready;
    byId("offline").textContent = "Available offline.";
  } catch (error) {
    byId("offline").textContent = `Not available offline: ${error.message}`;
  }
}

function showStatus(text) {
  byId("status").textContent = text;
}

function showError(error) {
  byId("error").textContent = error.message;
  byId("error").hidden = false;
  if (classifier === null) {
    byId("name").textContent = "Not loaded";
    showStatus("No predictions without a model.");
  }
}

function element(tag, text = "") {
  const node = document.createElement(tag);
  node.textContent = text;
  return node;
}

function percent(share) {
  return `${(100 * share).toFixed(1)}%`;
}

function milliseconds(value) {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}
