// The live pages in a real browser, before a server of this test: the dashboard over what the program says of made-up runs,
// the playground over a model that is a few lines here.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openBrowser, openUrl, seriousFindings } from './browser.mjs';

const read = (name) => readFileSync(join(process.env.PAGES, name), 'utf8');
const RED = 'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC';
// A WAV file of one channel and 16 bits.
const wavFile = (samples, rate) => {
  const bytes = Buffer.alloc(44 + 2 * samples.length);
  bytes.write('RIFF'); bytes.writeUInt32LE(36 + 2 * samples.length, 4); bytes.write('WAVEfmt ', 8); bytes.writeUInt32LE(16, 16); bytes.writeUInt16LE(1, 20); bytes.writeUInt16LE(1, 22);
  bytes.writeUInt32LE(rate, 24); bytes.writeUInt32LE(2 * rate, 28); bytes.writeUInt16LE(2, 32); bytes.writeUInt16LE(16, 34); bytes.write('data', 36); bytes.writeUInt32LE(2 * samples.length, 40);
  samples.forEach((sample, i) => bytes.writeInt16LE(sample, 44 + 2 * i));
  return bytes;
};
// A second at 1 kHz: silence, then full swing.
const SOUND = wavFile(Array.from({ length: 1000 }, (_, i) => (i < 500 ? 0 : i % 2 ? 32000 : -32000)), 1000).toString('base64');
const MODEL = { id: 'made-up', object: 'model', created: 0, owned_by: 'mom', input_modalities: ['text', 'image', 'audio'], output_modalities: ['text', 'image', 'audio'] };
const SECOND = { ...MODEL, id: 'second', input_modalities: ['text', 'image'], output_modalities: ['text', 'image'] };
const PROPS = { model: MODEL, images_are_denoised: true, default_generation_settings: { max_tokens: 256, temperature: 1, top_k: 0, top_p: 1, min_p: 0, repetition_penalty: 1, guidance_scale: 1, num_inference_steps: 50, sampler: 'ddpm' }, limits: {} };

let server, base, runs, asked, left, models;
const json = (response, body, status = 200) => { response.writeHead(status, { 'Content-Type': 'application/json' }); response.end(JSON.stringify(body)); };
const later = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

// Answers in pieces that end in the middle of an event: a text in two deltas, an image, a text.
async function answer(request, response) {
  let body = '';
  for await (const piece of request) body += piece;
  asked.push(JSON.parse(body));
  const { n, messages } = asked.at(-1);
  if (JSON.stringify(messages).includes('refuse')) return json(response, { error: { message: 'messages[0]: too long', type: 'invalid_request_error', param: 'messages', code: null } }, 400);
  request.socket.on('close', () => { left += 1; });
  response.writeHead(200, { 'Content-Type': 'text/event-stream' });
  const send = (event) => `data: ${JSON.stringify(event)}\n\n`, delta = (index, parts, finish = null) => ({ choices: [{ index, delta: parts ? { parts } : {}, finish_reason: finish }] });
  const text = (words) => [{ type: 'text', text: words }];
  const stream = Array.from({ length: n }, (_, i) => send(delta(i, text('red '))) + send(delta(i, text(`apple ${i}`))) + send(delta(i, [{ type: 'image_url', image_url: { url: RED } }])) + send(delta(i, text('and more')))).join('');
  response.write(stream.slice(0, 50));
  await later(30);
  response.write(stream.slice(50));
  if (JSON.stringify(messages).includes('cut off')) return response.end();
  if (JSON.stringify(messages).includes('wait')) {
    response.write(send({ choices: [{ index: 0, delta: { partial_image: { type: 'image_url', image_url: { url: RED } } }, finish_reason: null }] }));
    return undefined;
  }
  for (let i = 0; i < n; i++) response.write(send(delta(i, null, 'stop')));
  return response.end('data: [DONE]\n\n');
}

