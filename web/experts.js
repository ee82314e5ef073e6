// How runs with experts use them, compared with mixtures by modality, which have no router.
import { Remark, Section, Small, Table } from './cells.js';
import { ExpertCurves } from './curves.js';
import { Marked } from './marks.js';
import { ABSENT, fixed, percent, times } from './numbers.js';
import { html } from './ui.js';

const ALL = 'all tokens';

// The expert with the largest share among all blocks; undefined when this group made no choice.
export function busiest({ blocks }) {
  let most;
  for (const { block, shares } of blocks)
    shares.forEach((share, expert) => { if (share > (most?.share ?? 0)) most = { block, expert, share, timesEven: share * shares.length }; });
  return most;
}

// Shades for more and for less than an even share: none at 1, full where an expert gets all choices or none.
function Heat({ share, count, largest }) {
  const timesEven = share * count, over = timesEven > 1, depth = over ? Math.log2(timesEven) / Math.log2(count) : 1 - timesEven;
  return html`<td class=${over ? 'over' : 'under'} style=${{ '--depth': `${fixed(Math.min(Math.max(depth, 0), 1) * 100, 0)}%` }}>${largest ? html`<b>${percent(share)}</b>` : percent(share)}</td>`;
}

function HeatRow({ block, shares }) {
  const largest = Math.max(...shares), timesEven = largest * shares.length;
  return html`<tr><th scope="row">${block}</th><td class="times">${times(timesEven)}</td>${shares.map((share) => html`<${Heat} share=${share} count=${shares.length} largest=${share === largest && timesEven > 1.005} />`)}</tr>`;
}

// Block by expert, scrolling sideways where there are many experts.
const HeatTable = ({ shares, count }) => html`<div class="scroll" tabindex="0" role="region" aria-label=${`Choices of ${shares.modality}`}><table class="heat"><caption>${shares.modality}</caption>
  <thead><tr><th scope="col" rowspan="2">block</th><th scope="col" rowspan="2">largest / even</th><th scope="colgroup" colspan=${count}>expert</th></tr>
    <tr>${Array.from({ length: count }, (_, expert) => html`<th scope="col">${expert}</th>`)}</tr></thead>
  <tbody>${shares.blocks.map((row) => html`<${HeatRow} ...${row} />`)}</tbody></table></div>`;

// Experts that choose take equally many tokens each.
function busiestText(experts, choose) {
  const texts = experts.shares.map((shares) => ({ modality: shares.modality, most: busiest(shares) })).filter(({ modality, most }) => most && !(choose && modality === ALL))
    .map(({ modality, most }, i) => `${percent(most.share)}${i ? ' of those of ' : ' of the choices of '}${modality === ALL ? ALL : `${modality} tokens`} (expert ${most.expert} of block ${most.block}), ${fixed(most.timesEven, 2)} times${i ? '' : ' an even share'}`);
  return `${choose ? 'Each expert chooses equally many tokens. ' : ''}${texts.length ? `The busiest expert takes ${texts.join('; ')}. ` : ''}`;
}

function unevenText(experts, choose) {
  const { dropped, entropy, balance, idle, count, in_all_blocks: all } = experts;
  return [busiestText(experts, choose),
    dropped !== undefined && `${percent(dropped)}${choose ? ' of the tokens are taken by no expert. ' : ' of the choices find their expert full and are dropped. '}`,
    entropy !== undefined && `The router’s entropy is ${percent(entropy)} of log ${count}, that of a router without preference. `,
    balance !== undefined && `Balance loss ${fixed(balance, 3)} (even: 1). `,
    idle > 0 && `${idle} of the ${all} experts get less than a tenth of an even share. `].filter(Boolean).join('');
}

const Run = ({ run: { label, weights, experts }, line }) => html`<h3><${Marked} line=${line} label=${label} /></h3>
  <p>Steps ${experts.first_step} to ${experts.last_step}, the last fifth. ${unevenText(experts, weights === 'experts choose')}</p>
  <div class="heats" style=${{ '--experts': experts.count }}>${experts.shares.filter(busiest).map((shares) => html`<${HeatTable} shares=${shares} count=${experts.count} />`)}</div>`;

function overviewRow({ label, weights, experts }, line) {
  const name = html`<${Marked} line=${line} label=${label} />`;
  if (!experts) return [name, 'the token’s modality', 'nothing to even out', 'none', ABSENT];
  const text = (shares) => { const most = busiest(shares); return most ? times(most.timesEven) : ABSENT; };
  const of = experts.shares.filter(({ modality }) => modality !== ALL).map((shares) => `${shares.modality} ${text(shares)}`).join(', ');
  return [name, weights === 'experts choose' ? 'the experts, by a router' : 'a router, token by token',
    html`<${Small} value=${text(experts.shares.find(({ modality }) => modality === ALL))}>${of}<//>`, experts.dropped === undefined ? ABSENT : percent(experts.dropped),
    experts.entropy === undefined ? ABSENT : html`<${Small} value=${percent(experts.entropy)}>of log ${experts.count}<//>`];
}

export function Experts({ page }) {
  const runs = page.runs.map((run, line) => ({ run, line }));
  if (!runs.some(({ run }) => run.experts)) return null;
  const rows = runs.filter(({ run }) => run.experts || run.weights === 'modality').map(({ run, line }) => overviewRow(run, line));
  return html`<${Section} id="experts" title="Use of the experts"><p>A learned router has to keep its experts evenly used: an expert has places for its even share times the capacity factor, and choices beyond them are
      dropped while training. Weights per modality (Mixture-of-Mamba, Mixture-of-Transformers) follow from the token itself: no router, no capacity, no balance loss.</p>
    <${Table} head=${['Who chooses the weights', 'chosen by', 'largest share / even', 'without a place', 'router entropy']} rows=${rows} />
    ${runs.filter(({ run }) => run.experts).map((each) => html`<${Run} ...${each} />`)}
    <${Remark}>Tables: share of a block’s choices that fell on each expert, before any is dropped; the largest of a row in bold. Orange: more than an even share, blue: less, deeper with the distance. Blocks and experts are
      numbered from 0, as in the weights.<//>
    ${page.experts && html`<h3>Over the training</h3><div id="expert-charts"><${ExpertCurves} page=${page} /></div>`}<//>`;
}
