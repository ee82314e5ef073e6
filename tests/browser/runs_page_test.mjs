// The page about runs in a real browser, the numbers it writes, and the description it is drawn from.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fixed, count, scaled, bytes } from '../../web/numbers.js';
import { openBrowser, openPage, seriousFindings } from './browser.mjs';

const squeezed = (text) => text.replace(/\s+/g, ' ').trim();
const dataOf = (name) => JSON.parse(readFileSync(join(process.env.PAGES, `${name}.html`), 'utf8').match(/id="page-data">(.*?)<\/script>/s)[1]);

describe('runs page', () => {
  let context, close;
  before(async () => { ({ context, close } = await openBrowser()); });
  after(async () => { await close(); });

  for (const scheme of ['light', 'dark'])
    test(`${scheme}: no network, no complaints, nothing serious for axe`, async () => {
      const { page, complaints, requests } = await openPage(context, 'runs', { scheme });
      await page.$$eval('details', (all) => all.forEach((each) => { each.open = true; }));
      assert.deepEqual(await seriousFindings(page), []);
      assert.deepEqual([requests, complaints], [[], []]);
      await page.close();
    });

  for (const width of [390, 1280])
    test(`fits in ${width} px`, async () => {
      const { page } = await openPage(context, 'runs', { width });
      const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
      assert.ok(content <= window, `${content} px of content in ${window} px`);
      await page.close();
    });

  test('a script that is not the page’s own does not run', async () => {
    const { page, complaints } = await openPage(context, 'runs');
    await page.evaluate(() => { const script = document.createElement('script'); script.textContent = 'window.intruder = 1'; document.body.append(script); });
    await page.evaluate(() => document.body.insertAdjacentHTML('beforeend', '<img src="data:," onerror="window.intruder = 1">'));
    await page.waitForTimeout(100);
    assert.equal(await page.evaluate(() => window.intruder), undefined);
    assert.match(complaints.join(' '), /Content Security Policy/);
    await page.close();
  });

  test('sections, verdicts and results', async () => {
    const { page } = await openPage(context, 'runs');
    const headings = await page.$$eval('section > h2', (all) => all.map((each) => each.textContent));
    assert.deepEqual(headings, ['Gain and FLOPs to match', 'Curves', 'Held-out images, denoised', 'What they generate', 'Models and cost', 'Recipe', 'Data and machine', 'Run it again', 'What the numbers mean']);
    assert.match(await page.textContent('.verdict'), /^Mixture-of-Mamba against dense Mamba on held-out data: image /);
    const row = squeezed(await page.textContent('#results table tbody tr:first-child'));
    assert.match(row, /^image .*0\.\d{4}.*0\.\d{4}.*-2\.9% worse.*not reached/);
    const images = await page.$$eval('#images figure', (figures) => figures.map((figure) => figure.querySelectorAll('img').length));
    assert.ok(images.length > 0 && images.every((count) => count >= 3));
    for (const words of ['caption found in its images, trained captions', '45.0% to 55.0%', 'in real ones 81.2%', '0.375 ± 0.016', 't 400 to 600: 6.6 ± 0.4%', 'caption of a given image (noto)'])
      assert.ok(squeezed(await page.textContent('#generation')).includes(words), words);
    await page.close();
  });

  test('the use of experts is said and shown', async () => {
    const { page } = await openPage(context, 'experts');
    const text = squeezed(await page.textContent('#experts'));
    for (const words of ['Steps 362 to 450', '47.5% of the choices of all tokens (expert 3 of block 3), 1.90 times an even share', '70.0% of those of image tokens (expert 3 of block 3), 2.80 times', '25.0% of those of text tokens',
      '12.5% of the choices find their expert full', 'entropy is 80.0% of log 4', 'Balance loss 1.250', 'the token’s modality'])
      assert.ok(text.includes(words), words);
    assert.deepEqual(await page.$$eval('#experts caption', (all) => all.map((each) => each.textContent)), ['all tokens', 'image', 'text']);
    assert.equal(await page.textContent('#experts .heat td b'), '47.5%');
    assert.equal(await page.$$eval('#expert-charts canvas', (all) => all.length), 3);
    await page.close();
  });

  test('runs differ in colour and shape, and the lowest loss of a row is said', async () => {
    const { page } = await openPage(context, 'experts');
    assert.deepEqual(await page.$$eval('#results table thead .swatch', (all) => all.slice(0, 3).map((each) => each.className)), ['swatch c0 s0', 'swatch c1 s1', 'swatch c2 s2']);
    assert.match(squeezed(await page.textContent('#results table tbody tr:first-child')), /0\.\d{4} lowest/);
    await page.close();
  });

  test('captions from outside stay text', async () => {
    const { page } = await openPage(context, 'subsets');
    assert.equal(await page.textContent('h1'), 'Sixteen subsets & three others <made up>');
    await page.close();
  });
});

describe('numbers', () => {
  test('are those that the program prints', () => {
    const cases = [0, -0.04, 0.05, 0.15, 0.25, 6.25, 81.25, -6.25, 1.005, 2.5, 3.5, 0.0625, 12345.678, 99999.95, 1e-7, 1 / 3, 2 / 3, 5.0485, 0.99995].flatMap((value) => [0, 1, 2, 3, 4].map((digits) => [value, digits]));
    const printed = execFileSync('python3', ['-c', 'import json,sys; print(json.dumps(["%.*f" % (d, v) for v, d in json.load(sys.stdin)]))'], { input: JSON.stringify(cases) });
    assert.deepEqual(cases.map(([value, digits]) => fixed(value, digits)), JSON.parse(printed));
  });
  test('have their units', () => {
    assert.deepEqual([1234567, 999, 1000].map(count), ['1,234,567', '999', '1,000']);
    assert.deepEqual([3.2e9, 999, 1000].map(scaled), ['3.20 G', '999', '1.00 k']);
    assert.deepEqual([233472, 1000, 1536].map(bytes), ['228 KiB', '1000 bytes', '1.5 KiB']);
  });
});

describe('the description', () => {
  // Keys of maps by name are data.
  const MAPS = ['sets', 'curves', 'values', 'of_runs', 'figures', 'bits_per_byte', 'parameters'];
  const keysOf = (value) => (value === null || typeof value !== 'object' ? [] : Array.isArray(value) ? value.flatMap(keysOf)
    : Object.entries(value).flatMap(([key, inner]) => [key, ...(MAPS.includes(key) && !Array.isArray(inner) ? [] : keysOf(inner))]));
  test('has no key that docs/formats/page.md does not name', () => {
    const documented = new Set(readFileSync(new URL('../../docs/formats/page.md', import.meta.url), 'utf8').match(/`[^`]+`/g).flatMap((code) => code.match(/\w+/g)));
    const runs = JSON.parse(readFileSync(join(process.env.PAGES, 'runs.json'), 'utf8'));
    assert.deepEqual([...new Set(keysOf(runs))].filter((key) => !documented.has(key)), []);
    for (const name of ['subsets', 'settings', 'rates', 'kept', 'runs', 'experts'])
      assert.deepEqual([...new Set(keysOf(dataOf(name)))].filter((key) => !documented.has(key)), [], name);
  });
});
