// Preprocessing of edgekit models: from upright pixels to the uint8 input of the model, byte for byte as in Python.
//
// The specification is the docstring of edgekit.preprocess.Preprocess; `spec` below is the value of "preprocess" in
// NAME.json, with all of its fields. Pixels are bytes in rows from the top, channels interleaved: 3 (RGB) or 1 (gray).
// This file uses nothing of the browser or of Node. The ports to other languages have the same functions in the same
// order.

const PRECISION_BITS = 22; // of Pillow's filter weights: 32 bits of the sum, less 8 of a pixel and 2 of headroom
const MAX_RESIZED_PIXELS = 2 ** 24; // above this, only the crop's own box is resampled, as in edgekit
const HAMMING_MEAN = Math.fround(0.54); // Pillow has these two in single precision
const HAMMING_WAVE = Math.fround(0.46);

// The center crop of an image: Uint8Array of crop height x crop width x channels.
export function preprocess(pixels, height, width, spec) {
  const channels = channelCount(spec);
  if (pixels.length !== height * width * channels) {
    throw new Error(`an image of ${width}x${height} in ${spec.color} has ${height * width * channels} bytes, not ${pixels.length}`);
  }
  const view = centerView(height, width, spec);
  const [cropHeight, cropWidth] = spec.crop;
  const top = Math.max(view.top, 0);
  const left = Math.max(view.left, 0);
  const bottom = Math.min(view.top + cropHeight, view.height);
  const right = Math.min(view.left + cropWidth, view.width);
  const crop = filled(cropHeight, cropWidth, spec);
  if (bottom <= top || right <= left) {
    return crop;
  }
  const box = { top, left, height: bottom - top, width: right - left };
  const visible = spec.resampler === "pillow"
    ? filteredBox(pixels, height, width, view, box, spec)
    : interpolatedBox(pixels, height, width, view, box, spec);
  for (let y = 0; y < box.height; y++) {
    const row = visible.subarray(y * box.width * channels, (y + 1) * box.width * channels);
    crop.set(row, ((y + top - view.top) * cropWidth + left - view.left) * channels);
  }
  return crop;
}

// RGB or gray from RGBA: transparent pixels are composited on white.
export function pixelsFromRgba(rgba, spec) {
  const count = rgba.length / 4;
  const channels = channelCount(spec);
  const pixels = new Uint8Array(count * channels);
  for (let i = 0; i < count; i++) {
    const alpha = rgba[4 * i + 3];
    const red = onWhite(rgba[4 * i], alpha);
    const green = onWhite(rgba[4 * i + 1], alpha);
    const blue = onWhite(rgba[4 * i + 2], alpha);
    if (channels === 1) {
      pixels[i] = luma(red, green, blue);
    } else {
      pixels[3 * i] = red;
      pixels[3 * i + 1] = green;
      pixels[3 * i + 2] = blue;
    }
  }
  return pixels;
}

// To which height and width the whole image is resized, and where in it the crop begins (below 0: in the padding).
export function centerView(height, width, spec) {
  const resized = resizedSize(height, width, spec);
  const [cropHeight, cropWidth] = spec.crop;
  return {
    height: resized.height,
    width: resized.width,
    top: cropOffset(resized.height + 2 * spec.pad - cropHeight, spec) - spec.pad,
    left: cropOffset(resized.width + 2 * spec.pad - cropWidth, spec) - spec.pad,
  };
}

function channelCount(spec) {
  return spec.color === "L" ? 1 : 3;
}

function filled(height, width, spec) {
  const channels = channelCount(spec);
  const pixels = new Uint8Array(height * width * channels);
  for (let i = 0; i < pixels.length; i++) {
    pixels[i] = spec.fill[i % channels];
  }
  return pixels;
}

function onWhite(value, alpha) {
  const sum = value * alpha + 255 * (255 - alpha) + 128;
  return ((sum >> 8) + sum) >> 8; // sum / 255, rounded
}

function luma(red, green, blue) {
  return (red * 19595 + green * 38470 + blue * 7471 + 32768) >> 16; // ITU-R 601-2 in 16-bit fractions
}

function resizedSize(height, width, spec) {
  if (spec.fit === "short-edge") {
    return shortEdgeSize(height, width, spec);
  }
  const [targetHeight, targetWidth] = spec.resize;
  if (spec.fit === "squash") {
    return { height: targetHeight, width: targetWidth };
  }
  const down = height / targetHeight;
  const across = width / targetWidth;
  const ratio = spec.fit === "letterbox" ? Math.max(down, across) : Math.min(down, across);
  return { height: Math.max(1, roundHalfEven(height / ratio)), width: Math.max(1, roundHalfEven(width / ratio)) };
}

