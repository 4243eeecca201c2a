// Opens a page in Chromium: node browser.mjs CONFIG, with JSON like {"chromium", "scenario", ...}, and either "site", the
// address of a server, or {"python", "root", "bundle"}: then the folder `root` is served as the bundle's README says.
// Prints what the scenario returns, and all console messages.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"];
const PHONE = "phone.test"; // a name that is not localhost
const LIMIT = 60_000; // milliseconds

const SCENARIOS = { predict, page, offline, insecure, selftest, bench, broken, served, locked };

const config = JSON.parse(process.argv[2]);
let server = null;
const site = config.site ?? (await serveRoot());
const args = ["--no-sandbox", ...CAMERA, `--host-resolver-rules=MAP ${PHONE} 127.0.0.1`];
const browser = await chromium.launch({ executablePath: config.chromium, args });
try {
  const messages = [];
  const context = await browser.newContext({ viewport: { width: config.width ?? 1400, height: 900 } });
  context.setDefaultTimeout(LIMIT);
  context.on("console", (message) => messages.push(message.text()));
  context.on("weberror", (error) => messages.push(String(error.error())));
  const result = await SCENARIOS[config.scenario](context, config.bundle ? `${site}/${config.bundle}/` : site);
  console.log(JSON.stringify({ ...result, messages }));
} finally {
  await browser.close();
  server?.kill();
}

async function serveRoot() {
  const command = ["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", config.root];
  server = spawn(config.python, command, { stdio: ["ignore", "pipe", "ignore"] }); // it logs every request to stderr
  const [line] = await once(server.stdout, "data");
  return `http://127.0.0.1:${/port (\d+)/.exec(line)[1]}`;
}

// The logits of images, decoded by the browser, and of pixels that another program decoded.
async function predict(context, url) {
  const tab = await context.newPage();
  await tab.goto(url);
  const results = await tab.evaluate(predictInTab, { site, images: config.images });
  return { results };
}

async function predictInTab({ site, images }) {
  const { openClassifier, readDescription } = await import("./js/bundle.js");
  const { decodeImage } = await import("./js/decode.js");
  const { description } = await readDescription();
  const classifier = await openClassifier(description, { report: () => {} });
  const fetched = async (path) => (await fetch(`${site}/${path}`)).blob();
  const results = [];
  for (const { file, pixels, width, height } of images) {
    const own = await decodeImage(await fetched(file), description.preprocess);
    const given = new Uint8Array(await (await fetched(pixels)).arrayBuffer());
    const fromFile = await classifier.predict(own);
    const fromPixels = await classifier.predict({ pixels: given, width, height });
    const decoded = own.exact && own.pixels.length === given.length && own.pixels.every((byte, i) => byte === given[i]);
    results.push({
      decoded,
      top: fromFile.top,
      logits: Array.from(fromFile.logits),
      logits_from_pixels: Array.from(fromPixels.logits),
    });
  }
  return results;
}

// What a person does, and what the page shows after each step.
async function page(context, url) {
  const tab = await context.newPage();
  await open(tab, url);
  const shown = () => tab.evaluate(() => ({
    label: document.getElementById("label").textContent,
    probability: document.getElementById("probability").textContent,
    error: document.getElementById("error").hidden ? null : document.getElementById("error").textContent,
    width: document.documentElement.scrollWidth,
    alt: document.getElementById("image").alt,
  }));
  const steps = { start: await tab.evaluate(() => document.body.innerText) };
  await tab.focus("#choose");
  const [chooser] = await Promise.all([tab.waitForEvent("filechooser"), tab.keyboard.press("Enter")]);
  await chooser.setFiles(config.image);
  await predictionOf(tab, config.image);
  steps.chosen = await shown();
  const data = (await readFile(config.other)).toString("base64");
  for (const kind of ["drop", "paste"]) {
    await tab.setInputFiles("#file", config.image);
    await predictionOf(tab, config.image);
    await tab.evaluate(give, { kind, data, name: `${kind}.png` });
    await predictionOf(tab, `${kind}.png`);
    steps[kind] = await shown();
  }
  await tab.setInputFiles("#file", { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("no image") });
  await tab.waitForSelector("#error:not([hidden])");
  steps.broken = await shown();
  await tab.click("#camera");
  await predictionOf(tab, "camera");
  steps.camera = await shown();
  await tab.click("#camera");
  await tab.waitForSelector("#video", { state: "hidden" });
  return { steps };
}

function give({ kind, data, name }) {
  const transfer = new DataTransfer();
  transfer.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name, { type: "image/png" }));
  document.dispatchEvent(
    kind === "drop"
      ? new DragEvent("drop", { dataTransfer: transfer, cancelable: true })
      : new ClipboardEvent("paste", { clipboardData: transfer }),
  );
}

