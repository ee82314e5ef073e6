// Tables and their cells.
import { ABSENT, loss, percent } from './numbers.js';
import { colourClass, colourName } from './marks.js';
import { html } from './ui.js';

// What a held-out set is, in words.
export const setText = (page, set) => (page.sets[set] ? `${page.sets[set]} (${set})` : set);
export const RowName = ({ page, set, modality }) => html`<b>${modality}</b> <span class="set">${setText(page, set)}</span>`;

// One element, because on a phone the parts of a cell are spread over its line.
export const Small = ({ value, children }) => html`<span>${value} <small>${children}</small></span>`;

export const Code = ({ text }) => html`<code>${text}</code>`;
export const Pre = ({ text }) => html`<pre tabindex="0">${text}</pre>`;
export const Section = ({ id, title, children }) => html`<section id=${id}><h2>${title}</h2>${children}</section>`;
export const Remark = ({ children }) => html`<p class="remark">${children}</p>`;

// `head`: texts, or {text, cell}. `rows`: lists of cells, the first is the row's head. Columns after the first are numbers
// when `numeric`: on a phone these stand below each other with their labels. Wide tables scroll.
export function Table({ head, rows, numeric = true, label, caption, kind = '' }) {
  const columns = head.map((column) => (column?.text === undefined ? { text: column, cell: column } : column));
  const names = [numeric && 'numbers', kind].filter(Boolean).join(' ');
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${label ?? caption ?? columns[0].text ?? 'Table'}><table class=${names}>
    ${caption && html`<caption>${caption}</caption>`}
    <thead><tr>${columns.map(({ cell }) => html`<th scope="col">${cell}</th>`)}</tr></thead>
    <tbody>${rows.map(([first, ...cells]) => html`<tr><th scope="row">${first}</th>${cells.map((cell, i) => html`<td data-label=${columns[i + 1].text}>${cell ?? ABSENT}</td>`)}</tr>`)}</tbody>
  </table></div>`;
}

// An AMOUNT (docs/formats/page.md): a mean with its interval in small print, or the words that stand for it.
export const intervalOf = ({ mean, values, interval }) => interval ?? (mean !== undefined && values ? [Math.min(...values), Math.max(...values)] : undefined);
function Interval({ amount, format }) {
  const interval = intervalOf(amount);
  return interval && html` <small class="interval">[${interval.map(format).join(', ')}]</small>`;
}
export const Amount = ({ amount, format }) => (!amount ? ABSENT : amount.mean === undefined ? html`<span class="each">${amount.words}</span>`
  : html`${format(amount.mean)}<${Interval} amount=${amount} format=${format} />`);
export const Loss = ({ amount }) => html`<${Amount} amount=${amount} format=${loss} />`;
export const Percent = ({ amount }) => html`<${Amount} amount=${amount} format=${percent} />`;
export function Gain({ amount }) {
  if (amount.mean === undefined) return amount.words;
  const text = percent(amount.mean), sign = amount.mean > 0 && text !== percent(0) ? '+' : '';
  return html`<span class=${`gain ${amount.outcome}`}>${sign}${text} <small>${amount.outcome}</small></span><${Interval} amount=${amount} format=${percent} />`;
}

// Amounts as small plots. The numbers stand beside them as text; screen readers skip them.
const WIDTH = 120, HEIGHT = 12, MARGIN = 5;

// From the least to the greatest of means and interval ends; with `zero`, around 0 as well.
export function scaleOf(amounts, zero) {
  const values = amounts.flatMap((amount) => [amount.mean, ...(intervalOf(amount) ?? [])]).filter((value) => value !== undefined);
  if (zero) values.push(0);
  if (!values.length) return [0, 1];
  const low = Math.min(...values), high = Math.max(...values);
  return low < high ? [low, high] : [low - 1, low + 1];
}

const place = (value, [low, high]) => MARGIN + Math.min(Math.max((value - low) / (high - low), 0), 1) * (WIDTH - 2 * MARGIN);
const Plot = ({ children }) => html`<svg class="plot" aria-hidden="true" viewBox=${`0 0 ${WIDTH} ${HEIGHT}`}>${children}</svg>`;
const Whisker = ({ amount, scale }) => {
  const interval = intervalOf(amount);
  if (!interval) return null;
  const [low, high] = interval.map((value) => place(value, scale)), middle = HEIGHT / 2;
  return html`<path class="whisker" d=${`M${low} ${middle}H${high}M${low} 3V${HEIGHT - 3}M${high} 3V${HEIGHT - 3}`} />`;
};

// A bar from 0 to the mean, coloured by its sign, and a whisker along the interval.
export function BarPlot({ amount, scale }) {
  if (amount.mean === undefined) return null;
  const zero = place(0, scale), mean = place(amount.mean, scale);
  return html`<${Plot}><rect class=${amount.mean < 0 ? 'worse' : 'better'} x=${Math.min(zero, mean)} y="3" width=${Math.abs(mean - zero)} height=${HEIGHT - 6} />
    <path class="zero" d=${`M${zero} 0V${HEIGHT}`} /><${Whisker} amount=${amount} scale=${scale} /><//>`;
}

// A dot at the mean in the colour of a line, and a whisker along the interval.
export const DotPlot = ({ amount, scale, line }) => amount.mean !== undefined && html`<${Plot}><path class="rail" d=${`M${MARGIN} ${HEIGHT / 2}H${WIDTH - MARGIN}`} />
  <${Whisker} amount=${amount} scale=${scale} /><circle cx=${place(amount.mean, scale)} cy=${HEIGHT / 2} r="4" fill=${`var(${colourName(line)})`} /><//>`;

// A bar as long as a part of one.
export const MatchBar = ({ part, line }) => html`<span class="bar" aria-hidden="true"><span class=${colourClass(line)} style=${{ width: `${Math.min(part, 1) * 100}%` }}></span></span>`;
