// What models generate for captions, and how often they find the caption that belongs to an image or a recording.
import { Remark, Section, Small, Table } from './cells.js';
import { ABSENT, fixed, loss, percent, times } from './numbers.js';
import { runColumn } from './runs.js';
import { Item } from './samples.js';
import { html } from './ui.js';

const BUCKETS = { trained: 'trained captions', recombined: 'known concepts in a new style', unseen: 'unseen concepts' };

const Accuracy = ({ share, low, high, children }) => html`<${Small} value=${html`${percent(share)}<br />`}>${percent(low)} to ${percent(high)}${children}<//>`;
const distance = ({ mean, error }) => `${fixed(mean, 3)} ± ${fixed(error, 3)}`;
const use = ({ mean, error }) => `${fixed(Math.abs(mean) < 0.0005 ? 0 : 100 * mean, 1)} ± ${fixed(100 * error, 1)}%`;  // no "-0.0"

const Retrieved = ({ images }) => html`<${Accuracy} ...${images.retrieved}><br />in real ones ${percent(images.retrieved_from_real.share)}${images.accepted === false && html`:<br />the probe does not see enough to judge these`}<//>`;
const Copies = ({ images: { copies, copies_in_real: real } }) => html`<${Accuracy} ...${copies}>${real && html`<br />of real ones ${percent(real.share)}`}<//>`;
const CaptionUse = ({ of }) => html`<${Small} value=${html`${use(of)}${of.levels.length > 0 && html`<br />`}`}>${of.levels.map((level, i) => html`${i > 0 && html`<br />`}t ${level.from} to ${level.to}: ${use(level)}`)}<//>`;

// Lines of the table: name, and the cell of a run or undefined where it was not measured.
const ofBucket = (list, bucket) => list.find((each) => each.bucket === bucket);
const bucketLines = (name, cell, buckets = Object.keys(BUCKETS)) => buckets.map((bucket) => [`${name}, ${BUCKETS[bucket]}`,
  (run) => { const images = ofBucket(run.images, bucket); return images && cell(images); }]);
const useLines = Object.entries(BUCKETS).map(([bucket, words]) => [`use of the caption, ${words}`, (run) => { const of = ofBucket(run.caption_use, bucket); return of && html`<${CaptionUse} of=${of} />`; }]);

const unique = (values) => [...new Set(values)].sort();
const rankedLines = (runs) => unique(runs.flatMap(({ ranked }) => ranked.map(({ modality, source }) => `${modality}\n${source}`))).map((key) => {
  const [modality, source] = key.split('\n');
  return [`caption of a given ${modality === 'image' ? 'image' : 'recording'} (${source})`, (run) => { const of = run.ranked.find((each) => each.modality === modality && each.source === source); return of && html`<${Accuracy} ...${of.found} />`; }];
});
const bitsLines = (runs) => unique(runs.flatMap(({ bits_per_byte: bits }) => Object.keys(bits))).map((source) => [`bits per byte (${source})`, ({ bits_per_byte: bits }) => (bits[source] === undefined ? undefined : fixed(bits[source], 3))]);

const lines = (runs) => [
  ...bucketLines('caption found in its images', (images) => html`<${Retrieved} images=${images} />`),
  ...useLines,
  ...bucketLines('KID', ({ kid, kid_of_training_images: training }) => kid && html`<${Small} value=${html`${distance(kid)}<br />`}>training images ${distance(training)}<//>`),
  ...bucketLines('copies of training images', (images) => images.copies && html`<${Copies} images=${images} />`),
  ...bucketLines('steps across patch borders', ({ seam_ratio: ratio }) => ratio !== undefined && times(ratio)),
  // Only in files from before there was KID.
  ...bucketLines('Fréchet distance', ({ frechet, frechet_of_training_images: training }) => frechet !== undefined && html`<${Small} value=${html`${loss(frechet)}<br />`}>training images ${loss(training)}<//>`, ['unseen']),
  ...bucketLines('distance to nearest training image', ({ nearest_ratio: ratio }) => ratio !== undefined && times(ratio), ['unseen']),
  ...rankedLines(runs), ...bitsLines(runs)];