function shortEdgeSize(height, width, spec) {
  const short = Math.min(height, width);
  const resizedHeight = Math.floor((spec.resize * height) / short);
  const resizedWidth = Math.floor((spec.resize * width) / short);
  const neededHeight = spec.crop[0] - 2 * spec.pad;
  const neededWidth = spec.crop[1] - 2 * spec.pad;
  if (neededHeight <= resizedHeight && neededWidth <= resizedWidth) {
    return { height: resizedHeight, width: resizedWidth };
  }
  const byHeight = neededHeight / resizedHeight >= neededWidth / resizedWidth;
  const needed = byHeight ? neededHeight : neededWidth;
  const extent = byHeight ? resizedHeight : resizedWidth;
  return { height: dividedUp(resizedHeight * needed, extent), width: dividedUp(resizedWidth * needed, extent) };
}

function cropOffset(room, spec) {
  if (room < 0 && spec.fit !== "short-edge") {
    return spec.offset === "floor" ? Math.floor(room / 2) : -Math.floor(-room / 2);
  }
  return spec.offset === "floor" ? Math.floor(room / 2) : roundHalfEven(room / 2);
}

function roundHalfEven(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) {
    return rest < 0.5 ? floor : floor + 1;
  }
  return floor % 2 === 0 ? floor : floor + 1;
}

function dividedUp(dividend, divisor) {
  return Math.floor((dividend + divisor - 1) / divisor);
}

// ---- resampler "pillow": antialiased, in fixed point, with 8 bits between the two axes ----

function filteredBox(pixels, height, width, view, box, spec) {
  const channels = channelCount(spec);
  const large = view.height * view.width > MAX_RESIZED_PIXELS;
  const down = axisSection(height, view.height, box.top, box.height, large);
  const across = axisSection(width, view.width, box.left, box.width, large);
  if (spec.interpolation === "nearest") {
    return nearestPixels(pixels, height, width, channels, down, across);
  }
  const rows = filterTaps(height, down, spec.interpolation);
  const columns = filterTaps(width, across, spec.interpolation);
  const top = rows.first[0];
  const left = columns.first[0];
  const rowCount = rows.first[box.height - 1] + rows.count[box.height - 1] - top;
  const columnCount = columns.first[box.width - 1] + columns.count[box.width - 1] - left;
  if (shrinksFirstDown(height, width, down.outputs, across.outputs)) {
    const low = filteredDown(pixels, width * channels, 0, left * channels, columnCount * channels, rows);
    return filteredAcross(low, columnCount * channels, channels, 0, box.height, left, columns);
  }
  const narrow = filteredAcross(pixels, width * channels, channels, top, rowCount, 0, columns);
  return filteredDown(narrow, box.width * channels, top, 0, box.width * channels, rows);
}

// Whether Pillow filters down before across: the height loses more than twice as many pixels as the width.
function shrinksFirstDown(height, width, outputHeight, outputWidth) {
  return height > outputHeight && height - outputHeight > 2 * (width - outputWidth);
}

// Which outputs of a resized axis are wanted: `outputs` of them cover `begin` to `end` of the source, of which `count`
// from `skip` on are computed. Pillow keeps `begin` and `end` in single precision.
function axisSection(extent, resized, first, count, large) {
  if (!large) {
    return { begin: 0, end: extent, outputs: resized, skip: first, count };
  }
  const scale = extent / resized;
  const end = Math.min((first + count) * scale, extent);
  return { begin: Math.fround(first * scale), end: Math.fround(end), outputs: count, skip: 0, count };
}

function nearestPixels(pixels, height, width, channels, down, across) {
  const rows = nearestIndexes(height, down);
  const columns = nearestIndexes(width, across);
  const result = new Uint8Array(down.count * across.count * channels);
  for (let y = 0; y < down.count; y++) {
    for (let x = 0; x < across.count; x++) {
      const source = (rows[y] * width + columns[x]) * channels;
      const target = (y * across.count + x) * channels;
      for (let c = 0; c < channels; c++) {
        result[target + c] = pixels[source + c];
      }
    }
  }
  return result;
}

function nearestIndexes(extent, section) {
  const scale = Math.fround(section.end - section.begin) / section.outputs;
  const indexes = new Int32Array(section.count);
  let position = section.begin + scale * 0.5; // summed step by step, as Pillow does, because the rounding shows
  for (let i = 0; i < section.skip + section.count; i++) {
    if (i >= section.skip) {
      indexes[i - section.skip] = Math.min(Math.floor(position), extent - 1);
    }
    position += scale;
  }
  return indexes;
}

