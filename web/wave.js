// The waveform of a WAV file, drawn.

// Samples (-1 to 1) of a WAV file of 16 bits, all channels in turn; none of another file.
export function samplesOf(base64) {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)), view = new DataView(bytes.buffer), word = (at) => String.fromCharCode(...bytes.subarray(at, at + 4));
  if (bytes.length < 12 || word(0) !== 'RIFF') return [];
  let bits = 0;
  for (let at = 12; at + 8 <= bytes.length;) {
    const length = view.getUint32(at + 4, true), begin = at + 8, end = Math.min(begin + length, bytes.length);
    if (word(at) === 'fmt ' && begin + 16 <= end) bits = view.getUint16(begin + 14, true);
    if (word(at) === 'data') return bits === 16 ? Array.from({ length: (end - begin) >> 1 }, (_, i) => view.getInt16(begin + 2 * i, true) / 32768) : [];
    at = begin + length + (length & 1);
  }
  return [];
}

// The lowest and highest sample of each column, in the canvas's text colour.
export function drawWave(canvas, samples) {
  const pen = canvas.getContext('2d'), { width, height } = canvas, at = (value) => (1 - value) * height / 2;
  pen.clearRect(0, 0, width, height);
  pen.fillStyle = getComputedStyle(canvas).color;
  for (let x = 0; x < width && samples.length; ++x) {
    const begin = Math.floor(x * samples.length / width);
    let low = samples[begin], high = low;
    for (let i = begin; i < Math.floor((x + 1) * samples.length / width); ++i) { low = Math.min(low, samples[i]); high = Math.max(high, samples[i]); }
    pen.fillRect(x, at(high), 1, Math.max(1, at(low) - at(high)));
  }
}
