// Makes agent/pricing/data/pricebook.json.
//   node generate.mjs            writes it
//   node generate.mjs --check    exit 1 when the file in the tree is not what would be written
//   node generate.mjs --report   also prints what the second catalogue says of every provider
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { waitForUpdate } from '@pydantic/genai-prices';
import { cardsOf } from './cards.mjs';
import { applyCorrections } from './corrections.mjs';
import { crossCheck, review } from './crosscheck.mjs';
import { bedrockKey, chosenBySource, isDated, namesOf } from './names.mjs';
import { catalogIds, free, providers as table } from './providers.mjs';

// The day the pinned source was published; the book's version.
const VERSION = '2026-09-23';
const here = path.dirname(fileURLToPath(import.meta.url));
const data = path.join(here, '../../agent/pricing/data');
const readJson = (file) => JSON.parse(fs.readFileSync(file, 'utf8'));

const sorted = (values) => [...new Set(values)].sort();

/// Ids of the second catalogue that a loose rule ("contains", "starts with") of the source covers,
/// where both state the same input and output price. Anything else stays unknown.
function looseNames(model, models, catalog) {
  const price = (value) => (typeof value === 'number' ? value : value?.base);
  const list = Array.isArray(model.prices) ? model.prices : [{ prices: model.prices }];
  const current = list.filter((p) => p.constraint?.type !== 'time_of_date' &&
    !(p.constraint?.start_date > VERSION)).at(-1).prices;
  return Object.entries(catalog ?? {}).filter(([name, { cost }]) => cost &&
    chosenBySource(models, name) === model &&
    cost.input > 0 && cost.input === price(current.input_mtok) &&
    cost.output === price(current.output_mtok)).map(([name]) => name.toLowerCase());
}

