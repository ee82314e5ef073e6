// A page in chromium, with everything refused that it would ask a network for, and with what it complained about.
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const require = createRequire(join(process.env.BROWSER_MODULES, 'index.js'));
const { chromium } = require('playwright-core');
const axeSource = require('axe-core').source;

const ARGUMENTS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];

// `microphone`: a WAV file that it hears, again and again; without one there is no microphone.
export async function openBrowser({ microphone } = {}) {
  const hears = microphone ? ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', `--use-file-for-fake-audio-capture=${microphone}`] : [];
  const folder = mkdtempSync(join(tmpdir(), 'mom-browser-'));
  const context = await chromium.launchPersistentContext(folder, { executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args: [...ARGUMENTS, ...hears],
    acceptDownloads: true });
  const close = async () => { await context.close(); rmSync(folder, { recursive: true, force: true }); };
  return { context, close };
}

// A page at a size, with lists of its requests elsewhere and of its complaints. `own`: what it may ask for.
export async function openUrl(context, url, { width = 1280, scheme = 'light', own = () => false } = {}) {
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  const complaints = [], requests = [];
  page.on('console', (message) => { if (['error', 'warning'].includes(message.type())) complaints.push(message.text()); });
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.route('**', (route) => {
    if (route.request().url() === url || own(route.request().url())) return route.continue();
    requests.push(route.request().url());
    return route.abort();
  });
  await page.setViewportSize({ width, height: 900 });
  await page.emulateMedia({ colorScheme: scheme });
  await page.goto(url);
  return { page, complaints, requests };
}

// The page of a study, drawn.
export async function openPage(context, study, options) {
  const opened = await openUrl(context, `file://${process.env.PAGES}/${study}.html`, options);
  await opened.page.waitForSelector('#charts .uplot canvas');
  return opened;
}

// What axe finds that is serious or critical, a line each.
export async function seriousFindings(page) {
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  return violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.slice(0, 3).map(({ html }) => html.slice(0, 160)).join(' | ')}`);
}