const Explanation = ({ among, older }) => html`<p>Captions of three kinds: those of training images (here other images of theirs than the probe has seen), known concepts in a style in which training does not show them, and concepts that
    training does not show at all. These figures are proxies for comparing models on the same data with the same codecs:</p>
  <ul><li>Caption found in its images: how often a small network, trained on real training images and their captions, finds the caption among ${among} from the generated image; in small print, from real images that it was not
      trained on. Where it finds fewer than 70% of those, it says little about generated ones. Chance is one in ${among}.</li>
    <li>Use of the caption: how much lower the loss of an image is with its own caption than with another one, overall and by noise (t); 0 where the model ignores captions.</li>
    <li>KID: kernel distance between generated and real images in that network’s features, with its standard error; lower is nearer, and 0 is as near as other images of the same kind. In small print, that of real training images.</li>
    <li>Copies: generated images less than a third as far from the nearest training image as from the second nearest.</li>
    <li>Steps across patch borders: how much more neighbouring pixels differ across borders of the patches that the model draws than inside them, relative to real images; 1 where the grid does not show.</li>
    ${older && html`<li>Fréchet distance, and distance to the nearest training image relative to real held-out images: of runs that an older version measured, whose probe was a linear one.</li>`}
    <li>Caption of a given image or recording: how often the model itself finds the right caption among ${among} more likely than the others, by what the image or recording adds to the likelihood of each caption.</li>
    <li>Bits per byte of held-out text: independent of the tokenizer.</li></ul>
  <${Remark}>Ranges are 95% intervals over images of one run; another seed may differ by more.<//>`;

// Captions carry all their keywords; under a small image a few words do.
function shortened(caption) {
  if (caption.length <= 40) return caption;
  const space = caption.lastIndexOf(' ', 40);
  return `${caption.slice(0, space < 0 ? undefined : space)} …`;
}

const Grid = ({ page, runs, grid }) => html`<h3>The same captions and seeds for every model</h3><p>Captions evenly spread over the data, four seeds each; nothing is selected.
    ${runs.filter(({ drawn }) => drawn !== undefined).map(({ run, step, drawn }) => `${page.runs[run].label} at step ${step}${drawn && `, ${drawn}`}`).join('; ')}.</p><div class="gallery">
  ${grid.map(({ caption, bucket, of_runs: runs }) => html`<figure><div class="seeds">${Object.entries(runs).map(([run, media]) => html`<${Item} page=${page} media=${media} label=${page.runs[run].label} words=${`${caption}, by ${page.runs[run].label}`} />`)}</div>
    <figcaption>${caption} <small>(${BUCKETS[bucket]})</small></figcaption></figure>`)}</div>`;

const Shot = ({ page, item: { caption, original, of_runs: runs } }) => html`<figure><div class="strip"><${Item} page=${page} media=${original} label="real" words=${caption} />
  ${Object.entries(runs).map(([run, each]) => html`<${Item} page=${page} media=${each.generated} label=${page.runs[run].label} words=${`${caption}, by ${page.runs[run].label}`} />
    <${Item} page=${page} media=${each.nearest} label=${`nearest: ${shortened(each.nearest_caption)}`} words=${`training image nearest to it: ${each.nearest_caption}`} />`)}</div><figcaption>${caption}</figcaption></figure>`;

const Gallery = ({ page, items }) => html`<p>Below, each generated image is followed by the nearest real training image. Not selected: evenly spread over the captions.</p>
  ${Object.entries(BUCKETS).map(([bucket, words]) => ({ words, of: items.filter((item) => item.bucket === bucket) })).filter(({ of }) => of.length)
    .map(({ words, of }) => html`<h3>Images for ${words}</h3><div class="gallery">${of.map((item) => html`<${Shot} page=${page} item=${item} />`)}</div>`)}`;

export function Generation({ page }) {
  if (!page.generation) return null;
  const { runs, grid, items } = page.generation;
  const rows = lines(runs).map(([name, cell]) => [name, ...runs.map(cell)]).filter(([, ...cells]) => cells.some(Boolean)).map((row) => row.map((cell) => cell || ABSENT));
  const among = Math.max(0, ...runs.flatMap(({ images, ranked }) => [...images, ...ranked].map((each) => each.among)));
  const older = runs.some(({ images }) => images.some(({ frechet }) => frechet !== undefined));
  return html`<${Section} id="generation" title="What they generate">
    ${rows.length > 0 && html`<${Explanation} among=${among} older=${older} /><${Table} head=${['measured', ...runs.map(({ run }) => runColumn(page, run))]} rows=${rows} label="What they generate" />`}
    ${grid.length > 0 && html`<${Grid} page=${page} runs=${runs} grid=${grid} />`}${items.length > 0 && html`<${Gallery} page=${page} items=${items} />`}<//>`;
}
