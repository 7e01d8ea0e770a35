// Prices every model of the book at several moments and sizes, and asks the source to price the
// same: they must agree, except where corrections.json says otherwise. Exit 1 when they do not.
import fs from 'node:fs';
import { calcPrice } from '@pydantic/genai-prices';
import { providers as table } from './providers.mjs';

const data = new URL('../../agent/pricing/data/', import.meta.url);
const book = JSON.parse(fs.readFileSync(new URL('pricebook.json', data), 'utf8'));
const { lines } = JSON.parse(fs.readFileSync(new URL('corrections.json', data), 'utf8'));
const corrected = new Set(lines.map((l) => `${l.provider} ${l.name ?? l.model?.id ?? ''}`));

const MOMENTS = ['2025-06-09T12:00', '2025-06-10T12:00', '2026-08-20T05:00', '2026-09-23T02:00',
  '2026-09-23T07:00', '2026-09-23T20:00', '2027-02-01T12:00'];
const stepped = new Set(lines.filter((l) => l.do === 'step').map((l) => `${l.provider} ${l.to}`));
// Disjoint tokens of the book; the source's input counts include the cached ones.
const SIZES = [{ input: 1000, output: 500 }, { input: 900, cache_read: 100, output: 7 },
  { input: 271999, output: 10 }, { input: 272000, output: 10 }, { input: 199999, output: 1 },
  { input: 200001, cache_read: 5, output: 1 }, { input: 600000, output: 1 }];

function pick(model, moment) {
  const [day, clock] = moment.split('T');
  const holds = (c) => c.tier === 'standard' && !c.region_class && !(day < c.from) &&
    !(day >= c.to) && (!c.utc_window || (c.utc_window[0] <= clock && clock < c.utc_window[1]));
  return model.cards.filter(holds).sort((a, b) => Boolean(b.utc_window) - Boolean(a.utc_window))[0];
}

let compared = 0;
const wrong = [];
for (const provider of book.providers) {
  const source = table.find((entry) => entry.id === provider.id).from ?? provider.id;
  if (provider.model_key === 'bedrock') continue;  // Its ids are rewritten; see the agent's tests.
  for (const model of provider.models) {
    for (const name of model.names) {
      if (corrected.has(`${provider.id} ${name}`)) continue;
      for (const moment of MOMENTS) {
        const card = pick(model, moment);
        if (!card || card.uncounted) continue;
        // The source applies times of day before the date from which they hold.
        if (provider.id === 'deepseek' && moment < '2026-08-17') continue;
        for (const size of SIZES) {
          const total = Object.entries(size).reduce((n, [k, v]) => n + (k === 'output' ? 0 : v), 0);
          if (stepped.has(`${provider.id} ${total}`)) continue;
          const row = card.rates.filter((r) => r.above_input === 0 || total > r.above_input).at(-1);
          if (Object.keys(size).some((unit) => !(unit in row))) continue;
          const ours = Object.entries(size).reduce((n, [k, v]) => n + v * Number(row[k]) / 1e6, 0);
          const id = provider.id === 'fireworks' && !name.includes('/')
            ? `accounts/fireworks/models/${name}` : name;
          const theirs = calcPrice(
            { input_tokens: total, cache_read_tokens: size.cache_read ?? 0, output_tokens: size.output },
            id, { providerId: source, timestamp: new Date(`${moment}:00Z`) });
          if (!theirs) continue;  // A fireworks router under its short name, for example.
          compared++;
          if (Math.abs(theirs.total_price - ours) > 1e-9 + 1e-9 * ours) {
            wrong.push(`${provider.id} ${name} ${moment} ${JSON.stringify(size)}: ${ours} here, ` +
              `${theirs.total_price} there`);
          }
        }
      }
    }
  }
}
console.log(`${compared} prices compared, ${wrong.length} differ`);
if (wrong.length) {
  console.log(wrong.slice(0, 20).join('\n'));
  process.exit(1);
}
