// A PAGE (docs/formats/page.md) as its sections.
import { Section } from './cells.js';
import { Downloads } from './csv.js';
import { Curves } from './curves.js';
import { Experts } from './experts.js';
import { Generation } from './generation.js';
import { Models, Results, RunsVerdict } from './runs.js';
import { Codecs, Images, Predictions } from './samples.js';
import { Definitions, Machine, Notes, Recipes, Reproduce } from './setup.js';
import { Ablation, Comparisons, Missing, SideBySide, StudyRuns, StudyVerdict, Sweeps, Unequal } from './study.js';
import { html, useEffect, useState } from './ui.js';

const LONG = 6;  // sections
const CurvesSection = ({ page }) => html`<${Section} id="curves" title="Curves"><div id="charts"><${Curves} page=${page} /></div><//>`;

// The sections of a page in their order; each is empty where the page has nothing for it.
const SECTIONS = {
  runs: () => [Results, CurvesSection, Experts, Images, Predictions, Generation, Codecs, Models, Recipes, Machine, Reproduce, Definitions, Notes],
  // Where nothing is compared, the learning rates are what the study is about.
  study: ({ comparisons }) => [Missing, Unequal, ...(comparisons.some(({ verdict }) => verdict) ? [CurvesSection, Sweeps] : [Sweeps, CurvesSection]), Ablation, SideBySide, Images, Predictions, Generation,
    Experts, Codecs, Comparisons, StudyRuns, Recipes, Machine, Reproduce, Definitions, Notes],
};

// Links to the sections of a long page, by their headings.
function Contents() {
  const [sections, setSections] = useState([]);
  useEffect(() => setSections([...document.querySelectorAll('section[id]')].map(({ id, firstChild }) => ({ id, title: firstChild.textContent }))), []);
  return sections.length >= LONG && html`<nav class="contents" aria-label="Contents"><ul>${sections.map(({ id, title }) => html`<li><a href=${`#${id}`}>${title}</a></li>`)}</ul></nav>`;
}

export const Report = ({ page }) => html`
  <header><h1>${page.title}</h1>${page.kind === 'study' ? html`<${StudyVerdict} page=${page} />` : html`<${RunsVerdict} page=${page} />`}<${Downloads} page=${page} /></header>
  <${Contents} />
  ${SECTIONS[page.kind](page).map((Each) => html`<${Each} page=${page} />`)}`;
