// Decoding in the browser: the pixels that an image file contains, not converted by color profiles.

import { pixelsFromRgba } from "./preprocess.js";

const STRIP_ROWS = 256; // phones limit the area of a canvas, and all of a photo in RGBA takes 50 MB

// source: a Blob (an image file) or a video element, whose frame is taken; spec: "preprocess" of NAME.json.
// Returns {pixels, width, height, exact}: upright pixels in the color of the model. exact is false if transparent pixels
// may be off by one level, because this browser can only read them multiplied by their alpha.
export async function decodeImage(source, spec) {
  const bitmap = await openBitmap(source);
  try {
    return readBitmap(bitmap, spec);
  } finally {
    bitmap.close();
  }
}

async function openBitmap(source) {
  const options = { colorSpaceConversion: "none", premultiplyAlpha: "none", imageOrientation: "from-image" };
  try {
    return await createImageBitmap(source, options);
  } catch (error) {
    throw new Error(`${source.name ?? "this file"} is not an image that this browser can decode`, { cause: error });
  }
}

function readBitmap(bitmap, spec) {
  const { width, height } = bitmap;
  const opaque = readStrips(canvasReader(bitmap), bitmap, spec, { stopIfTransparent: true });
  if (opaque !== null) {
    return { pixels: opaque, width, height, exact: true };
  }
  const read = textureReader(bitmap);
  return { pixels: readStrips(read ?? canvasReader(bitmap), bitmap, spec), width, height, exact: read !== null };
}

// The pixels in the color of the model; null if one of them is transparent and that is to stop.
function readStrips(read, bitmap, spec, { stopIfTransparent = false } = {}) {
  const rowBytes = bitmap.width * (spec.color === "L" ? 1 : 3);
  const pixels = new Uint8Array(bitmap.height * rowBytes);
  for (let top = 0; top < bitmap.height; top += STRIP_ROWS) {
    const rgba = read(top, Math.min(STRIP_ROWS, bitmap.height - top));
    if (stopIfTransparent && isTransparent(rgba)) {
      return null;
    }
    pixels.set(pixelsFromRgba(rgba, spec), top * rowBytes);
  }
  return pixels;
}

function isTransparent(rgba) {
  for (let i = 3; i < rgba.length; i += 4) {
    if (rgba[i] < 255) {
      return true;
    }
  }
  return false;
}

// (first row, number of rows) -> RGBA. A canvas keeps colors multiplied by alpha: exact for opaque pixels only.
function canvasReader(bitmap) {
  const canvas = new OffscreenCanvas(bitmap.width, Math.min(STRIP_ROWS, bitmap.height));
  const context = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  return (top, rows) => {
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.drawImage(bitmap, 0, -top);
    return context.getImageData(0, 0, bitmap.width, rows).data;
  };
}

// The same by way of a texture, which keeps colors as they are; null where WebGL cannot do it.
function textureReader(bitmap) {
  const gl = new OffscreenCanvas(1, 1).getContext("webgl");
  if (gl === null || Math.max(bitmap.width, bitmap.height) > gl.getParameter(gl.MAX_TEXTURE_SIZE)) {
    return null;
  }
  gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
  gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
  gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
  if (gl.getError() !== gl.NO_ERROR || gl.checkFramebufferStatus(gl.FRAMEBUFFER) !== gl.FRAMEBUFFER_COMPLETE) {
    return null;
  }
  return (top, rows) => {
    const rgba = new Uint8Array(bitmap.width * rows * 4);
    gl.readPixels(0, top, bitmap.width, rows, gl.RGBA, gl.UNSIGNED_BYTE, rgba);
    return rgba;
  };
}
