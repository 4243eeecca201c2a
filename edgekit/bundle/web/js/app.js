// The page: choose, drop, paste or photograph an image, and see its labels. What predicts is ./backend.js: the network
// in this browser in a bundle, the server that sent the page in `edgekit serve`.

import { openBackend } from "./backend.js";

const TINY = 128; // pixels: such images are enlarged without blur
const FRAME_PAUSE = 100; // milliseconds between frames of the camera, so that the page stays responsive
const byId = (id) => document.getElementById(id);

let backend = null;
let shown = 0; // counts images, so that a slow one does not replace a later one
let chosen = null; // the last file, which is classified again by another model
let stream = null;

start().catch(showError);

async function start() {
  acceptImages();
  const ready = await openBackend({
    onLoading: (what) => showStatus(`Loading ${what} …`),
    onModel: showModel,
    onModelChange: () => chosen !== null && stream === null && showFile(chosen),
    controls: byId("controls"),
  });
  backend = ready;
  showStatus("Ready: drop, paste, choose or photograph an image.");
  byId("choose").disabled = byId("camera").disabled = false;
  byId("privacy").textContent = backend.privacy;
  byId("links").replaceChildren(...backend.links.flatMap(([text, href]) => [link(text, href), " "]));
  byId("offline").textContent = await backend.keepOffline();
}

// facts: pairs of a name and a text.
function showModel({ name, summary, facts }) {
  document.title = `${name}: image classifier`;
  byId("name").textContent = name;
  byId("summary").textContent = summary;
  byId("facts").replaceChildren(...facts.map(factItem));
}

function acceptImages() {
  const stage = byId("stage");
  byId("choose").onclick = () => byId("file").click();
  byId("camera").onclick = () => toggleCamera().catch(showError);
  byId("heat").onclick = () => toggleHeatMap().catch(showError);
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
      chosen = file;
      showImage(file);
    }
  } catch (error) {
    if (number === shown) {
      showError(error);
    }
  }
}

async function predict(source, number, name) {
  if (backend === null) {
    throw new Error("the model is not loaded yet; try again when the page is ready");
  }
  const result = await backend.predict(source);
  if (number === shown) {
    showPrediction(result, name);
  }
}

// scores: {label, probability, assigned, threshold} of each class to show; a threshold is null if the model has none.
function showPrediction({ scores, note }, name) {
  const labels = scores.filter((score) => score.assigned);
  byId("error").hidden = true;
  showStatus("");
  byId("prediction").hidden = false;
  byId("label").textContent = labels.length > 0 ? labels.map((score) => score.label).join(", ") : "no label";
  byId("probability").textContent = labels.length === 1 ? percent(labels[0].probability) : "";
  byId("scores").replaceChildren(...scores.map(scoreItem));
  byId("image").alt = `${name}, classified as ${byId("label").textContent}`;
  byId("times").textContent = note;
}

function scoreItem({ label, probability, assigned, threshold }) {
  const item = element("li");
  item.classList.toggle("assigned", assigned);
  const bar = element("span");
  bar.className = "bar";
  bar.ariaHidden = "true";
  const fill = element("i");
  fill.style.width = `${100 * probability}%`;
  bar.append(fill);
  if (threshold !== null) {
    const mark = element("b");
    mark.style.left = `${100 * threshold}%`;
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
  hideHeatMap();
  byId("heat").hidden = !backend.hasHeatMaps;
  showStage({ live: false });
}

async function toggleHeatMap() {
  if (!byId("map").hidden) {
    hideHeatMap();
    return;
  }
  const number = shown;
  const map = await backend.heatMap(chosen);
  if (number === shown) {
    byId("map").src = URL.createObjectURL(map);
    byId("map").alt = `Where the network sees ${byId("label").textContent}`;
    byId("map").hidden = false;
    byId("heat").textContent = "Image";
  }
}

function hideHeatMap() {
  URL.revokeObjectURL(byId("map").src);
  byId("map").hidden = true;
  byId("heat").textContent = "Heat map";
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
    hideHeatMap();
    byId("heat").hidden = true;
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

function showStatus(text) {
  byId("status").textContent = text;
}

function showError(error) {
  byId("error").textContent = error.message;
  byId("error").hidden = false;
  if (backend === null) {
    byId("name").textContent = "Not loaded";
    showStatus("No predictions without a model.");
  }
}

function element(tag, text = "") {
  const node = document.createElement(tag);
  node.textContent = text;
  return node;
}

function link(text, href) {
  const node = element("a", text);
  node.href = href;
  return node;
}

function percent(share) {
  return `${(100 * share).toFixed(1)}%`;
}
