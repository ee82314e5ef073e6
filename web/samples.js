// What can be seen and heard: held-out images denoised, codes predicted one by one, what the codecs keep.
import { Code, Remark, Section, Table } from './cells.js';
import { fixed } from './numbers.js';
import { html } from './ui.js';

// An image or a sound in a strip with a label below; no media: a placeholder.
export const Item = ({ page, media, label, words, sound }) => html`<div>${media === undefined ? html`<span class="none">none</span>`
  : sound ? html`<audio controls preload="metadata" aria-label=${words} src=${page.media[media]}></audio>` : html`<img src=${page.media[media]} alt=${words} />`}<span>${label}</span></div>`;

const stepsText = (page, steps) => steps.map(({ run, step }) => `${page.runs[run].label} at step ${step}`).join(', ');

const Denoised = ({ page, item, steps }) => html`<figure><div class=${`strip${item.sound ? ' sounds' : ''}`}><${Item} page=${page} media=${item.original} sound=${item.sound} label="original" words=${item.caption} />
  <${Item} page=${page} media=${item.noised} sound=${item.sound} label=${`noised, t = ${item.timestep}`} words=${`${item.caption}, noised`} />
  ${steps.map(({ run }) => html`<${Item} page=${page} media=${item.of_runs[run]} sound=${item.sound} label=${page.runs[run].label} words=${`${item.caption}, denoised by ${page.runs[run].label}`} />`)}</div>
  <figcaption>${item.caption}</figcaption></figure>`;

export const Images = ({ page }) => page.denoised && html`<${Section} id="images" title="Held-out images, denoised"><p>Each model is given the caption and the noised image, and predicts the noise in one step; subtracting it leaves
    the image shown. Originals are shown as the image codec decodes them. t counts noise: none at 0, only noise at the end of the schedule. Shown: ${stepsText(page, page.denoised.steps)}.</p>
  <div class="gallery">${page.denoised.items.map((item) => html`<${Denoised} page=${page} item=${item} steps=${page.denoised.steps} />`)}</div>
  ${page.denoised.left_out > 0 && html`<${Remark}>${page.denoised.left_out} more are in the run folder, samples/.<//>`}<//>`;

const Predicted = ({ page, item }) => {
  const name = `${item.modality}: ${item.caption}`;
  return html`<figure><div class=${`strip${item.sound ? ' sounds' : ''}`}><${Item} page=${page} media=${item.original} sound=${item.sound} label="original" words=${`${name}, original`} />
    ${Object.entries(item.of_runs).map(([run, media]) => html`<${Item} page=${page} media=${media} sound=${item.sound} label=${page.runs[run].label} words=${`${name}, predicted by ${page.runs[run].label}`} />`)}</div>
    <figcaption>${item.caption}</figcaption></figure>`;
};

export const Predictions = ({ page }) => page.predicted && html`<${Section} id="predictions" title="Held-out codes, predicted one by one"><p>Every code is the one the model finds most likely after the true ones before it, so this
    shows single steps, not generation. Originals are shown as the codec decodes them. Shown: ${stepsText(page, page.predicted.steps)}.</p>
  <div class="gallery">${page.predicted.items.map((item) => html`<${Predicted} page=${page} item=${item} />`)}</div><//>`;

const figureText = (value) => (typeof value !== 'number' || Number.isInteger(value) ? String(value) : fixed(value, Math.abs(value) < 1 ? 4 : 2));

function Codec({ page, codec }) {
  const rows = [['kind', codec.kind], ['hash', html`<${Code} text=${`${codec.hash.slice(0, 16)}…`} />`], ...Object.entries(codec.figures).map(([key, value]) => [html`<${Code} text=${key} />`, figureText(value)])];
  const words = { mel: 'Mel spectrograms: the original above, the decoded one below' };
  return html`<h3>${codec.modality}</h3><${Table} head=${['figure', 'value']} rows=${rows} numeric=${false} label=${`Codec: ${codec.modality}`} />
    ${codec.images.map(({ name, media }) => { const text = words[name] ?? 'Rows in pairs: held-out originals above, decoded ones below'; return html`<figure class="wide"><img src=${page.media[media]} alt=${text} /><figcaption>${text}.</figcaption></figure>`; })}
    ${codec.sounds.length > 0 && html`<div class="gallery">${codec.sounds.map(({ original, decoded }, i) => html`<figure><div class="strip sounds"><${Item} page=${page} media=${original} sound=${true} label="original" words=${`held-out recording ${i + 1}`} />
      <${Item} page=${page} media=${decoded} sound=${true} label="decoded" words=${`held-out recording ${i + 1}, decoded`} /></div></figure>`)}</div>`}`;
}

export const Codecs = ({ page }) => page.codecs && html`<${Section} id="codecs" title="What the codecs keep"><p>Models see images and speech through these codecs, fitted on training data only; no model can learn what a codec loses.
  Figures called validation, images and sounds are held out; the use of codes is of the training data.</p>${page.codecs.map((codec) => html`<${Codec} page=${page} codec=${codec} />`)}<//>`;
