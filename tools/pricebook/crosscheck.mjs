// The book beside a second catalogue. There, 0 means "not stated", so only positive prices count.
import { catalogIds, firstParty } from './providers.mjs';
import { bedrockKey, isDated } from './names.mjs';

const FIELDS = [
  ['input', ['input']], ['output', ['output']], ['cacheRead', ['cache_read']],
  ['cacheWrite', ['cache_write_5m', 'cache_write']],
];
const TOLERANCE = 0.01;

export function currentCard(model, date, regionClass) {
  const holds = (c) => c.tier === 'standard' && !c.utc_window && (!c.from || c.from <= date) &&
    (!c.to || date < c.to);
  const cards = model.cards.filter(holds);
  const class_ = regionClass && regionClass !== 'global' ? 'regional' : regionClass || 'regional';
  return cards.find((c) => c.region_class === class_) ?? cards.find((c) => !c.region_class);
}

const withoutDate = (name) => name.replace(/(-\d{4}-\d{2}-\d{2}|-20\d{6}|@20\d{6})$/, '');

export function lookUp(provider, name) {
  const [region, key] = provider.model_key === 'bedrock' ? bedrockKey(name) : ['', name.toLowerCase()];
  const exact = (n) => provider.models.find((m) => m.names.includes(n));
  let model = exact(name.toLowerCase()) ?? exact(key);
  if (!model && isDated(key)) {
    model = exact(withoutDate(key));
    if (model && !model.date_suffix) model = undefined;
  }
  return { model, region };
}

/// Lines of disagreement, sorted; and how many names were found and agree.
export function crossCheck(providers, catalog, date) {
  const differences = [];
  const counts = {};
  for (const provider of providers) {
    const other = catalog[catalogIds[provider.id]];
    if (!other) continue;
    const count = { priced: 0, found: 0, agree: 0 };
    for (const [name, { cost }] of Object.entries(other)) {
      if (!cost || !(cost.input > 0 || cost.output > 0)) continue;
      count.priced++;
      const { model, region } = lookUp(provider, name);
      const row = model && currentCard(model, date, region)?.rates[0];
      if (!row) continue;
      count.found++;
      let same = true;
      for (const [field, keys] of FIELDS) {
        const ours = keys.map((k) => row[k]).find((v) => v !== undefined);
        if (ours === undefined || !(cost[field] > 0)) continue;
        if (Math.abs(Number(ours) - cost[field]) <= TOLERANCE * cost[field]) continue;
        same = false;
        differences.push(`${provider.id} ${name} ${field}: book ${ours}, catalogue ${cost[field]}`);
      }
      if (same) count.agree++;
    }
    counts[provider.id] = count;
  }
  return { differences: differences.sort(), counts };
}

/// What the reviewed list does not cover, and what in it no longer happens.
export function review(differences, reviewed) {
  const strict = differences.filter((line) => firstParty.includes(line.split(' ')[0]));
  const known = new Set(reviewed.map((entry) => entry.difference));
  return {
    open: strict.filter((line) => !known.has(line)),
    stale: [...known].filter((line) => !strict.includes(line)),
  };
}