function plainModels(source, entry, catalog) {
  const out = [];
  const taken = new Set();
  for (const model of source.models) {
    const id = model.id.toLowerCase();
    if (id.startsWith('ft:') || id.includes('.ft-')) continue;  // Fine-tunes have no list price.
    if (entry.take && !entry.take(id)) continue;
    const cards = cardsOf(model, free.has(`${source.id}/${model.id}`));
    if (!cards.length) continue;
    const { names, stems } = namesOf(model);
    for (const name of looseNames(model, source.models, catalog)) names.add(name);
    const mine = [...names].filter((name) => !name.startsWith('ft:') && !taken.has(name) &&
      chosenBySource(source.models, name) === model)
      .map((name) => name.replace(/^accounts\/fireworks\/models\//, ''));
    const shortId = id;
    if (!mine.includes(shortId) && (source.id === 'fireworks' || !chosenBySource(source.models, id))) {
      mine.push(shortId);
    }
    mine.forEach((name) => taken.add(name));
    const family = [...stems].filter((stem) => !stem.startsWith('ft:') && mine.includes(stem));
    out.push({
      id, names: sorted(mine), date_suffix: !isDated(id) && !id.includes(':'),
      family: sorted(family), cards,
    });
  }
  return out;
}

/// Bedrock ids carry region and version; the book has the bare id and cards by region class.
function bedrockModels(source) {
  const byBase = new Map();
  for (const model of source.models) {
    const cards = cardsOf(model, false);
    if (!cards.length) continue;
    const [region, base] = bedrockKey(model.id);
    if (!byBase.has(base)) byBase.set(base, []);
    byBase.get(base).push({ region, cards, raw: model.id.toLowerCase() });
  }
  return [...byBase].map(([base, entries]) => ({
    id: base,
    names: sorted([base, ...entries.filter((e) => !e.region).map((e) => e.raw)]),
    date_suffix: !isDated(base), family: [],
    cards: entries.flatMap(({ region, cards }) => cards.map((card) => (
      entries.length > 1 && region ? { region_class: region, ...card } : card))),
  }));
}

const CARD_ORDER = ['from', 'to', 'tier', 'region_class', 'utc_window', 'rates', 'per_call', 'uncounted'];
const cardText = (c) => CARD_ORDER.map((key) => JSON.stringify(c[key] ?? '')).slice(0, 5).join();

function canonical(model) {
  const cards = model.cards.map((card) => Object.fromEntries(
    CARD_ORDER.filter((key) => key in card).map((key) => [key, card[key]])));
  cards.sort((a, b) => {
    const rank = (c) => (c.tier === 'standard' ? '0' : '1') + (c.region_class ?? '') + c.tier;
    return rank(a).localeCompare(rank(b)) || cardText(a).localeCompare(cardText(b));
  });
  const out = { id: model.id, names: sorted(model.names) };
  out.date_suffix = model.date_suffix;
  out.family = sorted(model.family);
  out.cards = cards;
  return out;
}

function text(book) {
  const { providers, ...head } = book;
  const lines = Object.entries(head).map(([k, v]) => `  ${JSON.stringify(k)}: ${JSON.stringify(v)},`);
  const blocks = providers.map(({ models, ...rest }) => {
    const fields = Object.entries(rest).map(([k, v]) => `      ${JSON.stringify(k)}: ${JSON.stringify(v)},`);
    const rows = models.map((m) => `        ${JSON.stringify(m)}`).join(',\n');
    return `    {\n${fields.join('\n')}\n      "models": [\n${rows}\n      ]\n    }`;
  });
  return `{\n${lines.join('\n')}\n  "providers": [\n${blocks.join(',\n')}\n  ]\n}\n`;
}

const lock = readJson(path.join(here, 'package-lock.json'));
const source = await waitForUpdate();
const catalog = readJson(path.join(here, 'node_modules/@oh-my-pi/pi-catalog/src/models.json'));

const providers = table.map((entry) => {
  const found = source.find((provider) => provider.id === (entry.from ?? entry.id));
  const models = entry.model_key === 'bedrock' ? bedrockModels(found)
    : plainModels(found, entry, catalog[catalogIds[entry.id]]);
  const out = { id: entry.id, semconv: entry.semconv, hosts: entry.hosts };
  if (entry.inherits) out.inherits = entry.inherits;
  if (entry.model_key) out.model_key = entry.model_key;
  return { ...out, models };
});
applyCorrections(providers, readJson(path.join(data, 'corrections.json')).lines);
for (const provider of providers) {
  provider.models = provider.models.map(canonical).sort((a, b) => (a.id < b.id ? -1 : 1));
  const seen = new Map();
  for (const { id, names } of provider.models) {
    for (const name of names) {
      if (seen.has(name)) throw new Error(`${provider.id}: ${name} names ${seen.get(name)} and ${id}`);
      seen.set(name, id);
    }
  }
}
providers.sort((a, b) => (a.id < b.id ? -1 : 1));

const { differences, counts } = crossCheck(providers, catalog, VERSION);
const { open, stale } = review(differences, readJson(path.join(here, 'reviewed.json')).lines);
if (process.argv.includes('--report')) {
  console.log(Object.entries(counts).map(([id, c]) =>
    `${id}: ${c.priced} priced there, ${c.found} found here, ${c.agree} agree`).join('\n'));
  console.log(differences.join('\n'));
}
if (open.length || stale.length) {
  console.error(`Disagreements with pi-catalog that nobody reviewed (reviewed.json):\n${open.join('\n')}`);
  if (stale.length) console.error(`Reviewed, but no longer there:\n${stale.join('\n')}`);
  process.exit(1);
}

const made = text({
  schema: 'pricebook/1', version: VERSION, currency: 'USD',
  sources: ['@pydantic/genai-prices', '@oh-my-pi/pi-catalog'].map((name) => {
    const { version, integrity, license } = lock.packages[`node_modules/${name}`];
    return { name, version, integrity, license };
  }),
  self_hosted: [{ match: { port: [8000, 11434] }, policy: 'unpriced' }],
  providers,
});
const file = path.join(data, 'pricebook.json');
if (process.argv.includes('--check')) {
  if (!fs.existsSync(file) || fs.readFileSync(file, 'utf8') !== made) {
    console.error('agent/pricing/data/pricebook.json is not what the generator makes: run node generate.mjs');
    process.exit(1);
  }
  console.log('pricebook.json is what the generator makes');
} else {
  fs.writeFileSync(file, made);
  console.log(`${file}: ${providers.length} providers, ` +
    `${providers.reduce((n, p) => n + p.models.length, 0)} models, ${made.length} bytes`);
}
