// Applies the lines of data/corrections.json to the providers made from the source.
import { RATE_ORDER, scaled } from './cards.mjs';

const find = (list, id, what) => {
  const found = list.find((entry) => entry.id === id);
  if (!found) throw new Error(`corrections: no ${what} ${id}`);
  return found;
};

function dropName(provider, name) {
  for (const model of provider.models) model.names = model.names.filter((n) => n !== name);
}

const actions = {
  move_name(provider, { name, to }) {
    dropName(provider, name);
    const model = find(provider.models, to, 'model');
    model.names.push(name);
  },
  add_name(provider, { name, to }) {
    find(provider.models, to, 'model').names.push(name);
  },
  add_model(provider, { model }) {
    for (const name of model.names) dropName(provider, name);
    provider.models.push(structuredClone(model));
  },
  add_tier(provider, { models, times, rates, tier }) {
    for (const id of models) {
      const { cards } = find(provider.models, id, 'model');
      cards.push(...cards.filter((c) => c.tier === 'standard' && !c.region_class)
        .map((c) => scaled(c, times, { tier }, rates)));
    }
  },
  uncounted(provider, { models, what }) {
    for (const id of models) {
      for (const card of find(provider.models, id, 'model').cards) card.uncounted = [what];
    }
  },
  end_cards(provider, { models, to }) {
    for (const id of models) {
      for (const card of find(provider.models, id, 'model').cards) card.to = to;
    }
  },
  step(provider, { from, to }) {
    let moved = 0;
    for (const model of provider.models) {
      for (const rate of model.cards.flatMap((card) => card.rates)) {
        if (rate.above_input !== from) continue;
        rate.above_input = to;
        moved++;
      }
    }
    if (!moved) throw new Error(`corrections: no step at ${from} in ${provider.id}`);
  },
  add_region(provider, { models, times, region_class }) {
    for (const id of models) {
      const { cards } = find(provider.models, id, 'model');
      cards.push(...cards.filter((c) => !c.region_class)
        .map((c) => scaled(c, times, { region_class }, RATE_ORDER)));
    }
  },
};

export function applyCorrections(providers, lines) {
  for (const line of lines) {
    if (!line.source || !/^\d{4}-\d{2}-\d{2}$/.test(line.verified ?? '')) {
      throw new Error(`corrections: a line without source or date: ${JSON.stringify(line)}`);
    }
    const action = actions[line.do];
    if (!action) throw new Error(`corrections: unknown action ${line.do}`);
    action(find(providers, line.provider, 'provider'), line);
  }
}
