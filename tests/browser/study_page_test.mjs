// The study page in a real browser: no network, no complaints, the numbers of results.json, accessible, readable at any width, on
// paper and by keyboard.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openBrowser, openPage, seriousFindings } from './browser.mjs';

const STUDIES = ['subsets', 'settings', 'rates', 'kept'];
const resultsOf = (study) => JSON.parse(readFileSync(join(process.env.PAGES, study, 'results.json'), 'utf8'));

// As mom/compare/number_text.cpp writes them.
const lossText = (loss) => loss.toFixed(Math.abs(loss) < 1 ? 4 : 3);
const percentText = (part) => { const text = (part * 100).toFixed(1); return `${text === '-0.0' ? '0.0' : text}%`; };
const intervalText = ({ interval }, text) => (interval ? ` [${interval.map(text).join(', ')}]` : '');
const squeezed = (text) => text.replace(/\s+/g, ' ').trim();

// Rows of a table as lists of texts, with nothing that only screen readers or only eyes get.
const rowsOf = (page, selector) => page.$$eval(`${selector} tbody tr`, (rows) => rows.map((row) => [...row.cells].map((cell) => cell.textContent.replace(/\s+/g, ' ').trim())));

function parseCsv(text) {
  const rows = [[]];
  for (const [, comma, newline, quoted, plain] of text.matchAll(/(,)|(\n)|"((?:[^"]|"")*)"|([^,\n"]+)/g)) {
    if (newline) rows.push([]);
    else if (comma) rows.at(-1).push('');
    else { const row = rows.at(-1); if (!row.length) row.push(''); row[row.length - 1] = quoted === undefined ? plain : quoted.replaceAll('""', '"'); }
  }
  const [head, ...lines] = rows.filter((row) => row.length).map((row) => row);
  return lines.map((line) => Object.fromEntries(head.map((name, i) => [name, line[i] ?? ''])));
}

const csvOf = async (page, name) => parseCsv(decodeURIComponent((await page.getAttribute(`a[download="${name}"]`, 'href')).replace(/^data:text\/csv;charset=utf-8,/, '')));

// Pages carry seven digits.
const near = (actual, expected, message) => {
  assert.equal(actual.length, expected.length, message);
  actual.forEach((value, i) => assert.ok(value === expected[i] || (value !== null && Math.abs(value - expected[i]) <= 5e-7 * Math.abs(expected[i])), `${message}: ${value} for ${expected[i]}`));
};

