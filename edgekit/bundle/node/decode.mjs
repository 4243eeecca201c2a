// Decoding in Node: by sharp, or without it of binary PPM and PGM files, which are nothing but pixels.

import { importPackage } from "./bundle.mjs";
import { pixelsFromRgba } from "./js/preprocess.js";

// bytes: content of an image file; spec: "preprocess" of NAME.json.
// Returns {pixels, width, height}: upright pixels in the color of the model.
export async function decodeImage(bytes, spec) {
  const { rgba, width, height } = decodePortable(bytes) ?? (await decodeWithSharp(bytes));
  return { pixels: pixelsFromRgba(rgba, spec), width, height };
}

async function decodeWithSharp(bytes) {
  const sharp = await importPackage("sharp", "npm install sharp (or convert the images to .ppm)");
  const image = sharp(bytes, { ignoreIcc: true }).autoOrient().toColourspace("srgb").ensureAlpha();
  const { data, info } = await image.raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
  return { rgba: data, width: info.width, height: info.height };
}

// P6 (RGB) or P5 (gray) with 8 bits for each channel; null for any other file.
function decodePortable(bytes) {
  const header = /^P([56])\s+(\d+)\s+(\d+)\s+255\s/.exec(Buffer.from(bytes.subarray(0, 64)).toString("latin1"));
  if (header === null) {
    return null;
  }
  const [text, kind, width, height] = [header[0], header[1], Number(header[2]), Number(header[3])];
  const channels = kind === "6" ? 3 : 1;
  if (bytes.length !== text.length + width * height * channels) {
    throw new Error(`the file has ${bytes.length} bytes, but its header announces ${text.length + width * height * channels}`);
  }
  const rgba = new Uint8Array(4 * width * height).fill(255);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) {
      rgba[4 * i + c] = bytes[text.length + i * channels + (c % channels)];
    }
  }
  return { rgba, width, height };
}