// For each output pixel along an axis: the first source pixel, how many there are, and their weights as integers.
function filterTaps(extent, section, interpolation) {
  const scale = Math.fround(section.end - section.begin) / section.outputs;
  const stretch = Math.max(scale, 1);
  const support = filterSupport(interpolation) * stretch;
  const size = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(section.count);
  const count = new Int32Array(section.count);
  const weights = new Int32Array(section.count * size);
  const exact = new Float64Array(size);
  for (let i = 0; i < section.count; i++) {
    const center = section.begin + (i + section.skip + 0.5) * scale;
    first[i] = Math.max(0, Math.trunc(center - support + 0.5));
    count[i] = Math.min(extent, Math.trunc(center + support + 0.5)) - first[i];
    let sum = 0;
    for (let k = 0; k < count[i]; k++) {
      exact[k] = filterWeight(interpolation, (k + first[i] - center + 0.5) * (1 / stretch));
      sum += exact[k];
    }
    for (let k = 0; k < count[i]; k++) {
      const weight = (sum === 0 ? exact[k] : exact[k] / sum) * 2 ** PRECISION_BITS;
      weights[i * size + k] = Math.trunc(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
  }
  return { size, first, count, weights };
}

function filterSupport(interpolation) {
  switch (interpolation) {
    case "box":
      return 0.5;
    case "bilinear":
    case "hamming":
      return 1;
    case "bicubic":
      return 2;
    case "lanczos":
      return 3;
    default:
      throw new Error(`unknown interpolation ${interpolation}`);
  }
}

function filterWeight(interpolation, x) {
  const distance = Math.abs(x);
  switch (interpolation) {
    case "box":
      return x > -0.5 && x <= 0.5 ? 1 : 0;
    case "bilinear":
      return distance < 1 ? 1 - distance : 0;
    case "hamming":
      return distance < 1 ? sinc(distance) * (HAMMING_MEAN + HAMMING_WAVE * Math.cos(distance * Math.PI)) : 0;
    case "bicubic": // Keys' kernel with a = -0.5
      if (distance < 1) {
        return (1.5 * distance - 2.5) * distance * distance + 1;
      }
      return distance < 2 ? (((distance - 5) * distance + 8) * distance - 4) * -0.5 : 0;
    case "lanczos":
      return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0;
    default:
      throw new Error(`unknown interpolation ${interpolation}`);
  }
}

function sinc(x) {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
}

// `rowCount` rows from `firstRow` on; the first byte of each belongs to the source's column `left`.
function filteredAcross(pixels, rowBytes, channels, firstRow, rowCount, left, taps) {
  const columnCount = taps.first.length;
  const result = new Uint8Array(rowCount * columnCount * channels);
  for (let y = 0; y < rowCount; y++) {
    for (let x = 0; x < columnCount; x++) {
      const source = (y + firstRow) * rowBytes + (taps.first[x] - left) * channels;
      const target = (y * columnCount + x) * channels;
      for (let c = 0; c < channels; c++) {
        let sum = 1 << (PRECISION_BITS - 1);
        for (let k = 0; k < taps.count[x]; k++) {
          sum = (sum + Math.imul(taps.weights[x * taps.size + k], pixels[source + k * channels + c])) | 0;
        }
        result[target + c] = clamped(sum >> PRECISION_BITS);
      }
    }
  }
  return result;
}

// `byteCount` bytes of each row from `firstByte` on; the first row is the source's row `top`.
function filteredDown(pixels, rowBytes, top, firstByte, byteCount, taps) {
  const rowCount = taps.first.length;
  const result = new Uint8Array(rowCount * byteCount);
  for (let y = 0; y < rowCount; y++) {
    const source = (taps.first[y] - top) * rowBytes + firstByte;
    for (let x = 0; x < byteCount; x++) {
      let sum = 1 << (PRECISION_BITS - 1);
      for (let k = 0; k < taps.count[y]; k++) {
        sum = (sum + Math.imul(taps.weights[y * taps.size + k], pixels[source + k * rowBytes + x])) | 0;
      }
      result[y * byteCount + x] = clamped(sum >> PRECISION_BITS);
    }
  }
  return result;
}

function clamped(value) {
  return Math.min(Math.max(value, 0), 255);
}

// ---- resamplers "torch" and "tensorflow": not antialiased, in single precision after each operation ----

function interpolatedBox(pixels, height, width, view, box, spec) {
  const channels = channelCount(spec);
  const rows = interpolationTaps(height, view.height, box.top, box.height, spec);
  const columns = interpolationTaps(width, view.width, box.left, box.width, spec);
  const result = new Uint8Array(box.height * box.width * channels);
  for (let y = 0; y < box.height; y++) {
    for (let x = 0; x < box.width; x++) {
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let k = 0; k < rows.size; k++) {
          const row = rows.indexes[y * rows.size + k] * width;
          const value = sumAcross(pixels, row, channels, c, columns, x * columns.size);
          sum = Math.fround(sum + Math.fround(value * rows.weights[y * rows.size + k]));
        }
        result[(y * box.width + x) * channels + c] = clamped(roundHalfEven(sum));
      }
    }
  }
  return result;
}