// After one visit, the server stops.
async function offline(context, url) {
  const tab = await context.newPage();
  await open(tab, url);
  await tab.getByText("Available offline.").waitFor();
  await tab.close();
  server.kill();
  await once(server, "exit");
  const again = await context.newPage();
  await open(again, url);
  await again.setInputFiles("#file", config.image);
  await predictionOf(again, config.image);
  const label = await again.textContent("#label");
  return { label, verdict: (await selftest(context, url)).verdict };
}

// As a phone sees a server of the local network: over HTTP, where browsers hide checksums, service workers and cameras.
async function insecure(context, url) {
  const tab = await context.newPage();
  const insecureUrl = url.replace("127.0.0.1", PHONE);
  await open(tab, insecureUrl);
  const [chooser] = await Promise.all([tab.waitForEvent("filechooser"), tab.click("#camera")]);
  await chooser.setFiles(config.image);
  await predictionOf(tab, config.image);
  const shown = { label: await tab.textContent("#label"), offline: await tab.textContent("#offline") };
  return { ...shown, verdict: (await selftest(context, insecureUrl)).verdict };
}

async function selftest(context, url) {
  const tab = await context.newPage();
  await tab.goto(`${url}selftest.html`);
  await tab.waitForSelector("#verdict.passed, #verdict.failed");
  return { verdict: await tab.textContent("#verdict"), stages: await tab.locator("#stages li").allTextContents() };
}

// Served with the headers that a page needs for threads.
async function bench(context, url) {
  const isolated = createServer(async (request, response) => {
    const path = new URL(request.url, site).pathname;
    const type = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" }[extname(path)];
    const isolation = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };
    response.writeHead(200, { ...isolation, ...(type && { "content-type": type }) });
    response.end(await readFile(join(config.root, path)));
  });
  await once(isolated.listen(0, "127.0.0.1"), "listening");
  const tab = await context.newPage();
  await tab.goto(`${url.replace(site, `http://127.0.0.1:${isolated.address().port}`)}bench.html`);
  await tab.click("#start");
  const [saved] = await Promise.all([tab.waitForEvent("download"), tab.click("#save")]);
  const result = { document: await readFile(await saved.path(), "utf8"), shown: await tab.textContent("#status") };
  isolated.close();
  return result;
}

// The page of `edgekit serve`, beyond what it shares with bundles: heat maps and the choice of a model.
async function served(context, url) {
  const { steps } = await page(context, url);
  const tab = await context.newPage();
  await open(tab, url);
  await tab.setInputFiles("#file", config.image);
  await predictionOf(tab, config.image);
  const without = await tab.isVisible("#heat");
  await tab.selectOption("select", { label: config.second });
  await tab.waitForSelector("#heat:not([hidden])");
  const second = { label: await tab.textContent("#label"), name: await tab.textContent("#name") };
  await tab.click("#heat");
  await tab.waitForFunction(() => document.getElementById("map").naturalWidth > 0);
  const map = await tab.evaluate(() => [document.getElementById("map").naturalWidth, document.getElementById("map").alt]);
  await tab.click("#heat");
  await tab.waitForSelector("#map", { state: "hidden" });
  return { steps, without, second, map };
}

// A server that wants a key: a wrong one is entered first.
async function locked(context, url) {
  const tab = await context.newPage();
  await tab.goto(url);
  const asked = [];
  for (const key of ["wrong", config.key]) {
    await tab.waitForSelector("input[type=password]");
    asked.push(await tab.textContent("#controls label"));
    await tab.fill("input[type=password]", key);
    await tab.keyboard.press("Enter");
    await tab.waitForFunction((text) => document.querySelector("#controls label")?.textContent !== text, asked.at(-1));
  }
  await tab.waitForSelector("#choose:enabled");
  await tab.setInputFiles("#file", config.image);
  await predictionOf(tab, config.image);
  return { asked, label: await tab.textContent("#label"), controls: await tab.textContent("#controls") };
}

// What the page shows if it cannot start: config.broken names bundles beside this one; "file" is this one, not served.
async function broken(context, url) {
  const addresses = { file: pathToFileURL(join(config.root, config.bundle, "index.html")).href };
  const errors = {};
  for (const name of [...config.broken, "file"]) {
    const tab = await context.newPage();
    await tab.goto(addresses[name] ?? new URL(`../${name}/`, url).href);
    await tab.waitForSelector("#error:not([hidden])");
    errors[name] = await tab.textContent("#error");
    await tab.close();
  }
  return { errors };
}

async function open(tab, url) {
  tab.on("filechooser", () => {}); // so that dialogs are intercepted before the first one can open
  await tab.goto(url);
  await tab.waitForSelector("#choose:enabled");
}

async function predictionOf(tab, file) {
  const name = file.split("/").at(-1);
  await tab.waitForFunction((start) => document.getElementById("image").alt.startsWith(start), `${name},`);
}