describe('study page', () => {
  let context, close;
  before(async () => { ({ context, close } = await openBrowser()); });
  after(async () => { await close(); });

  for (const study of STUDIES) {
    for (const scheme of ['light', 'dark']) {
      test(`${study}, ${scheme}: no network, no complaints, nothing serious for axe`, async () => {
        const { page, complaints, requests } = await openPage(context, study, { scheme });
        await page.$$eval('details', (all) => all.forEach((each) => { each.open = true; }));
        assert.deepEqual(await seriousFindings(page), []);
        assert.deepEqual(requests, []);
        assert.deepEqual(complaints, []);
        await page.close();
      });
    }
    for (const width of [360, 390, 1280]) {
      test(`${study} fits in ${width} px`, async () => {
        const { page } = await openPage(context, study, { width });
        const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
        assert.ok(content <= window, `${content} px of content in ${window} px`);
        await page.close();
      });
    }
  }

  test('the verdict table has the numbers of results.json', async () => {
    for (const study of ['subsets', 'settings']) {
      const { page } = await openPage(context, study);
      const rows = (await rowsOf(page, '.verdicts')).filter((cells) => cells.length > 2);
      const expected = Object.values(resultsOf(study).groups).flatMap(({ arms: { mixture_of_mamba: arm } }) => Object.entries(arm.sets[arm.set]));
      assert.equal(rows.length, expected.length);
      expected.forEach(([modality, row], i) => {
        const [name, dense, mix, gain, match] = rows[i];
        assert.equal(name, modality);
        assert.equal(dense, lossText(row.dense_loss.mean) + intervalText(row.dense_loss, lossText));
        assert.equal(mix, lossText(row.mix_loss.mean) + intervalText(row.mix_loss, lossText));
        assert.match(gain, /^[+-]?[\d.]+% (better|worse|equal|undecided)/);
        assert.equal(gain.replace(/^\+/, '').replace(/ (better|worse|equal|undecided)/, ''), percentText(row.gain.mean) + intervalText(row.gain, percentText));
        const { values, mean } = row.flops_to_match;
        const each = values.map((value) => (value === null ? 'not reached' : percentText(value))).join(', ');
        assert.equal(match, mean !== null ? percentText(mean) + intervalText(row.flops_to_match, percentText)
          : values.some((value) => value !== null) ? each : 'not reached');
      });
      await page.close();
    }
  });

  test('the paper stands beside it, marked as another scale', async () => {
    const { page } = await openPage(context, 'settings');
    assert.match(squeezed(await page.textContent('.verdicts thead')), /The paper: another scale, other data, training losses/);
    const papers = await page.$$eval('.verdicts tbody tr:not(.group)', (rows) => rows.map((row) => [...row.querySelectorAll('.paper')].map((cell) => cell.textContent)));
    assert.deepEqual(papers[0], ['0.2138', '2.2%', '34.8%']);
    assert.deepEqual(papers[2], ['–', '0.8%', '83.1%']);
    assert.deepEqual(papers[3], ['5.0591', '2.5%', '42.5%']);
    assert.deepEqual(papers[5], ['–', '–', '–']);
    await page.close();
  });

  test('sixteen subsets, ordered by gain, with the interaction', async () => {
    const { page } = await openPage(context, 'subsets');
    const { arms, interaction } = resultsOf('subsets').groups.transfusion;
    const rows = await rowsOf(page, '.subsets');
    assert.equal(rows.length, 16);
    const gains = rows.map(([name]) => {
      if (name.startsWith('none')) return 0;
      const arm = arms[name === 'all four' ? 'mixture_of_mamba' : `mixture_of_mamba-${name}`];
      return arm.sets[arm.set].overall.gain.mean;
    });
    assert.deepEqual(gains, gains.toSorted((a, b) => b - a));
    const [name, ...marks] = rows.find(([each]) => each === 'x_proj+out_proj');
    assert.deepEqual(marks.slice(0, 4).map((mark) => mark.slice(1)), ['shared', 'decoupled', 'shared', 'decoupled'], name);
    const image = interaction.noto.image;
    assert.ok(squeezed(await page.textContent('#ablation')).includes(`interaction ${percentText(image.mean)}${intervalText(image, percentText)}`));
    await page.close();
  });

  test('runs that are missing are named', async () => {
    const { page } = await openPage(context, 'subsets');
    const text = await page.textContent('#missing');
    assert.match(text, /transfusion-ssm-2 failed: step 12: loss not finite <b>/);
    assert.match(text, /transfusion-transformer-3 is not finished/);
    await page.close();
  });

  test('without run folders the numbers are there, and what is not is said', async () => {
    const { page } = await openPage(context, 'kept');
    assert.equal(await page.$('#images'), null);
    assert.match(await page.textContent('#notes'), /there are no run folders beside results.json/);
    assert.equal((await rowsOf(page, '.subsets')).length, 16);
    assert.match(await page.textContent('#machine'), /a test, no machine/);
    await page.close();
  });

  test('the best learning rate of each modality is marked', async () => {
    const { page } = await openPage(context, 'rates');
    const lowest = await page.$$eval('#rates td', (all) => all.filter((cell) => cell.textContent.includes('lowest'))
      .map((cell) => [cell.parentElement.cells[0].textContent.split(' ')[0], cell.dataset.label]));
    assert.deepEqual(lowest.slice(0, 2), [['image', '0.003'], ['text', '0.006']]);
    await page.close();
  });

  test('the CSV has every comparison, run and curve', async () => {
    const { page } = await openPage(context, 'subsets');
    const results = resultsOf('subsets'), lines = await csvOf(page, 'study.csv');
    const find = (wanted) => lines.filter((line) => Object.entries(wanted).every(([key, value]) => line[key] === value)).map(({ value }) => value);
    for (const [group, { arms }] of Object.entries(results.groups))
      for (const [arm, { seeds, sets = {} }] of Object.entries(arms))
        for (const [set, modalities] of Object.entries(sets))
          for (const [modality, row] of Object.entries(modalities))
            for (const metric of ['dense_loss', 'mix_loss', 'gain', 'flops_to_match', 'flops_to_match_slope', 'tokens_to_match']) {
              const { values, mean, interval } = row[metric], place = { table: 'comparison', group, arm, set, modality, metric };
              const words = Object.values(place).join(' ');
              seeds.forEach((seed, i) => near(find({ ...place, statistic: `seed ${seed}` }).map((text) => (text === '' ? null : +text)), [values[i]], words));
              near(find({ ...place, statistic: 'mean' }).map(Number), mean === null ? [] : [mean], words);
              near(['low', 'high'].flatMap((statistic) => find({ ...place, statistic })).map(Number), mean === null ? [] : interval ?? [], words);
            }
    const finished = Object.values(results.runs).filter(({ state }) => state === 'finished');
    near(find({ table: 'run', metric: 'flops' }).map(Number).toSorted(), finished.map(({ flops }) => flops).toSorted(), 'flops');
    const curves = await csvOf(page, 'curves-transfusion.csv'), { curves: { held_out: { noto } } } = results.runs['transfusion-mamba-1'];
    const image = curves.filter(({ line, set, modality }) => line === 'dense Mamba' && set === 'noto' && modality === 'image');
    assert.deepEqual(image.map(({ step }) => +step), noto.step);
    image.forEach(({ loss, low, high }) => assert.ok(+low <= +loss && +loss <= +high));
    await page.close();
  });

  test('a CSV can be saved', async () => {
    const { page } = await openPage(context, 'subsets');
    for (const name of ['study.csv', 'curves-transfusion.csv']) {
      const [download] = await Promise.all([page.waitForEvent('download'), page.click(`a[download="${name}"]`)]);
      assert.equal(download.suggestedFilename(), name);
      assert.match(readFileSync(await download.path(), 'utf8'), /^(table|panel),/);
    }
    await page.close();
  });

  test('hovering shows values', async () => {
    const { page } = await openPage(context, 'subsets');
    const chart = page.locator('#charts .chart').first(), readout = chart.locator('.readout').first();
    assert.match(await readout.textContent(), /^end:/);
    await chart.locator('.u-over').hover({ position: { x: 120, y: 60 } });
    await page.waitForFunction(() => document.querySelector('#charts .readout').textContent.startsWith('at '));
    assert.match(await readout.textContent(), /\d\.\d{4} \(\d\.\d{4}–\d\.\d{4}\)/);  // with the range over seeds
    await page.close();
  });

  test('the keyboard chooses axis and line, and reads values', async () => {
    const { page } = await openPage(context, 'subsets');
    await page.getByRole('button', { name: 'tokens' }).focus();
    await page.keyboard.press('Enter');
    assert.equal(await page.getByRole('button', { name: 'tokens' }).getAttribute('aria-pressed'), 'true');
    const chart = page.getByRole('slider').first();
    assert.match(await chart.getAttribute('aria-label'), /against tokens/);
    await page.getByRole('button', { name: 'time' }).press('Enter');
    assert.match(await chart.getAttribute('aria-label'), /against time of the steps, s/);
    await chart.focus();
    for (const key of ['Home', 'ArrowRight']) await page.keyboard.press(key);
    await page.waitForFunction(() => document.querySelector('[role=slider]').getAttribute('aria-valuenow') === '1');
    assert.match(await chart.getAttribute('aria-valuetext'), /^at .*dense Mamba \d\.\d{4}/);
    const line = page.getByRole('checkbox', { name: 'Mixture-of-Mamba (in_proj, x_proj)', exact: true });
    assert.equal(await line.isChecked(), false);
    await line.focus();
    await page.keyboard.press('Space');
    assert.match(await chart.getAttribute('aria-valuetext'), /Mixture-of-Mamba \(in_proj, x_proj\) \d/);
    await page.close();
  });

  test('another group is a button away', async () => {
    const { page } = await openPage(context, 'settings');
    assert.match(await page.textContent('#charts .chart h4'), /noise MSE/);
    await page.getByRole('button', { name: 'time' }).press('Enter');
    assert.match(await page.getByRole('slider').first().getAttribute('aria-label'), /against processor time, s/);
    await page.getByRole('button', { name: 'chameleon' }).press('Enter');
    assert.match(await page.textContent('#charts .chart h4'), /nats per token/);
    await page.close();
  });

  test('on paper: light, without controls, nothing cut off', async () => {
    const { page } = await openPage(context, 'subsets', { scheme: 'dark' });
    await page.emulateMedia({ media: 'print' });
    assert.equal(await page.isVisible('.controls'), false);
    assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), 'rgb(253, 253, 251)');
    const pdf = await page.pdf({ format: 'A4' });
    assert.equal(pdf.subarray(0, 5).toString(), '%PDF-');
    await page.setViewportSize({ width: 718, height: 1000 });  // A4 between margins
    const cut = await page.$$eval('table', (tables) => tables.filter((table) => table.getBoundingClientRect().right > innerWidth + 1).map((table) => table.className));
    assert.deepEqual(cut, []);
    assert.equal(await page.$eval('.verdicts tbody td', (cell) => getComputedStyle(cell).display), 'table-cell');  // tables stay tables
    assert.equal(await page.isVisible('#runs table'), true);      // what is closed is opened
    assert.equal(await page.isVisible('.legend li:has(input:not(:checked))'), false);
    await page.close();
  });

  test('the numbers behind a chart are a table', async () => {
    const { page } = await openPage(context, 'subsets');
    const chart = page.locator('#charts .chart').first();
    await chart.locator('summary').press('Enter');
    await chart.locator('.behind tbody tr').first().waitFor();
    const rows = await chart.locator('.behind tbody tr').count(), columns = await chart.locator('.behind thead th').allTextContents();
    assert.equal(rows, 12);
    assert.deepEqual(columns.slice(0, 2), ['training FLOPs', 'dense Mamba']);
    const texts = await chart.locator('.behind tbody td:nth-child(2)').allTextContents();  // other models went on
    assert.ok(texts.every((text) => /^(0\.\d{4}|–)$/.test(text)) && texts.some((text) => text !== '–'), texts.join());
    await page.close();
  });

  test('without scripts the verdict is there', async () => {
    const page = await context.newPage();
    const session = await context.newCDPSession(page);
    await session.send('Emulation.setScriptExecutionDisabled', { value: true });
    await page.goto(`file://${process.env.PAGES}/subsets.html`);
    assert.match(await page.textContent('noscript'), /Mixture-of-Mamba against dense Mamba on held-out data: image better.*need JavaScript/s);
    assert.equal(await page.isVisible('noscript p'), true);
    await page.close();
  });

  test('pages take at most 400 kB beside their media', () => {
    for (const study of STUDIES) {
      const html = readFileSync(join(process.env.PAGES, `${study}.html`), 'utf8'), { media } = JSON.parse(html.match(/id="page-data">(.*?)<\/script>/s)[1]);
      const bytes = Buffer.byteLength(html) - Buffer.byteLength(JSON.stringify(media));
      assert.ok(bytes <= 400e3, `${study}: ${bytes} bytes`);
    }
  });
});