function sumAcross(pixels, row, channels, channel, taps, first) {
  let sum = 0;
  for (let k = first; k < first + taps.size; k++) {
    const value = pixels[(row + taps.indexes[k]) * channels + channel];
    sum = Math.fround(sum + Math.fround(value * taps.weights[k]));
  }
  return sum;
}

// For each output pixel along an axis: the indexes and the weights of `size` source pixels.
function interpolationTaps(extent, resized, first, count, spec) {
  const size = tapCount(spec);
  const indexes = new Int32Array(count * size);
  const weights = new Float32Array(count * size);
  const scale = Math.fround(extent / resized);
  for (let i = 0; i < count; i++) {
    const output = Math.fround(i + first);
    if (spec.interpolation === "nearest") {
      const position = spec.resampler === "torch" ? output : Math.fround(output + 0.5);
      indexes[i] = Math.min(Math.trunc(Math.fround(position * scale)), extent - 1);
      weights[i] = 1;
      continue;
    }
    const coordinate = Math.fround(Math.fround(Math.fround(output + 0.5) * scale) - 0.5);
    if (spec.interpolation === "bilinear") {
      setBilinear(indexes, weights, i * size, Math.max(coordinate, 0), extent);
    } else if (spec.resampler === "torch") {
      setTorchBicubic(indexes, weights, i * size, coordinate, extent);
    } else {
      setTensorflowBicubic(indexes, weights, i * size, coordinate, extent);
    }
  }
  return { size, indexes, weights };
}

function tapCount(spec) {
  switch (spec.interpolation) {
    case "nearest":
      return 1;
    case "bilinear":
      return 2;
    case "bicubic":
      return 4;
    default: // TensorFlow's lanczos: its sines in single precision differ from one machine to the next
      throw new Error(`interpolation ${spec.interpolation} of resampler ${spec.resampler} has no port`);
  }
}

function setBilinear(indexes, weights, at, coordinate, extent) {
  const floor = Math.floor(coordinate);
  const share = Math.fround(coordinate - floor);
  indexes[at] = Math.min(floor, extent - 1);
  indexes[at + 1] = Math.min(floor + 1, extent - 1);
  weights[at] = Math.fround(1 - share);
  weights[at + 1] = share;
}

function setTorchBicubic(indexes, weights, at, coordinate, extent) {
  const floor = Math.floor(coordinate);
  setKeysWeights(weights, at, Math.fround(coordinate - floor), -0.75);
  for (let k = 0; k < 4; k++) {
    indexes[at + k] = Math.min(Math.max(floor - 1 + k, 0), extent - 1);
  }
}

function setTensorflowBicubic(indexes, weights, at, coordinate, extent) {
  const floor = Math.floor(coordinate);
  const share = roundHalfEven(Math.fround(Math.fround(coordinate - floor) * 1024)) / 1024;
  setKeysWeights(weights, at, share, -0.5);
  let sum = 0;
  for (let k = 0; k < 4; k++) {
    const index = floor - 1 + k;
    if (index < 0 || index >= extent) {
      weights[at + k] = 0;
    }
    indexes[at + k] = Math.min(Math.max(index, 0), extent - 1);
    sum = Math.fround(sum + weights[at + k]);
  }
  const inverse = Math.fround(1 / sum);
  for (let k = 0; k < 4; k++) {
    weights[at + k] = Math.fround(weights[at + k] * inverse);
  }
}

// Keys' kernel for the four pixels around a coordinate that lies `share` beyond the second of them.
function setKeysWeights(weights, at, share, a) {
  weights[at] = keysFar(Math.fround(share + 1), a);
  weights[at + 1] = keysNear(share, a);
  weights[at + 2] = keysNear(Math.fround(1 - share), a);
  weights[at + 3] = keysFar(Math.fround(2 - share), a);
}

function keysNear(distance, a) {
  const slope = Math.fround(Math.fround((a + 2) * distance) - (a + 3));
  return Math.fround(Math.fround(Math.fround(slope * distance) * distance) + 1);
}

function keysFar(distance, a) {
  if (distance <= 1) {
    return keysNear(distance, a);
  }
  const slope = Math.fround(Math.fround(a * distance) - 5 * a);
  const curve = Math.fround(Math.fround(slope * distance) + 8 * a);
  return Math.fround(Math.fround(curve * distance) - 4 * a);
}