function route(request, response) {
  const url = new URL(request.url, 'http://localhost'), page = { '/': 'dashboard.html', '/playground': 'playground.html' }[url.pathname];
  if (page) { response.writeHead(200, { 'Content-Type': 'text/html' }); return response.end(read(page)); }
  if (url.pathname === '/api/runs') return json(response, runs);
  if (url.pathname === '/api/page') return url.searchParams.has('run', 'gone') ? json(response, { error: { message: 'gone is no run' } }, 400) : json(response, JSON.parse(read('page.json')));
  if (url.pathname === '/v1/models') return json(response, { object: 'list', data: models });
  if (url.pathname === '/props') return json(response, { ...PROPS, model: models.find(({ id }) => id === url.searchParams.get('model')) });
  if (url.pathname === '/v1/chat/completions') return answer(request, response);
  response.writeHead(404);
  return response.end();
}

describe('live pages', () => {
  let context, close;
  before(async () => {
    const microphone = join(process.env.PAGES, 'tone.wav');  // 440 Hz, half of full swing
    writeFileSync(microphone, wavFile(Array.from({ length: 48000 }, (_, i) => 16384 * Math.sin(2 * Math.PI * 440 * i / 48000)), 48000));
    ({ context, close } = await openBrowser({ microphone }));
    server = createServer(route);
    await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
    base = `http://127.0.0.1:${server.address().port}`;
  });
  after(async () => { await close(); server.closeAllConnections(); server.close(); });
  const open = async (path, wanted, options) => {
    runs = JSON.parse(read('runs.json')); asked = []; left = 0; models = [MODEL, ...(options?.second ? [SECOND] : [])];
    const opened = await openUrl(context, base + path, { own: (url) => url.startsWith(base), ...options });
    await opened.page.waitForSelector(wanted);
    return opened;
  };

  for (const [path, wanted] of [['/', '.live tbody tr'], ['/playground', '#prompt']])
    for (const scheme of ['light', 'dark'])
      test(`${path}, ${scheme}: no complaints, no request elsewhere, nothing serious for axe, fits a phone`, async () => {
        const { page, complaints, requests } = await open(path, wanted, { scheme, width: 390 });
        await page.$$eval('details', (all) => all.forEach((each) => { each.open = true; }));
        const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
        assert.ok(content <= window, `${content} px of content in ${window} px`);
        assert.deepEqual(await seriousFindings(page), []);
        assert.deepEqual([requests, complaints], [[], []]);
        await page.close();
      });

  test('runs are listed as the program says, and go on', async () => {
    const { page } = await open('/', '.live tbody tr');
    const rows = await page.$$eval('.live tbody tr', (all) => all.map((row) => row.textContent.replace(/\s+/g, ' ')));
    assert.equal(rows.length, runs.runs.length);
    assert.match(rows[0], /^ ?chameleon-mamba-1 dense Mamba, chameleon ?finished ?450 of 450 100\.0%/);
    const last = runs.runs.length - 1;  // what trains comes first
    runs.runs[last] = { ...runs.runs[last], state: 'training', step: 225, seconds_left: 3700, updated: Date.now() / 1000 - 7200 };
    await page.waitForFunction(() => document.querySelector('.live tbody tr').textContent.includes('225 of 450'));
    const row = await page.textContent('.live tbody tr');
    assert.match(row, /50\.0%/);
    assert.match(row, /no line for 2 h 0 min/);
    assert.match(row, /62 min/);
    assert.match(await page.textContent('[role=status]'), /1 training/);
    await page.close();
  });

  test('by keyboard, chosen runs are compared and the report is closed', async () => {
    const { page } = await open('/', '.live tbody tr');
    for (const row of [0, 1]) { await page.locator('.live tbody input').nth(row).focus(); await page.keyboard.press('Space'); }
    await page.waitForURL(/#run=chameleon-mamba-1&run=chameleon-mixture_of_mamba-1$/);
    await page.waitForSelector('.chosen #results table');
    await page.waitForFunction(() => document.querySelectorAll('.chosen canvas').length > 2);  // charts are drawn after the page is
    await page.getByRole('button', { name: 'Close the report' }).press('Enter');
    await page.waitForSelector('.chosen', { state: 'detached' });
    await page.close();
  });

  test('two runs chosen before the page is drawn again are both chosen', async () => {
    const { page } = await open('/', '.live tbody tr');
    await page.$$eval('.live tbody input', (inputs) => inputs.slice(0, 2).forEach((input) => input.click()));
    await page.waitForURL(/#run=chameleon-mamba-1&run=chameleon-mixture_of_mamba-1$/, { timeout: 5000 });
    await page.close();
  });

  test('what the server refuses is said', async () => {
    const { page } = await open('/#run=gone', '.live tbody tr');
    await page.waitForFunction(() => document.querySelector('main').textContent.includes('gone is no run'));
    await page.close();
  });

  test('an answer grows in order, and the next turn sends it back', async () => {
    const { page } = await open('/playground', '#prompt');
    await page.getByLabel('Prompt').fill('an apple');
    await page.getByLabel('Prompt').press('Control+Enter');
    await page.waitForFunction(() => document.querySelector('.answer')?.textContent.includes('ended'));
    const kinds = await page.$$eval('.answer .part', (all) => all.map((each) => each.className));
    assert.deepEqual(kinds, ['part text', 'part image', 'part text']);
    assert.equal(await page.textContent('.answer .part.text p'), 'red apple 0');
    assert.equal(await page.getAttribute('.answer img', 'src'), RED);
    assert.deepEqual(asked[0].messages, [{ role: 'user', content: [{ type: 'text', text: 'an apple' }] }]);
    assert.deepEqual(Object.keys(asked[0]).toSorted(), ['messages', 'modalities', 'n', 'seed', 'stream']);  // defaults are not sent
    await page.getByLabel('Prompt').fill('more');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.waitForFunction(() => document.querySelectorAll('.answer').length === 2);
    assert.deepEqual(asked[1].messages.map(({ role }) => role), ['user', 'assistant', 'user']);
    assert.equal(asked[1].messages[1].content.length, 3);
    await page.close();
  });

  test('several answers of pinned seeds; one of them goes on', async () => {
    const { page } = await open('/playground', '#prompt');
    await page.locator('.settings summary').click();
    await page.getByLabel('answers').fill('3');
    await page.getByLabel('seed (empty: drawn)').fill('7');
    await page.getByLabel('temperature').fill('0.5');
    await page.getByLabel('Prompt').fill('an apple');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.waitForFunction(() => [...document.querySelectorAll('.answer')].filter((each) => each.textContent.includes('ended')).length === 3);
    assert.deepEqual([asked[0].n, asked[0].seed, asked[0].temperature], [3, 7, 0.5]);
    await page.getByRole('button', { name: 'Go on with this' }).nth(2).click();
    await page.getByLabel('Prompt').fill('more');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.waitForFunction(() => document.querySelectorAll('.turn').length === 2);
    assert.equal(asked[1].messages[1].content[0].text, 'red apple 2');
    await page.close();
  });

  test('an image is attached, shown and sent; another file is refused', async () => {
    const { page } = await open('/playground', '#prompt');
    const files = page.locator('input[type=file]');
    await files.setInputFiles({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('x') });
    await page.waitForFunction(() => document.querySelector('.compose .warning')?.textContent.includes('notes.txt is neither an image nor a WAV file'));
    await files.setInputFiles({ name: 'red.png', mimeType: 'image/png', buffer: Buffer.from(RED.split(',')[1], 'base64') });
    await page.waitForSelector('.compose img');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.waitForSelector('.prompt img');
    assert.deepEqual(asked[0].messages[0].content, [{ type: 'image_url', image_url: { url: RED } }]);
    await page.close();
  });

  test('two models answer side by side; one of them goes on, or is left out', async () => {
    const { page } = await open('/playground', '#prompt', { second: true });
    await page.getByLabel('Prompt').fill('an apple');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.waitForFunction(() => [...document.querySelectorAll('.answer')].filter((each) => each.textContent.includes('ended')).length === 2);
    assert.deepEqual(asked.map(({ model }) => model), ['made-up', 'second']);
    assert.equal(asked[0].seed, asked[1].seed);
    assert.deepEqual(await page.$$eval('.answer header small', (all) => all.map((each) => each.textContent.split(',')[0])), ['made-up', 'second']);
    assert.equal(await page.getByRole('button', { name: 'Record' }).count(), 0);  // the second one cannot hear
    assert.deepEqual(await page.$$eval('.key', (all) => all.map((each) => each.textContent)), ['text', 'image']);
    await page.getByLabel('made-up').uncheck();
    await page.getByLabel('Prompt').fill('more');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.waitForFunction(() => document.querySelectorAll('.turn').length === 2);
    assert.deepEqual(asked.slice(2).map(({ model, messages }) => [model, messages.length]), [['second', 3]]);
    await page.waitForSelector('button:has-text("Record")', { state: 'detached' });
    await page.close();
  });

  test('an answer that is cut off is said, and does not go into the next prompt', async () => {
    const { page } = await open('/playground', '#prompt', { second: true });
    await page.getByRole('checkbox', { name: 'image' }).check();
    await page.getByLabel('Prompt').fill('cut off');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.waitForFunction(() => document.querySelector('.compose .warning')?.textContent.startsWith('Choose one kind of answer'));
    await page.getByRole('checkbox', { name: 'image' }).uncheck();
    await page.getByRole('button', { name: 'Send' }).click();
    await page.waitForFunction(() => document.querySelectorAll('.turn .warning').length === 2);
    assert.deepEqual(await page.$$eval('.turn .warning', (all) => all.map((each) => each.textContent).toSorted()), ['made-up: the answer was cut off', 'second: the answer was cut off']);
    await page.getByLabel('made-up').uncheck();
    await page.getByLabel('second').uncheck();
    await page.getByRole('button', { name: 'Again with new seeds' }).click();
    await page.waitForFunction(() => document.querySelector('.compose .warning')?.textContent === 'Choose a model.');
    assert.equal(await page.$$eval('.answer', (all) => all.length), 2);  // those that were there
    await page.close();
  });

  test('nothing can be begun anew while something is written', async () => {
    const { page } = await open('/playground', '#prompt');
    for (const words of ['an apple', 'wait']) {
      await page.getByLabel('Prompt').fill(words);
      await page.getByRole('button', { name: 'Send' }).click();
      await page.waitForFunction((count) => document.querySelectorAll('.answer .part.image').length >= count, words === 'wait' ? 2 : 1);
      if (words !== 'wait') await page.getByRole('button', { name: 'Edit from here' }).waitFor();
    }
    assert.equal(await page.getByRole('button', { name: 'Edit from here' }).count(), 0);
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.waitForFunction(() => document.querySelectorAll('.turn .controls').length === 2);
    assert.equal(await page.getByRole('button', { name: 'Again with new seeds' }).count(), 1);  // of the last turn alone
    await page.close();
  });

  test('files are dropped and pasted', async () => {
    const { page } = await open('/playground', '#prompt');
    const give = (type, key, name, mime, base64) => page.evaluate(([type, key, name, mime, base64]) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name, { type: mime }));
      const event = new Event(type, { bubbles: true, cancelable: true });
      Object.defineProperty(event, key, { value: transfer });
      document.getElementById('prompt').dispatchEvent(event);
    }, [type, key, name, mime, base64]);
    await give('drop', 'dataTransfer', 'red.png', 'image/png', RED.split(',')[1]);
    await page.waitForSelector('.compose img');
    await give('paste', 'clipboardData', 'tone.wav', 'audio/wav', SOUND);
    await page.waitForSelector('.compose canvas');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.waitForSelector('.prompt canvas');
    assert.deepEqual(asked[0].messages[0].content.map(({ type }) => type), ['image_url', 'input_audio']);
    await page.close();
  });

  test('a recording is drawn: high where it is loud', async () => {
    const { page } = await open('/playground', '#prompt');
    await page.locator('input[type=file]').setInputFiles({ name: 'tone.wav', mimeType: 'audio/wav', buffer: Buffer.from(SOUND, 'base64') });
    await page.waitForSelector('.compose canvas');
    const heights = await page.$eval('.compose canvas', (canvas) => {
      const { data, width, height } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      const of = (x) => Array.from({ length: height }, (_, y) => data[4 * (y * width + x) + 3]).filter((alpha) => alpha > 128).length;
      return [of(width / 4), of(3 * width / 4), height];
    });
    assert.ok(heights[0] <= 2 && heights[1] > 0.9 * heights[2], String(heights));
    await page.close();
  });

  test('the microphone is recorded, shown and sent: what it heard', async () => {
    const { page, complaints } = await open('/playground', '#prompt');
    await page.getByRole('button', { name: 'Record' }).press('Enter');
    await page.getByRole('button', { name: 'End the recording' }).waitFor();
    await later(1000);
    await page.getByRole('button', { name: 'End the recording' }).press('Enter');
    await page.waitForSelector('.compose canvas');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.waitForSelector('.prompt canvas');
    const { type, input_audio: sound } = asked[0].messages[0].content[0];
    assert.deepEqual([type, sound.format], ['input_audio', 'wav']);
    const bytes = Buffer.from(sound.data, 'base64'), rate = bytes.readUInt32LE(24), samples = Array.from({ length: (bytes.length - 44) >> 1 }, (_, i) => bytes.readInt16LE(44 + 2 * i));
    assert.ok(samples.length > 0.5 * rate && samples.length < 3 * rate, `${samples.length} samples at ${rate} Hz`);
    const heard = samples.slice(samples.length >> 1), loudest = heard.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    // The middle one of the periods: on a busy machine the browser's made-up microphone skips some milliseconds.
    const rises = heard.flatMap((sample, i) => (i > 0 && heard[i - 1] < 0 && sample >= 0 ? [i] : [])), periods = rises.slice(1).map((at, i) => at - rises[i]).sort((a, b) => a - b);
    const pitch = rate / periods[periods.length >> 1];
    assert.ok(loudest > 2000, `the loudest sample is ${loudest}`);
    assert.ok(Math.abs(pitch - 440) < 20, `${pitch} Hz`);
    assert.deepEqual(complaints.filter((each) => !each.includes('ScriptProcessorNode is deprecated')), []);
    await page.close();
  });

  test('what was asked is copied as a command', async () => {
    const { page } = await open('/playground', '#prompt');
    await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: base });
    await page.getByLabel('Prompt').fill("an apple's core");
    await page.getByLabel('Prompt').press('Control+Enter');
    await page.getByRole('button', { name: 'Copy as curl' }).click();
    let copied = '';
    for (let i = 0; i < 50 && !copied; i++) { copied = await page.evaluate(() => navigator.clipboard.readText()); if (!copied) await later(20); }  // writing takes a moment
    assert.ok(copied.startsWith(`curl ${base}/v1/chat/completions `) && copied.includes("an apple'\\''s core"), copied);
    await page.close();
  });

  test('stopping leaves the server; a refusal is said', async () => {
    const { page } = await open('/playground', '#prompt');
    await page.getByLabel('Prompt').fill('wait');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.waitForSelector('.answer .part.image.drawing img');  // on its way
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.waitForFunction(() => document.querySelector('.answer').textContent.includes('stopped'));
    assert.equal(await page.$$eval('.drawing', (all) => all.length), 1);  // as far as it came
    for (let i = 0; i < 50 && !left; i++) await later(20);
    assert.equal(left > 0, true);
    await page.getByLabel('Prompt').fill('refuse');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.waitForFunction(() => document.querySelector('.turn .warning')?.textContent === 'messages[0]: too long');
    await page.close();
  });
});
