// The API that the playground speaks: OpenAI's chat completions, streamed, with `parts` in order (docs/serve.md).

// Server-sent events of a response, parsed, until [DONE]; one that ends without it is an error. Fields may come split anywhere.
async function* eventsOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Error('the answer was cut off');
    text += value;
    const events = text.split('\n\n');
    text = events.pop();
    for (const event of events) {
      const data = event.split('\n').filter((line) => line.startsWith('data:')).map((line) => line.slice(5).trimStart()).join('\n');
      if (data === '[DONE]') return;
      if (data) yield JSON.parse(data);
    }
  }
}

// Parts with those of a delta behind: text goes on with text.
export function joined(parts, more) {
  const all = [...parts];
  for (const part of more) {
    const last = all.at(-1);
    if (part.type === 'text' && last?.type === 'text') all[all.length - 1] = { type: 'text', text: last.text + part.text };
    else all.push(part);
  }
  return all;
}

export async function ask(path, key) {
  const answer = await fetch(path, { headers: key ? { Authorization: `Bearer ${key}` } : {} });
  const data = await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(data.error?.message ?? `${path}: ${answer.status}`), { status: answer.status });
  return data;
}

// Calls `onChoice(index, {parts, preview, finish})` as answers grow (`preview`: an image that is still being drawn); rejects with the server's message.
export async function chat(request, { key, signal, onChoice }) {
  const response = await fetch('/v1/chat/completions', { method: 'POST', signal, body: JSON.stringify({ ...request, stream: true }),
    headers: { 'Content-Type': 'application/json', ...(key && { Authorization: `Bearer ${key}` }) } });
  if (!response.ok) throw new Error((await response.json().catch(() => ({}))).error?.message ?? `the server answered ${response.status}`);
  for await (const event of eventsOf(response)) {
    if (event.error) throw new Error(event.error.message);
    for (const { index, delta, finish_reason: finish } of event.choices ?? []) onChoice(index, { parts: delta.parts ?? (delta.content ? [{ type: 'text', text: delta.content }] : []), preview: delta.partial_image, finish });
  }
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
// `keyed`: the command sends the key that the shell has in MOM_API_KEY.
export const asCurl = (request, origin, keyed) => `curl ${origin}/v1/chat/completions -H 'Content-Type: application/json'${keyed ? ' -H "Authorization: Bearer $MOM_API_KEY"' : ''} -d ${quoted(JSON.stringify(request))}`;

export const readFile = (blob) => new Promise((resolve, reject) => {
  const reader = new FileReader();
  reader.onload = () => resolve(reader.result);
  reader.onerror = () => reject(reader.error);
  reader.readAsDataURL(blob);
});

// A file as a content part; rejects with words for one that is neither image nor sound.
export async function partOf(blob) {
  const uri = await readFile(blob);
  if (blob.type.startsWith('image/')) return { type: 'image_url', image_url: { url: uri } };
  if (/^audio\/(x-)?wav$/.test(blob.type)) return { type: 'input_audio', input_audio: { data: uri.slice(uri.indexOf(',') + 1), format: 'wav' } };
  throw new Error(`${blob.name ?? 'what was given'} is neither an image nor a WAV file`);
}

// Sound samples (-1 to 1) as a WAV file of 16 bits.
export function wavOf(samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length)), text = (at, word) => [...word].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  text(0, 'RIFF'); view.setUint32(4, 36 + 2 * samples.length, true); text(8, 'WAVEfmt ');
  [[16, 4], [1, 2], [1, 2], [rate, 4], [2 * rate, 4], [2, 2], [16, 2]].reduce((at, [value, size]) => { size === 4 ? view.setUint32(at, value, true) : view.setUint16(at, value, true); return at + size; }, 16);
  text(36, 'data'); view.setUint32(40, 2 * samples.length, true);
  samples.forEach((sample, i) => view.setInt16(44 + 2 * i, Math.max(-1, Math.min(1, sample)) * 32767, true));
  return new Blob([view.buffer], { type: 'audio/wav' });
}
