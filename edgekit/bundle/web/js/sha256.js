// SHA-256 (FIPS 180-4). Browsers offer their own only to pages served over HTTPS or from localhost; a phone that opens
// a page of this network over HTTP is neither.

// Lower-case hexadecimal digest of bytes.
export async function sha256(bytes) {
  if (globalThis.crypto?.subtle !== undefined) {
    return hexadecimal(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
  }
  return portableSha256(bytes);
}

export function portableSha256(bytes) {
  const state = fractions(8, 1 / 2);
  const whole = bytes.length - (bytes.length % 64);
  for (let at = 0; at < whole; at += 64) {
    compress(state, bytes, at);
  }
  const rest = bytes.length - whole;
  const tail = new Uint8Array(rest < 56 ? 64 : 128);
  tail.set(bytes.subarray(whole));
  tail[rest] = 0x80;
  const end = new DataView(tail.buffer, tail.length - 8);
  end.setUint32(0, Math.floor(bytes.length / 2 ** 29)); // the length in bits
  end.setUint32(4, (bytes.length * 8) % 2 ** 32);
  for (let at = 0; at < tail.length; at += 64) {
    compress(state, tail, at);
  }
  const digest = new Uint8Array(32);
  const view = new DataView(digest.buffer);
  state.forEach((word, index) => view.setUint32(4 * index, word));
  return hexadecimal(digest);
}

const ROUND_CONSTANTS = fractions(64, 1 / 3);

// The first 32 bits of the fractions of the roots of the first primes: square roots (1/2) or cube roots (1/3).
function fractions(count, exponent) {
  const values = [];
  for (let number = 2; values.length < count; number++) {
    if (isPrime(number)) {
      values.push(Math.floor((number ** exponent % 1) * 2 ** 32) | 0);
    }
  }
  return Int32Array.from(values);
}

function isPrime(number) {
  for (let divisor = 2; divisor * divisor <= number; divisor++) {
    if (number % divisor === 0) {
      return false;
    }
  }
  return true;
}

const schedule = new Int32Array(64);

function compress(state, bytes, at) {
  for (let i = 0; i < 16; i++) {
    const k = at + 4 * i;
    schedule[i] = (bytes[k] << 24) | (bytes[k + 1] << 16) | (bytes[k + 2] << 8) | bytes[k + 3];
  }
  for (let i = 16; i < 64; i++) {
    const [x, y] = [schedule[i - 15], schedule[i - 2]];
    const small0 = turned(x, 7) ^ turned(x, 18) ^ (x >>> 3);
    const small1 = turned(y, 17) ^ turned(y, 19) ^ (y >>> 10);
    schedule[i] = (schedule[i - 16] + small0 + schedule[i - 7] + small1) | 0;
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let i = 0; i < 64; i++) {
    const large1 = turned(e, 6) ^ turned(e, 11) ^ turned(e, 25);
    const choice = (e & f) ^ (~e & g);
    const first = (h + large1 + choice + ROUND_CONSTANTS[i] + schedule[i]) | 0;
    const large0 = turned(a, 2) ^ turned(a, 13) ^ turned(a, 22);
    const majority = (a & b) ^ (a & c) ^ (b & c);
    [h, g, f, e] = [g, f, e, (d + first) | 0];
    [d, c, b, a] = [c, b, a, (first + large0 + majority) | 0];
  }
  [a, b, c, d, e, f, g, h].forEach((word, index) => {
    state[index] = (state[index] + word) | 0;
  });
}

function turned(word, bits) {
  return (word >>> bits) | (word << (32 - bits));
}

function hexadecimal(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
